//! From entries to types (DWARF 5 §5).

use std::sync::Arc;

use gimli::{AttributeValue, UnitOffset, constants};

use super::attributes::{Entry, flag, line, number, reference, text};
use super::types::{
    AliasForm, Encoding, Fields, Kind, Language, Member, MemberPlace, PointerForm, StructForm,
    Type, TypeId, Variant, Variants,
};
use super::{Info, UnitInfo};

/// Members of one type that are read; hostile bytes may say millions.
const MAX_MEMBERS: usize = 1 << 16;
/// Dimensions of an array.
const MAX_DIMENSIONS: usize = 16;
/// Aliases of aliases.
const MAX_ALIASES: usize = 32;
/// `DW_AT_go_embedded_field` (cmd/internal/dwarf).
const GO_EMBEDDED_FIELD: gimli::DwAt = gimli::DwAt(0x2903);
/// The size of a pointer.
const POINTER: u64 = 8;

impl Info {
    /// A type; none for [`TypeId::VOID`] and for entries that are no type.
    pub fn ty(&self, id: TypeId) -> Option<Arc<Type>> {
        self.types.get(id, || self.load(id))
    }

    /// A type without the names and qualifiers that it was given.
    pub fn plain(&self, id: TypeId) -> (TypeId, Option<Arc<Type>>) {
        let mut id = id;
        for _ in 0..MAX_ALIASES {
            let ty = self.ty(id);
            match ty.as_deref().map(|ty| &ty.kind) {
                Some(Kind::Alias { to, .. }) => id = *to,
                Some(Kind::Fields(fields)) if fields.declared_only => {
                    return match self.definition_of(id) {
                        Some(other) => (other, self.ty(other)),
                        None => (id, ty),
                    };
                }
                _ => return (id, ty),
            }
        }
        (id, None)
    }

    /// The size of a type in bytes.
    pub fn size_of(&self, id: TypeId) -> Option<u64> {
        self.size_at(id, MAX_ALIASES)
    }

    fn size_at(&self, id: TypeId, left: usize) -> Option<u64> {
        let left = left.checked_sub(1)?;
        let (_, ty) = self.plain(id);
        let ty = ty?;
        if let Some(size) = ty.size {
            return Some(size);
        }
        match &ty.kind {
            Kind::Array { element, count } => (*count)?.checked_mul(self.size_at(*element, left)?),
            Kind::Pointer { .. } => Some(POINTER),
            _ => None,
        }
    }

    fn load(&self, id: TypeId) -> Option<Type> {
        let (unit, offset) = self.find(id)?;
        let entry = unit.unit.entry(offset).ok()?;
        // What is left of a type that lies in a unit of its own.
        if let Some(to) = reference(&unit, &entry, constants::DW_AT_signature) {
            let kind = Kind::Alias { to, form: AliasForm::Other };
            return Some(Type { name: None, size: None, kind, language: unit.language });
        }
        let name = text(&unit, &entry, constants::DW_AT_name).map(Arc::from);
        let mut size = number(&entry, constants::DW_AT_byte_size);
        let to = || reference(&unit, &entry, constants::DW_AT_type).unwrap_or(TypeId::VOID);
        let pointer = |form| Kind::Pointer { to: to(), form };
        let alias = |form| Kind::Alias { to: to(), form };
        let kind = match entry.tag() {
            constants::DW_TAG_base_type => match (name.as_deref(), encoding_of(&entry)?) {
                // An integer by its encoding, a character to those who use it.
                (Some("wchar_t"), Kind::Base(Encoding::Signed)) => {
                    Kind::Base(Encoding::Char { signed: true })
                }
                (_, kind) => kind,
            },
            constants::DW_TAG_unspecified_type => match name.as_deref() {
                // What `decltype(nullptr)` is.
                Some("decltype(nullptr)") => {
                    size = Some(POINTER);
                    Kind::Pointer { to: TypeId::VOID, form: PointerForm::Pointer }
                }
                _ => Kind::Void,
            },
            constants::DW_TAG_pointer_type => {
                size = size.or(Some(POINTER));
                pointer(PointerForm::Pointer)
            }
            constants::DW_TAG_reference_type => {
                size = size.or(Some(POINTER));
                pointer(PointerForm::Reference)
            }
            constants::DW_TAG_rvalue_reference_type => {
                size = size.or(Some(POINTER));
                pointer(PointerForm::RvalueReference)
            }
            constants::DW_TAG_ptr_to_member_type => {
                let pair = if self.is_function(to()) { 2 * POINTER } else { POINTER };
                size = size.or(Some(pair));
                let of = reference(&unit, &entry, constants::DW_AT_containing_type);
                pointer(PointerForm::Member { of: of.unwrap_or(TypeId::VOID) })
            }
            constants::DW_TAG_structure_type => self.fields(&unit, offset, StructForm::Struct)?,
            constants::DW_TAG_class_type => self.fields(&unit, offset, StructForm::Class)?,
            constants::DW_TAG_union_type => self.fields(&unit, offset, StructForm::Union)?,
            constants::DW_TAG_array_type => self.array(&unit, offset, to(), size)?,
            constants::DW_TAG_enumeration_type => self.enumeration(&unit, offset)?,
            constants::DW_TAG_typedef | constants::DW_TAG_template_alias => alias(AliasForm::Name),
            constants::DW_TAG_const_type => alias(AliasForm::Const),
            constants::DW_TAG_volatile_type => alias(AliasForm::Volatile),
            constants::DW_TAG_restrict_type
            | constants::DW_TAG_atomic_type
            | constants::DW_TAG_immutable_type
            | constants::DW_TAG_packed_type
            | constants::DW_TAG_shared_type => alias(AliasForm::Other),
            constants::DW_TAG_subroutine_type | constants::DW_TAG_subprogram => {
                self.function(&unit, offset, to())?
            }
            tag => Kind::Other(tag.static_string().unwrap_or("an unknown tag")),
        };
        Some(Type { name, size, kind, language: unit.language })
    }

    /// Gives the entries right below another one to `each`.
    fn children(
        &self,
        unit: &UnitInfo,
        offset: UnitOffset,
        mut each: impl FnMut(&Entry<'_, '_>) -> Option<()>,
    ) -> Option<()> {
        let mut tree = unit.unit.entries_tree(Some(offset)).ok()?;
        let root = tree.root().ok()?;
        let mut children = root.children();
        let mut left = MAX_MEMBERS;
        while let Ok(Some(child)) = children.next() {
            left = left.checked_sub(1)?;
            each(child.entry());
        }
        Some(())
    }

    fn fields(&self, unit: &UnitInfo, offset: UnitOffset, form: StructForm) -> Option<Kind> {
        let entry = unit.unit.entry(offset).ok()?;
        let declared_only = flag(&entry, constants::DW_AT_declaration);
        let mut fields = Fields { form, declared_only, ..Fields::default() };
        let (mut parts, mut packs) = (None, Vec::new());
        self.children(unit, offset, |child| {
            match child.tag() {
                constants::DW_TAG_member => {
                    if let Some(member) = self.member(unit, child) {
                        fields.members.push(member);
                    }
                }
                constants::DW_TAG_inheritance => {
                    let member = self.member(unit, child)?;
                    fields.members.push(Member { is_base: true, name: None, ..member });
                }
                constants::DW_TAG_template_type_parameter => {
                    let name = text(unit, child, constants::DW_AT_name)?;
                    let ty = reference(unit, child, constants::DW_AT_type).unwrap_or(TypeId::VOID);
                    fields.parameters.push((Arc::from(name), ty));
                }
                constants::DW_TAG_template_value_parameter => {
                    let name = text(unit, child, constants::DW_AT_name)?;
                    let value = child.attr_value(constants::DW_AT_const_value).ok()??;
                    let value = value.sdata_value().map(i128::from)?;
                    fields.constants.push((Arc::from(name), value));
                }
                constants::DW_TAG_variant_part => parts = Some(child.offset()),
                constants::DW_TAG_GNU_template_parameter_pack => packs.push(child.offset()),
                _ => {}
            }
            Some(())
        });
        for pack in packs {
            self.children(unit, pack, |child| {
                let ty = reference(unit, child, constants::DW_AT_type)?;
                if child.tag() == constants::DW_TAG_template_type_parameter {
                    fields.parameters.push((Arc::from("..."), ty));
                }
                Some(())
            });
        }
        fields.variants = parts.and_then(|at| self.variants(unit, at));
        Some(Kind::Fields(Arc::new(fields)))
    }

    fn member(&self, unit: &UnitInfo, entry: &Entry<'_, '_>) -> Option<Member> {
        // A static member has no place in the object.
        if flag(entry, constants::DW_AT_external) && flag(entry, constants::DW_AT_declaration) {
            return None;
        }
        let ty = reference(unit, entry, constants::DW_AT_type)?;
        Some(Member {
            name: text(unit, entry, constants::DW_AT_name).map(Arc::from),
            ty,
            place: self.member_place(unit, entry, ty)?,
            is_base: false,
            is_embedded: flag(entry, GO_EMBEDDED_FIELD),
            artificial: flag(entry, constants::DW_AT_artificial),
        })
    }

    fn member_place(
        &self,
        unit: &UnitInfo,
        entry: &Entry<'_, '_>,
        ty: TypeId,
    ) -> Option<MemberPlace> {
        let bits = number(entry, constants::DW_AT_bit_size);
        let at = match entry.attr_value(constants::DW_AT_data_member_location).ok()? {
            None => 0,
            Some(AttributeValue::Exprloc(expression)) => {
                return Some(MemberPlace::Computed(expression, unit.unit.encoding()));
            }
            Some(value) => value.udata_value()?,
        };
        let Some(count) = bits else { return Some(MemberPlace::At(at)) };
        if let Some(first) = number(entry, constants::DW_AT_data_bit_offset) {
            return Some(MemberPlace::Bits {
                first: at.checked_mul(8)?.checked_add(first)?,
                count,
            });
        }
        let Some(from_top) = number(entry, constants::DW_AT_bit_offset) else {
            return Some(MemberPlace::Bits { first: at.checked_mul(8)?, count });
        };
        // DWARF 3: counted from the highest bit of a storage unit (§5.5.6 there).
        let storage = number(entry, constants::DW_AT_byte_size).or_else(|| self.size_said(ty))?;
        let first = storage.checked_mul(8)?.checked_sub(from_top)?.checked_sub(count)?;
        Some(MemberPlace::Bits { first: at.checked_mul(8)?.checked_add(first)?, count })
    }

    fn variants(&self, unit: &UnitInfo, offset: UnitOffset) -> Option<Variants> {
        let entry = unit.unit.entry(offset).ok()?;
        let discriminant = reference(unit, &entry, constants::DW_AT_discr)
            .and_then(|id| self.find(id))
            .and_then(|(unit, offset)| {
                let entry = unit.unit.entry(offset).ok()?;
                self.member(&unit, &entry)
            });
        let mut found = Vec::new();
        self.children(unit, offset, |child| {
            if child.tag() == constants::DW_TAG_variant {
                found.push((child.offset(), discriminant_value(child)));
            }
            Some(())
        });
        let mut choices = Vec::new();
        for (at, value) in found {
            self.children(unit, at, |child| {
                if child.tag() == constants::DW_TAG_member {
                    let line = line(child, constants::DW_AT_decl_line);
                    choices.push(Variant { value, member: self.member(unit, child)?, line });
                }
                Some(())
            });
        }
        Some(Variants { discriminant, choices })
    }

    fn array(
        &self,
        unit: &UnitInfo,
        offset: UnitOffset,
        element: TypeId,
        size: Option<u64>,
    ) -> Option<Kind> {
        let mut counts: Vec<Option<u64>> = Vec::new();
        self.children(unit, offset, |child| {
            let is_range = matches!(
                child.tag(),
                constants::DW_TAG_subrange_type | constants::DW_TAG_enumeration_type
            );
            if is_range && counts.len() < MAX_DIMENSIONS {
                counts.push(count_of(child));
            }
            Some(())
        });
        // A vector of a size, and no range.
        if counts.is_empty() {
            let each = self.size_said(element).filter(|each| *each > 0);
            counts.push(size.zip(each).map(|(size, each)| size / each));
        }
        let mut element = element;
        while counts.len() > 1 {
            let count = counts.pop().flatten();
            element = self.types.array(element, count, unit.language);
        }
        Some(Kind::Array { element, count: counts.pop().flatten() })
    }

    fn enumeration(&self, unit: &UnitInfo, offset: UnitOffset) -> Option<Kind> {
        let entry = unit.unit.entry(offset).ok()?;
        let base = reference(unit, &entry, constants::DW_AT_type).and_then(|id| self.is_signed(id));
        let mut values: Vec<(Arc<str>, i128)> = Vec::new();
        self.children(unit, offset, |child| {
            if child.tag() == constants::DW_TAG_enumerator {
                let name = text(unit, child, constants::DW_AT_name)?;
                let value = child.attr_value(constants::DW_AT_const_value).ok()??;
                let value = match base {
                    Some(false) => value.udata_value().map(i128::from),
                    _ => value.sdata_value().map(i128::from),
                };
                values.push((Arc::from(name), value?));
            }
            Some(())
        });
        let signed = base.unwrap_or_else(|| values.iter().any(|(_, value)| *value < 0));
        let scoped = flag(&entry, constants::DW_AT_enum_class) || unit.language == Language::Rust;
        Some(Kind::Enum { values: values.into(), signed, scoped })
    }

    fn function(&self, unit: &UnitInfo, offset: UnitOffset, returns: TypeId) -> Option<Kind> {
        let mut parameters = Vec::new();
        self.children(unit, offset, |child| {
            if child.tag() == constants::DW_TAG_formal_parameter {
                let ty = reference(unit, child, constants::DW_AT_type).unwrap_or(TypeId::VOID);
                parameters.push(ty);
            }
            Some(())
        });
        Some(Kind::Function { returns, parameters: parameters.into() })
    }
}

/// What a base type is.
fn encoding_of(entry: &Entry<'_, '_>) -> Option<Kind> {
    let Some(AttributeValue::Encoding(encoding)) =
        entry.attr_value(constants::DW_AT_encoding).ok()?
    else {
        return None;
    };
    Some(Kind::Base(match encoding {
        constants::DW_ATE_boolean => Encoding::Bool,
        constants::DW_ATE_float => Encoding::Float,
        constants::DW_ATE_complex_float => Encoding::Complex,
        constants::DW_ATE_signed => Encoding::Signed,
        constants::DW_ATE_signed_char => Encoding::Char { signed: true },
        constants::DW_ATE_unsigned_char
        | constants::DW_ATE_UTF
        | constants::DW_ATE_UCS
        | constants::DW_ATE_ASCII => Encoding::Char { signed: false },
        constants::DW_ATE_unsigned | constants::DW_ATE_address => Encoding::Unsigned,
        // Decimal and fixed numbers: taken for an integer, they would be another number.
        other => return Some(Kind::Other(other.static_string().unwrap_or("an unknown encoding"))),
    }))
}

fn count_of(entry: &Entry<'_, '_>) -> Option<u64> {
    if let Some(count) = number(entry, constants::DW_AT_count) {
        return Some(count);
    }
    let lower = number(entry, constants::DW_AT_lower_bound).unwrap_or(0);
    // An upper bound of -1 is an array without elements.
    match entry.attr_value(constants::DW_AT_upper_bound).ok()?? {
        AttributeValue::Sdata(upper) => u64::try_from(upper.checked_add(1)?).ok(),
        value => value.udata_value()?.checked_add(1),
    }
    .map(|end| end.saturating_sub(lower))
}

fn discriminant_value(entry: &Entry<'_, '_>) -> Option<u128> {
    match entry.attr_value(constants::DW_AT_discr_value).ok()?? {
        AttributeValue::Block(bytes) => {
            let bytes = gimli::Reader::to_slice(&bytes).ok()?;
            let mut wide = [0; 16];
            wide.get_mut(..bytes.len())?.copy_from_slice(&bytes);
            Some(u128::from_le_bytes(wide))
        }
        AttributeValue::Sdata(value) => Some(i128::from(value).cast_unsigned()),
        value => value.udata_value().map(u128::from),
    }
}

impl Language {
    /// Whether it writes `a::b` for names in namespaces.
    pub(crate) const fn has_namespaces(self) -> bool {
        matches!(self, Self::Cpp | Self::Rust)
    }
}

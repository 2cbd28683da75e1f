//! Values: a type, and where the bytes are.

mod stored;

use std::sync::Arc;

use retake_model::Addr;

use crate::dwarf::{Encoding, Info, Kind, Language, MemberPlace, PointerForm, Type, TypeId};
use crate::location::At;
use crate::space::Space;
use crate::{Missing, ValueError};

use stored::{float, quad};

pub(crate) use stored::{Part, Stored, integer};

/// More is not read at once.
pub(crate) const MAX_BYTES: u64 = 1 << 20;
/// Anonymous members and base classes inside each other that are searched.
const MAX_NESTING: usize = 24;
/// The same in all, of one search.
const MAX_SEARCHED: usize = 4096;

/// A value of the program.
#[derive(Clone, Debug)]
pub struct Value {
    /// Where its type is described.
    pub(crate) info: Arc<Info>,
    /// Its type.
    pub(crate) ty: TypeId,
    /// Its bytes.
    pub(crate) stored: Stored,
}

/// A number, as far as a value is one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar {
    /// An integer, a character, a truth value, an address or the number of an enumeration.
    Int(i128),
    /// A floating-point number.
    Float(f64),
}

impl Value {
    /// What is at an address, taken for a type.
    pub fn at(info: Arc<Info>, ty: TypeId, addr: Addr) -> Self {
        Self { info, ty, stored: Stored::Memory(addr) }
    }

    /// Some bytes, taken for a type.
    pub fn of_bytes(info: Arc<Info>, ty: TypeId, bytes: &[u8]) -> Self {
        Self { info, ty, stored: Stored::Bytes(bytes.into()) }
    }

    pub(crate) fn missing(info: Arc<Info>, ty: TypeId, why: Missing) -> Self {
        Self { info, ty, stored: Stored::Missing(why) }
    }

    /// Where its type is described.
    pub fn info(&self) -> &Arc<Info> {
        &self.info
    }

    /// Its type.
    pub fn type_id(&self) -> TypeId {
        self.ty
    }

    /// The name of its type.
    pub fn type_name(&self) -> String {
        self.info.type_name(self.ty)
    }

    /// Its address, if it is in memory.
    pub fn addr(&self) -> Option<Addr> {
        match &self.stored {
            Stored::Memory(addr) => Some(*addr),
            _ => None,
        }
    }

    /// Why it has no value at all, if so.
    pub fn why_missing(&self) -> Option<&Missing> {
        match &self.stored {
            Stored::Missing(why) => Some(why),
            _ => None,
        }
    }

    /// Its size in bytes, if its type has one.
    pub fn size(&self) -> Option<u64> {
        self.info.size_of(self.ty)
    }

    /// Its type without names and qualifiers.
    pub(crate) fn plain(&self) -> (TypeId, Option<Arc<Type>>) {
        self.info.plain(self.ty)
    }

    /// What its type is, without names and qualifiers.
    pub fn kind(&self) -> Kind {
        self.plain().1.map_or(Kind::Void, |ty| ty.kind.clone())
    }

    /// The same bytes, taken for another type.
    #[must_use]
    pub fn taken_for(&self, info: &Arc<Info>, ty: TypeId) -> Self {
        Self { info: Arc::clone(info), ty, stored: self.stored.clone() }
    }

    /// All its bytes.
    ///
    /// # Errors
    /// When it is not there, or too large.
    pub fn bytes(&self, space: &dyn Space) -> Result<Vec<u8>, Missing> {
        let size = self.size().unwrap_or(0);
        self.stored.read(0, size, space)
    }

    /// Its number.
    ///
    /// # Errors
    /// When it is none, or not there.
    pub fn scalar(&self, space: &dyn Space) -> Result<Scalar, ValueError> {
        self.scalar_within(space, MAX_NESTING)
    }

    fn scalar_within(&self, space: &dyn Space, left: usize) -> Result<Scalar, ValueError> {
        let left = left.checked_sub(1).ok_or_else(|| self.not_a_number())?;
        let (_, ty) = self.plain();
        let Some(ty) = ty else { return Err(ValueError::NotANumber("void".to_owned())) };
        let int = |signed| {
            let bytes = self.bytes(space)?;
            integer(&bytes, signed).map(Scalar::Int).ok_or_else(|| self.not_a_number())
        };
        match &ty.kind {
            Kind::Base(Encoding::Float) => {
                let bytes = self.bytes(space)?;
                let is_quad = ty.name.as_deref().is_some_and(|name| name.contains("128"));
                let number = if is_quad { quad(&bytes) } else { float(&bytes) };
                number.map(Scalar::Float).ok_or_else(|| self.not_a_number())
            }
            Kind::Base(Encoding::Signed | Encoding::Char { signed: true }) => int(true),
            Kind::Base(Encoding::Unsigned | Encoding::Bool | Encoding::Char { .. }) => int(false),
            Kind::Enum { signed, .. } => int(*signed),
            Kind::Pointer {
                form: PointerForm::Reference | PointerForm::RvalueReference, ..
            } => self.deref(space)?.scalar(space),
            Kind::Pointer { .. } => int(false),
            // A structure around one number: `Cell<i32>`, `AtomicU32`, a newtype.
            Kind::Fields(fields) if fields.variants.is_none() => {
                let size = self.size();
                let whole: Vec<_> = fields
                    .members
                    .iter()
                    .enumerate()
                    .filter(|(_, member)| self.info.size_of(member.ty) != Some(0))
                    .collect();
                match whole.as_slice() {
                    [(index, member)] if self.info.size_of(member.ty) == size => {
                        self.member(*index, space)?.scalar_within(space, left)
                    }
                    _ => Err(self.not_a_number()),
                }
            }
            _ => Err(self.not_a_number()),
        }
    }

    fn not_a_number(&self) -> ValueError {
        ValueError::NotANumber(format!("a value of type {}", self.type_name()))
    }

    /// What it points to.
    ///
    /// # Errors
    /// When it is no pointer, or not there.
    pub fn deref(&self, space: &dyn Space) -> Result<Self, ValueError> {
        let (_, ty) = self.plain();
        let Some(Kind::Pointer { to, .. }) = ty.as_deref().map(|ty| &ty.kind) else {
            return Err(ValueError::NotAPointer(self.type_name()));
        };
        if let Stored::Pointing(target, skip) = &self.stored {
            let before = || Missing::Unclear("it points before something that is kept".to_owned());
            let stored = target.stored.skip(u64::try_from(*skip).map_err(|_| before())?);
            return Ok(Self { info: Arc::clone(&self.info), ty: *to, stored });
        }
        let addr = self.address(space)?;
        Ok(Self::at(Arc::clone(&self.info), *to, addr))
    }

    /// Its first eight bytes, taken for an address.
    ///
    /// # Errors
    /// When they are not there.
    pub fn address(&self, space: &dyn Space) -> Result<Addr, ValueError> {
        let bytes = self.stored.read(0, 8, space)?;
        let word: [u8; 8] = bytes.try_into().map_err(|_| ValueError::NoAddress)?;
        Ok(Addr::new(u64::from_le_bytes(word)))
    }

    /// A pointer to it.
    ///
    /// # Errors
    /// When it is not in memory.
    pub fn reference(&self) -> Result<Self, ValueError> {
        let addr = match &self.stored {
            Stored::Memory(addr) => *addr,
            Stored::Missing(why) => return Err(why.clone().into()),
            _ => return Err(ValueError::NoAddress),
        };
        let ty = self.info.pointer_to(self.ty);
        Ok(Self::of_bytes(Arc::clone(&self.info), ty, &addr.get().to_le_bytes()))
    }

    /// A member by its number.
    ///
    /// # Errors
    /// When there is none, or its place cannot be computed.
    pub fn member(&self, index: usize, space: &dyn Space) -> Result<Self, ValueError> {
        let Kind::Fields(fields) = self.kind() else {
            return Err(ValueError::NoElements(self.type_name()));
        };
        let member = fields.members.get(index).ok_or(ValueError::OutOfRange {
            index: i128::try_from(index).unwrap_or(i128::MAX),
            len: fields.members.len() as u64,
        })?;
        self.placed(&member.place, member.ty, space)
    }

    pub(crate) fn placed(
        &self,
        place: &MemberPlace,
        ty: TypeId,
        space: &dyn Space,
    ) -> Result<Self, ValueError> {
        let info = Arc::clone(&self.info);
        let stored = match place {
            MemberPlace::At(skip) => self.stored.skip(*skip),
            MemberPlace::Bits { first, count } => {
                let signed = self.is_signed(ty);
                let bytes = self.stored.bits(*first, *count, signed, space)?;
                let size = usize::try_from(info.size_of(ty).unwrap_or(8)).unwrap_or(8).min(16);
                Stored::Bytes(bytes.get(..size).unwrap_or(&bytes).into())
            }
            MemberPlace::Computed(expression, encoding) => {
                let object = self.addr().ok_or(ValueError::NoAddress)?;
                let place = At::member_address(space, &info, expression, *encoding, object)?;
                Stored::Memory(place)
            }
        };
        Ok(Self { info, ty, stored })
    }

    fn is_signed(&self, ty: TypeId) -> bool {
        match self.info.plain(ty).1.as_deref().map(|ty| &ty.kind) {
            Some(Kind::Base(Encoding::Signed | Encoding::Char { signed: true })) => true,
            Some(Kind::Enum { signed, .. }) => *signed,
            _ => false,
        }
    }

    /// A member by its name, also of a base class and of an anonymous structure.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn field(&self, name: &str, space: &dyn Space) -> Result<Self, ValueError> {
        if let Some(why) = self.why_missing() {
            return Err(why.clone().into());
        }
        match self.find_field(name, space)? {
            Some(found) => Ok(found),
            None => Err(ValueError::NoField {
                of: self.type_name(),
                name: name.to_owned(),
                fields: self.field_names(),
            }),
        }
    }

    /// The names of its members.
    pub fn field_names(&self) -> Vec<String> {
        let Kind::Fields(fields) = self.kind() else { return Vec::new() };
        fields
            .members
            .iter()
            .filter_map(|member| Some(member.name.as_deref()?.to_owned()))
            .collect()
    }

    pub(crate) fn find_field(
        &self,
        name: &str,
        space: &dyn Space,
    ) -> Result<Option<Self>, ValueError> {
        let mut searched = MAX_SEARCHED;
        self.find_within(name, space, MAX_NESTING, &mut searched)
    }

    fn find_within(
        &self,
        name: &str,
        space: &dyn Space,
        left: usize,
        searched: &mut usize,
    ) -> Result<Option<Self>, ValueError> {
        let Kind::Fields(fields) = self.kind() else { return Ok(None) };
        let (Some(left), Some(rest)) = (left.checked_sub(1), searched.checked_sub(1)) else {
            return Ok(None);
        };
        *searched = rest;
        let fits = |member: &str| {
            // A tuple's first field is `__0` in the debug information of Rust.
            member == name || member.strip_prefix("__") == Some(name) && is_number(name)
        };
        for (index, member) in fields.members.iter().enumerate() {
            if member.name.as_deref().is_some_and(fits) {
                return Ok(Some(self.member(index, space)?));
            }
        }
        for (index, member) in fields.members.iter().enumerate() {
            if (member.name.is_none() || member.is_embedded)
                && let Ok(inner) = self.embedded(index, space)
                && let Some(found) = inner.find_within(name, space, left, searched)?
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// A member whose fields are those of the whole: an embedded one of Go may be a pointer to it.
    fn embedded(&self, index: usize, space: &dyn Space) -> Result<Self, ValueError> {
        let member = self.member(index, space)?;
        let is_go = self.plain().1.is_some_and(|ty| ty.language == Language::Go);
        match member.kind() {
            Kind::Pointer { .. } if is_go => member.deref(space),
            _ => Ok(member),
        }
    }

    /// An element of an array, or of what a pointer points to.
    ///
    /// # Errors
    /// When there is none.
    pub fn element(&self, index: i128, space: &dyn Space) -> Result<Self, ValueError> {
        let (first, element, count) = match self.kind() {
            Kind::Array { element, count } => (self.stored.clone(), element, count),
            Kind::Pointer { to, .. } => {
                if let Stored::Pointing(..) = self.stored {
                    (self.deref(space)?.stored, to, None)
                } else {
                    (Stored::Memory(self.address(space)?), to, None)
                }
            }
            _ => return Err(ValueError::NoElements(self.type_name())),
        };
        // The length of a flexible array is 0 or not said.
        if let Some(len) = count.filter(|count| *count > 0)
            && !(0..i128::from(len)).contains(&index)
        {
            return Err(ValueError::OutOfRange { index, len });
        }
        let size = match self.info.size_of(element) {
            Some(size) => i128::from(size.max(1)),
            // As gcc counts.
            None if matches!(
                self.info.plain(element).1.as_deref(),
                None | Some(Type { kind: Kind::Void | Kind::Function { .. }, .. })
            ) =>
            {
                1
            }
            None => {
                let what = format!("the size of {}", self.info.type_name(element));
                return Err(Missing::Unclear(what).into());
            }
        };
        let skip = index.checked_mul(size).and_then(|skip| i64::try_from(skip).ok());
        let skip = skip.ok_or(ValueError::OutOfRange { index, len: 0 })?;
        let stored = match (&first, u64::try_from(skip)) {
            (Stored::Memory(addr), _) => {
                Stored::Memory(Addr::new(addr.get().wrapping_add(skip.cast_unsigned())))
            }
            (other, Ok(skip)) => other.skip(skip),
            (_, Err(_)) => return Err(ValueError::OutOfRange { index, len: 0 }),
        };
        Ok(Self { info: Arc::clone(&self.info), ty: element, stored })
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

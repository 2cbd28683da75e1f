//! What a unit has: its functions, its variables outside of functions, and the names of its types.

use std::sync::Arc;

use gimli::{UnitOffset, constants};

use super::attributes::{Entry, flag, reference, text};
use super::{Info, TypeId, UnitInfo};
use crate::thread_keys;

/// Entries whose parents are followed outwards; compilers nest a dozen.
const MAX_DEPTH: usize = 64;
/// References to declarations and to units of types that are followed for one path.
const MAX_HOPS: usize = 8;

/// The outline of one unit.
#[derive(Debug, Default)]
pub(crate) struct Outline {
    /// Entries and what is around them, by entry: namespaces, types, functions and variables.
    parents: Vec<(usize, usize)>,
    /// First address, end, entry; ascending.
    functions: Vec<(u64, u64, usize)>,
    /// Variables outside of functions, and those inside that have a fixed place.
    pub(crate) variables: Vec<Named>,
    /// Types that have a name.
    pub(crate) types: Vec<Named>,
    /// Names of numbers: those of an enumeration, with that as their entry, and others.
    pub(crate) constants: Vec<Named>,
}

/// An entry with a name.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) id: TypeId,
    /// Whether it only says that there is one.
    pub(crate) declared_only: bool,
}

impl Outline {
    pub(crate) fn of(info: &Info, unit: &UnitInfo) -> Self {
        let mut outline = Self::default();
        let mut entries = unit.unit.entries();
        // What is around the current entry: its depth, and where it is.
        let mut around: Vec<(isize, usize, bool)> = Vec::new();
        let mut depth = 0_isize;
        while let Ok(Some((delta, entry))) = entries.next_dfs() {
            depth = depth.saturating_add(delta);
            while around.pop_if(|(outer, ..)| *outer >= depth).is_some() {}
            let (parent, in_function) =
                around.last().map_or((0, false), |(_, at, inside)| (*at, *inside));
            let offset = entry.offset().0;
            let tag = entry.tag();
            let is_scope = matches!(tag, constants::DW_TAG_namespace | constants::DW_TAG_module)
                || is_unit(tag);
            let is_type = is_named_type(tag);
            let is_function = tag == constants::DW_TAG_subprogram;
            if is_function || is_type || is_scope {
                outline.parents.push((offset, parent));
            }
            if is_function {
                outline.add_function(unit, entry);
            } else if is_type {
                outline.add_type(unit, entry);
            } else if tag == constants::DW_TAG_enumerator {
                outline.add_constant(unit, entry, UnitOffset(parent));
            } else if tag == constants::DW_TAG_constant && !in_function {
                outline.parents.push((offset, parent));
                outline.add_constant(unit, entry, entry.offset());
            } else if tag == constants::DW_TAG_variable && !in_function {
                outline.parents.push((offset, parent));
                outline.add_variable(info, unit, entry);
            }
            if entry.has_children() && around.len() < MAX_DEPTH {
                let at = if is_scope || is_type || is_function { offset } else { parent };
                around.push((depth, at, in_function || is_function));
            }
        }
        outline.parents.sort_unstable();
        outline.functions.sort_unstable();
        outline
    }

    fn add_function(&mut self, unit: &UnitInfo, entry: &Entry<'_, '_>) {
        let Ok(mut ranges) = retake_symbols::die_ranges(&unit.dwarf, &unit.unit, entry) else {
            return;
        };
        while let Ok(Some(range)) = ranges.next() {
            if range.begin < range.end {
                self.functions.push((range.begin, range.end, entry.offset().0));
            }
        }
    }

    fn add_type(&mut self, unit: &UnitInfo, entry: &Entry<'_, '_>) {
        if let Some(name) = text(unit, entry, constants::DW_AT_name) {
            let declared_only = flag(entry, constants::DW_AT_declaration);
            self.types.push(Named { name, id: unit.id_of(entry.offset()), declared_only });
        }
    }

    fn add_constant(&mut self, unit: &UnitInfo, entry: &Entry<'_, '_>, of: UnitOffset) {
        if let Some(name) = text(unit, entry, constants::DW_AT_name) {
            self.constants.push(Named { name, id: unit.id_of(of), declared_only: false });
        }
    }

    fn add_variable(&mut self, info: &Info, unit: &UnitInfo, entry: &Entry<'_, '_>) {
        let id = unit.id_of(entry.offset());
        let own = text(unit, entry, constants::DW_AT_name);
        // A static member is declared in its class and defined outside.
        let name = own.or_else(|| {
            let other = reference(unit, entry, constants::DW_AT_specification)?;
            let (unit, offset) = info.find(other)?;
            let entry = unit.unit.entry(offset).ok()?;
            text(&unit, &entry, constants::DW_AT_name)
        });
        if let Some(name) = name {
            let declared_only = flag(entry, constants::DW_AT_declaration);
            self.variables.push(Named { name, id, declared_only });
        }
    }

    /// The innermost function with code at an address.
    pub(crate) fn function_at(&self, pc: u64) -> Option<UnitOffset> {
        let after = self.functions.partition_point(|(start, ..)| *start <= pc);
        let before = self.functions.get(..after)?.iter().rev().take(64);
        let here = before.filter(|(_, end, _)| pc < *end);
        here.min_by_key(|(start, end, _)| end - start).map(|(.., offset)| UnitOffset(*offset))
    }

    /// What is around an entry.
    pub(crate) fn parent(&self, offset: UnitOffset) -> Option<UnitOffset> {
        let index = self.parents.binary_search_by_key(&offset.0, |(child, _)| *child).ok()?;
        let parent = self.parents.get(index)?.1;
        (parent != 0 && parent < offset.0).then_some(UnitOffset(parent))
    }
}

fn is_unit(tag: gimli::DwTag) -> bool {
    matches!(
        tag,
        constants::DW_TAG_compile_unit
            | constants::DW_TAG_partial_unit
            | constants::DW_TAG_type_unit
    )
}

fn is_named_type(tag: gimli::DwTag) -> bool {
    matches!(
        tag,
        constants::DW_TAG_structure_type
            | constants::DW_TAG_class_type
            | constants::DW_TAG_union_type
            | constants::DW_TAG_enumeration_type
            | constants::DW_TAG_typedef
            | constants::DW_TAG_base_type
            | constants::DW_TAG_variant_part
    ) && tag != constants::DW_TAG_variant_part
}

impl Info {
    /// The names of what is around an entry, outermost first, and its own.
    pub(crate) fn path_of(&self, id: TypeId) -> Vec<String> {
        self.path_within(id, MAX_HOPS)
    }

    /// The same, after so many references at most: hostile ones go round in circles.
    fn path_within(&self, id: TypeId, left: usize) -> Vec<String> {
        let mut path = Vec::new();
        let Some(left) = left.checked_sub(1) else { return path };
        let Some((mut unit, offset)) = self.find(id) else { return path };
        let (mut at, mut hops) = (Some(offset), left);
        while let Some(offset) = at.filter(|_| path.len() < MAX_DEPTH) {
            let Ok(entry) = unit.unit.entry(offset) else { break };
            if is_unit(entry.tag()) {
                break;
            }
            let name = text(&unit, &entry, constants::DW_AT_name);
            // A type that lies in a unit of its own: what is left of it has no name, and there the names around it
            // are around its declaration.
            let elsewhere = match name {
                None => reference(&unit, &entry, constants::DW_AT_signature),
                Some(_) if is_named_type(entry.tag()) => {
                    reference(&unit, &entry, constants::DW_AT_specification)
                }
                Some(_) => None,
            };
            // One without a name there says nothing, and may lead back here.
            let has_name = |(unit, at): &(Arc<UnitInfo>, UnitOffset)| {
                let entry = unit.unit.entry(*at).ok();
                entry.is_some_and(|e| text(unit, &e, constants::DW_AT_name).is_some())
            };
            let elsewhere = elsewhere.and_then(|other| self.find(other)).filter(has_name);
            if let Some((other, inside)) = elsewhere.filter(|_| hops > 0) {
                hops -= 1;
                (unit, at) = (other, Some(inside));
                continue;
            }
            match name {
                Some(name) => path.push(name),
                None if entry.tag() == constants::DW_TAG_namespace => {
                    path.push("(anonymous namespace)".to_owned());
                }
                None => {
                    // Defined elsewhere than declared: the declaration has the names.
                    let other = reference(&unit, &entry, constants::DW_AT_specification)
                        .or_else(|| reference(&unit, &entry, constants::DW_AT_abstract_origin));
                    if let Some(other) = other.filter(|_| path.is_empty()) {
                        return if other == id { path } else { self.path_of_declared(other, left) };
                    }
                }
            }
            at = self.outline(&unit).parent(offset);
        }
        path.reverse();
        if path.last().is_some_and(|last| last == thread_keys::VARIABLE) {
            thread_keys::cut(&mut path);
        }
        path
    }

    /// As [`Self::path_of`], of an entry that has a name of its own.
    fn path_of_declared(&self, id: TypeId, left: usize) -> Vec<String> {
        let Some((unit, offset)) = self.find(id) else { return Vec::new() };
        let named = unit.unit.entry(offset).ok();
        let has_name = named.is_some_and(|e| text(&unit, &e, constants::DW_AT_name).is_some());
        if !has_name {
            return Vec::new();
        }
        // A member is not in the list of parents: look at what is around it.
        let outline = self.outline(&unit);
        if outline.parent(offset).is_some() {
            self.path_within(id, left)
        } else {
            self.path_of_member(id, left)
        }
    }

    fn path_of_member(&self, id: TypeId, left: usize) -> Vec<String> {
        let Some((unit, offset)) = self.find(id) else { return Vec::new() };
        let name = unit.unit.entry(offset).ok();
        let name = name.and_then(|entry| text(&unit, &entry, constants::DW_AT_name));
        let mut path = self
            .outline(&unit)
            .type_around(offset)
            .map_or_else(Vec::new, |around| self.path_within(unit.id_of(around), left));
        path.extend(name);
        path
    }
}

impl Outline {
    /// The last entry with a name of its own that begins before an offset: of a member, its type.
    fn type_around(&self, offset: UnitOffset) -> Option<UnitOffset> {
        let after = self.parents.partition_point(|(child, _)| *child < offset.0);
        self.parents.get(after.checked_sub(1)?).map(|(at, _)| UnitOffset(*at))
    }
}

//! The functions and variables at a place (DWARF 5 §3).

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use gimli::{EntriesTreeNode, UnitOffset, constants};

use super::attributes::{Entry, flag, line, reference, text};
use super::types::{Language, TypeId};
use super::{Bytes, Info, UnitInfo};

/// Deeper nesting of blocks is cut off; compilers stop at a few dozen.
const MAX_DEPTH: usize = 100;
/// References from copies of an entry to the one that says more.
const MAX_REFERENCES: usize = 8;
/// Variables of one function that are read.
const MAX_VARIABLES: usize = 20_000;

/// A function that runs at a place, or one that is inlined there.
#[derive(Clone, Debug)]
pub struct FunctionScope {
    /// Its entry: of an inlined function, the copy.
    pub entry: TypeId,
    /// Its name, without what is around it.
    pub name: Option<String>,
    /// The language it was written in.
    pub language: Language,
    /// What it returns.
    pub returns: TypeId,
    /// Its variables: those of inner blocks first, each block's in the order of the source.
    pub variables: Vec<Variable>,
}

/// A variable of a function.
#[derive(Clone, Debug)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: TypeId,
    /// What it is.
    pub role: Role,
    /// The line on which it is declared.
    pub line: Option<u32>,
    /// How many blocks of the function are around it.
    pub depth: usize,
    /// Whether the compiler made it.
    pub artificial: bool,
    /// Whether it only says that there is one outside of functions.
    pub is_declared: bool,
    /// Whether the name stands for what the variable points to (Go's `&name`).
    pub is_reference: bool,
    /// Its entry.
    pub(crate) entry: TypeId,
}

/// What a variable of a function is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A parameter.
    Argument,
    /// A result with a name, or one that Go made one for.
    Result,
    /// Anything else.
    Local,
}

impl Info {
    /// The functions at a place, the innermost inlined one first, the one that really has the code last.
    pub fn scopes_at(&self, pc: u64) -> Arc<Vec<FunctionScope>> {
        let kept = self.scopes.lock().unwrap_or_else(PoisonError::into_inner).get(&pc).cloned();
        kept.unwrap_or_else(|| self.keep_scopes(pc, self.find_scopes(pc)))
    }

    /// The function that really has the code at a place.
    pub(crate) fn function_at(&self, pc: u64) -> Option<(Arc<UnitInfo>, UnitOffset)> {
        self.units_of(pc).into_iter().find_map(|unit| {
            let function = self.outline(&unit).function_at(pc)?;
            Some((unit, function))
        })
    }

    fn find_scopes(&self, pc: u64) -> Vec<FunctionScope> {
        let Some((unit, offset)) = self.function_at(pc) else { return Vec::new() };
        let mut walk = Walk {
            info: self,
            unit: &unit,
            pc,
            found: Vec::new(),
            count: 0,
            referred: BTreeSet::new(),
        };
        if let Ok(mut tree) = unit.unit.entries_tree(Some(offset))
            && let Ok(root) = tree.root()
        {
            walk.function(root, MAX_DEPTH);
        }
        let mut found = walk.found;
        found.reverse();
        found
    }
}

struct Walk<'i> {
    info: &'i Info,
    unit: &'i UnitInfo,
    pc: u64,
    /// The outermost function first.
    found: Vec<FunctionScope>,
    count: usize,
    /// The entries that those which were come to are copies of.
    referred: BTreeSet<TypeId>,
}

impl Walk<'_> {
    fn function(&mut self, node: EntriesTreeNode<'_, '_, '_, Bytes>, left: usize) {
        let entry = node.entry();
        let id = self.unit.id_of(entry.offset());
        let said = Said::of(self.info, self.unit, entry);
        self.found.push(FunctionScope {
            entry: id,
            name: said.name,
            language: self.unit.language,
            returns: said.ty.unwrap_or(TypeId::VOID),
            variables: Vec::new(),
        });
        let index = self.found.len() - 1;
        let origin = reference(self.unit, entry, constants::DW_AT_abstract_origin);
        self.block(node, index, 0, left);
        if let Some(origin) = origin {
            self.left_out(origin, index);
        }
        let Some(function) = self.found.get_mut(index) else { return };
        // Inner blocks were come to last.
        function.variables.sort_by_key(|variable| std::cmp::Reverse(variable.depth));
    }

    fn block(
        &mut self,
        node: EntriesTreeNode<'_, '_, '_, Bytes>,
        function: usize,
        depth: usize,
        left: usize,
    ) {
        let Some(left) = left.checked_sub(1) else { return };
        let mut children = node.children();
        while let Ok(Some(child)) = children.next() {
            match child.entry().tag() {
                constants::DW_TAG_formal_parameter | constants::DW_TAG_variable => {
                    self.variable(child.entry(), function, depth);
                }
                constants::DW_TAG_lexical_block
                | constants::DW_TAG_try_block
                | constants::DW_TAG_catch_block
                    if self.is_here(child.entry()) =>
                {
                    self.block(child, function, depth + 1, left);
                }
                constants::DW_TAG_inlined_subroutine
                    if self.is_here(child.entry()) || self.is_entered(child.entry()) =>
                {
                    self.function(child, left);
                }
                _ => {}
            }
        }
    }

    /// The variables that a copy of a function leaves out: static ones, which all copies share, and those that are
    /// kept nowhere.
    fn left_out(&mut self, origin: TypeId, function: usize) {
        let Some((unit, offset)) = self.info.find(origin) else { return };
        let Ok(mut tree) = unit.unit.entries_tree(Some(offset)) else { return };
        let Ok(root) = tree.root() else { return };
        let mut children = root.children();
        while let Ok(Some(child)) = children.next() {
            let entry = child.entry();
            let is_parameter = entry.tag() == constants::DW_TAG_formal_parameter;
            if !is_parameter && entry.tag() != constants::DW_TAG_variable {
                continue;
            }
            let id = unit.id_of(entry.offset());
            if !self.referred.contains(&id) {
                self.add(&unit, entry, function, 0);
            }
        }
    }

    fn is_here(&self, entry: &Entry<'_, '_>) -> bool {
        contains(self.unit, entry, self.pc)
    }

    /// Whether the entry of an inlined function is here. gcc says entries that are in none of its ranges.
    fn is_entered(&self, entry: &Entry<'_, '_>) -> bool {
        let value = entry.attr_value(constants::DW_AT_entry_pc).ok().flatten();
        let at = value
            .and_then(|value| self.unit.dwarf.attr_address(&self.unit.unit, value).ok().flatten());
        at == Some(self.pc)
    }

    fn variable(&mut self, entry: &Entry<'_, '_>, function: usize, depth: usize) {
        if let Some(origin) = reference(self.unit, entry, constants::DW_AT_abstract_origin) {
            self.referred.insert(origin);
        }
        self.add(self.unit, entry, function, depth);
    }

    fn add(&mut self, unit: &UnitInfo, entry: &Entry<'_, '_>, function: usize, depth: usize) {
        self.count += 1;
        if self.count > MAX_VARIABLES {
            return;
        }
        let said = Said::of(self.info, unit, entry);
        let (Some(mut name), Some(ty)) = (said.name, said.ty) else { return };
        let is_go = unit.language == Language::Go;
        let is_reference = is_go && name.starts_with('&');
        if is_reference {
            name.remove(0);
        }
        let is_parameter = entry.tag() == constants::DW_TAG_formal_parameter;
        let role = match is_parameter {
            // Go marks results as parameters with this attribute.
            true if flag(entry, constants::DW_AT_variable_parameter) => Role::Result,
            true => Role::Argument,
            false => Role::Local,
        };
        let Some(function) = self.found.get_mut(function) else { return };
        function.variables.push(Variable {
            name,
            ty,
            role,
            line: said.line,
            depth,
            artificial: said.artificial,
            is_declared: flag(entry, constants::DW_AT_declaration),
            is_reference,
            entry: unit.id_of(entry.offset()),
        });
    }
}

/// Whether code of an entry is at a place.
pub(crate) fn contains(unit: &UnitInfo, entry: &Entry<'_, '_>, pc: u64) -> bool {
    let Ok(mut ranges) = retake_symbols::die_ranges(&unit.dwarf, &unit.unit, entry) else {
        return false;
    };
    while let Ok(Some(range)) = ranges.next() {
        if (range.begin..range.end).contains(&pc) {
            return true;
        }
    }
    false
}

/// What an entry says, or the one that it is a copy of.
#[derive(Debug, Default)]
struct Said {
    name: Option<String>,
    ty: Option<TypeId>,
    line: Option<u32>,
    artificial: bool,
}

impl Said {
    fn of(info: &Info, unit: &UnitInfo, entry: &Entry<'_, '_>) -> Self {
        let mut said = Self::default();
        said.collect(info, unit, entry, MAX_REFERENCES);
        said
    }

    fn collect(&mut self, info: &Info, unit: &UnitInfo, entry: &Entry<'_, '_>, left: usize) {
        if self.name.is_none() {
            self.name = text(unit, entry, constants::DW_AT_name);
        }
        if self.ty.is_none() {
            self.ty = reference(unit, entry, constants::DW_AT_type);
        }
        if self.line.is_none() {
            self.line = line(entry, constants::DW_AT_decl_line);
        }
        self.artificial |= flag(entry, constants::DW_AT_artificial);
        let Some(left) = left.checked_sub(1) else { return };
        if self.name.is_some() && self.ty.is_some() && self.line.is_some() {
            return;
        }
        for at in [constants::DW_AT_abstract_origin, constants::DW_AT_specification] {
            let Some(other) = reference(unit, entry, at) else { continue };
            let Some((unit, offset)) = info.find(other) else { continue };
            if let Ok(entry) = unit.unit.entry(offset) {
                self.collect(info, &unit, &entry, left);
            }
        }
    }
}

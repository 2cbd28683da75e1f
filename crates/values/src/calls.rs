//! What calls pass: the entries of call sites (DWARF 5 §3.4).

use std::sync::Arc;

use gimli::{AttributeValue, EntriesTreeNode, Expression, Operation, constants};

use crate::dwarf::{Bytes, Info, UnitInfo};

/// Deeper nesting of blocks is cut off.
const MAX_DEPTH: usize = 100;

impl Info {
    /// The expression of what a register had at the call that returns to `back`.
    pub(crate) fn passed_at(
        &self,
        back: u64,
        register: u16,
    ) -> Option<(Arc<UnitInfo>, Expression<Bytes>)> {
        let (unit, offset) = self.function_at(back.wrapping_sub(1))?;
        let found = {
            let mut tree = unit.unit.entries_tree(Some(offset)).ok()?;
            let root = tree.root().ok()?;
            let wanted = Wanted { unit: &unit, back, register };
            wanted.search(root, MAX_DEPTH)
        };
        Some((unit, found?))
    }
}

struct Wanted<'i> {
    unit: &'i UnitInfo,
    back: u64,
    register: u16,
}

impl Wanted<'_> {
    fn search(
        &self,
        node: EntriesTreeNode<'_, '_, '_, Bytes>,
        left: usize,
    ) -> Option<Expression<Bytes>> {
        let left = left.checked_sub(1)?;
        let mut children = node.children();
        while let Ok(Some(child)) = children.next() {
            let found = match child.entry().tag() {
                constants::DW_TAG_call_site | constants::DW_TAG_GNU_call_site => {
                    if self.returns_there(&child) { return self.passed(child) } else { None }
                }
                constants::DW_TAG_lexical_block | constants::DW_TAG_inlined_subroutine => {
                    self.search(child, left)
                }
                _ => None,
            };
            if found.is_some() {
                return found;
            }
        }
        None
    }

    fn returns_there(&self, node: &EntriesTreeNode<'_, '_, '_, Bytes>) -> bool {
        // The older form has the return address as its low address.
        [constants::DW_AT_call_return_pc, constants::DW_AT_low_pc].into_iter().any(|at| {
            let value = node.entry().attr_value(at).ok().flatten();
            let address = value.and_then(|value| {
                self.unit.dwarf.attr_address(&self.unit.unit, value).ok().flatten()
            });
            address == Some(self.back)
        })
    }

    fn passed(&self, node: EntriesTreeNode<'_, '_, '_, Bytes>) -> Option<Expression<Bytes>> {
        let expression = |value: Option<AttributeValue<Bytes>>| match value? {
            AttributeValue::Exprloc(expression) => Some(expression),
            AttributeValue::Block(bytes) => Some(Expression(bytes)),
            _ => None,
        };
        let mut children = node.children();
        while let Ok(Some(child)) = children.next() {
            let entry = child.entry();
            let location = expression(entry.attr_value(constants::DW_AT_location).ok()?);
            let Some(location) = location else { continue };
            let first = location.operations(self.unit.unit.encoding()).next();
            let Ok(Some(Operation::Register { register })) = first else { continue };
            if register.0 != self.register {
                continue;
            }
            return [constants::DW_AT_call_value, constants::DW_AT_GNU_call_site_value]
                .into_iter()
                .find_map(|at| expression(entry.attr_value(at).ok()?));
        }
        None
    }
}

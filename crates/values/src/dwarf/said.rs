//! What entries of types say themselves. Nothing that they refer to is read as a type: hostile ones refer to
//! themselves, and reading one would begin anew for ever.

use std::sync::Arc;

use gimli::{AttributeValue, UnitOffset, constants};

use super::attributes::{number, reference};
use super::types::TypeId;
use super::{Info, UnitInfo};

/// Names and qualifiers of a type that are followed.
const MAX_ALIASES: usize = 32;
/// The size of a pointer.
const POINTER: u64 = 8;

impl Info {
    /// The entry of a type behind its names and qualifiers.
    fn behind_aliases(&self, id: TypeId) -> Option<(Arc<UnitInfo>, UnitOffset)> {
        let mut at = id;
        for _ in 0..MAX_ALIASES {
            let (unit, offset) = self.find(at)?;
            let next = {
                let entry = unit.unit.entry(offset).ok()?;
                let signed = reference(&unit, &entry, constants::DW_AT_signature);
                signed.or_else(|| match entry.tag() {
                    constants::DW_TAG_typedef
                    | constants::DW_TAG_const_type
                    | constants::DW_TAG_volatile_type
                    | constants::DW_TAG_restrict_type
                    | constants::DW_TAG_atomic_type => {
                        reference(&unit, &entry, constants::DW_AT_type)
                    }
                    _ => None,
                })
            };
            match next {
                Some(next) => at = next,
                None => return Some((unit, offset)),
            }
        }
        None
    }

    /// The size that a type says.
    pub(super) fn size_said(&self, id: TypeId) -> Option<u64> {
        let (unit, offset) = self.behind_aliases(id)?;
        let entry = unit.unit.entry(offset).ok()?;
        let is_pointer = matches!(
            entry.tag(),
            constants::DW_TAG_pointer_type
                | constants::DW_TAG_reference_type
                | constants::DW_TAG_rvalue_reference_type
        );
        number(&entry, constants::DW_AT_byte_size).or(is_pointer.then_some(POINTER))
    }

    /// Whether a type is that of a function.
    pub(super) fn is_function(&self, id: TypeId) -> bool {
        let found = self.behind_aliases(id);
        let tag = found.and_then(|(unit, at)| Some(unit.unit.entry(at).ok()?.tag()));
        tag == Some(constants::DW_TAG_subroutine_type)
    }

    /// Whether the numbers of a base type have a sign; none if it is no base type.
    pub(super) fn is_signed(&self, id: TypeId) -> Option<bool> {
        let (unit, offset) = self.behind_aliases(id)?;
        let entry = unit.unit.entry(offset).ok()?;
        let AttributeValue::Encoding(encoding) =
            entry.attr_value(constants::DW_AT_encoding).ok()??
        else {
            return None;
        };
        Some(matches!(encoding, constants::DW_ATE_signed | constants::DW_ATE_signed_char))
    }
}

//! Arrays whose length is known at run time only: `int a[n]` of C (DWARF 5 §5.5, §5.13).

use std::sync::Arc;

use gimli::{AttributeValue, Location, constants};

use super::operands::{value_bytes, word};
use super::{At, MAX_DEPTH, Subject};
use crate::Missing;
use crate::dwarf::{Bytes, Entry, Info, Kind, TypeId, UnitInfo, reference};
use crate::value::integer;

/// Dimensions of an array.
const MAX_DIMENSIONS: usize = 16;

impl At<'_> {
    /// A type, with the lengths of an array that are computed.
    ///
    /// # Errors
    /// When one of them is kept nowhere.
    pub(crate) fn sized(&self, info: &Arc<Info>, ty: TypeId) -> Result<TypeId, Missing> {
        let (id, plain) = info.plain(ty);
        let Some(Kind::Array { count: None, .. }) = plain.as_deref().map(|ty| &ty.kind) else {
            return Ok(ty);
        };
        let Some((unit, offset)) = info.find(id) else { return Ok(ty) };
        let entry = unit.unit.entry(offset)?;
        let Some(mut element) = reference(&unit, &entry, constants::DW_AT_type) else {
            return Ok(ty);
        };
        let mut counts = Vec::new();
        let mut tree = unit.unit.entries_tree(Some(offset))?;
        let mut children = tree.root()?.children();
        while let Some(child) = children.next()? {
            if child.entry().tag() == constants::DW_TAG_subrange_type {
                if counts.len() >= MAX_DIMENSIONS {
                    return Ok(ty);
                }
                match self.count(info, &unit, child.entry())? {
                    Some(count) => counts.push(count),
                    None => return Ok(ty),
                }
            }
        }
        for count in counts.into_iter().rev() {
            element = info.array_of(element, count);
        }
        Ok(element)
    }

    /// The length of a dimension; none if nothing is said of it.
    fn count(
        &self,
        info: &Arc<Info>,
        unit: &UnitInfo,
        range: &Entry<'_, '_>,
    ) -> Result<Option<u64>, Missing> {
        let lower = range.attr_value(constants::DW_AT_lower_bound)?;
        let lower = lower.and_then(|value| value.udata_value()).unwrap_or(0);
        let bounds = [(constants::DW_AT_count, 0), (constants::DW_AT_upper_bound, 1)];
        for (at, more) in bounds {
            let Some(value) = range.attr_value(at)? else { continue };
            let end = self.bound(info, unit, value)?.checked_add(more);
            let first = if more == 0 { 0 } else { i128::from(lower) };
            let count = end.and_then(|end| end.checked_sub(first));
            let odd = || Missing::Unclear("an array of an odd length".to_owned());
            // The length of `int a[0]` is 0, its last index -1.
            return Ok(Some(u64::try_from(count.ok_or_else(odd)?.max(0)).map_err(|_| odd())?));
        }
        Ok(None)
    }

    fn bound(
        &self,
        info: &Arc<Info>,
        unit: &UnitInfo,
        value: AttributeValue<Bytes>,
    ) -> Result<i128, Missing> {
        let signed = |word: u64| i128::from(word.cast_signed());
        let gone = || Missing::OptimizedOut("the length of the array is kept nowhere");
        let id = match value {
            AttributeValue::Exprloc(expression) => {
                let subject = Subject { info, unit, bias: self.bias_of(info), object: None };
                let pieces = self.evaluate(&subject, expression, MAX_DEPTH)?;
                return match pieces.first().map(|piece| &piece.location) {
                    Some(Location::Address { address }) => Ok(signed(*address)),
                    Some(Location::Value { value }) => Ok(signed(word(&value_bytes(value))?)),
                    Some(Location::Register { register }) => {
                        let frame = self.frames.first().ok_or_else(gone)?;
                        Ok(signed(word(&frame.register(register.0)?)?))
                    }
                    _ => Err(gone()),
                };
            }
            AttributeValue::Sdata(value) => return Ok(value.into()),
            value => match unit.id_referred(&value) {
                Some(id) => id,
                None => return value.udata_value().map(i128::from).ok_or_else(gone),
            },
        };
        let (of, offset) = info.find(id).ok_or_else(gone)?;
        let entry = of.unit.entry(offset)?;
        let size = reference(&of, &entry, constants::DW_AT_type).and_then(|ty| info.size_of(ty));
        let bytes = self.locate(info, id)?.read(0, size.unwrap_or(8), self.space)?;
        integer(&bytes, true).ok_or_else(gone)
    }
}

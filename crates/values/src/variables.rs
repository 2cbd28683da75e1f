//! The variables of a frame, and those outside of functions.

use std::collections::BTreeSet;
use std::sync::Arc;

use gimli::constants;

use crate::Missing;
use crate::dwarf::{Info, Kind, TypeId, Variable, reference};
use crate::location::At;
use crate::thread_keys;
use crate::value::Value;

impl At<'_> {
    /// The value of a variable of the frame's function, in whose module it is described.
    pub fn variable(&self, info: &Arc<Info>, variable: &Variable) -> Value {
        match self.locate(info, variable.entry) {
            Ok(stored) if variable.is_reference => {
                // The name stands for what was moved to the heap.
                let pointer = Value { info: Arc::clone(info), ty: variable.ty, stored };
                pointer.deref(self.space).unwrap_or_else(|err| {
                    let why = Missing::Unclear(format!("where it was moved to: {err}"));
                    Value::missing(Arc::clone(info), variable.ty, why)
                })
            }
            Ok(stored) => match self.sized(info, variable.ty) {
                Ok(ty) => Value { info: Arc::clone(info), ty, stored },
                Err(why) => Value::missing(Arc::clone(info), variable.ty, why),
            },
            Err(why) => Value::missing(Arc::clone(info), variable.ty, why),
        }
    }

    /// The variables outside of functions that a path means, in one module.
    pub fn globals(&self, info: &Arc<Info>, path: &str) -> Vec<Value> {
        let found = info.variables_named(path).into_iter();
        let mut found: Vec<Value> = found.filter_map(|id| self.global(info, id)).collect();
        // Of the copies of an inline variable the linker takes one.
        found.sort_by_key(|value| value.why_missing().is_some());
        found
    }

    /// The variables outside of functions whose names fit, in one module: so many at most.
    pub fn all_globals(
        &self,
        info: &Arc<Info>,
        fits: &dyn Fn(&str) -> bool,
        most: usize,
    ) -> Vec<(String, Value)> {
        let named = info.variable_names(fits, most).into_iter();
        let mut all: Vec<(String, Value)> =
            named.filter_map(|(name, id)| Some((name, self.global(info, id)?))).collect();
        // Of the copies of a variable the linker takes one.
        let has_value = |(_, value): &&(String, Value)| value.why_missing().is_none();
        let there: BTreeSet<String> =
            all.iter().filter(has_value).map(|(name, _)| name.clone()).collect();
        let is_copy = |name: &str, value: &Value| {
            there.contains(name) && value.why_missing() == Some(&thread_keys::LEFT_OUT)
        };
        all.retain(|(name, value)| !is_copy(name, value));
        all
    }

    /// The number that a name means: one of an enumeration, or a constant of Go.
    pub fn constant(info: &Arc<Info>, path: &str) -> Option<Value> {
        let last = path.rsplit("::").next().unwrap_or(path);
        info.constants_named(path).into_iter().find_map(|id| {
            let named = match info.ty(id).as_deref().map(|ty| &ty.kind) {
                Some(Kind::Enum { values, .. }) => {
                    let (_, number) = values.iter().find(|(name, _)| **name == *last)?;
                    (id, *number)
                }
                _ => number_of(info, id)?,
            };
            let (ty, number) = named;
            let size = usize::try_from(info.size_of(ty)?).ok()?;
            let bytes = number.to_le_bytes();
            Some(Value::of_bytes(Arc::clone(info), ty, bytes.get(..size)?))
        })
    }

    fn global(&self, info: &Arc<Info>, id: TypeId) -> Option<Value> {
        let (unit, offset) = info.find(id)?;
        let entry = unit.unit.entry(offset).ok()?;
        let ty = reference(&unit, &entry, constants::DW_AT_type).or_else(|| {
            let other = reference(&unit, &entry, constants::DW_AT_specification)?;
            let (unit, offset) = info.find(other)?;
            let entry = unit.unit.entry(offset).ok()?;
            reference(&unit, &entry, constants::DW_AT_type)
        })?;
        let info = Arc::clone(info);
        let is_key = thread_keys::is_key(&unit, &entry);
        let located = match is_key {
            true if thread_keys::is_left_out(&unit, &entry, &info) => Err(thread_keys::LEFT_OUT),
            _ => self.locate(&info, id),
        };
        Some(match located {
            Ok(stored) if is_key => thread_keys::kept_by(Value { info, ty, stored }, self.space),
            Ok(stored) => Value { info, ty, stored },
            Err(why) => Value::missing(info, ty, why),
        })
    }
}

/// The type and the number of an entry that is a constant.
pub(crate) fn number_of(info: &Info, id: TypeId) -> Option<(TypeId, i128)> {
    let (unit, offset) = info.find(id)?;
    let entry = unit.unit.entry(offset).ok()?;
    let ty = reference(&unit, &entry, constants::DW_AT_type)?;
    let value = entry.attr_value(constants::DW_AT_const_value).ok()??;
    let number =
        value.sdata_value().map(i128::from).or_else(|| value.udata_value().map(i128::from));
    Some((ty, number?))
}

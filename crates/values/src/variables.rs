//! The variables of a frame, and those outside of functions.

use std::sync::Arc;

use gimli::constants;

use crate::dwarf::{Info, TypeId, Variable, reference};
use crate::location::At;
use crate::value::Value;

impl At<'_> {
    /// The value of a variable of the frame's function, in whose module it is described.
    pub fn variable(&self, info: &Arc<Info>, variable: &Variable) -> Value {
        match self.locate(info, variable.entry) {
            Ok(stored) if variable.is_reference => {
                // The name stands for what was moved to the heap.
                let pointer = Value { info: Arc::clone(info), ty: variable.ty, stored };
                pointer.deref(self.space).unwrap_or(pointer)
            }
            Ok(stored) => Value { info: Arc::clone(info), ty: variable.ty, stored },
            Err(why) => Value::missing(Arc::clone(info), variable.ty, why),
        }
    }

    /// The variables outside of functions that a path means, in one module.
    pub fn globals(&self, info: &Arc<Info>, path: &str) -> Vec<Value> {
        let found = info.variables_named(path).into_iter();
        found.filter_map(|id| self.global(info, id)).collect()
    }

    /// The variables outside of functions whose names fit, in one module: so many at most.
    pub fn all_globals(
        &self,
        info: &Arc<Info>,
        fits: &dyn Fn(&str) -> bool,
        most: usize,
    ) -> Vec<(String, Value)> {
        let named = info.variable_names(fits, most).into_iter();
        named.filter_map(|(name, id)| Some((name, self.global(info, id)?))).collect()
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
        Some(match self.locate(&info, id) {
            Ok(stored) => Value { info, ty, stored },
            Err(why) => Value::missing(info, ty, why),
        })
    }
}

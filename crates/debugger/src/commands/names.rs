//! What the names of an expression stand for in a debugger. (Not a command.)

use retake_execution::Execution;
use retake_model::{Addr, RegisterName};

use crate::expr::Names;
use crate::{BreakpointId, DebugError, Debugger};

/// A debugger, asked by expressions.
pub(super) struct DebuggerNames<'a, E>(pub(super) &'a mut Debugger<E>);

impl<E: Execution> Names for DebuggerNames<'_, E> {
    fn value(&mut self, name: &str) -> Result<i128, DebugError> {
        let debugger = &self.0;
        match name {
            "event" => Ok(debugger.execution.position().event().get().into()),
            "events" => Ok(debugger.execution.event_count().get().into()),
            "task" => Ok(debugger.task().get().into()),
            _ => {
                let register = RegisterName::from_name(name)
                    .ok_or_else(|| DebugError::NotFound(format!("there is no ${name}")))?;
                Ok(debugger.execution.registers(debugger.task())?.get(register).into())
            }
        }
    }

    fn hits(&mut self, breakpoint: i128) -> Result<i128, DebugError> {
        let id = u32::try_from(breakpoint)
            .map_err(|_| DebugError::NotFound(format!("there is no breakpoint {breakpoint}")))?;
        let count = self.0.hit_count(BreakpointId::new(id))?;
        Ok(i128::try_from(count).unwrap_or(i128::MAX))
    }

    fn read(&mut self, addr: Addr, out: &mut [u8]) -> Result<(), DebugError> {
        Ok(self.0.execution.read_memory(self.0.task(), addr, out)?)
    }
}

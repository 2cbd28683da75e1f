//! What the names of an expression stand for in a debugger.

use retake_execution::{ErrorKind, ExecutionError};
use retake_model::{Addr, RegisterName};

use super::hits;
use crate::expr::{self, Expression, Names};
use crate::{BreakpointId, DebugError, Debugger, RequestControl};

/// A debugger, asked by expressions.
pub(super) struct DebuggerNames<'a> {
    pub(super) debugger: &'a mut Debugger,
    pub(super) control: &'a RequestControl,
}

/// The value of an expression, as an address.
pub(super) fn address(
    debugger: &mut Debugger,
    expression: &Expression,
    control: &RequestControl,
) -> Result<Addr, DebugError> {
    expr::evaluate_address(expression.expr(), &mut DebuggerNames { debugger, control })
}

impl Names for DebuggerNames<'_> {
    fn value(&mut self, name: &str) -> Result<i128, DebugError> {
        let debugger = &self.debugger;
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
        if self.control.is_cancelled() {
            // Several of these may stand in one expression.
            return Err(ExecutionError::new("count hits", ErrorKind::Interrupted).into());
        }
        let count = hits::count(self.debugger, BreakpointId::new(id))?;
        Ok(count.into())
    }

    fn read(&mut self, addr: Addr, out: &mut [u8]) -> Result<(), DebugError> {
        Ok(self.debugger.execution.read_memory(self.debugger.task(), addr, out)?)
    }
}

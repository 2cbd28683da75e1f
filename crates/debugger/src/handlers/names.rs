//! What the names of an expression stand for in a debugger.

use std::sync::Arc;

use retake_execution::{ErrorKind, ExecutionError};
use retake_model::Addr;
use retake_values::{Info, Kind, Space, TypeId};

use super::hits;
use crate::code::not_found;
use crate::expr::{self, Datum, Expression, Names, Vector, register_value as register};
use crate::names::closest;
use crate::variables::{FrameScope, TaskMemory};
use crate::{BreakpointId, DebugError, Debugger, RequestControl};

/// A debugger, asked by expressions.
pub(super) struct DebuggerNames<'a> {
    debugger: &'a mut Debugger,
    control: &'a RequestControl,
    /// The frame that variables are looked for in.
    frame: usize,
    scope: Option<FrameScope>,
}

impl<'a> DebuggerNames<'a> {
    /// In the selected frame.
    pub(super) fn new(debugger: &'a mut Debugger, control: &'a RequestControl) -> Self {
        Self::in_frame(debugger, control, None)
    }

    pub(super) fn in_frame(
        debugger: &'a mut Debugger,
        control: &'a RequestControl,
        frame: Option<usize>,
    ) -> Self {
        let frame = frame.unwrap_or(debugger.frame);
        Self { debugger, control, frame, scope: None }
    }

    fn scope(&mut self) -> Result<&FrameScope, DebugError> {
        let scope = match self.scope.take() {
            Some(scope) => scope,
            None => FrameScope::of(self.debugger, self.debugger.task(), self.frame)?,
        };
        Ok(self.scope.insert(scope))
    }

    /// What could not be looked through.
    fn missing_files(&self) -> Option<String> {
        let infos = self.debugger.infos();
        let missing: Vec<_> = infos.iter().flat_map(|info| info.module().missing_files()).collect();
        (!missing.is_empty()).then(|| not_found(&missing))
    }

    fn memory(&self) -> TaskMemory<'_> {
        let debugger = &self.debugger;
        TaskMemory::new(debugger.execution.as_ref(), &debugger.catalog, debugger.task())
    }
}

/// The value of an expression, as an address: that of a pointer, or of something in memory.
pub(super) fn address(
    debugger: &mut Debugger,
    expression: &Expression,
    control: &RequestControl,
) -> Result<Addr, DebugError> {
    expr::evaluate_address(expression.expr(), &mut DebuggerNames::new(debugger, control))
}

/// Where something in memory is that is no pointer, and its size; none of what else an expression may be.
pub(super) fn object(
    debugger: &mut Debugger,
    expression: &Expression,
    control: &RequestControl,
) -> Result<Option<(Addr, usize)>, DebugError> {
    let mut names = DebuggerNames::new(debugger, control);
    let Datum::Value(value) = expr::evaluate_datum(expression.expr(), &mut names)? else {
        return Ok(None);
    };
    if matches!(value.kind(), Kind::Pointer { .. }) {
        return Ok(None);
    }
    let size = value.size().and_then(|size| usize::try_from(size).ok()).unwrap_or(1);
    Ok(value.addr().map(|addr| (addr, size.max(1))))
}

impl Space for DebuggerNames<'_> {
    fn read(&self, addr: Addr, out: &mut [u8]) -> usize {
        let task = self.debugger.task();
        self.debugger.execution.read_some(task, addr, out).unwrap_or(0)
    }

    fn symbol(&self, addr: Addr) -> Option<String> {
        self.memory().symbol(addr)
    }

    fn bias(&self, info: &Info) -> Option<u64> {
        self.memory().bias(info)
    }
}

impl Names for DebuggerNames<'_> {
    fn value(&mut self, name: &str) -> Result<i128, DebugError> {
        let debugger = &self.debugger;
        match name {
            "event" => Ok(debugger.execution.position().event().get().into()),
            "events" => Ok(debugger.execution.event_count().get().into()),
            "task" => Ok(debugger.task().get().into()),
            _ => {
                let registers = debugger.execution.registers(debugger.task())?;
                register(&registers, name)
                    .ok_or_else(|| DebugError::NotFound(format!("there is no ${name}")))
            }
        }
    }

    fn vector(&mut self, name: &str) -> Result<Vector, DebugError> {
        let debugger = &self.debugger;
        // Those of frames further out, and of a goroutine that waits, are kept nowhere.
        if self.frame > 0 || debugger.parked.is_some() {
            let what = format!("${name} is known in the innermost frame of a thread only");
            return Err(DebugError::NotFound(what));
        }
        let state = debugger.execution.vector_registers(debugger.task())?;
        Vector::named(name, &state)
            .ok_or_else(|| DebugError::NotFound(format!("there is no ${name} on this processor")))
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

    fn variable(&mut self, name: &str) -> Result<Datum, DebugError> {
        self.scope()?;
        let memory = self.memory();
        let scope = self.scope.as_ref();
        let found = scope.and_then(|scope| scope.find(name, &memory));
        if let Some(found) = found {
            return Ok(Datum::Value(found));
        }
        for info in self.debugger.infos() {
            let found =
                scope.and_then(|scope| scope.at(&memory).globals(&info, name).into_iter().next());
            if let Some(found) = found {
                return Ok(Datum::Value(found));
            }
        }
        let registers = self.debugger.execution.registers(self.debugger.task())?;
        if let Some(value) = register(&registers, name) {
            return Ok(Datum::Number(value));
        }
        if Vector::is_name(name) {
            return self.vector(name).map(Datum::Vector);
        }
        let mut problem = format!("there is no variable {name} here");
        if let Some(scope) = scope {
            let names = scope.function().into_iter().flat_map(|function| &function.variables);
            let names: Vec<&str> = names.map(|variable| variable.name.as_str()).collect();
            if let Some(why) = scope.nothing_known() {
                problem = format!("{problem}: {why}");
            } else if let Some(other) = closest(name, names.iter().copied()) {
                problem = format!("{problem}: did you mean {other}?");
            } else if let Some(missing) = self.missing_files() {
                problem = format!("{problem} ({missing})");
            }
        }
        Err(DebugError::NotFound(problem))
    }

    fn find_type(&mut self, name: &str) -> Result<(Arc<Info>, TypeId), DebugError> {
        let own = self.scope()?.info().cloned();
        let all = own.into_iter().chain(self.debugger.infos());
        let scope = self.scope.as_ref();
        for info in all {
            if let Some(ty) = scope.and_then(|scope| scope.find_type(&info, name)) {
                return Ok((info, ty));
            }
        }
        let missing = self.missing_files().map(|missing| format!(" ({missing})"));
        let missing = missing.unwrap_or_default();
        Err(DebugError::NotFound(format!("there is no type {name}{missing}")))
    }

    fn space(&self) -> &dyn Space {
        self
    }
}

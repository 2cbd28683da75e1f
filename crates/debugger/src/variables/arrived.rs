//! An arrival at a place, asked by expressions on any thread.

use std::cell::RefCell;
use std::sync::Arc;

use retake_execution::{Hit, State};
use retake_model::{Addr, EventIndex};
use retake_values::{Info, Space, TypeId};

use super::memory::{LINE, read_cached};
use super::scope::FrameScope;
use super::sites::SiteScope;
use crate::DebugError;
use crate::expr::{self, Datum, Expr, Expression, Names, Part, register_value as register};

/// An arrival, asked by expressions.
pub(crate) struct Arrived<'a> {
    state: &'a dyn State,
    hit: &'a Hit,
    events: EventIndex,
    site: Option<&'a SiteScope>,
    scope: Option<FrameScope>,
    last: RefCell<(u64, usize, [u8; LINE])>,
}

impl<'a> Arrived<'a> {
    pub(crate) fn new(
        state: &'a dyn State,
        hit: &'a Hit,
        events: EventIndex,
        site: Option<&'a SiteScope>,
    ) -> Self {
        Self { state, hit, events, site, scope: None, last: RefCell::new((0, 0, [0; LINE])) }
    }

    /// Whether a condition holds. One that has no value here does not.
    pub(crate) fn holds(&mut self, condition: &Expression) -> bool {
        matches!(expr::evaluate(condition.expr(), self), Ok(value) if value != 0)
    }

    fn prepare(&mut self) -> Result<(), DebugError> {
        if let (None, Some(site)) = (&self.scope, self.site) {
            self.scope = Some(FrameScope::at_site(site, self.state, self.hit)?);
        }
        Ok(())
    }
}

impl Space for Arrived<'_> {
    fn read(&self, addr: Addr, out: &mut [u8]) -> usize {
        read_cached(self.state, self.hit.task, &self.last, addr, out)
    }

    fn symbol(&self, addr: Addr) -> Option<String> {
        self.site?.symbol(addr, self.hit.pc)
    }

    fn bias(&self, info: &Info) -> Option<u64> {
        self.site?.bias(info, self.hit.pc)
    }
}

impl Names for Arrived<'_> {
    fn value(&mut self, name: &str) -> Result<i128, DebugError> {
        match name {
            "event" => Ok(self.hit.position.event().get().into()),
            "events" => Ok(self.events.get().into()),
            "task" => Ok(self.hit.task.get().into()),
            _ => register(&self.state.registers(self.hit.task)?, name).ok_or_else(|| unknown(name)),
        }
    }

    fn hits(&mut self, breakpoint: i128) -> Result<i128, DebugError> {
        Err(unknown(&format!("hits({breakpoint})")))
    }

    fn read(&mut self, addr: Addr, out: &mut [u8]) -> Result<(), DebugError> {
        Ok(self.state.read_memory(self.hit.task, addr, out)?)
    }

    fn variable(&mut self, name: &str) -> Result<Datum, DebugError> {
        self.prepare()?;
        let found = self.scope.as_ref().and_then(|scope| scope.find(name, self));
        if let Some(found) = found {
            return Ok(Datum::Value(found));
        }
        let registers = self.state.registers(self.hit.task)?;
        register(&registers, name)
            .map(Datum::Number)
            .ok_or_else(|| DebugError::NotFound(format!("there is no variable {name} here")))
    }

    fn find_type(&mut self, name: &str) -> Result<(Arc<Info>, TypeId), DebugError> {
        self.prepare()?;
        let scope = self.scope.as_ref();
        let found = scope.and_then(|scope| {
            let info = scope.info()?;
            Some((Arc::clone(info), scope.find_type(info, name)?))
        });
        found.ok_or_else(|| DebugError::NotFound(format!("there is no type {name}")))
    }

    fn space(&self) -> &dyn Space {
        self
    }
}

/// An expression that has a value at some arrival.
pub(crate) fn can_be_traced(expr: &Expr) -> Result<(), DebugError> {
    match expr {
        Expr::Hits(_) => {
            let what = "$hits(N) is of the whole recording, not of an arrival: use print";
            Err(DebugError::NotFound(what.to_owned()))
        }
        Expr::Name(name) => {
            let is_known = matches!(name.as_str(), "event" | "events" | "task")
                || register(&retake_model::Registers::default(), name).is_some();
            is_known.then_some(()).ok_or_else(|| unknown(name))
        }
        Expr::Number(_)
        | Expr::Float(_)
        | Expr::Text(_)
        | Expr::Variable { .. }
        | Expr::Size { of: None, .. } => Ok(()),
        Expr::Size { of: Some(inner), .. } => can_be_traced(inner),
        Expr::Unary(_, inner) | Expr::Cast(_, inner) | Expr::Read(_, inner) => can_be_traced(inner),
        Expr::Binary(_, left, right) => can_be_traced(left).and_then(|()| can_be_traced(right)),
        Expr::Part { of, part, .. } => {
            let inner = match part {
                Part::Item(index) => [Some(index), None],
                Part::Items(from, to) => [from.as_ref(), to.as_ref()],
                _ => [None, None],
            };
            inner.into_iter().flatten().try_for_each(|inner| can_be_traced(inner))?;
            can_be_traced(of)
        }
    }
}

fn unknown(name: &str) -> DebugError {
    DebugError::NotFound(format!("there is no ${name}"))
}

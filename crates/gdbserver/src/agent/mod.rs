//! Agent expressions: the byte code in which gdb sends conditions of breakpoints (gdb manual, appendix F).
//!
//! Most are translated to a predicate, which the program judges by itself at each arrival. What predicates cannot
//! say (division, shifts by a variable) is interpreted at a stop.

mod code;
mod interpret;
mod translate;

use retake_execution::State;
use retake_model::{Predicate, TaskId};

use crate::registers::Layout;
use code::{Code, Op};

/// When arrivals at a breakpoint count: where one of the expressions is not zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    expressions: Vec<Vec<u8>>,
    predicate: Option<Predicate>,
}

impl Condition {
    /// Of expressions in byte code; `None` without any.
    pub(crate) fn new(expressions: &[Vec<u8>], layout: &Layout) -> Option<Self> {
        if expressions.is_empty() {
            return None;
        }
        let each = expressions.iter().map(|code| translate::predicate(code, layout));
        let each: Option<Vec<Predicate>> = each.collect();
        let predicate = each.map(|mut each| match (each.len(), each.pop()) {
            (1, Some(only)) => only,
            (_, last) => Predicate::Any(each.into_iter().chain(last).collect()),
        });
        Some(Self { expressions: expressions.to_vec(), predicate })
    }

    /// As a predicate, if one can say it.
    pub(crate) fn predicate(&self) -> Option<&Predicate> {
        self.predicate.as_ref()
    }

    /// Whether it holds for a task. One that cannot be evaluated is taken to hold, as gdb does.
    pub(crate) fn holds(&self, task: TaskId, state: &dyn State, layout: &Layout) -> bool {
        let value = |code: &Vec<u8>| interpret::value(code, task, state, layout);
        self.expressions.iter().any(|code| value(code).is_none_or(|value| value != 0))
    }
}

/// The value of `value`'s lowest `bits` bits, with their sign.
const fn sign_extended(value: u64, bits: u32) -> u64 {
    match bits {
        0 | 64.. => value,
        _ => ((value << (64 - bits)).cast_signed() >> (64 - bits)).cast_unsigned(),
    }
}

/// The value of `value`'s lowest `bits` bits.
const fn zero_extended(value: u64, bits: u32) -> u64 {
    match bits {
        64.. => value,
        _ => value & ((1 << bits) - 1),
    }
}

#[cfg(test)]
mod tests;

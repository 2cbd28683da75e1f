//! Repeated string instructions (`rep movsb`): the one kind that is interrupted before it is complete.
//!
//! The program counter then stands at the instruction, with the registers of a turn that no breakpoint
//! stops at. Such a place cannot be found again, so a task is first let past the instruction.

use std::time::Duration;

use retake_model::Addr;
use retake_ptrace::{Stopped, Ticker};

use crate::error::RecordError;
use crate::places::{Found, run_to};
use crate::task::Task;

/// Longest instruction (Intel SDM vol. 2, 2.3.11).
const LONGEST: usize = 15;
/// CPU time that one may take: gigabytes are copied in that.
const PATIENCE: Duration = Duration::from_secs(2);

/// The length of the repeated string instruction that `code` begins with, if it does (Intel SDM vol. 2,
/// "REP/REPE/REPZ/REPNE/REPNZ": INS, OUTS, MOVS, CMPS, STOS, LODS, SCAS).
fn repeated(code: &[u8]) -> Option<u64> {
    let mut repeats = false;
    for (len, byte) in (1_u64..).zip(code) {
        match byte {
            0xf2 | 0xf3 => repeats = true,
            // Other prefixes: operand and address size, segments, REX.
            0x66 | 0x67 | 0x26 | 0x2e | 0x36 | 0x3e | 0x64 | 0x65 | 0x40..=0x4f => {}
            0x6c..=0x6f | 0xa4..=0xa7 | 0xaa..=0xaf => return repeats.then_some(len),
            _ => return None,
        }
    }
    None
}

/// Whether the task stands at one, and where the next instruction is.
fn behind(task: &Task, pc: Addr) -> Option<Addr> {
    let mut code = [0; LONGEST];
    let got = task.memory.read(pc, &mut code).unwrap_or(0);
    pc.checked_add(repeated(code.get(..got)?)?)
}

/// Where the task may be stopped again, if it may not at `pc`: within a string instruction, or within
/// the code for calls without a stop.
pub(crate) fn end_of_step(task: &Task, pc: Addr) -> Option<Addr> {
    task.end_of_fast_code(pc).or_else(|| behind(task, pc))
}

/// Lets a task that stands at a repeated string instruction, or within the code for calls without a stop,
/// come to its end.
pub(crate) fn let_past(
    stopped: Stopped,
    task: &mut Task,
    ticker: &Ticker,
) -> Result<Found, RecordError> {
    match end_of_step(task, stopped.registers()?.pc()) {
        Some(next) => run_to(stopped, task, ticker, next, PATIENCE),
        None => Ok(Found::Place(stopped, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_string_instructions_are_known() {
        assert_eq!(repeated(&[0xf3, 0xa4, 0xc3]), Some(2), "rep movsb");
        assert_eq!(repeated(&[0xf3, 0x48, 0xab, 0xc3]), Some(3), "rep stosq");
        assert_eq!(repeated(&[0x67, 0xf2, 0xae]), Some(3), "addr32 repne scasb");
        assert_eq!(repeated(&[0xa4]), None, "movsb, once");
        assert_eq!(repeated(&[0xf3, 0xc3]), None, "rep ret");
        assert_eq!(repeated(&[0xf3, 0x0f, 0xb8, 0xc0]), None, "popcnt");
        assert_eq!(repeated(&[0xf3]), None, "the rest cannot be read");
    }
}

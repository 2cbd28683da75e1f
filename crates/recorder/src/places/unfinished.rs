//! Instructions that are interrupted before they are complete: repeated string instructions (`rep movsb`),
//! gathers and scatters, and loads and stores of tiles.
//!
//! The program counter then stands at the instruction, and a counter, a mask or the tile configuration says
//! how far it has come. No replay has to come through that state, so a task is first let past the
//! instruction.

use std::time::Duration;

use iced_x86::{Decoder, DecoderOptions};
use retake_model::Addr;
use retake_ptrace::{Stopped, Ticker};

use crate::error::RecordError;
use crate::places::{Found, run_to};
use crate::tasks::Task;
use crate::waiting::code::can_be_left;

/// Longest instruction (Intel SDM vol. 2, 2.3.11).
const LONGEST: usize = 15;
/// CPU time that one may take: a repeated string instruction copies gigabytes in that.
const PATIENCE: Duration = Duration::from_secs(2);

/// The length of the instruction that `code` begins with, if it may be left before it is complete.
fn length_of_unfinished(code: &[u8]) -> Option<u64> {
    let instruction = Decoder::new(64, code, DecoderOptions::NONE).decode();
    let unfinished = !instruction.is_invalid() && can_be_left(&instruction);
    unfinished.then_some(instruction.len() as u64)
}

/// Whether the task stands at one, and where the next instruction is.
fn behind(task: &Task, pc: Addr) -> Option<Addr> {
    let mut code = [0; LONGEST];
    let got = task.memory.read(pc, &mut code).unwrap_or(0);
    pc.checked_add(length_of_unfinished(code.get(..got)?)?)
}

/// Where the task may be stopped again, if it may not at `pc`: within an instruction, or within the code
/// for calls without a stop.
pub(crate) fn end_of_step(task: &Task, pc: Addr) -> Option<Addr> {
    task.end_of_fast_code(pc).or_else(|| behind(task, pc))
}

/// Lets a task that may not be left where it stands ([`end_of_step`]) come to the end of that.
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
        assert_eq!(length_of_unfinished(&[0xf3, 0xa4, 0xc3]), Some(2), "rep movsb");
        assert_eq!(length_of_unfinished(&[0xf3, 0x48, 0xab, 0xc3]), Some(3), "rep stosq");
        assert_eq!(length_of_unfinished(&[0x67, 0xf2, 0xae]), Some(3), "addr32 repne scasb");
        assert_eq!(length_of_unfinished(&[0xa4]), None, "movsb, once");
        assert_eq!(length_of_unfinished(&[0xf3, 0xc3]), None, "rep ret");
        assert_eq!(length_of_unfinished(&[0xf3, 0x0f, 0xb8, 0xc0]), None, "popcnt");
        assert_eq!(length_of_unfinished(&[0xf3]), None, "the rest cannot be read");
    }

    #[test]
    fn gathers_scatters_and_tiles_are_known() {
        // vpgatherdd ymm0, [rdi+ymm1*4], ymm2
        let gather = [0xc4, 0xe2, 0x6d, 0x90, 0x04, 0x8f];
        assert_eq!(length_of_unfinished(&gather), Some(6));
        // vgatherqpd xmm0, [rdi+xmm1*8], xmm2
        assert_eq!(length_of_unfinished(&[0xc4, 0xe2, 0xe9, 0x93, 0x04, 0xcf]), Some(6));
        // vpgatherdd zmm0{k1}, [rdi+zmm1*4]
        assert_eq!(length_of_unfinished(&[0x62, 0xf2, 0x7d, 0x49, 0x90, 0x04, 0x8f]), Some(7));
        // vpscatterdd [rdi+zmm1*4]{k1}, zmm0
        assert_eq!(length_of_unfinished(&[0x62, 0xf2, 0x7d, 0x49, 0xa0, 0x04, 0x8f]), Some(7));
        // tileloadd tmm0, [rdi+rsi*1]
        assert_eq!(length_of_unfinished(&[0xc4, 0xe2, 0x7b, 0x4b, 0x04, 0x37]), Some(6));
        // vmovdqu ymm0, [rdi]
        assert_eq!(length_of_unfinished(&[0xc5, 0xfe, 0x6f, 0x07]), None, "one load");
    }
}

//! Several calls that a stopped task makes in a row on our behalf, for the stops of one.

use retake_model::{Addr, Registers, Signal, SyscallNo};
use retake_ptrace::{ProcessMemory, Resume, StopEvent, Stopped};

use crate::image::InjectPage;
use crate::inject::{InjectError, Injected};

/// Goes through a list at `r12`: makes `r13` calls that no filter stops, shifts into `r14` whether each gave what was
/// expected, and makes the last one, which is traced.
#[rustfmt::skip]
pub(crate) const CODE: [u8; 68] = [
    0x49, 0x8b, 0x04, 0x24,       // next: mov rax, [r12]
    0x49, 0x8b, 0x7c, 0x24, 0x08, //       mov rdi, [r12+8]
    0x49, 0x8b, 0x74, 0x24, 0x10, //       mov rsi, [r12+16]
    0x49, 0x8b, 0x54, 0x24, 0x18, //       mov rdx, [r12+24]
    0x4d, 0x8b, 0x54, 0x24, 0x20, //       mov r10, [r12+32]
    0x4d, 0x8b, 0x44, 0x24, 0x28, //       mov r8, [r12+40]
    0x4d, 0x8b, 0x4c, 0x24, 0x30, //       mov r9, [r12+48]
    0x49, 0x83, 0xed, 0x01,       //       sub r13, 1
    0x78, 0x19,                   //       js last
    0x0f, 0x05,                   //       syscall
    0x49, 0x33, 0x44, 0x24, 0x38, //       xor rax, [r12+56]
    0x49, 0x23, 0x44, 0x24, 0x40, //       and rax, [r12+64]
    0x48, 0x83, 0xf8, 0x01,       //       cmp rax, 1
    0x4d, 0x11, 0xf6,             //       adc r14, r14
    0x49, 0x83, 0xc4, 0x48,       //       add r12, 72
    0xeb, 0xbf,                   //       jmp next
    0x0f, 0x05,                   // last: syscall
    0xcc,                         //       int3
];
/// Where the calls in between end, and the last one, from the start of the code.
pub(crate) const AFTER: u64 = 0x2a;
const AFTER_LAST: u64 = 0x43;
/// Words of a call in the list: number, six arguments, what is expected, and of which bits.
const WORDS: usize = 9;
/// The list is behind the code.
const LIST_AT: u64 = 0x80;
/// As many as the page has room for; `r14` has bits for more.
const MOST_BATCHED: usize = 48;

/// A call of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchedCall {
    /// Its number.
    pub no: SyscallNo,
    /// Its arguments.
    pub args: [u64; 6],
    /// What it is to give. None: that does not matter.
    pub expected: Option<u64>,
}

/// What came of a batch.
#[derive(Debug)]
pub struct Batch {
    /// Of each call but the last, whether it gave what was expected.
    pub as_expected: Vec<bool>,
    /// What came of the last one.
    pub last: Injected,
}

/// Makes a stopped task that has the page of injected calls make all of `calls`, and then `last`. None where these are too
/// many. Like [`crate::inject`] otherwise. Not for tasks with a filter from outside, which would stop them at the calls.
///
/// # Errors
/// When the task goes away.
pub fn inject_batch(
    task: &mut Stopped,
    memory: &mut ProcessMemory,
    base: &Registers,
    calls: &[BatchedCall],
    (no, args): (SyscallNo, [u64; 6]),
) -> Result<Option<Batch>, InjectError> {
    if calls.len() > MOST_BATCHED {
        return Ok(None);
    }
    let end = BatchedCall { no, args, expected: None };
    let words = calls.iter().chain([&end]).flat_map(words_of);
    let list: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
    let list_at = Addr::new(InjectPage::BATCH_ADDR.get() + LIST_AT);
    memory.write_forced(list_at, &list)?;
    task.set_registers(&Registers {
        rip: InjectPage::BATCH_ADDR.get(),
        orig_rax: u64::MAX,
        r12: list_at.get(),
        r13: calls.len() as u64,
        r14: 0,
        ..*base
    })?;
    let mut signals = Vec::new();
    let mut stopped_by_group = false;
    let mut how = Resume::Continue;
    let end = Addr::new(InjectPage::BATCH_ADDR.get() + AFTER_LAST);
    let registers = loop {
        match task.resume_and_wait(how, None)? {
            StopEvent::Seccomp if task.registers()?.pc() == end => how = Resume::Syscall,
            // Of the last call only the exit is left.
            StopEvent::Syscall => break task.registers()?,
            StopEvent::Signal(_) => signals.push(task.siginfo()?),
            StopEvent::Stop(Signal::TRAP) => {}
            // A group-stop. It goes on after the calls.
            StopEvent::Stop(_) => stopped_by_group = true,
            StopEvent::Exit => {
                // Killed. Whoever waits for the task next sees its end.
                task.let_end()?;
                return Err(InjectError::Killed(task.tid()));
            }
            other => return Err(InjectError::Unexpected(other)),
        }
    };
    if stopped_by_group {
        task.stop_again()?;
    }
    let done = |n: usize| registers.r14 >> (calls.len() - 1 - n) & 1 == 1;
    Ok(Some(Batch {
        as_expected: (0..calls.len()).map(done).collect(),
        last: Injected { result: registers.rax.cast_signed(), child: None, signals },
    }))
}

fn words_of(call: &BatchedCall) -> [u64; WORDS] {
    let [a, b, c, d, e, f] = call.args;
    let mask = if call.expected.is_some() { u64::MAX } else { 0 };
    [u64::from(call.no.get()), a, b, c, d, e, f, call.expected.unwrap_or(0), mask]
}

#[cfg(test)]
mod tests {
    use iced_x86::{Decoder, DecoderOptions, Mnemonic};

    use super::*;

    #[test]
    fn the_filter_knows_where_its_calls_end() {
        let code: Vec<_> = Decoder::new(64, &CODE, DecoderOptions::NONE).into_iter().collect();
        assert!(code.iter().all(|one| !one.is_invalid()));
        let calls = code.iter().filter(|one| one.mnemonic() == Mnemonic::Syscall);
        assert_eq!(calls.map(|one| one.next_ip()).collect::<Vec<_>>(), [AFTER, AFTER_LAST]);
        let jumps = code.iter().filter(|one| one.near_branch_target() != 0 || one.is_jmp_short());
        let targets: Vec<u64> = jumps.map(|one| one.near_branch_target()).collect();
        assert_eq!(targets, [AFTER_LAST - 2, 0]);
        assert!(CODE.len() as u64 <= LIST_AT);
        let room = InjectPage::LEN - (InjectPage::BATCH_ADDR.get() - InjectPage::ADDR.get());
        assert!(LIST_AT + ((MOST_BATCHED + 1) * WORDS * 8) as u64 <= room);
    }

    #[test]
    fn what_is_expected_of_a_call() {
        let no = SyscallNo::new(9);
        let call = |expected| words_of(&BatchedCall { no, args: [1, 2, 3, 4, 5, 6], expected });
        assert_eq!(call(Some(7)), [9, 1, 2, 3, 4, 5, 6, 7, u64::MAX]);
        assert_eq!(call(None), [9, 1, 2, 3, 4, 5, 6, 0, 0]);
    }
}

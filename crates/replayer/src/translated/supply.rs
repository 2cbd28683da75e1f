//! Calls that were recorded without a stop, replayed without one.
//!
//! A task that asks for the time again and again does so in code of retake's, at one `syscall`. Many such
//! calls in a row are supplied to it at once; the last one of the row stops it as all others do.

use retake_model::{EventIndex, TaskId};
use retake_recording::{Effect, Event, EventKind};
use retake_tracee::fast::{FastCode, may_be_fast};
use retake_translator::SuppliedCall;

use crate::failure::Failure;
use crate::machine::Machine;
use crate::run::Ran;

/// Fewer calls in a row than this are not worth the code cache.
const LEAST: usize = 64;
/// Calls that are supplied at once.
const MOST: usize = 800;
/// `syscall`
const SYSCALL_LEN: u64 = 2;

/// The call that an event is, if it was made without a stop and only gave what can be supplied.
fn supplied(event: &Event, code: &FastCode) -> Option<SuppliedCall> {
    let EventKind::Syscall { no } = event.kind else { return None };
    if event.before.pc() != code.after_call || !may_be_fast(no) {
        return None;
    }
    let output = match event.effects.as_slice() {
        [] => None,
        [Effect::Write { addr, bytes }] => {
            let (low, high) = bytes.split_at_checked(8)?;
            let word = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).ok();
            Some((*addr, [word(low)?, word(high)?]))
        }
        _ => return None,
    };
    // Registers that the code does not set must come out as they went in.
    let mut expected = event.before;
    (expected.rax, expected.orig_rax) = (event.after.rax, event.after.orig_rax);
    let same = expected == event.after;
    same.then_some(SuppliedCall { before: event.before, result: event.after.rax, output })
}

impl Machine {
    /// Lets the task of the next event take the answers of calls in a row, up to the last one of them: that is
    /// the next event then, and the task is stopped for it, or at a site before it. `None` if there is no such row.
    pub(crate) fn run_supplied(&mut self, id: TaskId) -> Result<Option<Ran>, Failure> {
        let Some(code) = self.fast_code.clone() else { return Ok(None) };
        let calls = self.calls_in_a_row(id, &code)?;
        if calls.len() < LEAST || !self.have_cache(id)? {
            return Ok(None);
        }
        let Some(at) = code.after_call.checked_sub(SYSCALL_LEN) else { return Ok(None) };
        let space = self.task(id)?.space;
        let Some(translator) = self.caches.get(space) else { return Ok(None) };
        let given = translator.supply(at, calls.get(..calls.len() - 1).unwrap_or_default())?;
        self.count.starts_at_zero(self.done);
        let ran = self.run_translated_until_stop(id);
        let taken = match self.caches.get(space) {
            Some(translator) => translator.end_supply()?,
            None => 0,
        };
        self.took_supplied(id, taken)?;
        // Where sites are hit in between, most of a long row would be supplied in vain.
        self.row = if taken == given { (self.row * 2).clamp(LEAST, MOST) } else { LEAST };
        ran.map(Some)
    }

    /// The next events, as far as they are calls of this task that can be supplied.
    fn calls_in_a_row(
        &mut self,
        id: TaskId,
        code: &FastCode,
    ) -> Result<Vec<SuppliedCall>, Failure> {
        let mut calls = Vec::new();
        let until = self.batch.unwrap_or(EventIndex::ZERO);
        let most = self.row.max(LEAST);
        while calls.len() < most {
            let n = calls.len();
            let Some((index, event)) = self.peek_at(n)? else { break };
            let is_in_row = event.task == id && *index < until;
            let Some(call) = Some(event).filter(|_| is_in_row).and_then(|e| supplied(e, code))
            else {
                break;
            };
            calls.push(call);
        }
        Ok(calls)
    }

    /// The task has taken so many calls.
    fn took_supplied(&mut self, id: TaskId, taken: usize) -> Result<(), Failure> {
        for _ in 0..taken {
            if let Some((_, event)) = self.ahead.pop_front() {
                let task = self.task(id)?;
                task.registers = event.after;
                task.in_syscall = None;
                self.done = self.done.next();
            }
        }
        if taken > 0 {
            self.arrivals.clear();
        }
        self.count.starts_at_zero(self.done);
        Ok(())
    }
}

//! Calls that were recorded without a stop, replayed without one.
//!
//! A task that asks for the time again and again does so in code of retake's, at one `syscall`. Many such
//! calls in a row are supplied to it at once; the last one of the row stops it as all others do.

use retake_model::{Addr, AddrRange, EventIndex, PAGE_SIZE, SpaceId, TaskId};
use retake_recording::{Effect, Event, EventKind};
use retake_tracee::fast::{CODE, FastCode, WOULD_NOT_WAIT};
use retake_translator::{Fits, SuppliedAt};

use crate::failure::Failure;
use crate::machine::{Machine, Sink};
use crate::run::Ran;
use crate::sites::SiteTable;

/// Fewer calls in a row than this are not worth the code cache.
const LEAST: usize = 8;
/// Calls that are supplied at once.
const MOST: usize = 1000;
/// Bytes that a call may write.
const MOST_BYTES: usize = 16 << 10;
/// `syscall`
const SYSCALL_LEN: u64 = 2;
/// EFLAGS.DF: strings are copied downwards.
const DOWN: u64 = 0x400;

/// Whether an event is a call that was made without a stop and only did what can be supplied.
fn can_be_supplied(event: &Event, code: &FastCode) -> bool {
    let is_fast = matches!(event.kind, EventKind::Syscall { .. })
        && event.before.pc() == code.after_call
        && event.before.eflags & DOWN == 0;
    let (mut written, mut outputs) = (0, 0);
    let are_simple = event.effects.iter().all(|effect| match effect {
        Effect::Write { bytes, .. } => {
            written += bytes.len();
            written <= MOST_BYTES
        }
        Effect::Output { .. } => {
            outputs += 1;
            outputs <= 1
        }
        _ => false,
    });
    // Registers that the code does not set must come out as they went in.
    let mut expected = event.before;
    (expected.rax, expected.orig_rax) = (event.after.rax, event.after.orig_rax);
    is_fast && are_simple && expected == event.after
}

/// What a call writes.
fn writes(event: &Event) -> impl Iterator<Item = (Addr, &[u8])> + Clone {
    event.effects.iter().filter_map(|effect| match effect {
        Effect::Write { addr, bytes } => Some((*addr, bytes.as_slice())),
        _ => None,
    })
}

/// Whether a call writes where breakpoints are.
fn writes_to_sites(event: &Event, sites: &SiteTable, space: SpaceId) -> bool {
    let range = |(addr, bytes): (Addr, &[u8])| AddrRange::with_len(addr, bytes.len() as u64);
    writes(event).filter_map(range).any(|range| sites.in_range(space, range))
}

impl Machine {
    /// Lets the task of the next event take the answers of calls in a row, up to the last one of them: that is
    /// the next event then, and the task is stopped for it, or at a site before it. `None` if there is no such row.
    pub(crate) fn run_supplied(
        &mut self,
        id: TaskId,
        sink: Sink<'_>,
    ) -> Result<Option<Ran>, Failure> {
        let Some(code) = self.fast_code.clone() else { return Ok(None) };
        // The clock begins at zero: what was executed since the last event would not be counted.
        if !self.patience.allows(self.done) || !self.count.is_at_event() {
            return Ok(None);
        }
        for n in 0..LEAST {
            if !self.is_in_row(id, n, &code)? {
                return Ok(None);
            }
        }
        let before = |behind: Addr| behind.checked_sub(SYSCALL_LEN);
        let Some(call) = before(code.after_call).filter(|_| self.tasks.contains_key(&id)) else {
            return Ok(None);
        };
        let questions = [code.after_probe, code.after_look].map(|at| before(at).unwrap_or(at));
        let at = SuppliedAt { call, questions, answer: WOULD_NOT_WAIT };
        let space = self.task(id)?.space;
        // Who stops within the code itself wants each call to be a stop.
        if AddrRange::with_len(CODE, PAGE_SIZE).is_some_and(|code| self.sites.in_range(space, code))
        {
            return Ok(None);
        }
        let has_cache = self.runs_from_cache() || self.caches.get(space).is_some();
        if !(has_cache || self.patience.is_cache_due(space)) || !self.have_cache(id)? {
            return Ok(None);
        }
        let Some(mut supply) = self.caches.get(space).map(|cache| cache.new_supply()) else {
            return Ok(None);
        };
        // The last one of the row stops the task.
        while supply.len() + 1 < self.row.max(LEAST)
            && self.is_in_row(id, supply.len() + 1, &code)?
        {
            let Some((_, event)) = self.ahead.get(supply.len()) else { break };
            if writes_to_sites(event, &self.sites, space)
                || supply.push(&event.before, event.after.rax, writes(event)) == Fits::No
            {
                break;
            }
        }
        let given = supply.len();
        if given == 0 {
            return Ok(None);
        }
        let down = self.writes_down(id, &code)?;
        if let Some(translator) = self.caches.get(space) {
            translator.supply(at, supply)?;
        }
        self.count.starts_at_zero(self.done);
        self.be_patient(space);
        let ran = self.run_translated_until_stop(id);
        let taken = match self.caches.get(space) {
            Some(translator) => translator.end_supply()?,
            None => 0,
        };
        self.took_supplied(id, taken, down, sink)?;
        if self.end_patience(space) && matches!(ran, Ok(Ran::Paused(_))) {
            // It goes on natively from where it is.
            self.standing_at = None;
            self.row = LEAST;
            return Ok(None);
        }
        // Where sites are hit in between, most of a long row would be supplied in vain.
        self.row = if taken == given { (self.row * 2).clamp(LEAST, MOST) } else { LEAST };
        ran.map(Some)
    }

    /// Whether the event after the next `n` is a call of this task that can be supplied.
    fn is_in_row(&mut self, id: TaskId, n: usize, code: &FastCode) -> Result<bool, Failure> {
        let until = self.batch.unwrap_or(EventIndex::ZERO);
        let next = self.peek_at(n)?;
        Ok(next.is_some_and(|(index, event)| {
            event.task == id && *index < until && can_be_supplied(event, code)
        }))
    }
}

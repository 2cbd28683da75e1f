//! Finding a place in the middle of code by the state that the recording has of it.

use retake_model::{EventIndex, PAGE_LEN, Registers, Signal, TaskId};
use retake_ptrace::{StopEvent, Watchpoint};
use retake_recording::{Event, Fingerprint, PageDigest, PageHasher};

use crate::check::same_vector;
use crate::failure::Failure;
use crate::machine::Machine;
use crate::run::{Ran, Step, describe_stop};

/// EFLAGS.RF: the processor sets it to get past a breakpoint; no instruction does.
const RESUME_FLAG: u64 = 1 << 16;
/// Pages read at once.
const AT_ONCE: usize = 256;

/// Registers as the recording has them of a task in the middle of code.
fn comparable(registers: &Registers) -> Registers {
    Registers { eflags: registers.eflags & !RESUME_FLAG, orig_rax: u64::MAX, ..*registers }
}

impl Machine {
    /// Lets a task run until its state is the recorded one. Registers are compared first, then a few
    /// words, last the pages that may have changed: the first equal state is as good as the recorded
    /// one, as equal states go on equally.
    pub(crate) fn run_to_fingerprint(
        &mut self,
        index: EventIndex,
        event: &Event,
        print: &Fingerprint,
    ) -> Result<Option<Step>, Failure> {
        let id = event.task;
        let pc = event.before.pc();
        self.task(id)?.give_back()?;
        if self.stands_at_place(event, print)? {
            return Ok(None);
        }
        match self.leave_site(id)? {
            Some(Ran::Stopped(stop, registers)) => {
                return Err(self.missed(index, event, stop, &registers));
            }
            Some(Ran::Hit(at)) => return Ok(Some(self.hit(id, at))),
            None if self.stands_at_place(event, print)? => return Ok(None),
            None => {}
        }
        let watchpoint = match print.watch {
            Some(word) => Watchpoint::Access(word),
            None => Watchpoint::Execute(pc),
        };
        self.task(id)?.stopped.set_watchpoints(&[watchpoint])?;
        let ran = self.run_to_candidate(id, event, print);
        if let Ok(task) = self.task(id) {
            let _ = task.stopped.set_watchpoints(&[]);
        }
        match ran? {
            Candidate::Here => Ok(None),
            Candidate::Hit(at) => Ok(Some(self.hit(id, at))),
            Candidate::Missed(stop, registers) => Err(self.missed(index, event, stop, &registers)),
        }
    }

    fn stands_at_place(&mut self, event: &Event, print: &Fingerprint) -> Result<bool, Failure> {
        let now = self.task(event.task)?.stopped.registers()?;
        self.is_place(event.task, &now, event, print)
    }

    /// Runs from candidate to candidate.
    fn run_to_candidate(
        &mut self,
        id: TaskId,
        event: &Event,
        print: &Fingerprint,
    ) -> Result<Candidate, Failure> {
        loop {
            let (stop, actual) = match self.run_until_stop(id)? {
                Ran::Hit(at) => return Ok(Candidate::Hit(at)),
                Ran::Stopped(stop, registers) => (stop, registers),
            };
            if stop != StopEvent::Signal(Signal::TRAP) || !self.is_watchpoint(id)? {
                return Ok(Candidate::Missed(stop, actual));
            }
            if self.is_place(id, &actual, event, print)? {
                return Ok(Candidate::Here);
            }
        }
    }

    fn is_watchpoint(&mut self, id: TaskId) -> Result<bool, Failure> {
        const TRAP_HWBKPT: i32 = 4;
        Ok(self.task(id)?.stopped.siginfo()?.code() == TRAP_HWBKPT)
    }

    fn missed(
        &self,
        index: EventIndex,
        event: &Event,
        stop: StopEvent,
        registers: &Registers,
    ) -> Failure {
        let expected = crate::describe::describe_event(event);
        let seen = describe_stop(stop, registers);
        self.divergence(index, event, "what the task did next", expected, seen)
    }

    fn is_place(
        &mut self,
        id: TaskId,
        now: &Registers,
        event: &Event,
        print: &Fingerprint,
    ) -> Result<bool, Failure> {
        if comparable(now) != comparable(&event.before) {
            return Ok(false);
        }
        let task = self.task(id)?;
        let same_words =
            print.probes.iter().all(|(addr, word)| task.memory.read_u64(*addr).ok() == Some(*word));
        if !same_words || !same_vector(&task.stopped.vector()?, &print.vector) {
            return Ok(false);
        }
        match &print.pages {
            Some(digest) => self.has_digest(id, digest),
            None => Ok(true),
        }
    }

    fn has_digest(&mut self, id: TaskId, digest: &PageDigest) -> Result<bool, Failure> {
        let space = self.task(id)?.space;
        let mut hasher = PageHasher::new();
        let mut buffer = vec![0_u8; AT_ONCE * PAGE_LEN];
        for pages in digest.pages.chunks(AT_ONCE) {
            let task = self.task(id)?;
            if task.memory.read_pages(pages, &mut buffer) != pages.len() {
                return Ok(false);
            }
            for (page, bytes) in pages.iter().zip(buffer.chunks_mut(PAGE_LEN)) {
                if self.sites.in_range(space, page.range()) {
                    self.sites.mask(space, page.addr(), bytes);
                }
                hasher.update(bytes);
            }
        }
        Ok(hasher.finish() == digest.hash)
    }
}

/// What a run to the next candidate came to.
#[expect(clippy::large_enum_variant, reason = "passed on once, never kept")]
enum Candidate {
    Here,
    Hit(retake_model::Addr),
    Missed(StopEvent, Registers),
}

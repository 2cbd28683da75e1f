//! Finding a place in the middle of code by the state that the recording has of it.

use retake_model::{Addr, EventIndex, PAGE_LEN, Registers, Signal, TaskId};
use retake_ptrace::{StopEvent, WatchLen, monotonic};
use retake_recording::{Event, Fingerprint, PageDigest, PageHasher};
use retake_tracee::Glance;

use crate::check::same_vector;
use crate::failure::Failure;
use crate::machine::Machine;
use crate::means::{Armed, Breakpoint, Means, Stopper};
use crate::run::{Ran, Step, describe_stop};
use crate::search::{Search, counting_words};
use crate::sites::Counts;

/// Pages read at once.
const AT_ONCE: usize = 256;

/// Registers as the recording has them of a task in the middle of code.
fn comparable(registers: &Registers) -> Registers {
    Registers { orig_rax: u64::MAX, ..registers.without_resume_flag() }
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
        if self.can_be_tested(id, pc)? && self.have_cache(id)? {
            return self.find_translated(index, event, print);
        }
        match self.leave_site(id)? {
            Some(Ran::Stopped(stop, registers)) => {
                return Err(self.missed(index, event, stop, &registers));
            }
            Some(Ran::Hit(at, _)) => return Ok(Some(self.hit(id, at)?)),
            Some(Ran::Watched(at)) => return Ok(Some(self.watched_at(id, at)?)),
            Some(Ran::Paused(at)) => return Ok(Some(self.paused_at(at))),
            None if self.stands_at_place(event, print)? => return Ok(None),
            None => {}
        }
        let mut means = Means::new(pc, print.watch, self.breakpoint_for(id, pc)?);
        let search = self.search(index, event, print);
        let ran = self.run_to_candidate(id, event, print, &mut means, search);
        let disarmed = self.disarm(id, &means);
        let ran = ran.and_then(|ran| disarmed.map(|()| ran));
        match ran? {
            Candidate::Here => Ok(None),
            Candidate::Hit(at) => Ok(Some(self.hit(id, at)?)),
            Candidate::Missed(stop, registers) => Err(self.missed(index, event, stop, &registers)),
        }
    }

    pub(crate) fn stands_at_place(
        &mut self,
        event: &Event,
        print: &Fingerprint,
    ) -> Result<bool, Failure> {
        let now = self.task(event.task)?.stopped.registers()?;
        self.is_place(event.task, &now, event, print)
    }

    /// A breakpoint at `pc`, unless there is one that was asked for, or it could not be left without a
    /// step.
    fn breakpoint_for(&mut self, id: TaskId, pc: Addr) -> Result<Option<Breakpoint>, Failure> {
        let space = self.task(id)?.space;
        if self.sites.is_installed(space, pc) {
            return Ok(None);
        }
        Ok(self.displaced(id, pc)?.map(|displaced| Breakpoint { pc, displaced }))
    }

    fn arm(&mut self, id: TaskId, means: &Means) -> Result<(), Failure> {
        let space = self.task(id)?.space;
        let armed = means.armed();
        if let Some(breakpoint) = means.breakpoint {
            match armed {
                Armed::Watchpoint => {
                    self.remove_site(space, breakpoint.pc)?;
                }
                Armed::Breakpoint | Armed::Both => {
                    self.install_site(space, breakpoint.pc, Counts::Own)?;
                }
            }
        }
        let watchpoints: &[_] = match armed {
            Armed::Breakpoint => &[],
            Armed::Watchpoint | Armed::Both => &[means.watchpoint],
        };
        Ok(self.task(id)?.stopped.set_watchpoints(watchpoints)?)
    }

    fn disarm(&mut self, id: TaskId, means: &Means) -> Result<(), Failure> {
        let task = self.task(id)?;
        let space = task.space;
        let _ = task.stopped.set_watchpoints(&[]);
        match means.breakpoint {
            Some(breakpoint) => self.remove_site(space, breakpoint.pc).map(drop),
            None => Ok(()),
        }
    }

    /// Runs from candidate to candidate.
    fn run_to_candidate(
        &mut self,
        id: TaskId,
        event: &Event,
        print: &Fingerprint,
        means: &mut Means,
        mut search: Search,
    ) -> Result<Candidate, Failure> {
        self.arm(id, means)?;
        let mut leaving = None;
        loop {
            let began = monotonic();
            let ran = match leaving.take() {
                Some((displaced, registers)) => self.run_from(id, displaced, &registers)?,
                None => self.run_until_stop(id)?,
            };
            let ours = means.breakpoint.filter(|_| means.armed() != Armed::Watchpoint);
            let (stopper, actual) = match ran {
                Ran::Hit(at, registers) => match ours.filter(|ours| ours.pc == at) {
                    Some(ours) => {
                        leaving = Some((ours.displaced, registers));
                        (Stopper::Breakpoint, registers)
                    }
                    None => return Ok(Candidate::Hit(at)),
                },
                // Without a cache nothing is watched, and nobody pauses.
                Ran::Watched(at) | Ran::Paused(at) => return Ok(Candidate::Hit(at)),
                Ran::Stopped(StopEvent::Signal(Signal::TRAP), registers)
                    if self.is_watchpoint(id, &registers)? =>
                {
                    (Stopper::Watchpoint, registers)
                }
                Ran::Stopped(stop, registers) => return Ok(Candidate::Missed(stop, registers)),
            };
            if self.is_place(id, &actual, event, print)? {
                return Ok(Candidate::Here);
            }
            let task = self.task(id)?;
            let memory = Glance::of(&task.memory, &task.stopped);
            search.passed(|| {
                let probed =
                    |(addr, _): &(Addr, u64)| memory.word(*addr, WatchLen::Eight).unwrap_or(0);
                counting_words(&actual).into_iter().chain(print.probes.iter().map(probed)).collect()
            });
            if means.stopped_by(stopper, monotonic().saturating_sub(began)) {
                self.arm(id, means)?;
                search.counts_anew();
                if means.armed() == Armed::Watchpoint {
                    leaving = None;
                }
            }
        }
    }

    fn is_watchpoint(&mut self, id: TaskId, registers: &Registers) -> Result<bool, Failure> {
        let task = self.task(id)?;
        let info = task.stopped.siginfo()?;
        Ok(retake_ptrace::is_watchpoint(&info, registers.pc(), &task.memory))
    }

    fn search(&self, index: EventIndex, event: &Event, print: &Fingerprint) -> Search {
        let mut wanted = counting_words(&event.before);
        wanted.extend(print.probes.iter().map(|(_, word)| *word));
        Search::new(self.control.clone(), index, wanted)
    }

    pub(crate) fn missed(
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
        let memory = Glance::of(&task.memory, &task.stopped);
        let is_same =
            |(addr, word): &(Addr, u64)| memory.word(*addr, WatchLen::Eight) == Some(*word);
        let same_words = print.probes.iter().all(is_same);
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
    Hit(Addr),
    Missed(StopEvent, Registers),
}

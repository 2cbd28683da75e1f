//! Events in the middle of code: a signal, or a change of tasks, that finds no place of its own.

use std::time::Duration;

use retake_model::{Addr, Backing, PageAddr, Protection, Registers};
use retake_ptrace::{
    PageMap, PtraceError, PtraceStop, Resume, Stopped, WatchLen, interrupt, monotonic,
    others_have_stopped, own_cpu_time,
};
use retake_recording::{EventKind, ExitStatus, Fingerprint, PageDigest, PageHasher, Where};
use retake_tracee::Glance;

use crate::book::{Book, Draft};
use crate::error::RecordError;
use crate::next::{Next, normal, resumed};
use crate::places::Search;
use crate::places::leaving::Purpose;
use crate::places::probes;
use crate::places::unfinished::end_of_step;
use crate::scheduler::{Look, TICK};
use crate::session::Session;
use crate::tasks::{Space, Task};
use crate::turns::{AGAIN, Turns};
use crate::waiting::{Examined, Way};
use crate::world::World;

/// The shortest time that a signal waits for a place that finds itself.
const LEAST_PATIENCE: Duration = Duration::from_millis(1);
/// When a task that does not stop is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// Whether the task was stopped each time that it came to where it stands, since its last event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrivals {
    Seen,
    Unknown,
}

impl World {
    /// The state of a task in the middle of code.
    pub(crate) fn fingerprint(
        &mut self,
        task: &Task,
        stopped: &Stopped,
        registers: &Registers,
        watch: Option<Addr>,
    ) -> Result<Where, RecordError> {
        let vector = stopped.vector()?;
        let pages = self.digest(task)?;
        let memory = Glance::of(&task.memory, stopped);
        let space = self.spaces.get(&task.space);
        let mut probes = probes::words(&memory, space, registers);
        if let Some(space) = space {
            probes::add_written(&mut probes, &memory, space, (registers, &pages.pages));
        }
        self.space(task.space)?.tracking.placed();
        Ok(Where::MidCode(Box::new(Fingerprint { vector, watch, probes, pages: Some(pages) })))
    }

    /// Digest of all pages that may differ from what they were at the last event. Since then no call has
    /// changed what may be written: pages that may not be are as they were.
    pub(crate) fn digest(&mut self, task: &Task) -> Result<PageDigest, RecordError> {
        let map = PageMap::open(task.tid)?;
        let space = self.space(task.space)?;
        let mut pages = Vec::new();
        let Space { table, tracking, .. } = space;
        for mapping in table.iter().filter(|mapping| mapping.prot.allows(Protection::WRITE)) {
            match mapping.backing {
                Backing::Shared { .. } => map.populated_pages(mapping.range, &mut pages)?,
                _ => tracking.written_since(&map, mapping, &mut pages)?,
            }
        }
        let hash = hash_pages(task, &mut pages)?;
        Ok(PageDigest { pages, hash })
    }

    /// What the kernel does to a task that it takes the CPU away from in a restartable sequence
    /// (rseq(2)): the program counter goes to the abort handler.
    fn leave_critical_section(
        &mut self,
        draft: &mut Draft,
        task: &Task,
        registers: &Registers,
    ) -> Result<Registers, RecordError> {
        const RSEQ_CS: u64 = 8;
        let Some(area) = self.space(task.space)?.rseq.get(&task.id).copied() else {
            return Ok(*registers);
        };
        let Some(field) = area.checked_add(RSEQ_CS) else {
            return Ok(*registers);
        };
        let section = task.memory.read_u64(field).unwrap_or(0);
        let mut words = [0_u8; 32];
        if section == 0 || task.memory.read_exact(Addr::new(section), &mut words).is_err() {
            return Ok(*registers);
        }
        // `struct rseq_cs`: version and flags, start, length, abort address.
        let [_, start, len, abort] = words.as_chunks::<8>().0 else {
            return Ok(*registers);
        };
        let [start, len, abort] = [start, len, abort].map(|word| u64::from_le_bytes(*word));
        if registers.rip.wrapping_sub(start) >= len {
            return Ok(*registers);
        }
        crate::calls::threads::write_now(draft, task, field, &0_u64.to_le_bytes());
        Ok(Registers { rip: abort, ..*registers })
    }
}

impl Turns {
    /// Makes a running task stop. If the stop does not come it is asked for again: an injected call may have
    /// taken it.
    fn ask_to_stop(&mut self, task: &mut Task, now: Duration) -> Result<(), RecordError> {
        self.asked_again = now + ASK_AGAIN;
        match interrupt(task.tid) {
            Err(error) if !error.is_gone() => Err(error.into()),
            _ => {
                task.asked_to_stop = true;
                Ok(())
            }
        }
    }

    /// Has the running task looked at again when that is due.
    pub(crate) fn look_again(&self, task: &Task, now: Duration) {
        let Some(ticker) = &self.ticker else { return };
        let mut next = self.scheduler.next_look(now).min(TICK);
        if !task.held.is_empty() {
            let due = task.held_since + task.patience;
            next = next.min(due.saturating_sub(now).max(LEAST_PATIENCE / 4));
        }
        ticker.first_then(next, AGAIN.max(next));
    }

    /// Nothing is to be done about a task that was asked to stop.
    pub(crate) fn go_on_meanwhile(
        &mut self,
        task: &mut Task,
        stopped: Stopped,
    ) -> Result<Next, RecordError> {
        self.look_again(task, monotonic());
        Ok(resumed(stopped.resume(Resume::Continue, None)?, Next::Soon))
    }
}

impl World {
    /// The same for a task in a group-stop, which is not made to execute anything. False where it cannot be
    /// left: within an instruction.
    pub(crate) fn mark_stop(
        &mut self,
        book: &mut Book,
        task: &mut Task,
        stopped: Stopped,
    ) -> Result<(Stopped, bool), RecordError> {
        let before = normal(&stopped.registers()?);
        if end_of_step(task, before.pc()).is_some() {
            return Ok((stopped, false));
        }
        let at = self.fingerprint(task, &stopped, &before, None)?;
        Ok((self.append_preempt(book, task, stopped, before, at)?, true))
    }

    fn append_preempt(
        &mut self,
        book: &mut Book,
        task: &mut Task,
        mut stopped: Stopped,
        before: Registers,
        at: Where,
    ) -> Result<Stopped, RecordError> {
        let mut draft = book.draft();
        let after = self.leave_critical_section(&mut draft, task, &before)?;
        if after != before {
            stopped.set_registers(&after)?;
        }
        book.append(task, draft, &EventKind::Preempt { at }, &before, &after)?;
        task.mid_code = true;
        Ok(stopped)
    }
}

impl Session {
    /// A task has been running for a while: asks it to stop if something waits for that.
    pub(crate) fn tick(&mut self, task: &mut Task) -> Result<(), RecordError> {
        if task.open.is_some() {
            return Ok(());
        }
        let now = monotonic();
        if task.asked_to_stop {
            return if self.turns.asked_again < now {
                self.turns.ask_to_stop(task, now)
            } else {
                Ok(())
            };
        }
        if task.to_next_call.is_some_and(|until| now < until) {
            return Ok(());
        }
        let look = self.look(task, now);
        if look != Look::GoOn
            || signal_is_due(task, now)
            || self.book.schedule.is_due_in_stretch(now)
        {
            self.turns.ask_to_stop(task, now)?;
        }
        self.turns.look_again(task, now);
        Ok(())
    }

    /// What the scheduler wants with the running task.
    fn look(&mut self, task: &mut Task, now: Duration) -> Look {
        let events = self.book.event_count();
        self.world.note_fast_calls(task, now);
        let makes_calls = task.made_fast_calls.is_some_and(|at| at >= self.turns.quiet_since.1);
        if makes_calls || self.turns.quiet_since.0 != events {
            self.turns.quiet_since = (events, now);
        }
        if self.world.somebody_waits() {
            self.world.wake_those_that_waited();
        }
        self.copies.look();
        let unseen = others_have_stopped(task.tid);
        let ready = self.world.tasks.values().filter(|other| other.can_run());
        let others = ready.map(Task::candidate);
        if makes_calls && self.turns.scheduler.ends_at_call(now, task.candidate(), others.clone()) {
            return Look::Leave;
        }
        self.turns.scheduler.look(now, self.turns.quiet_since.1, others, unseen)
    }

    /// A task that was asked to stop has stopped, perhaps in the middle of code.
    pub(crate) fn stopped_as_asked(
        &mut self,
        task: &mut Task,
        stopped: Stopped,
    ) -> Result<Next, RecordError> {
        task.asked_to_stop = false;
        if stopped.has_queued_fault()? {
            // It came at the same time: the next stop is for that.
            return Ok(resumed(stopped.resume(Resume::Continue, None)?, Next::Soon));
        }
        let registers = normal(&stopped.registers()?);
        if self.book.is_where_it_was(task, &registers)? {
            return self.go_on_at_event(task, stopped);
        }
        let now = monotonic();
        if signal_is_due(task, now) {
            if task.has_deliverable(&stopped)? {
                task.patience = (task.patience / 2).max(LEAST_PATIENCE);
                return self.place_event(task, stopped, Search::THOROUGH, Purpose::Signal);
            }
            // It is blocked for now.
            task.held_since = now;
        }
        match self.look(task, now) {
            Look::GoOn if self.book.schedule.is_due_in_stretch(now) => {
                self.mark_stretch(task, stopped)
            }
            Look::GoOn => self.turns.go_on_meanwhile(task, stopped),
            Look::Examine if task.is_watched_by_tracer() => {
                self.turns.go_on_meanwhile(task, stopped)
            }
            Look::Examine => self.examine_for_others(task, stopped, Arrivals::Unknown),
            Look::Leave => self.leave(task, stopped),
        }
    }

    /// Other tasks could run. A task that only waits gives way at once.
    pub(crate) fn examine_for_others(
        &mut self,
        task: &mut Task,
        stopped: Stopped,
        arrivals: Arrivals,
    ) -> Result<Next, RecordError> {
        let examined = self.examine(task, stopped)?;
        if let Some(ticker) = &self.turns.ticker
            && !matches!(examined, Examined::Waits(..))
        {
            ticker.every(TICK);
        }
        match examined {
            Examined::Waits(stopped, waiting, way) => {
                // Where it has changed nothing since it first came by, replay may stop it there the first time.
                let stopped = match (arrivals, way) {
                    (Arrivals::Seen, Way::Sure) => self.preempt_at_first(task, stopped, None)?,
                    _ => self.preempt(task, stopped, None)?,
                };
                task.seen_to_compute = 0;
                task.waited_at.note(task.registers.pc());
                task.waiting = Some(waiting);
                self.go_on_at_event(task, stopped)
            }
            Examined::Computes(stopped) => {
                task.expects = None;
                task.seen_to_compute = task.seen_to_compute.saturating_add(1);
                self.turns.scheduler.computes(monotonic());
                self.turns.go_on_meanwhile(task, stopped)
            }
            Examined::Wrote(stopped) => {
                let registers = normal(&stopped.registers()?);
                self.wrote_for_others(task, stopped, &registers)
            }
            Examined::Stop(stop) => self.handle_stop(task, stop),
        }
    }

    pub(crate) fn handle_stop(
        &mut self,
        task: &mut Task,
        stop: PtraceStop,
    ) -> Result<Next, RecordError> {
        match stop {
            PtraceStop::Stopped(stopped, event) => self.handle(task, stopped, event),
            PtraceStop::Exited { code } => {
                self.reaped(task, ExitStatus::Exited(code))?;
                Ok(Next::Gone)
            }
            PtraceStop::Killed { signal, .. } => {
                self.reaped(task, ExitStatus::Killed(signal))?;
                Ok(Next::Gone)
            }
        }
    }

    /// Makes the place in the middle of code where the task stands an event; what happens there is
    /// then at an event.
    pub(crate) fn preempt(
        &mut self,
        task: &mut Task,
        mut stopped: Stopped,
        watch: Option<Addr>,
    ) -> Result<Stopped, RecordError> {
        let start = own_cpu_time();
        self.take_fast_calls(task)?;
        self.world.start_tracking_with(task, &mut stopped)?;
        let before = normal(&stopped.registers()?);
        let at = self.world.fingerprint(task, &stopped, &before, watch)?;
        let stopped = self.world.append_preempt(&mut self.book, task, stopped, before, at)?;
        self.turns.scheduler.spent(monotonic(), own_cpu_time().saturating_sub(start));
        Ok(stopped)
    }

    /// The same right after the first write to `word` since the task's last event. That tells the place
    /// from every one before it, but for the one where the task stood: then no page has to.
    pub(crate) fn preempt_at_write(
        &mut self,
        task: &mut Task,
        stopped: Stopped,
        word: Addr,
    ) -> Result<Stopped, RecordError> {
        const WATCHED: u64 = 8;
        self.preempt_at_first(task, stopped, Some(Addr::new(word.get() & !(WATCHED - 1))))
    }

    /// The same where nothing but the place has to be told: the task is at it for the first time since its
    /// last event, after an access of `watch` or at an address where each arrival was seen.
    pub(crate) fn preempt_at_first(
        &mut self,
        task: &mut Task,
        stopped: Stopped,
        watch: Option<Addr>,
    ) -> Result<Stopped, RecordError> {
        self.take_fast_calls(task)?;
        let before = normal(&stopped.registers()?);
        if before == task.registers {
            return self.preempt(task, stopped, watch);
        }
        let memory = Glance::of(&task.memory, &stopped);
        let space = self.world.spaces.get(&task.space);
        let mut probes = probes::frame_words(&memory, space, &before);
        probes.extend(watch.and_then(|word| Some((word, memory.word(word, WatchLen::Eight)?))));
        let vector = stopped.vector()?;
        let print = Fingerprint { vector, watch, probes, pages: None };
        self.world.append_preempt(
            &mut self.book,
            task,
            stopped,
            before,
            Where::MidCode(Box::new(print)),
        )
    }

    /// The task stands where its last event left it: a signal can be delivered there.
    pub(crate) fn go_on_at_event(
        &mut self,
        task: &mut Task,
        stopped: Stopped,
    ) -> Result<Next, RecordError> {
        match task.take_deliverable(&stopped)? {
            Some(info) => {
                task.update = None;
                let registers = task.registers;
                self.send_to_stopped(task, stopped, &registers, &registers, &info)
            }
            None => Ok(Next::Ready(stopped)),
        }
    }
}

/// Whether a signal that the task holds has waited for long enough.
fn signal_is_due(task: &Task, now: Duration) -> bool {
    !task.held.is_empty() && now.saturating_sub(task.held_since) >= task.patience
}

/// Hashes pages; those that cannot be read are taken off the list.
fn hash_pages(task: &Task, pages: &mut Vec<PageAddr>) -> Result<u128, PtraceError> {
    // 128 KiB: what was copied is still in the cache of the CPU when it is hashed.
    const AT_ONCE: usize = 32;
    let mut hasher = PageHasher::new();
    let mut buffer = vec![0_u8; AT_ONCE.min(pages.len()) * retake_model::PAGE_LEN];
    let mut done = 0;
    while done < pages.len() {
        let part = pages.get(done..(done + AT_ONCE).min(pages.len())).unwrap_or_default();
        let got = task.memory.read_pages(part, &mut buffer);
        hasher.update(buffer.get(..got * retake_model::PAGE_LEN).unwrap_or_default());
        let complete = got == part.len();
        done += got;
        if !complete {
            pages.remove(done);
        }
    }
    Ok(hasher.finish())
}

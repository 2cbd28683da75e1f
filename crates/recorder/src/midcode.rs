//! Events in the middle of code: a signal, or a change of tasks, that finds no place of its own.

use std::time::Duration;

use retake_model::{Addr, Backing, PageAddr, Protection, Registers};
use retake_ptrace::{
    PageMap, PtraceError, PtraceStop, Stopped, interrupt, monotonic, others_have_stopped,
    process_cpu_time,
};
use retake_recording::{EventKind, ExitStatus, Fingerprint, PageDigest, PageHasher, Where};

use crate::chaos::{Chaos, NEAR};
use crate::error::RecordError;
use crate::places::{Found, Search, find_cold_place, once_around, run_for};
use crate::session::{Next, Session, resumed};
use crate::task::Task;

/// How often a running task is looked at.
pub(crate) const TICK: Duration = Duration::from_millis(5);
/// How often the wait for the only task is looked at, in a call that may take for ever.
pub(crate) const IDLE_TICK: Duration = Duration::from_millis(100);
/// How long a signal waits for a place that finds itself.
const DEADLINE: Duration = Duration::from_millis(10);
/// How long a task may run without a system call while others could.
const LONGEST_SLICE: Duration = Duration::from_millis(50);
/// How long it may run in a loop that computes and makes no calls.
const LONGEST_LOOP: Duration = Duration::from_secs(1);
/// Words of memory in a fingerprint: above the stack pointer, and below the frame pointer.
const PROBES: u64 = 8;

impl Session {
    /// A task has been running for a while: asks it to stop if something waits for that.
    pub(crate) fn tick(&mut self, task: &mut Task) -> Result<(), RecordError> {
        if task.open.is_some() || task.asked_to_stop {
            return Ok(());
        }
        let now = monotonic();
        let signal_waits = !task.held.is_empty() && now.saturating_sub(task.held_since) >= DEADLINE;
        let slice = self.chaos_slice.unwrap_or(LONGEST_SLICE.max(self.next_look));
        if signal_waits || (self.slice_ran(now) >= slice && self.others_could_run(task)) {
            match interrupt(task.tid) {
                Err(error) if !error.is_gone() => return Err(error.into()),
                _ => task.asked_to_stop = true,
            }
        }
        Ok(())
    }

    fn others_could_run(&self, task: &Task) -> bool {
        self.tasks.values().any(|other| other.run.is_ready()) || others_have_stopped(task.tid)
    }

    /// A task that was asked to stop has stopped, perhaps in the middle of code.
    pub(crate) fn stopped_as_asked(
        &mut self,
        task: &mut Task,
        stopped: Stopped,
    ) -> Result<Next, RecordError> {
        task.asked_to_stop = false;
        let registers = normal(&stopped.registers()?);
        if !task.mid_code && registers == task.registers {
            return self.go_on_at_event(task, stopped);
        }
        let signal_waits = self.has_deliverable(task, &stopped)?;
        let wanted = signal_waits || self.others_could_run(task);
        let ran = self.slice_ran(monotonic());
        let Some(ticker) = self.ticker.as_ref().filter(|_| wanted) else {
            // What it was for is gone, or blocked for now.
            task.held_since = monotonic();
            return Ok(resumed(stopped.resume(task.onward, None)?, Next::Soon));
        };
        let space = self
            .spaces
            .get(&task.space)
            .ok_or_else(|| RecordError::Unsupported("a task without memory".to_owned()))?;
        if self.chaos.as_mut().is_some_and(|chaos| chaos.stays_here(ran)) {
            let found = Found::Place(stopped, None).past_steps(task, ticker);
            ticker.every(TICK);
            return match found? {
                Found::Place(stopped, _) => {
                    let stopped = self.preempt(task, stopped, None)?;
                    self.go_on_at_event(task, stopped)
                }
                Found::Stop(stop) => self.handle_stop(task, stop),
            };
        }
        let thorough = if signal_waits { Search::THOROUGH } else { Search::after(ran) };
        let search = self.chaos.as_mut().map_or(thorough, Chaos::search);
        let found = find_cold_place(stopped, task, space, ticker, search);
        ticker.every(TICK);
        let aside = self.chaos.as_mut().and_then(Chaos::step_aside);
        match found? {
            Found::Place(stopped, None) if !signal_waits => self.preempt_in_loop(task, stopped),
            Found::Place(stopped, watch) => {
                let stopped = self.preempt(task, stopped, watch)?;
                match aside {
                    Some(time) => self.step_aside(task, stopped, time),
                    None => self.go_on_at_event(task, stopped),
                }
            }
            Found::Stop(stop) => self.handle_stop(task, stop),
        }
    }

    /// A change of tasks in a loop that makes no calls. If the loop only waits, each turn leaves the
    /// same state, and replay finds that at once. If it computes, replay would have to test each turn:
    /// the task gets more time to come out of it.
    fn preempt_in_loop(
        &mut self,
        task: &mut Task,
        mut stopped: Stopped,
    ) -> Result<Next, RecordError> {
        self.start_tracking_with(task, &mut stopped)?;
        let before = normal(&stopped.registers()?);
        let vector = stopped.vector()?;
        let digest = self.digest(task)?;
        let Some(ticker) = &self.ticker else {
            return self.go_on_at_event(task, stopped);
        };
        let found = once_around(stopped, task, ticker);
        ticker.every(TICK);
        match found? {
            Found::Place(stopped, _) => {
                let now = normal(&stopped.registers()?);
                let same =
                    now == before && stopped.vector()? == vector && self.digest(task)? == digest;
                let ran = self.slice_ran(monotonic());
                if same || ran >= LONGEST_LOOP {
                    let stopped = self.preempt(task, stopped, None)?;
                    return self.go_on_at_event(task, stopped);
                }
                self.next_look = ran * 2;
                Ok(resumed(stopped.resume(task.onward, None)?, Next::Soon))
            }
            Found::Stop(stop) => self.handle_stop(task, stop),
        }
    }

    /// From an event in the middle of code to a place near it. Where the system let the task run for
    /// longer than it was to, it changes at its next event.
    fn step_aside(
        &mut self,
        task: &mut Task,
        stopped: Stopped,
        time: Duration,
    ) -> Result<Next, RecordError> {
        let Some(ticker) = &self.ticker else {
            return self.go_on_at_event(task, stopped);
        };
        let before = process_cpu_time(task.pid);
        let found =
            run_for(stopped, task, ticker, time).and_then(|found| found.past_steps(task, ticker));
        ticker.every(TICK);
        match found? {
            Found::Place(stopped, _) if process_cpu_time(task.pid) - before > NEAR => {
                Ok(resumed(stopped.resume(task.onward, None)?, Next::Soon))
            }
            Found::Place(stopped, watch) => {
                let stopped = self.preempt(task, stopped, watch)?;
                self.go_on_at_event(task, stopped)
            }
            Found::Stop(stop) => self.handle_stop(task, stop),
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
    fn preempt(
        &mut self,
        task: &mut Task,
        mut stopped: Stopped,
        watch: Option<Addr>,
    ) -> Result<Stopped, RecordError> {
        self.take_fast_calls(task)?;
        self.start_tracking_with(task, &mut stopped)?;
        let before = normal(&stopped.registers()?);
        let at = self.fingerprint(task, &stopped, &before, watch)?;
        self.effects.clear();
        let after = self.leave_critical_section(task, &before)?;
        if after != before {
            stopped.set_registers(&after)?;
        }
        self.append(task, &EventKind::Preempt { at }, &before, &after)?;
        task.mid_code = true;
        Ok(stopped)
    }

    /// The task stands where its last event left it: a signal can be delivered there.
    fn go_on_at_event(&mut self, task: &mut Task, stopped: Stopped) -> Result<Next, RecordError> {
        match self.take_deliverable(task, &stopped)? {
            Some(info) => {
                let registers = task.registers;
                self.send_to_stopped(task, stopped, &registers, &registers, &info)
            }
            None => Ok(Next::Ready(stopped)),
        }
    }

    /// The state of a task in the middle of code.
    pub(crate) fn fingerprint(
        &mut self,
        task: &Task,
        stopped: &Stopped,
        registers: &Registers,
        watch: Option<Addr>,
    ) -> Result<Where, RecordError> {
        let below = registers.rbp.wrapping_sub(PROBES * 8);
        let stack = (0..PROBES).map(|n| registers.rsp.wrapping_add(n * 8));
        let locals = (0..PROBES).map(|n| below.wrapping_add(n * 8));
        let probe = |addr: u64| {
            let addr = Addr::new(addr);
            Some((addr, task.memory.read_u64(addr).ok()?))
        };
        let probes = stack.chain(locals).filter_map(probe).collect();
        let vector = stopped.vector()?;
        let pages = Some(self.digest(task)?);
        self.space(task.space)?.tracking.placed();
        Ok(Where::MidCode(Box::new(Fingerprint { vector, watch, probes, pages })))
    }

    /// Digest of all pages that may differ from what they were at the last event.
    fn digest(&mut self, task: &Task) -> Result<PageDigest, RecordError> {
        let map = PageMap::open(task.tid)?;
        let space = self.space(task.space)?;
        let mut pages = Vec::new();
        let mappings = space.table.to_vec();
        for mapping in &mappings {
            if !matches!(mapping.backing, Backing::Shared { .. }) {
                space.tracking.written_since(&map, mapping, &mut pages)?;
            } else if mapping.prot.allows(Protection::WRITE) {
                map.populated_pages(mapping.range, &mut pages)?;
            }
        }
        let hash = hash_pages(task, &mut pages)?;
        Ok(PageDigest { pages, hash })
    }

    /// What the kernel does to a task that it takes the CPU away from in a restartable sequence
    /// (rseq(2)): the program counter goes to the abort handler.
    fn leave_critical_section(
        &mut self,
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
        self.write_now(task, field, &0_u64.to_le_bytes());
        Ok(Registers { rip: abort, ..*registers })
    }
}

/// Registers of a task that is in no system call, whatever the kernel keeps in `orig_rax` then, and
/// whatever it was stopped by.
pub(crate) fn normal(registers: &Registers) -> Registers {
    let registers = registers.without_resume_flag();
    if registers.orig_rax.cast_signed() < 0 {
        Registers { orig_rax: u64::MAX, ..registers }
    } else {
        registers
    }
}

/// Hashes pages; those that cannot be read are taken off the list.
fn hash_pages(task: &Task, pages: &mut Vec<PageAddr>) -> Result<u128, PtraceError> {
    const AT_ONCE: usize = 256;
    let mut hasher = PageHasher::new();
    let mut buffer = vec![0_u8; AT_ONCE * retake_model::PAGE_LEN];
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

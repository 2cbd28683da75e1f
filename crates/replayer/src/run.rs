//! Re-execution, one event at a time, with every event checked.

use std::time::Duration;

use retake_execution::Divergence;
use retake_model::{Addr, EventIndex, Place, Registers, Signal, TaskId};
use retake_ptrace::{Resume, StopEvent, monotonic};
use retake_recording::{Event, EventKind, Fingerprint, TrappedInstruction, Where};
use retake_tracee::{IN_ITS_PLACE, skip_vsyscall};

use crate::arrivals::Judge;
use crate::describe::{context, registers_differ};
use crate::displaced::Displaced;
use crate::failure::Failure;
use crate::machine::{Machine, Pace, Sink};
use crate::translated::CountFor;

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The next event took effect.
    Event,
    /// The running task arrived at a site; it has not executed the instruction there.
    Hit { task: TaskId, place: Place },
    /// The running task has accessed watched memory; it stands behind that.
    Watched { task: TaskId, place: Place },
    /// The running task has run for long, and stands anywhere.
    Paused,
    /// The recording has no further event.
    End,
}

/// EFLAGS.TF
pub(crate) const TRAP_FLAG: u64 = 0x100;

pub(crate) fn is_at_call(registers: &Registers) -> bool {
    registers.orig_rax.cast_signed() >= 0
}

/// Whether the task has to execute anything to get to the event.
pub(crate) fn must_run(registers: &Registers, event: &Event) -> bool {
    match &event.kind {
        EventKind::Syscall { .. }
        | EventKind::SyscallEnter { .. }
        | EventKind::Instruction { .. } => true,
        EventKind::SyscallExit { .. } | EventKind::Restart => false,
        EventKind::Signal { .. } | EventKind::Preempt { .. } | EventKind::Exit { .. } => {
            *registers != event.before
        }
    }
}

/// How an event in the middle of code is found.
pub(crate) fn fingerprint(event: &Event) -> Option<&Fingerprint> {
    match &event.kind {
        EventKind::Signal { at: Where::MidCode(print), .. }
        | EventKind::Exit { at: Where::MidCode(print), .. }
        | EventKind::Preempt { at: Where::MidCode(print) } => Some(print),
        _ => None,
    }
}

impl Machine {
    /// Goes on to the next event, or to a site before it.
    pub(crate) fn step(&mut self, sink: Sink<'_>) -> Result<Step, Failure> {
        let step = self.go_on(sink);
        step.map_err(|failure| self.explain(failure))
    }

    /// Says that a process was killed where that is what led to `failure`: calls that fail, memory that is not
    /// there, or a state that differs.
    pub(crate) fn explain(&self, failure: Failure) -> Failure {
        let killed = || self.tasks.values().find_map(|task| task.stopped.killed_by());
        match failure {
            Failure::Interrupted => failure,
            _ => killed().or(failure.killed_by()).map_or(failure, Failure::Killed),
        }
    }

    fn go_on(&mut self, sink: Sink<'_>) -> Result<Step, Failure> {
        if self.watch.is_interrupted() {
            return Err(Failure::Interrupted);
        }
        let supplied = self.supplied(&mut *sink)?;
        let Some((index, event)) = self.peek()?.cloned() else {
            return Ok(Step::End);
        };
        // The first event makes the first task: nothing runs before it.
        let hit = match supplied {
            Some(ran) => self.arrived(index, &event, ran)?,
            None if index == EventIndex::ZERO => None,
            None => self.go_to(index, &event)?,
        };
        if let Some(hit) = hit {
            return Ok(hit);
        }
        self.end_count(event.task)?;
        self.retire(&event, sink)?;
        self.control.reach(self.done);
        Ok(Step::Event)
    }

    /// Lets the task of the next event take what is known of it beforehand, where several events may take
    /// effect at once.
    fn supplied(&mut self, sink: Sink<'_>) -> Result<Option<Ran>, Failure> {
        if self.watched.is_wanted() {
            // What they write is to be seen.
            return Ok(None);
        }
        let until = self.batch.unwrap_or(EventIndex::ZERO);
        let next = self.peek()?.map(|(index, event)| (*index, event.task));
        match next {
            Some((index, task)) if index != EventIndex::ZERO && index < until => {
                self.run_supplied(task, sink)
            }
            _ => Ok(None),
        }
    }

    /// Brings the event's task to where the event found it.
    fn go_to(&mut self, index: EventIndex, event: &Event) -> Result<Option<Step>, Failure> {
        let Some(registers) = self.tasks.get(&event.task).map(|task| task.registers) else {
            return Err(self.divergence(index, event, "the task", "exists", "does not exist"));
        };
        if let Some(print) = fingerprint(event) {
            return self.run_to_fingerprint(index, event, print);
        }
        if must_run(&registers, event) {
            return self.run_to(index, event);
        }
        match registers == event.before {
            true => Ok(None),
            false => Err(self.registers_diverge(index, event, &registers)),
        }
    }

    pub(crate) fn divergence(
        &self,
        index: EventIndex,
        event: &Event,
        what: &str,
        expected: impl Into<String>,
        actual: impl Into<String>,
    ) -> Failure {
        Failure::Divergence(Box::new(Divergence {
            event: index,
            task: Some(event.task),
            what: what.to_owned(),
            expected: expected.into(),
            actual: actual.into(),
            context: context(&self.recording, index),
        }))
    }

    fn registers_diverge(&self, index: EventIndex, event: &Event, actual: &Registers) -> Failure {
        let what = "registers".to_owned();
        Failure::Divergence(Box::new(registers_differ(
            &self.recording,
            index,
            event.task,
            what,
            &event.before,
            actual,
        )))
    }

    /// Lets the event's task run until it is where the event found it.
    fn run_to(&mut self, index: EventIndex, event: &Event) -> Result<Option<Step>, Failure> {
        let ran = self.run_until_stop(event.task)?;
        self.arrived(index, event, ran)
    }

    /// The event's task was let run: it is at a site, or where the event found it.
    pub(crate) fn arrived(
        &mut self,
        index: EventIndex,
        event: &Event,
        ran: Ran,
    ) -> Result<Option<Step>, Failure> {
        let (stop, actual) = match ran {
            Ran::Hit(pc, _) => return Ok(Some(self.hit(event.task, pc)?)),
            Ran::Watched(pc) => return Ok(Some(self.watched_at(event.task, pc)?)),
            Ran::Paused(pc) => return Ok(Some(self.paused_at(pc))),
            Ran::Stopped(stop, registers) => (stop, registers),
        };
        let matches = match (&event.kind, stop) {
            (EventKind::Syscall { .. } | EventKind::SyscallEnter { .. }, StopEvent::Syscall) => {
                true
            }
            (EventKind::Syscall { .. }, StopEvent::Seccomp) => true,
            (EventKind::Instruction { instruction }, StopEvent::Signal(Signal::SEGV)) => {
                self.stands_at(event.task, &actual, *instruction)?
            }
            (EventKind::Signal { .. } | EventKind::Exit { .. }, StopEvent::Syscall) => {
                is_at_call(&event.before)
            }
            (EventKind::Signal { info, .. }, StopEvent::Signal(signal)) => {
                info.signal() == Ok(signal)
            }
            _ => false,
        };
        if !matches {
            let expected = crate::describe::describe_event(event);
            let seen = describe_stop(stop, &actual);
            return Err(self.divergence(index, event, "what the task did next", expected, seen));
        }
        if actual != event.before {
            return Err(self.registers_diverge(index, event, &actual));
        }
        if stop == StopEvent::Seccomp {
            // A call of the vsyscall page, which the kernel returns from by itself.
            let task = self.task(event.task)?;
            skip_vsyscall(&mut task.stopped, &task.memory, &actual)?;
        }
        Ok(None)
    }

    pub(crate) fn hit(&mut self, task: TaskId, pc: Addr) -> Result<Step, Failure> {
        let arrivals = self.arrivals.entry(pc).or_insert(0);
        *arrivals += 1;
        let nth = *arrivals;
        self.standing_at = Some(pc);
        Ok(Step::Hit { task, place: self.place_of(task, pc, nth)? })
    }

    /// The running task stands behind an access of watched memory.
    pub(crate) fn watched_at(&mut self, task: TaskId, pc: Addr) -> Result<Step, Failure> {
        self.arrivals.entry(pc).or_insert(0);
        Ok(Step::Watched { task, place: self.place_of(task, pc, 0)? })
    }

    /// The running task has paused where nothing was asked for.
    pub(crate) fn paused_at(&mut self, pc: Addr) -> Step {
        self.standing_at = Some(pc);
        Step::Paused
    }

    fn stands_at(
        &mut self,
        task: TaskId,
        registers: &Registers,
        instruction: TrappedInstruction,
    ) -> Result<bool, Failure> {
        let mut code = [0; 3];
        self.task(task)?.memory.read(registers.pc(), &mut code)?;
        Ok(match instruction {
            TrappedInstruction::Rdtsc => code[..2] == [0x0f, 0x31],
            TrappedInstruction::Rdtscp => code == [0x0f, 0x01, 0xf9],
            TrappedInstruction::Rdrand | TrappedInstruction::Rdseed => code == IN_ITS_PLACE,
            TrappedInstruction::Cpuid => code[..2] == [0x0f, 0xa2],
        })
    }

    /// Whether all code runs from the cache: where exact places are asked for.
    pub(crate) fn runs_from_cache(&self) -> bool {
        matches!(self.pace, Pace::Translated(_))
            || self.sites.are_wanted()
            || self.count.wanted != CountFor::Nothing
            || self.watched.is_wanted()
    }

    /// Resumes a task until it stops at a site or for an event.
    pub(crate) fn run_until_stop(&mut self, id: TaskId) -> Result<Ran, Failure> {
        if self.runs_from_cache() && self.have_cache(id)? {
            return self.run_translated_until_stop(id);
        }
        loop {
            let ran = self.run_natively(id)?;
            match &ran {
                Ran::Hit(at, _) if !self.counts(id, *at, Judge::Here)? => {
                    *self.arrivals.entry(*at).or_insert(0) += 1;
                    self.standing_at = Some(*at);
                }
                _ => return Ok(ran),
            }
        }
    }

    fn run_natively(&mut self, id: TaskId) -> Result<Ran, Failure> {
        self.open_watched_pages()?;
        if let Some(site) = self.standing_site(id)?
            && let Some(displaced) = self.displaced(id, site)?
        {
            self.standing_at = None;
            let task = self.task(id)?;
            task.give_back()?;
            let registers = task.stopped.registers()?;
            return self.run_from(id, displaced, &registers);
        }
        if let Some(stopped) = self.leave_site(id)? {
            return Ok(stopped);
        }
        self.run_on(id, None)
    }

    /// Resumes a task that stands at a breakpoint, without executing the instruction there.
    pub(crate) fn run_from(
        &mut self,
        id: TaskId,
        displaced: Displaced,
        registers: &Registers,
    ) -> Result<Ran, Failure> {
        let elsewhere = Registers { rip: displaced.entry().get(), ..*registers };
        self.task(id)?.stopped.set_registers(&elsewhere)?;
        self.run_on(id, Some(displaced))
    }

    fn run_on(&mut self, id: TaskId, displaced: Option<Displaced>) -> Result<Ran, Failure> {
        let space = self.task(id)?.space;
        self.count.ran_natively();
        let stop = self.resume(id, Resume::Emulate)?;
        let task = self.task(id)?;
        let mut registers = task.stopped.registers()?;
        if let Some(real) = displaced.and_then(|displaced| displaced.real(&registers)) {
            registers = real;
            task.stopped.set_registers(&registers)?;
        }
        if stop == StopEvent::Signal(Signal::TRAP) {
            let at = Addr::new(registers.rip.wrapping_sub(1));
            if self.sites.is_installed(space, at) {
                registers.rip = at.get();
                let task = self.task(id)?;
                task.stopped.set_registers(&registers)?;
                return Ok(Ran::Hit(at, registers));
            }
        }
        Ok(Ran::Stopped(stop, registers))
    }

    /// The installed site that the task stands at.
    fn standing_site(&mut self, id: TaskId) -> Result<Option<Addr>, Failure> {
        let space = self.task(id)?.space;
        Ok(self.standing_at.filter(|at| self.sites.is_installed(space, *at)))
    }

    /// Executes the instruction under the site that the task stands at. Gives the stop if that
    /// instruction leads to an event.
    pub(crate) fn leave_site(&mut self, id: TaskId) -> Result<Option<Ran>, Failure> {
        let space = self.task(id)?.space;
        let site = self.standing_site(id)?;
        self.standing_at = None;
        let Some(site) = site else {
            return Ok(None);
        };
        self.open_watched_pages()?;
        self.count.ran_natively();
        let counts = self.remove_site(space, site)?;
        let pushes_flags = self.pushes_flags(id, site)?;
        let stop = self.resume(id, Resume::EmulateStep)?;
        if let Some(counts) = counts {
            self.install_site(space, site, counts)?;
        }
        let task = self.task(id)?;
        let mut registers = task.stopped.registers()?;
        if stop == StopEvent::Signal(Signal::TRAP) {
            if pushes_flags {
                // The step's own trap flag went to the stack (Intel SDM vol. 2, PUSHF).
                let word = task.memory.read_u64(registers.sp())? & !TRAP_FLAG;
                task.memory.write(registers.sp(), &word.to_le_bytes()[..2])?;
            }
            // It can end on the next site: running on finds it there.
            return Ok(None);
        }
        if stop == StopEvent::Syscall && registers.rcx == registers.rip {
            // `syscall` keeps the flags in r11, with the step's own trap flag in them. `int 0x80`
            // changes neither register.
            registers.r11 &= !TRAP_FLAG;
            task.stopped.set_registers(&registers)?;
        }
        Ok(Some(Ran::Stopped(stop, registers)))
    }

    fn pushes_flags(&mut self, id: TaskId, at: Addr) -> Result<bool, Failure> {
        const PUSHF: u8 = 0x9c;
        const OPERAND_SIZE: u8 = 0x66;
        let mut code = [0; 2];
        let read = self.task(id)?.memory.read(at, &mut code)?;
        Ok(match code {
            [PUSHF, _] => read >= 1,
            [OPERAND_SIZE, PUSHF] => true,
            _ => false,
        })
    }

    /// Resumes a task until it stops, or about until `pause_at` on the monotonic clock: then it stops with a
    /// SIGSTOP that it does not get.
    pub(crate) fn resume_until(
        &mut self,
        id: TaskId,
        how: Resume,
        pause_at: Option<Duration>,
    ) -> Result<StopEvent, Failure> {
        loop {
            let stop = self.resume_once(id, how, pause_at)?;
            if stop != StopEvent::Signal(Signal::SEGV) {
                return Ok(stop);
            }
            let task = self.task(id)?;
            let (space, pc) = (task.space, task.stopped.registers()?.pc());
            if self.caches.contain(space, pc) || !self.met_guard(id, stop)? {
                return Ok(stop);
            }
        }
    }

    fn resume_once(
        &mut self,
        id: TaskId,
        how: Resume,
        pause_at: Option<Duration>,
    ) -> Result<StopEvent, Failure> {
        let task = self.task(id)?;
        task.give_back()?;
        let tid = task.stopped.tid();
        self.watch.start(tid, pause_at);
        let stop = loop {
            let stop = self.task(id)?.stopped.resume_and_wait(how, None);
            let goes_on = match stop {
                // Someone sent the process a SIGCONT (ptrace(2), "PTRACE_EVENT_STOP").
                Ok(StopEvent::Stop(Signal::TRAP)) => true,
                // Of a pause that the task did not need any more.
                Ok(StopEvent::Signal(Signal::STOP)) => !self.is_to_stop(pause_at),
                _ => false,
            };
            if !goes_on {
                break stop;
            }
        };
        self.watch.end();
        let stop = stop?;
        if stop == StopEvent::Exit {
            let signal = self.task(id)?.stopped.killed_by();
            return Err(Failure::Killed(signal.unwrap_or(Signal::KILL)));
        }
        if stop == StopEvent::Signal(Signal::STOP) {
            if self.watch.is_overdue() {
                return Err(Failure::Refused(
                    "the replay does not come to its next event (it ran for five minutes)"
                        .to_owned(),
                ));
            }
            if self.watch.is_interrupted() {
                return Err(Failure::Interrupted);
            }
        }
        Ok(stop)
    }

    /// Whether the one who watches has a reason to stop the running task.
    fn is_to_stop(&self, pause_at: Option<Duration>) -> bool {
        let pauses = pause_at.is_some_and(|at| monotonic() >= at);
        pauses || self.watch.is_interrupted() || self.watch.is_overdue()
    }

    /// The event takes effect.
    pub(crate) fn retire(&mut self, event: &Event, sink: Sink<'_>) -> Result<(), Failure> {
        self.note_watched(event);
        for effect in &event.effects {
            self.apply_effect(event.task, effect, sink)?;
        }
        if let EventKind::Exit { status, .. } = &event.kind {
            if event.task == TaskId::new(0) {
                self.root_status = Some(*status);
            }
            if let Some(task) = self.tasks.remove(&event.task) {
                let space = task.space;
                // Breakpoints that this task put into shared memory stay: others run there.
                drop(task);
                self.forget_empty_space(space);
            }
        } else {
            let task = self.task(event.task)?;
            task.in_syscall = match &event.kind {
                EventKind::SyscallEnter { no } => Some(*no),
                _ => None,
            };
            task.set_registers(&event.after)?;
        }
        self.ahead.pass(1);
        self.done = self.done.next();
        self.arrivals.clear();
        self.standing_at = None;
        Ok(())
    }
}

/// What a task did instead of what was recorded.
pub(crate) fn describe_stop(stop: StopEvent, registers: &Registers) -> String {
    match stop {
        StopEvent::Syscall | StopEvent::Seccomp => {
            let no = u32::try_from(registers.orig_rax).unwrap_or(u32::MAX);
            retake_abi::format_call(retake_model::SyscallNo::new(no), &registers.args())
        }
        StopEvent::Signal(signal) => format!("{signal} at {:#x}", registers.rip),
        other => format!("{other:?} at {:#x}", registers.rip),
    }
}

/// Why a task stopped.
pub(crate) enum Ran {
    Hit(Addr, Registers),
    /// Behind an access of watched memory.
    Watched(Addr),
    /// Anywhere, as it has run for long.
    Paused(Addr),
    Stopped(StopEvent, Registers),
}

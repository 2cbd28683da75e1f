//! Re-execution, one event at a time, with every event checked.

use retake_execution::Divergence;
use retake_model::{Addr, EventIndex, Registers, Signal, TaskId};
use retake_ptrace::{Resume, StopEvent};
use retake_recording::{Event, EventKind, Fingerprint, TrappedInstruction, Where};

use crate::describe::{context, registers_differ};
use crate::failure::Failure;
use crate::machine::{Machine, Sink};

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The next event took effect.
    Event,
    /// The running task arrived at a site; it has not executed the instruction there.
    Hit {
        task: TaskId,
        pc: Addr,
        nth: u64,
    },
    /// The recording has no further event.
    End,
}

/// Control bits of debug register 7: register 0 is on for this task, for execution.
const DR7_EXECUTE_0: u64 = 1;

fn is_at_call(registers: &Registers) -> bool {
    registers.orig_rax.cast_signed() >= 0
}

/// Whether the task has to execute anything to get to the event.
fn must_run(registers: &Registers, event: &Event) -> bool {
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

impl Machine {
    /// Goes on to the next event, or to a site before it.
    pub(crate) fn step(&mut self, sink: Sink<'_>) -> Result<Step, Failure> {
        if self.watch.is_interrupted() {
            return Err(Failure::Interrupted);
        }
        let Some((index, event)) = self.peek()?.cloned() else { return Ok(Step::End) };
        // The first event makes the first task: nothing runs before it.
        if index != EventIndex::ZERO {
            let Some(registers) = self.tasks.get(&event.task).map(|task| task.registers) else {
                return Err(self.divergence(index, &event, "the task", "exists", "does not exist"));
            };
            if must_run(&registers, &event) {
                if let Some(hit) = self.run_to(index, &event)? {
                    return Ok(hit);
                }
            } else if registers != event.before {
                return Err(self.registers_diverge(index, &event, &registers));
            }
        }
        self.retire(&event, sink)?;
        Ok(Step::Event)
    }

    fn divergence(
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
        if let EventKind::Signal { at: Where::MidCode(print), .. }
        | EventKind::Exit { at: Where::MidCode(print), .. }
        | EventKind::Preempt { at: Where::MidCode(print) } = &event.kind
        {
            return self.run_to_fingerprint(index, event, print);
        }
        let (stop, actual) = match self.run_until_stop(event.task)? {
            Ran::Hit(pc) => return Ok(Some(self.hit(event.task, pc))),
            Ran::Stopped(stop, registers) => (stop, registers),
        };
        let matches = match (&event.kind, stop) {
            (EventKind::Syscall { .. } | EventKind::SyscallEnter { .. }, StopEvent::Syscall) => true,
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
            let seen = match stop {
                StopEvent::Syscall => {
                    let no = retake_model::SyscallNo::new(
                        u32::try_from(actual.orig_rax).unwrap_or(u32::MAX),
                    );
                    retake_abi::format_call(no, &actual.args())
                }
                StopEvent::Signal(signal) => format!("{signal} at {:#x}", actual.rip),
                other => format!("{other:?} at {:#x}", actual.rip),
            };
            return Err(self.divergence(index, event, "what the task did next", expected, seen));
        }
        if actual != event.before {
            return Err(self.registers_diverge(index, event, &actual));
        }
        Ok(None)
    }

    fn hit(&mut self, task: TaskId, pc: Addr) -> Step {
        let nth = self.arrivals.entry(pc).or_insert(0);
        *nth += 1;
        self.standing_at = Some(pc);
        Step::Hit { task, pc, nth: *nth }
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
            TrappedInstruction::Cpuid => code[..2] == [0x0f, 0xa2],
        })
    }

    /// Resumes a task until it stops at a site or for an event.
    fn run_until_stop(&mut self, id: TaskId) -> Result<Ran, Failure> {
        let space = self.task(id)?.space;
        if let Some(site) = self.standing_at.take()
            && self.sites.is_installed(space, site)
        {
            self.remove_site(space, site)?;
            let stop = self.resume(id, Resume::EmulateStep)?;
            self.install_site(space, site)?;
            let registers = self.task(id)?.stopped.registers()?;
            if stop != StopEvent::Signal(Signal::TRAP) {
                return Ok(Ran::Stopped(stop, registers));
            }
            // A stepped instruction can end on the next site: running on finds it there.
        }
        let stop = self.resume(id, Resume::Emulate)?;
        let task = self.task(id)?;
        let mut registers = task.stopped.registers()?;
        if stop == StopEvent::Signal(Signal::TRAP) {
            let at = Addr::new(registers.rip.wrapping_sub(1));
            if self.sites.is_installed(space, at) {
                registers.rip = at.get();
                let task = self.task(id)?;
                task.stopped.set_registers(&registers)?;
                return Ok(Ran::Hit(at));
            }
        }
        Ok(Ran::Stopped(stop, registers))
    }

    fn resume(&mut self, id: TaskId, how: Resume) -> Result<StopEvent, Failure> {
        let tid = self.task(id)?.stopped.tid();
        self.watch.start(tid);
        let stop = self.task(id)?.stopped.resume_and_wait(how, None);
        self.watch.end();
        let stop = stop?;
        if stop == StopEvent::Signal(Signal::STOP) {
            if self.watch.is_overdue() {
                return Err(Failure::Refused(
                    "the replay does not come to its next event (it ran for five minutes)".to_owned(),
                ));
            }
            return Err(Failure::Interrupted);
        }
        Ok(stop)
    }

    /// Lets a task run until its state is the recorded one: a debug register stops it at each arrival
    /// at the program counter, registers and probe words are compared there.
    fn run_to_fingerprint(
        &mut self,
        index: EventIndex,
        event: &Event,
        print: &Fingerprint,
    ) -> Result<Option<Step>, Failure> {
        let id = event.task;
        loop {
            self.task(id)?.stopped.set_debug_register(0, event.before.rip)?;
            self.task(id)?.stopped.set_debug_register(7, DR7_EXECUTE_0)?;
            let ran = self.run_until_stop(id);
            if let Ok(task) = self.task(id) {
                task.stopped.set_debug_register(7, 0)?;
            }
            let (stop, actual) = match ran? {
                Ran::Hit(pc) => return Ok(Some(self.hit(id, pc))),
                Ran::Stopped(stop, registers) => (stop, registers),
            };
            if stop != StopEvent::Signal(Signal::TRAP) || actual.rip != event.before.rip {
                let expected = crate::describe::describe_event(event);
                let seen = format!("{stop:?} at {:#x} first", actual.rip);
                return Err(self.divergence(index, event, "what the task did next", expected, seen));
            }
            // Resuming from a stop leaves RF set where the recording has it clear.
            let same = Registers { eflags: event.before.eflags, orig_rax: event.before.orig_rax, ..actual }
                == event.before;
            let memory = &self.task(id)?.memory;
            let probes =
                || print.probes.iter().all(|(addr, word)| memory.read_u64(*addr).ok() == Some(*word));
            if same && probes() && self.task(id)?.stopped.vector()? == print.vector {
                return Ok(None);
            }
        }
    }

    /// The event takes effect.
    fn retire(&mut self, event: &Event, sink: Sink<'_>) -> Result<(), Failure> {
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
        self.ahead = None;
        self.done = self.done.next();
        self.arrivals.clear();
        self.standing_at = None;
        Ok(())
    }
}

/// Why a task stopped.
enum Ran {
    Hit(Addr),
    Stopped(StopEvent, Registers),
}

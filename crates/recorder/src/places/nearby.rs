//! The instructions right after the one where a task stands: in a loop those right before it as well.

use retake_model::{Addr, Registers, Signal};
use retake_ptrace::{ProcessMemory, PtraceStop, Resume, StopEvent, Stopped};
use retake_tracee::Glance;

use crate::error::RecordError;
use crate::next::normal;
use crate::places::Found;
use crate::signals::holding::hold_meanwhile;
use crate::tasks::Task;
use crate::waiting::code::{Known, Step};

/// So many instructions are looked at. A step costs 3 to 40 µs.
const AHEAD: usize = 32;
/// So many ways around calls.
const MOST_WAYS: usize = 8;
/// Bytes below the stack pointer that a task uses (x86-64 psABI), and from there on those that are taken for
/// its own frames.
const RED_ZONE: u64 = 128;
/// EFLAGS.TF. In replay there is no step.
pub(crate) const TRAP_FLAG: u64 = 0x100;
const OWN_FRAMES: u64 = 4096;
/// So many words that they write.
const MOST_WORDS: usize = 16;

/// The instruction at `pc`, if it only works on registers and memory.
fn step_at(memory: &ProcessMemory, pc: Addr) -> Option<Step> {
    Step::read(&Glance::of_still(memory), pc)
}

/// A way that code may go.
#[derive(Clone, Debug, Default)]
struct Way {
    steps: Vec<Step>,
    /// Branches ahead that were not taken: how many steps come before what they lead to, and where that is.
    untaken: Vec<(usize, Addr)>,
    /// It ends where registers or memory say how the code goes on, or where it leaves the program.
    is_open: bool,
}

impl Way {
    /// Goes on from `pc`, once around a loop if there is one.
    fn extend(&mut self, memory: &Glance<'_>, pc: Addr) {
        let mut at = Some(pc);
        self.is_open = false;
        while let Some(pc) = at.filter(|_| self.steps.len() < AHEAD) {
            if self.steps.iter().any(|step| step.is_at(pc)) {
                return;
            }
            let step = Step::read(memory, pc);
            at = step.as_ref().and_then(Step::next);
            self.is_open = at.is_none();
            let Some(step) = step else { return };
            self.steps.push(step);
            if let Some(target) = self.steps.last().and_then(Step::leads_ahead) {
                self.untaken.push((self.steps.len(), target));
            }
        }
    }

    /// The way that takes the last of its branches that were not taken.
    fn other(mut self, memory: &Glance<'_>) -> Option<Self> {
        let (len, target) = self.untaken.pop()?;
        self.steps.truncate(len);
        self.extend(memory, target);
        Some(self)
    }
}

/// The instructions from `pc` on, up to where registers or memory say how the code goes on.
fn ahead(memory: &Glance<'_>, pc: Addr) -> Vec<Step> {
    let mut way = Way::default();
    way.extend(memory, pc);
    way.steps
}

/// The same, and where that ends at a call or the like, the ways around it: sanitizers have a call that is never
/// made at each access of memory.
fn ways_ahead(memory: &Glance<'_>, pc: Addr) -> Vec<Vec<Step>> {
    let mut way = Way::default();
    way.extend(memory, pc);
    let mut ways = vec![way.steps.clone()];
    while way.is_open && ways.len() < MOST_WAYS {
        let Some(other) = way.other(memory) else { break };
        ways.push(other.steps.clone());
        way = other;
    }
    ways
}

/// Words of memory that the code around `registers` writes: by aligned addresses, of what needs no register
/// that changes on the way.
pub(crate) fn written_nearby(memory: &Glance<'_>, registers: &Registers) -> Vec<Addr> {
    let mut words = Vec::new();
    for way in ways_ahead(memory, registers.pc()) {
        let mut known = Known::all(registers);
        for step in way {
            let accesses = step.accesses(&known).unwrap_or_default();
            for access in accesses.iter().filter(|access| access.writes) {
                let word = Addr::new(access.addr.get() & !7);
                if !words.contains(&word) && words.len() < MOST_WORDS {
                    words.push(word);
                }
            }
            step.pass(&mut known, memory);
        }
    }
    words
}

/// The instruction where a task stands with these registers, if it is one that updates memory.
pub(crate) fn update_at(
    task: &Task,
    registers: &Registers,
) -> Option<crate::waiting::code::Access> {
    step_at(&task.memory, registers.pc())?.update(registers)
}

/// Whether a task that was to execute the instruction at `from` has come to the end of a call instead. The
/// kernel takes that for a step as well (arch/x86/kernel/ptrace.c, `user_single_step_report`).
fn is_end_of_call(stopped: &Stopped, from: Addr) -> Result<bool, RecordError> {
    const TRAP_BRKPT: i32 = 1;
    Ok(stopped.siginfo()?.code() == TRAP_BRKPT && stopped.registers()?.pc() == from)
}

/// Executes one instruction. Gives what came instead, if anything did: then it was not executed.
pub(crate) fn step_once(
    task: &mut Task,
    stopped: &mut Stopped,
) -> Result<Option<StopEvent>, RecordError> {
    const TRAP_TRACE: i32 = 2;
    let from = stopped.registers()?.pc();
    loop {
        match stopped.resume_and_wait(Resume::Step, None)? {
            StopEvent::Signal(Signal::TRAP) if stopped.siginfo()?.code() == TRAP_TRACE => {
                let registers = normal(&stopped.registers()?);
                task.undo_forced(stopped, Signal::TRAP, &registers)?;
                return Ok(None);
            }
            StopEvent::Signal(Signal::TRAP) if is_end_of_call(stopped, from)? => {
                task.undo_forced(stopped, Signal::TRAP, &normal(&stopped.registers()?))?;
            }
            StopEvent::Signal(signal) if hold_meanwhile(task, stopped, signal)? => {}
            // It was asked to stop before.
            StopEvent::Stop(Signal::TRAP) => {}
            other => {
                hide_trap_flag(stopped, other)?;
                if other == StopEvent::Seccomp && stopped.is_trapped() {
                    end_step(task, stopped)?;
                }
                return Ok(Some(other));
            }
        }
    }
}

/// `syscall` keeps the flags in `r11`: also those of a call that was interrupted, and is made again by the step.
fn hide_trap_flag(stopped: &mut Stopped, event: StopEvent) -> Result<(), RecordError> {
    if event != StopEvent::Seccomp {
        return Ok(());
    }
    let registers = stopped.registers()?;
    if registers.rcx == registers.rip {
        let r11 = registers.r11 & !TRAP_FLAG;
        stopped.set_registers(&Registers { r11, ..registers })?;
    }
    Ok(())
}

/// A call that was stopped by a signal has ended for the kernel, and so has the step: its SIGTRAP waits.
fn end_step(task: &mut Task, stopped: &mut Stopped) -> Result<(), RecordError> {
    let entry = stopped.registers()?;
    let mut stops_again = false;
    while stopped.has_queued_fault()? {
        match stopped.resume_and_wait(Resume::Continue, None)? {
            StopEvent::Signal(Signal::TRAP) => {
                task.undo_forced(
                    stopped,
                    Signal::TRAP,
                    &Registers { orig_rax: u64::MAX, ..entry },
                )?;
            }
            StopEvent::Signal(_) => task.held.push_back(stopped.siginfo()?),
            StopEvent::Stop(_) => stops_again = true,
            other => {
                let what = format!("{other:?} at the end of a step over a call");
                return Err(RecordError::Unsupported(what));
            }
        }
    }
    stopped.set_registers(&entry)?;
    if stops_again {
        stopped.stop_again()?;
    }
    Ok(())
}

/// Steps on over so many instructions, as long as they only work on registers and memory.
pub(crate) fn step_on(
    task: &mut Task,
    mut stopped: Stopped,
    count: usize,
) -> Result<Found, RecordError> {
    for _ in 0..count {
        if step_at(&task.memory, stopped.registers()?.pc()).is_none() {
            break;
        }
        if let Some(event) = step_once(task, &mut stopped)? {
            return Ok(Found::Stop(PtraceStop::Stopped(stopped, event)));
        }
    }
    Ok(Found::Place(stopped, None))
}

/// Steps on to an instruction that writes to memory which others may see, if one is near.
pub(crate) fn step_to_write(task: &mut Task, mut stopped: Stopped) -> Result<Found, RecordError> {
    let start = normal(&stopped.registers()?);
    let steps = ahead(&Glance::of(&task.memory, &stopped), start.pc());
    if !steps.iter().any(|step| writes_for_others(step, &start)) {
        return Ok(Found::Place(stopped, None));
    }
    for _ in 0..steps.len() {
        let registers = normal(&stopped.registers()?);
        let step = step_at(&task.memory, registers.pc());
        if step.is_none_or(|step| writes_for_others(&step, &registers)) {
            break;
        }
        if let Some(event) = step_once(task, &mut stopped)? {
            return Ok(Found::Stop(PtraceStop::Stopped(stopped, event)));
        }
    }
    Ok(Found::Place(stopped, None))
}

/// Whether an instruction writes elsewhere than to the task's own frames.
fn writes_for_others(step: &Step, registers: &Registers) -> bool {
    let frames = registers.rsp.wrapping_sub(RED_ZONE);
    let is_own = |addr: Addr| addr.get().wrapping_sub(frames) < OWN_FRAMES;
    let accesses = step.accesses(&Known::all(registers)).unwrap_or_default();
    accesses.iter().any(|access| access.writes && !is_own(access.addr))
}

//! Signals: faults, traps, and those that come from elsewhere.

use retake_abi::Errno;
use retake_model::{Addr, AddrRange, Registers, SigInfo, Signal};
use retake_ptrace::{Resume, StopEvent, Stopped, kill_task, read_tsc};
use retake_recording::{Delivery, Effect, EventKind, Fingerprint, TrappedInstruction, Where};

use crate::error::RecordError;
use crate::session::{Next, Session, resumed};
use crate::task::Task;

/// `SI_KERNEL`: what a trapped rdtsc or cpuid has for a code.
const SI_KERNEL: i32 = 0x80;
/// Largest stack below which a signal frame is looked for on the same stack, in bytes.
const FRAME_REACH: u64 = 64 << 10;
/// Bytes below the stack pointer that a handler must leave alone (x86-64 psABI).
const RED_ZONE: u64 = 128;

/// What the task would do with a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Disposition {
    Handler,
    Ignored,
    Fatal,
    Stop,
}

fn status_mask(status: &str, field: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|text| u64::from_str_radix(text.trim(), 16).ok()).unwrap_or(0)
}

fn disposition(task: &Task, signal: Signal) -> Disposition {
    let status = std::fs::read_to_string(format!("/proc/{}/status", task.tid)).unwrap_or_default();
    if status_mask(&status, "SigCgt:") & signal.mask_bit() != 0 {
        return Disposition::Handler;
    }
    if status_mask(&status, "SigIgn:") & signal.mask_bit() != 0 {
        return Disposition::Ignored;
    }
    match signal {
        Signal::CHLD | Signal::URG | Signal::WINCH | Signal::CONT => Disposition::Ignored,
        Signal::STOP | Signal::TSTP | Signal::TTIN | Signal::TTOU => Disposition::Stop,
        _ => Disposition::Fatal,
    }
}

fn is_synchronous(signal: Signal, info: &SigInfo) -> bool {
    let kind = matches!(
        signal,
        Signal::SEGV | Signal::BUS | Signal::ILL | Signal::FPE | Signal::TRAP
    );
    kind && info.code() > 0
}

fn restart_code(registers: &Registers) -> Option<Errno> {
    if registers.orig_rax.cast_signed() < 0 {
        return None;
    }
    Errno::from_result(registers.rax.cast_signed()).filter(|errno| errno.is_restart())
}

impl Session {
    /// After an interrupted call the kernel, with no handler to run, sets the task back to make the
    /// call again. That is an event: no user code shows it.
    pub(crate) fn restart_if_interrupted(&mut self, task: &mut Task) -> Result<(), RecordError> {
        const RESTART_SYSCALL: u64 = 219;
        let before = task.registers;
        let Some(errno) = restart_code(&before) else { return Ok(()) };
        let rax =
            if errno == Errno::ERESTART_RESTARTBLOCK { RESTART_SYSCALL } else { before.orig_rax };
        let after = Registers { rax, rip: before.rip.wrapping_sub(2), ..before };
        self.effects.clear();
        self.append(task, &EventKind::Restart, &before, &after)
    }

    pub(crate) fn signal_arrived(
        &mut self,
        task: &mut Task,
        mut stopped: Stopped,
        signal: Signal,
    ) -> Result<Next, RecordError> {
        let info = stopped.siginfo()?;
        let registers = stopped.registers()?;
        if signal == Signal::SEGV && info.code() == SI_KERNEL
            && let Some(next) = self.trapped_instruction(task, &mut stopped, &registers)?
        {
            self.append(task, &next.0, &registers, &next.1)?;
            return Ok(Next::Ready(stopped));
        }
        let located = is_synchronous(signal, &info) || registers == task.registers;
        match disposition(task, signal) {
            Disposition::Ignored if located && !is_synchronous(signal, &info) => {
                self.restart_if_interrupted(task)?;
                Ok(resumed(stopped.resume(Resume::Continue, None)?, Next::Soon))
            }
            Disposition::Ignored if !is_synchronous(signal, &info) => {
                Ok(resumed(stopped.resume(Resume::Continue, None)?, Next::Soon))
            }
            Disposition::Stop => {
                if located {
                    self.restart_if_interrupted(task)?;
                }
                Ok(resumed(stopped.resume(Resume::Continue, Some(signal))?, Next::Soon))
            }
            Disposition::Handler if !located => {
                let merged = !signal.is_realtime()
                    && task.held.iter().any(|held| held.signal() == Ok(signal));
                if !merged {
                    task.held.push_back(info);
                }
                Ok(resumed(stopped.resume(Resume::Continue, None)?, Next::Soon))
            }
            _ => {
                let at = if located { Where::Located } else { fingerprint(task, &stopped, &registers)? };
                self.deliver(task, stopped, signal, info, &registers, at)
            }
        }
    }

    /// rdtsc, rdtscp: executed here, with the result recorded.
    fn trapped_instruction(
        &mut self,
        task: &mut Task,
        stopped: &mut Stopped,
        registers: &Registers,
    ) -> Result<Option<(EventKind, Registers)>, RecordError> {
        let mut code = [0; 3];
        if task.memory.read(registers.pc(), &mut code).is_err() {
            return Ok(None);
        }
        let (instruction, len) = match code {
            [0x0f, 0x31, _] => (TrappedInstruction::Rdtsc, 2),
            [0x0f, 0x01, 0xf9] => (TrappedInstruction::Rdtscp, 3),
            _ => return Ok(None),
        };
        let tsc = read_tsc();
        let mut after = Registers {
            rip: registers.rip + len,
            rax: tsc & 0xffff_ffff,
            rdx: tsc >> 32,
            ..*registers
        };
        if instruction == TrappedInstruction::Rdtscp {
            after.rcx = retake_ptrace::current_cpu() as u64;
        }
        stopped.set_registers(&after)?;
        self.effects.clear();
        Ok(Some((EventKind::Instruction { instruction }, after)))
    }

    /// The first held signal that the task does not block.
    pub(crate) fn take_deliverable(
        &mut self,
        task: &mut Task,
        stopped: &Stopped,
    ) -> Result<Option<SigInfo>, RecordError> {
        if task.held.is_empty() {
            return Ok(None);
        }
        let mask = stopped.signal_mask()?;
        let free = |info: &SigInfo| info.signal().is_ok_and(|s| mask & s.mask_bit() == 0);
        let at = task.held.iter().position(free);
        Ok(at.and_then(|at| task.held.remove(at)))
    }

    /// Delivers a held signal to a task that stands at the entry of a call: the call is undone and
    /// made again after the handler.
    pub(crate) fn deliver_at_entry(
        &mut self,
        task: &mut Task,
        mut stopped: Stopped,
        entry: &Registers,
        info: &SigInfo,
    ) -> Result<Next, RecordError> {
        let Ok(signal) = info.signal() else { return Ok(Next::Ready(stopped)) };
        let undone = Registers {
            rip: entry.rip.wrapping_sub(2),
            rax: entry.orig_rax,
            orig_rax: u64::MAX,
            ..*entry
        };
        stopped.set_registers(&undone)?;
        kill_task(task.pid, task.tid, signal)?;
        loop {
            match stopped.resume_and_wait(Resume::Continue, None)? {
                StopEvent::Signal(arrived) if arrived == signal => break,
                StopEvent::Signal(_) => task.held.push_back(stopped.siginfo()?),
                StopEvent::Exit => return self.task_ends(task, stopped),
                StopEvent::Stop(_) => {}
                other => {
                    return Err(RecordError::Unsupported(format!(
                        "{other:?} while delivering {signal}"
                    )));
                }
            }
        }
        stopped.set_siginfo(info)?;
        if disposition(task, signal) == Disposition::Ignored {
            // Changed by another thread since: the call goes on as if nothing had come.
            return Ok(resumed(stopped.resume(Resume::Continue, None)?, Next::Soon));
        }
        self.deliver(task, stopped, signal, info.clone(), entry, Where::Located)
    }

    /// Lets the kernel deliver a signal, and records what that does.
    fn deliver(
        &mut self,
        task: &mut Task,
        mut stopped: Stopped,
        signal: Signal,
        info: SigInfo,
        before: &Registers,
        at: Where,
    ) -> Result<Next, RecordError> {
        self.effects.clear();
        if disposition(task, signal) != Disposition::Handler {
            let kind = EventKind::Signal { info, delivery: Delivery::Fatal { core: false }, at };
            self.append(task, &kind, before, before)?;
            return Ok(resumed(stopped.resume(Resume::Continue, Some(signal))?, Next::Soon));
        }
        let old_sp = stopped.registers()?.rsp;
        match stopped.resume_and_wait(Resume::Step, Some(signal))? {
            StopEvent::Signal(Signal::TRAP) => {}
            StopEvent::Signal(other) => {
                // The frame could not be written (stack overflow): that is a fault of its own.
                return self.signal_arrived(task, stopped, other);
            }
            StopEvent::Exit => return self.task_ends(task, stopped),
            other => {
                return Err(RecordError::Unsupported(format!("{other:?} instead of a handler")));
            }
        }
        let after = stopped.registers()?;
        if let Some(frame) = frame_range(task, old_sp, after.rsp) {
            let memory = &task.memory;
            let len = usize::try_from(frame.len()).unwrap_or(0);
            self.effects.write_with(frame.start(), len, |out| {
                memory.read(frame.start(), out).unwrap_or(0)
            });
        }
        self.effect(&Effect::Vector { state: stopped.vector()? });
        let kind = EventKind::Signal { info, delivery: Delivery::Handler, at };
        self.append(task, &kind, before, &after)?;
        Ok(Next::Ready(stopped))
    }

    pub(crate) fn group_stop(
        &mut self,
        task: &mut Task,
        stopped: Stopped,
        signal: Signal,
    ) -> Result<Next, RecordError> {
        match signal {
            Signal::STOP | Signal::TSTP | Signal::TTIN | Signal::TTOU => {
                match stopped.listen() {
                    Ok(running) => Ok(resumed(running, Next::Waiting)),
                    Err(error) => Err(error.into()),
                }
            }
            _ if task.open.is_some() => {
                Ok(resumed(stopped.resume(Resume::Syscall, None)?, Next::Waiting))
            }
            _ => Ok(resumed(stopped.resume(Resume::Continue, None)?, Next::Soon)),
        }
    }
}

/// Where the frame of a handler that starts at `sp` lies: up to the interrupted stack's red zone, or
/// up to the end of the alternate stack, which the frame itself names (`uc_stack`).
fn frame_range(task: &Task, old_sp: u64, sp: u64) -> Option<AddrRange> {
    const UC_STACK: u64 = 8 + 16;
    let top = old_sp.wrapping_sub(RED_ZONE);
    if sp < top && top - sp < FRAME_REACH {
        return AddrRange::new(Addr::new(sp), Addr::new(top));
    }
    let base = task.memory.read_u64(Addr::new(sp + UC_STACK)).ok()?;
    let size = task.memory.read_u64(Addr::new(sp + UC_STACK + 16)).ok()?;
    let end = base.checked_add(size)?;
    (base <= sp && sp < end).then(|| AddrRange::new(Addr::new(sp), Addr::new(end))).flatten()
}

/// The state of a task in the middle of code.
pub(crate) fn fingerprint(
    task: &Task,
    stopped: &Stopped,
    registers: &Registers,
) -> Result<Where, RecordError> {
    const PROBES: u64 = 8;
    let probe = |n: u64| {
        let addr = registers.sp().checked_add(n * 8)?;
        Some((addr, task.memory.read_u64(addr).ok()?))
    };
    let probes = (0..PROBES).filter_map(probe).collect();
    let vector = stopped.vector()?;
    Ok(Where::MidCode(Box::new(Fingerprint { vector, probes, pages: None })))
}

//! The requests of ptrace(2).

use retake_abi::{Errno, consts::ptrace as request};
use retake_model::{Addr, Registers, Signal, Tid, VectorState};
use retake_ptrace::PtraceError;

use super::{Kind, Stop, Traced, number_in};
use crate::calls::Answer;
use crate::error::RecordError;
use crate::midcode::normal;
use crate::session::Session;
use crate::task::{Run, Task};

/// Bytes of `struct user_regs_struct`.
const GENERAL: usize = 8 * Registers::COUNT;
/// Bytes of `struct user_fpregs_struct`, and where those begin that the processor does not write.
const FLOATING: usize = 512;
const SOFTWARE: usize = 464;
/// Types of `PTRACE_GETREGSET`.
const NT_PRSTATUS: u64 = 1;
const NT_PRFPREG: u64 = 2;
const NT_X86_XSTATE: u64 = 0x202;
/// What a call that a stop interrupts has in `rax` (`ERESTARTSYS`).
const INTERRUPTED: i64 = -512;

const REFUSED: &str = "the program used ptrace for more than looking at stopped tasks, which is refused (EPERM, EIO) \
                       while it is recorded: debuggers and tracers in it do not work";

impl Session {
    /// Does what a task asks of ptrace(2).
    pub(crate) fn trace_call(
        &mut self,
        task: &Task,
        args: &[u64; 6],
    ) -> Result<Answer, RecordError> {
        self.effects.clear();
        let [what, pid, addr, data, ..] = *args;
        let tid = number_in(pid);
        let done = match what {
            request::PTRACE_ATTACH => self.begin_to_trace(task, tid, Kind::Attached),
            request::PTRACE_SEIZE if data == 0 => self.begin_to_trace(task, tid, Kind::Seized),
            request::PTRACE_INTERRUPT => self.interrupt_traced(task, tid),
            request::PTRACE_CONT | request::PTRACE_DETACH if data == 0 => {
                self.let_go(task, tid, what == request::PTRACE_DETACH)
            }
            request::PTRACE_PEEKTEXT
            | request::PTRACE_PEEKDATA
            | request::PTRACE_PEEKUSER
            | request::PTRACE_GETREGS
            | request::PTRACE_GETFPREGS
            | request::PTRACE_GETSIGINFO
            | request::PTRACE_GETREGSET => self.look_at_traced(task, tid, (what, addr, data))?,
            _ => {
                self.warn_once(REFUSED.to_owned());
                let refusal =
                    if self.traced(task, tid).is_ok() { Errno::EIO } else { Errno::EPERM };
                Err(refusal)
            }
        };
        Ok(Answer::Now(done.map_or_else(Errno::to_result, |()| 0)))
    }

    fn begin_to_trace(&mut self, task: &Task, tid: Tid, kind: Kind) -> Result<(), Errno> {
        let Some(other) = self.tasks.get(&tid).filter(|other| !other.ended) else {
            return Err(if tid == task.tid { Errno::EPERM } else { Errno::ESRCH });
        };
        if other.pid == task.pid || other.traced.is_some() || !may_trace(task.tid, tid) {
            return Err(Errno::EPERM);
        }
        if !sees_our_numbers(task.tid) {
            self.warn_once(REFUSED.to_owned());
            return Err(Errno::EPERM);
        }
        let stop = match kind {
            Kind::Attached => Stop::Unreported,
            Kind::Seized => Stop::Runs,
        };
        if let Some(other) = self.tasks.get_mut(&tid) {
            other.traced = Some(Traced { by: task.id, kind, stop });
        }
        Ok(())
    }

    /// The task of that number, which `task` traces.
    fn traced(&mut self, task: &Task, tid: Tid) -> Result<(&mut Task, Traced), Errno> {
        let other = self.tasks.get_mut(&tid).ok_or(Errno::ESRCH)?;
        match other.traced {
            Some(traced) if traced.by == task.id => Ok((other, traced)),
            _ => Err(Errno::ESRCH),
        }
    }

    fn interrupt_traced(&mut self, task: &Task, tid: Tid) -> Result<(), Errno> {
        let (other, traced) = self.traced(task, tid)?;
        if traced.kind == Kind::Attached {
            return Err(Errno::EIO);
        }
        if !traced.is_stopped() {
            other.traced = Some(Traced { stop: Stop::Unreported, ..traced });
        }
        Ok(())
    }

    /// A stopped task goes on, traced or not.
    fn let_go(&mut self, task: &Task, tid: Tid, for_good: bool) -> Result<(), Errno> {
        let (other, traced) = self.traced(task, tid)?;
        if !traced.is_stopped() {
            return Err(Errno::ESRCH);
        }
        other.traced = if for_good { None } else { Some(Traced { stop: Stop::Runs, ..traced }) };
        Ok(())
    }

    fn look_at_traced(
        &mut self,
        task: &Task,
        tid: Tid,
        (what, addr, data): (u64, u64, u64),
    ) -> Result<Result<(), Errno>, RecordError> {
        let (other, traced) = match self.traced(task, tid) {
            Ok(found) => found,
            Err(errno) => return Ok(Err(errno)),
        };
        if !traced.is_stopped() {
            return Ok(Err(Errno::ESRCH));
        }
        let bytes = match what {
            request::PTRACE_PEEKTEXT | request::PTRACE_PEEKDATA => {
                other.memory.read_u64(Addr::new(addr)).ok().map(|word| word.to_le_bytes().to_vec())
            }
            request::PTRACE_PEEKUSER => word_of_user(&general(other), addr),
            request::PTRACE_GETREGS => Some(general(other)),
            request::PTRACE_GETFPREGS => Some(floating(&vector(other)?)),
            request::PTRACE_GETSIGINFO => Some(siginfo(traced.kind)),
            _ => {
                let set = match addr {
                    NT_PRSTATUS => general(other),
                    NT_PRFPREG => floating(&vector(other)?),
                    NT_X86_XSTATE => vector(other)?.as_bytes().to_vec(),
                    _ => return Ok(Err(Errno::EINVAL)),
                };
                return Ok(self.give_set(task, Addr::new(data), &set));
            }
        };
        let Some(bytes) = bytes else { return Ok(Err(Errno::EIO)) };
        Ok(self.give_traced(task, Addr::new(data), &bytes))
    }

    /// Writes an answer where the tracer wants it.
    fn give_traced(&mut self, task: &Task, to: Addr, bytes: &[u8]) -> Result<(), Errno> {
        if self.give(task, to, bytes) { Ok(()) } else { Err(Errno::EFAULT) }
    }

    /// The same through a `struct iovec`, which is told how much it was.
    fn give_set(&mut self, task: &Task, iovec: Addr, set: &[u8]) -> Result<(), Errno> {
        let length = iovec.checked_add(8).ok_or(Errno::EFAULT)?;
        let read = |at| task.memory.read_u64(at).map_err(|_| Errno::EFAULT);
        let (base, room) = (read(iovec)?, read(length)?);
        let len = set.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        self.give_traced(task, Addr::new(base), set.get(..len).unwrap_or_default())?;
        self.give_traced(task, length, &(len as u64).to_le_bytes())
    }
}

/// General registers at a stop: in a call, as if the stop had interrupted it.
fn general(task: &Task) -> Vec<u8> {
    let registers = match (&task.run, &task.open) {
        (Run::Kernel, Some(open)) => Registers { rax: INTERRUPTED.cast_unsigned(), ..open.entry },
        _ => normal(&task.registers),
    };
    registers.to_array().into_iter().flat_map(u64::to_le_bytes).collect()
}

fn vector(task: &Task) -> Result<VectorState, PtraceError> {
    match (&task.run, &task.open, &task.stopped) {
        (Run::Ready(stopped), ..) => stopped.vector(),
        (_, Some(open), _) => Ok(open.vector.clone().unwrap_or_default()),
        (_, _, Some((vector, _))) => Ok(vector.clone()),
        _ => Ok(VectorState::default()),
    }
}

/// The part that FXSAVE writes (Intel SDM vol. 1, 10.5.1).
fn floating(vector: &VectorState) -> Vec<u8> {
    let mut bytes = vector.as_bytes().to_vec();
    bytes.resize(FLOATING, 0);
    if let Some(software) = bytes.get_mut(SOFTWARE..) {
        software.fill(0);
    }
    bytes
}

/// A word of `struct user`, which begins with the registers.
fn word_of_user(general: &[u8], offset: u64) -> Option<Vec<u8>> {
    let at = usize::try_from(offset).ok().filter(|at| at % 8 == 0 && *at < GENERAL)?;
    general.get(at..at + 8).map(<[u8]>::to_vec)
}

/// `siginfo_t` of a stop.
fn siginfo(kind: Kind) -> Vec<u8> {
    const SIZE: usize = 128;
    const SI_KERNEL: u32 = 0x80;
    const PTRACE_EVENT_STOP: u32 = 128;
    let trap = Signal::TRAP.number().cast_unsigned();
    let (signal, code) = match kind {
        Kind::Attached => (Signal::STOP.number().cast_unsigned(), SI_KERNEL),
        Kind::Seized => (trap, PTRACE_EVENT_STOP << 8 | trap),
    };
    let mut bytes = [signal, 0, code].into_iter().flat_map(u32::to_le_bytes).collect::<Vec<_>>();
    bytes.resize(SIZE, 0);
    bytes
}

fn status_line(tid: Tid, name: &str) -> Option<Vec<u32>> {
    let status = std::fs::read_to_string(format!("/proc/{tid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.split_whitespace().filter_map(|word| word.parse().ok()).collect())
}

/// Whether a task knows others by the numbers that the recorder knows them by (pid_namespaces(7)).
fn sees_our_numbers(tid: Tid) -> bool {
    status_line(tid, "NSpid:").is_some_and(|numbers| numbers.len() == 1)
}

/// Whether a task may trace another one (ptrace(2), "Ptrace access mode checking"): as root, or as the same user.
fn may_trace(tracer: Tid, other: Tid) -> bool {
    let (Some(own), Some(theirs)) = (status_line(tracer, "Uid:"), status_line(other, "Uid:"))
    else {
        return false;
    };
    let user = own.get(1).copied();
    user == Some(0) || theirs.iter().take(3).all(|theirs| Some(*theirs) == user)
}

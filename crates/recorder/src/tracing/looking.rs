//! Looking at a stopped task: registers, memory, why it stands.

use retake_abi::{Errno, consts::ptrace as request};
use retake_model::{Addr, Registers, Tid, VectorState};
use retake_ptrace::PtraceError;

use super::Traced;
use super::told::{Event, Why};
use crate::book::Draft;
use crate::error::RecordError;
use crate::next::normal;
use crate::tasks::{Run, Task};
use crate::world::World;

/// Bytes of `struct user_regs_struct`.
pub(super) const GENERAL: usize = 8 * Registers::COUNT;
/// Bytes of `struct user_fpregs_struct`, and where those begin that the processor does not write.
pub(super) const FLOATING: usize = 512;
pub(super) const SOFTWARE: usize = 464;
/// Bytes of `struct user`, where the debug registers are its last.
const USER: u64 = 912;
/// Types of `PTRACE_GETREGSET`.
pub(super) const NT_PRSTATUS: u64 = 1;
pub(super) const NT_PRFPREG: u64 = 2;
pub(super) const NT_X86_XSTATE: u64 = 0x202;
/// What a call that a stop interrupts has in `rax` (`ERESTARTSYS`).
const INTERRUPTED: i64 = -512;
/// Bytes of a signal set.
pub(super) const SIGNAL_SET: u64 = 8;

/// A request with its two arguments besides the task.
pub(super) type Request = (u64, u64, u64);

impl World {
    pub(super) fn look_at_traced(
        &mut self,
        draft: &mut Draft,
        task: &Task,
        tid: Tid,
        (what, addr, data): Request,
    ) -> Result<Result<i64, Errno>, RecordError> {
        let (other, traced) = match self.stopped_traced(task, tid) {
            Ok(found) => found,
            Err(errno) => return Ok(Err(errno)),
        };
        let bytes = match what {
            request::PTRACE_PEEKTEXT | request::PTRACE_PEEKDATA => {
                other.memory.read_u64(Addr::new(addr)).ok().map(|word| word.to_le_bytes().to_vec())
            }
            request::PTRACE_PEEKUSER => match traced.debug.at(addr) {
                Some(word) if addr.is_multiple_of(8) => Some(word.to_le_bytes().to_vec()),
                _ => word_of_user(&bytes_of(&shown(other)), addr),
            },
            request::PTRACE_GETREGS => Some(bytes_of(&shown(other))),
            request::PTRACE_GETFPREGS => Some(floating(&vector(other)?)),
            request::PTRACE_GETEVENTMSG => Some(traced.message.to_le_bytes().to_vec()),
            request::PTRACE_GETSIGINFO => match traced.why().and_then(|why| traced.siginfo(why)) {
                Some(info) => Some(info.to_bytes().to_vec()),
                None => return Ok(Err(Errno::EINVAL)),
            },
            request::PTRACE_GETSIGMASK if addr != SIGNAL_SET => return Ok(Err(Errno::EINVAL)),
            request::PTRACE_GETSIGMASK => match &other.run {
                Run::Ready(stopped) => Some(stopped.signal_mask()?.to_le_bytes().to_vec()),
                _ => None,
            },
            request::PTRACE_GET_SYSCALL_INFO => {
                let told = traced.why().filter(|why| traced.tells_of_call(why));
                let info = call_info(&shown(other), told);
                let given = info.get(..info.len().min(usize::try_from(addr).unwrap_or(0)));
                let told =
                    self.give_traced(draft, task, Addr::new(data), given.unwrap_or_default());
                return Ok(told.map(|()| i64::try_from(info.len()).unwrap_or(0)));
            }
            _ => {
                let set = match addr {
                    NT_PRSTATUS => bytes_of(&shown(other)),
                    NT_PRFPREG => floating(&vector(other)?),
                    NT_X86_XSTATE => vector(other)?.as_bytes().to_vec(),
                    _ => return Ok(Err(Errno::EINVAL)),
                };
                return Ok(self.give_set(draft, task, Addr::new(data), &set).map(|()| 0));
            }
        };
        let Some(bytes) = bytes else { return Ok(Err(Errno::EIO)) };
        Ok(self.give_traced(draft, task, Addr::new(data), &bytes).map(|()| 0))
    }

    /// Writes an answer where the tracer wants it.
    fn give_traced(
        &mut self,
        draft: &mut Draft,
        task: &Task,
        to: Addr,
        bytes: &[u8],
    ) -> Result<(), Errno> {
        if bytes.is_empty() || self.give(draft, task, to, bytes) {
            Ok(())
        } else {
            Err(Errno::EFAULT)
        }
    }

    /// The same through a `struct iovec`, which is told how much it was.
    fn give_set(
        &mut self,
        draft: &mut Draft,
        task: &Task,
        iovec: Addr,
        set: &[u8],
    ) -> Result<(), Errno> {
        let (base, room, length) = parts(task, iovec)?;
        let len = set.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        self.give_traced(draft, task, Addr::new(base), set.get(..len).unwrap_or_default())?;
        self.give_traced(draft, task, length, &(len as u64).to_le_bytes())
    }
}

/// A `struct iovec`: where, how much, and where the latter stands.
pub(super) fn parts(task: &Task, iovec: Addr) -> Result<(u64, u64, Addr), Errno> {
    let length = iovec.checked_add(8).ok_or(Errno::EFAULT)?;
    let read = |at| task.memory.read_u64(at).map_err(|_| Errno::EFAULT);
    Ok((read(iovec)?, read(length)?, length))
}

/// General registers at a stop: in a call, as if the stop had interrupted it. At the end of a call that the kernel was
/// not asked for the call's number is there as well.
pub(super) fn shown(task: &Task) -> Registers {
    let registers = match (&task.run, &task.open) {
        (Run::Kernel, Some(open)) => Registers { rax: INTERRUPTED.cast_unsigned(), ..open.entry },
        _ => normal(&task.registers),
    };
    match task.traced.as_ref().and_then(Traced::why) {
        Some(Why::CallExit(no)) => Registers { orig_rax: *no, ..registers },
        _ => registers,
    }
}

pub(super) fn bytes_of(registers: &Registers) -> Vec<u8> {
    registers.to_array().into_iter().flat_map(u64::to_le_bytes).collect()
}

pub(super) fn vector(task: &Task) -> Result<VectorState, PtraceError> {
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
    if !offset.is_multiple_of(8) || offset >= USER {
        return None;
    }
    let at = usize::try_from(offset).ok()?;
    Some(general.get(at..at + 8).map_or_else(|| vec![0; 8], <[u8]>::to_vec))
}

/// `struct ptrace_syscall_info` (linux/ptrace.h).
fn call_info(registers: &Registers, why: Option<&Why>) -> Vec<u8> {
    const ARCH_X86_64: u32 = 0xc000_003e;
    const LARGEST_ERROR: i64 = 4095;
    let result = registers.rax.cast_signed();
    let is_error = (-LARGEST_ERROR..0).contains(&result);
    let entered = || [&[registers.orig_rax], registers.args().as_slice()].concat();
    let (kind, words, last) = match why {
        Some(Why::CallEntry) => (1_u32, entered(), Vec::new()),
        Some(Why::CallExit(_)) => (2, vec![registers.rax], vec![u8::from(is_error)]),
        // `SECCOMP_RET_DATA`: 16 bits, in a word of 32.
        Some(Why::Event(Event::Seccomp, data)) => {
            (3, entered(), data.to_le_bytes().into_iter().take(4).collect())
        }
        _ => (0, Vec::new(), Vec::new()),
    };
    let mut bytes: Vec<u8> = [kind, ARCH_X86_64].into_iter().flat_map(u32::to_le_bytes).collect();
    let place = [registers.rip, registers.rsp];
    bytes.extend(place.into_iter().chain(words).flat_map(u64::to_le_bytes));
    bytes.extend(last);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_struct_user() {
        let registers = Registers { r15: 1, gs: 2, ..Registers::default() };
        let general = bytes_of(&registers);
        assert_eq!(general.len(), GENERAL);
        let word = |offset| word_of_user(&general, offset);
        assert_eq!(word(0), Some(1_u64.to_le_bytes().to_vec()));
        assert_eq!(word(26 * 8), Some(2_u64.to_le_bytes().to_vec()));
        assert_eq!(word(224), Some(vec![0; 8]), "neither a general nor a debug register");
        assert_eq!((word(4), word(912)), (None, None));
    }

    #[test]
    fn calls_are_described() {
        let registers = Registers { rip: 1, rsp: 2, orig_rax: 3, r9: 9, ..Registers::default() };
        let entry = call_info(&registers, Some(&Why::CallEntry));
        assert_eq!((entry.len(), entry[0], entry[24], entry[72]), (80, 1, 3, 9));
        let failed = Registers { rax: (-2_i64).cast_unsigned(), ..registers };
        let exit = call_info(&failed, Some(&Why::CallExit(3)));
        assert_eq!((exit.len(), exit[0], exit[24], exit[32]), (33, 2, 0xfe, 1));
        let asked = call_info(&registers, Some(&Why::Event(Event::Seccomp, 0x1234)));
        assert_eq!((asked.len(), asked[0], asked[24]), (84, 3, 3));
        assert_eq!(asked[80..], [0x34, 0x12, 0, 0]);
        assert_eq!(call_info(&registers, Some(&Why::Attached)).len(), 24);
    }
}

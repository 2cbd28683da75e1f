//! System calls of a diverted task.

use retake_abi::{Errno, ReadMemory, args_of, nr, read_iovecs};
use retake_execution::StandardStream;
use retake_model::{Addr, Registers, SyscallNo, TaskId};
use retake_ptrace::ProcessMemory;

use super::Divert;
use crate::failure::Failure;

/// Bytes that one call prints at most.
const MOST_PRINTED: usize = 1 << 20;
/// mmap(2)
const MAP_PRIVATE: u64 = 2;
const MAP_ANONYMOUS: u64 = 0x20;
/// futex(2): the operation, without its options.
const FUTEX_OPERATION: u64 = 0x7f;
const FUTEX_WAIT: u64 = 0;
const FUTEX_WAKE: u64 = 1;
const FUTEX_REQUEUE: u64 = 3;
const FUTEX_CMP_REQUEUE: u64 = 4;
const FUTEX_WAKE_OP: u64 = 5;
const FUTEX_WAIT_BITSET: u64 = 9;
const FUTEX_WAKE_BITSET: u64 = 10;
/// `struct kernel_sigaction` (rt_sigaction(2)) and `stack_t` (sigaltstack(2)).
const ACTION_LEN: usize = 32;
const STACK_LEN: usize = 24;

struct View<'a>(&'a ProcessMemory);

impl ReadMemory for View<'_> {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> bool {
        self.0.read_exact(addr, buf).is_ok()
    }
}

/// What comes of a call.
pub(super) enum Answer {
    /// The kernel's result: negative numbers are errors.
    Result(i64),
    /// It waits for somebody to wake those who wait at a word.
    Waits(Addr),
    /// The task cannot go on; why.
    Over(String),
}

/// The word at which a call of futex waits, if it does.
pub(super) fn waits_at([word, operation, ..]: [u64; 6]) -> Option<Addr> {
    let waits = [FUTEX_WAIT, FUTEX_WAIT_BITSET].contains(&(operation & FUTEX_OPERATION));
    waits.then_some(Addr::new(word))
}

fn refused(errno: Errno) -> Answer {
    Answer::Result(-i64::from(errno.number()))
}

const DONE: Answer = Answer::Result(0);

impl Divert {
    /// Answers a call that a task stands at.
    pub(super) fn answer(&mut self, id: TaskId, at: &Registers) -> Result<Answer, Failure> {
        let Some(no) = u32::try_from(at.orig_rax).ok().map(SyscallNo::new) else {
            return Ok(refused(Errno::ENOSYS));
        };
        let args = args_of(no, at);
        let [first, second, third, fourth, ..] = args;
        let over = |why: String| Ok(Answer::Over(why));
        Ok(match no {
            nr::MMAP if fourth & MAP_ANONYMOUS != 0 && fourth & MAP_PRIVATE != 0 => {
                self.shape_memory(id, no, args)?
            }
            nr::MUNMAP | nr::MPROTECT | nr::MADVISE | nr::MREMAP => {
                self.shape_memory(id, no, args)?
            }
            // A heap does not grow here: allocators go on with mmap.
            nr::BRK => DONE,
            nr::CLOCK_GETTIME => self.clock(id, no, Some(first), Addr::new(second))?,
            nr::GETTIMEOFDAY => self.clock(id, no, None, Addr::new(first))?,
            nr::WRITE => self.print(id, first, &[(Addr::new(second), third)])?,
            nr::WRITEV => {
                let view = View(&self.machine.task(id)?.memory);
                let pieces: Vec<_> = read_iovecs(&view, Addr::new(second), third).collect();
                self.print(id, first, &pieces)?
            }
            nr::GETPID => Answer::Result(self.machine.task(id)?.pid.get().into()),
            nr::GETTID => Answer::Result(self.machine.task(id)?.tid.get().into()),
            nr::FUTEX => return self.futex(id, Addr::new(first), second & FUTEX_OPERATION, third),
            nr::SCHED_YIELD | nr::NANOSLEEP | nr::CLOCK_NANOSLEEP => DONE,
            nr::RT_SIGPROCMASK => self.clear(id, Addr::new(third), 8)?,
            nr::RT_SIGACTION => self.clear(id, Addr::new(third), ACTION_LEN)?,
            nr::SIGALTSTACK => self.clear(id, Addr::new(second), STACK_LEN)?,
            nr::EXIT | nr::EXIT_GROUP => {
                return over(format!("it ends, with status {}", first & 0xff));
            }
            nr::TGKILL if third == 6 => return over("it sends itself SIGABRT".to_owned()),
            // Preemption of goroutines, and the like: nobody else runs.
            nr::TGKILL => DONE,
            _ => refused(Errno::EPERM),
        })
    }

    /// Lets the task make a call that shapes its own memory.
    fn shape_memory(
        &mut self,
        id: TaskId,
        no: SyscallNo,
        args: [u64; 6],
    ) -> Result<Answer, Failure> {
        let result = self.machine.task(id)?.try_call(no, args)?;
        Ok(match result {
            Ok(value) => Answer::Result(value.cast_signed()),
            Err(errno) => refused(errno),
        })
    }

    /// What a clock said last before the moment of the diversion.
    fn clock(
        &mut self,
        id: TaskId,
        no: SyscallNo,
        clock: Option<u64>,
        out: Addr,
    ) -> Result<Answer, Failure> {
        let time = self.clocks.last(&self.machine.recording, (no, clock))?;
        let Some(time) = time else { return Ok(refused(Errno::EINVAL)) };
        Ok(match self.machine.task(id)?.memory.write(out, &time) {
            Ok(()) => DONE,
            Err(_) => refused(Errno::EFAULT),
        })
    }

    fn print(&mut self, id: TaskId, fd: u64, pieces: &[(Addr, u64)]) -> Result<Answer, Failure> {
        let stream = match fd {
            1 => StandardStream::Output,
            2 => StandardStream::Error,
            _ => return Ok(refused(Errno::EPERM)),
        };
        let mut text = Vec::new();
        for (addr, len) in pieces {
            let len = usize::try_from(*len).unwrap_or(usize::MAX);
            let mut bytes = vec![0; len.min(MOST_PRINTED - text.len().min(MOST_PRINTED))];
            if self.machine.task(id)?.memory.read_exact(*addr, &mut bytes).is_err() {
                return Ok(refused(Errno::EFAULT));
            }
            text.extend(bytes);
        }
        let len = i64::try_from(text.len()).unwrap_or(i64::MAX);
        self.output.push((stream, text));
        Ok(Answer::Result(len))
    }

    fn futex(
        &mut self,
        id: TaskId,
        word: Addr,
        operation: u64,
        value: u64,
    ) -> Result<Answer, Failure> {
        let mut bytes = [0; 4];
        let is_read = self.machine.task(id)?.memory.read_exact(word, &mut bytes).is_ok();
        Ok(match operation {
            _ if !is_read => refused(Errno::EFAULT),
            FUTEX_WAIT | FUTEX_WAIT_BITSET
                if u64::from(u32::from_le_bytes(bytes)) != value & u64::from(u32::MAX) =>
            {
                refused(Errno::EAGAIN)
            }
            FUTEX_WAKE | FUTEX_WAKE_BITSET => Answer::Result(self.wake(word, value)?),
            // Who is woken too early looks again.
            FUTEX_WAKE_OP | FUTEX_REQUEUE | FUTEX_CMP_REQUEUE => {
                Answer::Result(self.wake(word, u64::MAX)?)
            }
            FUTEX_WAIT | FUTEX_WAIT_BITSET => Answer::Waits(word),
            _ => Answer::Over(format!("it asks for what no other task can give (futex at {word})")),
        })
    }

    /// Answers with zeroes, where an answer is wanted.
    fn clear(&mut self, id: TaskId, out: Addr, len: usize) -> Result<Answer, Failure> {
        if out.is_null() {
            return Ok(DONE);
        }
        Ok(match self.machine.task(id)?.memory.write(out, &vec![0; len]) {
            Ok(()) => DONE,
            Err(_) => refused(Errno::EFAULT),
        })
    }
}

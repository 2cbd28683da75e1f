//! What a task stopped for.
#![expect(unsafe_code, reason = "waitpid fills a status word")]

use std::cell::Cell;
use std::time::Duration;

use nix::libc;
use retake_model::{Signal, Tid};

use crate::{PtraceError, Stopped, TaskStat, monotonic};

/// A change of a task's state, as wait(2) reports it.
#[derive(Debug)]
pub enum PtraceStop {
    /// The task (for a leader: its whole process) is gone.
    Exited {
        /// Exit code.
        code: u8,
    },
    /// The process was ended by a signal.
    Killed {
        /// The signal.
        signal: Signal,
        /// Whether a core was dumped.
        core: bool,
    },
    /// The task is in a ptrace-stop.
    Stopped(Stopped, StopEvent),
}

impl PtraceStop {
    /// The same, with the task's hardware watchpoints taken out.
    #[must_use]
    pub fn without_watchpoints(self) -> Self {
        match self {
            Self::Stopped(mut stopped, event) => {
                // Where it fails the task is gone, and its watchpoints with it.
                let _ = stopped.set_watchpoints(&[]);
                Self::Stopped(stopped, event)
            }
            ended => ended,
        }
    }
}

/// Why a task is in a ptrace-stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopEvent {
    /// Entry or exit of a system call (`PTRACE_O_TRACESYSGOOD`).
    Syscall,
    /// The seccomp filter said `SECCOMP_RET_TRACE`, or the recording filter `SECCOMP_RET_TRAP`
    /// ([`Stopped::is_trapped`]): entry of a system call.
    Seccomp,
    /// `clone`, `fork` or `vfork` made a new task, which is traced.
    Cloned,
    /// A vfork child released its parent.
    VforkDone,
    /// `execve` replaced the program.
    Exec,
    /// The task is about to end.
    Exit,
    /// A new task's first stop, `PTRACE_INTERRUPT`, or a group-stop by this signal.
    Stop(Signal),
    /// A signal is about to be delivered.
    Signal(Signal),
}

/// How to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitFlags {
    /// Until there is something to report.
    Block,
    /// The same, but a signal for this thread ends the wait with nothing.
    Interruptible,
    /// Return at once.
    Poll,
}

fn signal(number: i32, tid: Tid) -> Result<Signal, PtraceError> {
    Signal::from_number(i64::from(number))
        .map_err(|_| PtraceError::of("waitpid (signal number)", tid, nix::errno::Errno::EINVAL))
}

fn decode(tid: Tid, status: i32) -> Result<PtraceStop, PtraceError> {
    if libc::WIFEXITED(status) {
        let code = u8::try_from(libc::WEXITSTATUS(status) & 0xff).unwrap_or(u8::MAX);
        return Ok(PtraceStop::Exited { code });
    }
    if libc::WIFSIGNALED(status) {
        let signal = signal(libc::WTERMSIG(status), tid)?;
        return Ok(PtraceStop::Killed { signal, core: libc::WCOREDUMP(status) });
    }
    let number = libc::WSTOPSIG(status);
    let event = match status >> 16 {
        0 if number == libc::SIGTRAP | 0x80 => StopEvent::Syscall,
        0 => StopEvent::Signal(signal(number, tid)?),
        libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE => {
            StopEvent::Cloned
        }
        libc::PTRACE_EVENT_VFORK_DONE => StopEvent::VforkDone,
        libc::PTRACE_EVENT_EXEC => StopEvent::Exec,
        libc::PTRACE_EVENT_EXIT => StopEvent::Exit,
        libc::PTRACE_EVENT_SECCOMP => StopEvent::Seccomp,
        _ => StopEvent::Stop(signal(number & 0x7f, tid)?),
    };
    Ok(PtraceStop::Stopped(Stopped::new(tid), event))
}

/// What is reported next, with the stop of a call for what a SIGSYS of the recording filter has brought.
fn wait_raw(pid: i32, flags: WaitFlags) -> Result<Option<(Tid, PtraceStop)>, PtraceError> {
    match wait_unsettled(pid, flags)? {
        Some((tid, PtraceStop::Stopped(stopped, event))) => {
            Ok(Some((tid, crate::trapped::settle(stopped, event)?)))
        }
        other => Ok(other),
    }
}

pub(crate) fn wait_unsettled(
    pid: i32,
    flags: WaitFlags,
) -> Result<Option<(Tid, PtraceStop)>, PtraceError> {
    let mut options = libc::__WALL
        | match flags {
            WaitFlags::Block | WaitFlags::Interruptible => 0,
            WaitFlags::Poll => libc::WNOHANG,
        };
    let mut is_dead = false;
    loop {
        let mut status = 0;
        // SAFETY: `status` is a valid place for the status word.
        let got = unsafe { libc::waitpid(pid, &raw mut status, options) };
        if got > 0 {
            let tid = Tid::new(got);
            return Ok(Some((tid, decode(tid, status)?)));
        }
        if got == 0 && is_dead {
            // Killed out of its stop, and then resumed from its exit stop unseen: its end is
            // reported only after that of all its threads.
            return Err(PtraceError::of("waitpid", Tid::new(pid), nix::errno::Errno::ESRCH));
        }
        if got == 0 {
            return Ok(None);
        }
        let error = PtraceError::last("waitpid", Tid::new(pid));
        if error.errno() != libc::EINTR {
            return Err(error);
        }
        if pid > 0 && LOOKED.with(is_time_to_look) && is_zombie(pid) {
            // It can have ended just now; then its end is reported.
            is_dead = true;
            options |= libc::WNOHANG;
            continue;
        }
        if flags == WaitFlags::Interruptible {
            // Let the caller look at what its handler noted, or at the time.
            return Ok(None);
        }
    }
}

thread_local! {
    /// When [`is_zombie`] was last asked, on the monotonic clock.
    static LOOKED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Whether a while has passed since the last look. Each costs as much as a stop.
fn is_time_to_look(last: &Cell<Duration>) -> bool {
    const OFTEN: Duration = Duration::from_millis(4);
    let now = monotonic();
    let due = now.saturating_sub(last.get()) >= OFTEN;
    if due {
        last.set(now);
    }
    due
}

/// Whether procfs shows a task as ended.
fn is_zombie(pid: i32) -> bool {
    TaskStat::read(Tid::new(pid)).is_some_and(|stat| stat.is_in(&['Z', 'X']))
}

/// Waits for any traced task. `None`: nothing to report (yet).
///
/// # Errors
/// `ECHILD` when there is no task left to wait for.
pub fn wait_any(flags: WaitFlags) -> Result<Option<(Tid, PtraceStop)>, PtraceError> {
    wait_raw(-1, flags)
}

/// Whether a task other than `tid` has something to report.
pub fn others_have_stopped(tid: Tid) -> bool {
    // SAFETY: all-zero bytes are a valid siginfo.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let flags = libc::WEXITED | libc::WSTOPPED | libc::WNOHANG | libc::WNOWAIT | libc::__WALL;
    // SAFETY: `info` is a valid place for the answer.
    let result = unsafe { libc::waitid(libc::P_ALL, 0, &raw mut info, flags) };
    // SAFETY: waitid fills the fields of SIGCHLD, or leaves zeroes.
    let pid = unsafe { info.si_pid() };
    result == 0 && pid != 0 && pid != tid.get()
}

/// Waits for one task.
///
/// # Errors
/// `ECHILD` when there is no such task. `ESRCH` when it is a leader that has ended while threads of
/// its process have not, so that nothing will be reported before they have; with a
/// [`crate::Ticker`] that is noticed while waiting.
pub fn wait(tid: Tid, flags: WaitFlags) -> Result<Option<PtraceStop>, PtraceError> {
    Ok(wait_raw(tid.get(), flags)?.map(|(_, stop)| stop))
}

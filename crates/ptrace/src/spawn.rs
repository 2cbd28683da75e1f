//! Starting processes under ptrace.
#![expect(unsafe_code, reason = "fork and what its child may do")]

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use nix::libc;
use retake_model::{Addr, Signal, Tid};

use crate::front::Inherited;
use crate::seccomp::Filter;
use crate::stop::{PtraceStop, StopEvent, WaitFlags, wait};
use crate::sys::ptrace;
use crate::{PtraceError, Stopped};

/// A process could not be started under ptrace.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// A pipe or a process could not be made.
    #[error("start a process: {0}")]
    Fork(std::io::Error),
    /// ptrace is not available.
    #[error(
        "trace the new process: {0} (is ptrace allowed here? containers may need SYS_PTRACE or a seccomp profile that allows it; see also /proc/sys/kernel/yama/ptrace_scope)"
    )]
    Trace(PtraceError),
    /// The child could not prepare itself.
    #[error("prepare the new process: {step} failed: {error}")]
    Prepare {
        /// Which step.
        step: &'static str,
        /// The kernel's answer.
        error: std::io::Error,
    },
    /// It was killed before it was ready.
    #[error("start a process: it was killed before it was ready")]
    Died,
    /// The program could not be executed.
    #[error("execute the program: {0}")]
    Exec(std::io::Error),
}

/// What `cpuid` does in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cpuid {
    /// The processor answers.
    Executed,
    /// It faults, for the tracer to answer.
    Trapped,
}

/// A process that does nothing but be reshaped by its tracer.
#[derive(Debug)]
pub struct Stub {
    /// It, stopped.
    pub task: Stopped,
    /// Socket over which files are sent to it.
    pub socket: UnixStream,
    /// Number of the other end of that socket in the process.
    pub socket_fd: RawFd,
}

fn options() -> usize {
    let options = libc::PTRACE_O_TRACESYSGOOD
        | libc::PTRACE_O_TRACEFORK
        | libc::PTRACE_O_TRACEVFORK
        | libc::PTRACE_O_TRACECLONE
        | libc::PTRACE_O_TRACEVFORKDONE
        | libc::PTRACE_O_TRACEEXEC
        | libc::PTRACE_O_TRACEEXIT
        | libc::PTRACE_O_TRACESECCOMP
        | libc::PTRACE_O_EXITKILL;
    usize::try_from(options).unwrap_or(0)
}

pub(crate) fn pipe() -> Result<(OwnedFd, OwnedFd), SpawnError> {
    nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)
        .map_err(|e| SpawnError::Fork(std::io::Error::from(e)))
}

/// In the child: tells the parent which step failed, and ends.
fn fail(report: RawFd, step: u8) -> ! {
    let errno = nix::errno::Errno::last_raw();
    let [a, b, c, d] = errno.to_le_bytes();
    let message = [step, a, b, c, d];
    // SAFETY: writes five bytes of a live array to a descriptor.
    unsafe { libc::write(report, message.as_ptr().cast(), message.len()) };
    // SAFETY: _exit does not return and runs no handlers.
    unsafe { libc::_exit(125) }
}

const STEPS: [&str; 8] = [
    "",
    "PR_SET_NO_NEW_PRIVS",
    "PR_SET_TSC",
    "installing the seccomp filter",
    "execve",
    "close_range",
    "trapping cpuid",
    "mapping code for its execve",
];

/// In the child: no new privileges, trapped time-stamp counter, system-call filter.
///
/// Only calls that are safe between fork and exec.
fn prepare_child(report: RawFd, filter: &Filter) {
    // SAFETY: prctl with integer arguments.
    if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } != 0 {
        fail(report, 1);
    }
    if !crate::tsc::set(crate::tsc::PR_TSC_SIGSEGV) {
        fail(report, 2);
    }
    let program = libc::sock_fprog {
        len: u16::try_from(filter.code.len()).unwrap_or(0),
        filter: filter.code.as_ptr().cast_mut(),
    };
    // SAFETY: `program` describes the filter's own vector, which lives until after the call.
    let result = unsafe {
        libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program, 0, 0)
    };
    if result != 0 {
        fail(report, 3);
    }
}

/// In the child: waits until the parent has attached. Ends if it dies instead: nobody else knows of
/// this process, which holds the parent's locks as well.
pub(crate) fn await_tracer(go: RawFd, parents_end: RawFd) {
    let mut byte = 0_u8;
    // SAFETY: descriptors are integers. With this end open here the other would never see its end.
    unsafe { libc::close(parents_end) };
    loop {
        // SAFETY: reads one byte into a live variable.
        match unsafe { libc::read(go, (&raw mut byte).cast(), 1) } {
            1 => return,
            -1 if nix::errno::Errno::last() == nix::errno::Errno::EINTR => {}
            // SAFETY: _exit does not return and runs no handlers.
            _ => unsafe { libc::_exit(125) },
        }
    }
}

pub(crate) fn fork() -> Result<Option<Tid>, SpawnError> {
    // SAFETY: the child only makes calls that are safe after fork, up to exec or being reshaped.
    match unsafe { libc::fork() } {
        -1 => Err(SpawnError::Fork(std::io::Error::last_os_error())),
        0 => Ok(None),
        pid => Ok(Some(Tid::new(pid))),
    }
}

fn attach(pid: Tid, go: &OwnedFd) -> Result<(), SpawnError> {
    let seized = ptrace("PTRACE_SEIZE", libc::PTRACE_SEIZE, pid, 0, options());
    seized.map_err(|error| match wait(pid, WaitFlags::Poll) {
        Ok(Some(PtraceStop::Killed { .. })) => SpawnError::Died,
        _ => SpawnError::Trace(error),
    })?;
    nix::unistd::write(go, b"g").map_err(|e| SpawnError::Fork(std::io::Error::from(e)))?;
    Ok(())
}

fn failure(report: &OwnedFd) -> SpawnError {
    let mut message = [0_u8; 5];
    let _ = nix::unistd::read(report, &mut message);
    let [step, a, b, c, d] = message;
    let error = std::io::Error::from_raw_os_error(i32::from_le_bytes([a, b, c, d]));
    if step == 0 {
        return SpawnError::Died;
    }
    let step = STEPS.get(usize::from(step)).copied().unwrap_or("");
    if step == "execve" { SpawnError::Exec(error) } else { SpawnError::Prepare { step, error } }
}

/// In the child: executes a program by a `syscall` instruction at this address. Where that fails it stops at the
/// breakpoint behind it.
fn execute_at(
    at: Addr,
    report: RawFd,
    filter: &Filter,
    (path, argv, env): (&CStr, *const *const libc::c_char, *const *const libc::c_char),
) -> ! {
    const CALL: [u8; 3] = [0x0f, 0x05, 0xcc];
    let wanted =
        std::ptr::with_exposed_provenance_mut::<u8>(usize::try_from(at.get()).unwrap_or(0));
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
    let prot = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
    // SAFETY: a fresh mapping that replaces none.
    let page = unsafe { libc::mmap(wanted.cast(), CALL.len(), prot, flags, -1, 0) };
    if page != wanted.cast() {
        fail(report, 7);
    }
    // SAFETY: the mapping is at least as long, and nobody else knows of it.
    unsafe { std::ptr::copy_nonoverlapping(CALL.as_ptr(), page.cast(), CALL.len()) };
    prepare_child(report, filter);
    // SAFETY: the code there makes the call of these registers, and does not come back.
    unsafe {
        std::arch::asm!(
            "jmp {page}",
            page = in(reg) page,
            in("rax") libc::SYS_execve,
            in("rdi") path.as_ptr(),
            in("rsi") argv,
            in("rdx") env,
            options(noreturn),
        )
    }
}

/// Starts `argv` with `env` under ptrace and `filter`, and gives it at the stop right after its
/// `execve` succeeded ([`StopEvent::Exec`]), with the blocked and ignored signals of `inherited`. A filter that
/// stops calls by a signal lets them pass at the address `passes`.
///
/// # Errors
/// When ptrace or seccomp is not available, or the program cannot be executed.
pub fn spawn_program(
    path: &CStr,
    argv: &[CString],
    env: &[CString],
    filter: &Filter,
    passes: Option<Addr>,
    inherited: &Inherited,
) -> Result<Stopped, SpawnError> {
    let pointers = |list: &[CString]| -> Vec<*const libc::c_char> {
        list.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (argv, env) = (pointers(argv), pointers(env));
    let (go_read, go_write) = pipe()?;
    let (report_read, report_write) = pipe()?;
    let Some(pid) = fork()? else {
        await_tracer(go_read.as_raw_fd(), go_write.as_raw_fd());
        inherited.set_dispositions();
        if let Some(at) = passes {
            let program = (path, argv.as_ptr(), env.as_ptr());
            execute_at(at, report_write.as_raw_fd(), filter, program);
        }
        prepare_child(report_write.as_raw_fd(), filter);
        // SAFETY: path, argv and env are null-terminated and live until here.
        unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), env.as_ptr()) };
        fail(report_write.as_raw_fd(), 4);
    };
    drop(go_read);
    drop(report_write);
    attach(pid, &go_write)?;
    loop {
        match wait(pid, WaitFlags::Block).map_err(SpawnError::Trace)? {
            Some(PtraceStop::Stopped(mut task, StopEvent::Exec)) => {
                task.set_signal_mask(inherited.blocked).map_err(SpawnError::Trace)?;
                return Ok(task);
            }
            Some(PtraceStop::Stopped(mut task, StopEvent::Signal(Signal::TRAP)))
                if passes.is_some() =>
            {
                // The breakpoint behind an execve that has failed.
                let result = task.registers().map_err(SpawnError::Trace)?.rax.cast_signed();
                task.end();
                let errno = i32::try_from(-result).unwrap_or(libc::EINVAL);
                return Err(SpawnError::Exec(std::io::Error::from_raw_os_error(errno)));
            }
            Some(PtraceStop::Stopped(task, StopEvent::Signal(signal))) => {
                task.resume(crate::Resume::Continue, Some(signal)).map_err(SpawnError::Trace)?;
            }
            Some(PtraceStop::Stopped(task, _)) => {
                task.resume(crate::Resume::Continue, None).map_err(SpawnError::Trace)?;
            }
            _ => return Err(failure(&report_read)),
        }
    }
}

/// Starts a process that waits to be reshaped: confined by the replay filter, all signals blocked,
/// every descriptor but its socket closed, stopped at a breakpoint instruction.
///
/// # Errors
/// When ptrace or seccomp is not available, or `cpuid` cannot be trapped.
pub fn spawn_stub(cpuid: Cpuid) -> Result<Stub, SpawnError> {
    let (ours, theirs) = UnixStream::pair().map_err(SpawnError::Fork)?;
    let filter = Filter::confine_replay();
    let rseq = rseq_offset();
    let (go_read, go_write) = pipe()?;
    let (report_read, report_write) = pipe()?;
    const SOCKET_FD: RawFd = 3;
    let Some(pid) = fork()? else {
        await_tracer(go_read.as_raw_fd(), go_write.as_raw_fd());
        let report = report_write.as_raw_fd();
        run_stub((theirs.as_raw_fd(), SOCKET_FD), report, cpuid, &filter, rseq)
    };
    drop((go_read, report_write, theirs));
    attach(pid, &go_write)?;
    loop {
        match wait(pid, WaitFlags::Block).map_err(SpawnError::Trace)? {
            Some(PtraceStop::Stopped(task, StopEvent::Signal(signal)))
                if signal == Signal::TRAP =>
            {
                return Ok(Stub { task, socket: ours, socket_fd: SOCKET_FD });
            }
            Some(PtraceStop::Stopped(task, _)) => {
                task.resume(crate::Resume::Continue, None).map_err(SpawnError::Trace)?;
            }
            _ => return Err(failure(&report_read)),
        }
    }
}

/// `socket` says which descriptor the socket is, and which it becomes.
fn run_stub(
    (socket, socket_fd): (RawFd, RawFd),
    report: RawFd,
    cpuid: Cpuid,
    filter: &Filter,
    rseq: Option<isize>,
) -> ! {
    const REPORT_FD: RawFd = 4;
    // Move both out of the way first, so that neither dup2 overwrites the other.
    // SAFETY: descriptors are integers.
    let high_socket = unsafe { libc::fcntl(socket, libc::F_DUPFD, 10) };
    // SAFETY: as above.
    let high_report = unsafe { libc::fcntl(report, libc::F_DUPFD_CLOEXEC, 10) };
    // SAFETY: as above.
    unsafe { libc::dup2(high_socket, socket_fd) };
    // SAFETY: as above.
    unsafe { libc::dup2(high_report, REPORT_FD) };
    // SAFETY: closes a range of descriptors; failure (kernel before 5.9) is reported below.
    if unsafe { libc::syscall(libc::SYS_close_range, 5, u32::MAX, 0) } != 0 {
        fail(REPORT_FD, 5);
    }
    for fd in 0..3 {
        // SAFETY: descriptors are integers.
        unsafe { libc::close(fd) };
    }
    // What is sent to retake's process group is not for the replayed processes. Signals are blocked
    // there, but a SIGCONT shows all the same.
    // SAFETY: no arguments; a child just forked leads no group, so it cannot fail.
    unsafe { libc::setsid() };
    let all = u64::MAX;
    // SAFETY: the mask is eight live bytes, as the size says.
    unsafe {
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const all, 0_usize, 8_usize)
    };
    // The tracer collects the processes that it forks; nobody else would, and each would stay a zombie.
    // SAFETY: setting a disposition to "ignore" touches no memory.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
    if cpuid == Cpuid::Trapped && !crate::cpu::trap_cpuid(true) {
        fail(REPORT_FD, 6);
    }
    prepare_child(REPORT_FD, filter);
    // SAFETY: descriptors are integers.
    unsafe { libc::close(REPORT_FD) };
    if let Some(offset) = rseq {
        unregister_rseq(offset);
    }
    loop {
        // SAFETY: stops for the tracer; nothing else happens here.
        unsafe { std::arch::asm!("int3", options(nomem, nostack)) };
    }
}

/// Where glibc has registered an rseq area for each thread (glibc 2.35), from the thread pointer on.
///
/// Asked before a fork: the lookup takes a lock of the loader, which another thread may hold then, and nobody would let go
/// of in the child (signal-safety(7)).
fn rseq_offset() -> Option<isize> {
    // SAFETY: weak lookup of glibc's exported variables by name.
    let offset = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"__rseq_offset".as_ptr()) };
    // SAFETY: as above.
    let size = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"__rseq_size".as_ptr()) };
    if offset.is_null() || size.is_null() {
        return None;
    }
    // SAFETY: glibc documents __rseq_offset as ptrdiff_t.
    Some(unsafe { *offset.cast::<isize>() })
}

/// Takes the area of this thread back. Once its memory is unmapped the kernel would kill the process on its next return to
/// user mode.
fn unregister_rseq(offset: isize) {
    const RSEQ_FLAG_UNREGISTER: libc::c_int = 1;
    const RSEQ_SIG: u32 = 0x5305_3053;
    let thread: *mut u8;
    // SAFETY: reads the thread pointer, which the x86-64 TLS ABI keeps at %fs:0.
    unsafe { std::arch::asm!("mov {}, fs:0", out(reg) thread, options(nostack, readonly)) };
    let area = thread.wrapping_offset(offset);
    // SAFETY: the arguments glibc registered with (32 bytes, its signature); worst outcome EINVAL.
    unsafe { libc::syscall(libc::SYS_rseq, area, 32, RSEQ_FLAG_UNREGISTER, RSEQ_SIG) };
}

//! Following a command and everything it starts, through `fork` and `execve` only: nothing of it is
//! slower for that but those two.
#![expect(unsafe_code, reason = "execve in a forked child")]

use std::ffi::{CStr, CString};
use std::os::fd::AsRawFd;

use nix::libc;
use retake_model::Tid;

use crate::SpawnError;
use crate::spawn::{await_tracer, fork, pipe};
use crate::stop::{PtraceStop, WaitFlags, wait};
use crate::sys::ptrace;

fn options() -> usize {
    let options = libc::PTRACE_O_TRACEFORK
        | libc::PTRACE_O_TRACEVFORK
        | libc::PTRACE_O_TRACECLONE
        | libc::PTRACE_O_TRACEEXEC
        | libc::PTRACE_O_EXITKILL;
    usize::try_from(options).unwrap_or(0)
}

/// Starts `argv`, traced, and gives its number. Its first stop is that of its `execve`; where that fails it
/// exits with 126.
///
/// # Errors
/// When ptrace is not available.
pub fn spawn_followed(path: &CStr, argv: &[CString], env: &[CString]) -> Result<Tid, SpawnError> {
    let pointers = |list: &[CString]| -> Vec<*const libc::c_char> {
        list.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (argv, env) = (pointers(argv), pointers(env));
    let (go_read, go_write) = pipe()?;
    let Some(pid) = fork()? else {
        await_tracer(go_read.as_raw_fd(), go_write.as_raw_fd());
        // SAFETY: path, argv and env are null-terminated and live until here.
        unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), env.as_ptr()) };
        // SAFETY: _exit does not return and runs no handlers.
        unsafe { libc::_exit(126) };
    };
    drop(go_read);
    let seized = ptrace("PTRACE_SEIZE", libc::PTRACE_SEIZE, pid, 0, options());
    seized.map_err(|error| match wait(pid, WaitFlags::Poll) {
        Ok(Some(PtraceStop::Killed { .. })) => SpawnError::Died,
        _ => SpawnError::Trace(error),
    })?;
    nix::unistd::write(&go_write, b"g").map_err(|e| SpawnError::Fork(std::io::Error::from(e)))?;
    Ok(pid)
}

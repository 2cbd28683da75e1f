//! File descriptors across processes.
#![expect(unsafe_code, reason = "pidfd_getfd, memfd_create, kcmp")]

use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use nix::libc;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use retake_model::Tid;

use crate::PtraceError;

fn owned(call: &'static str, tid: Tid, fd: i64) -> Result<OwnedFd, PtraceError> {
    let fd = i32::try_from(fd).unwrap_or(-1);
    if fd < 0 {
        return Err(PtraceError::last(call, tid));
    }
    // SAFETY: the kernel just gave this descriptor to us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A handle for task `tid` of process `pid`. Only since Linux 6.9 there is one for a thread; before that the
/// one for the process does, unless its first thread has ended.
pub(crate) fn open_pidfd(tid: Tid, pid: Tid) -> Result<OwnedFd, PtraceError> {
    const PIDFD_THREAD: i32 = libc::O_EXCL;
    // SAFETY: two integers.
    let pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, tid.get(), PIDFD_THREAD) };
    owned("pidfd_open", tid, pidfd).or_else(|_| {
        // SAFETY: two integers.
        let pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.get(), 0) };
        owned("pidfd_open", pid, pidfd)
    })
}

/// A copy of descriptor `fd` of task `tid` of process `pid` (`pidfd_getfd`, kernel 5.6).
///
/// # Errors
/// When there is no such task or descriptor.
pub fn copy_fd(tid: Tid, pid: Tid, fd: i32) -> Result<OwnedFd, PtraceError> {
    let pidfd = open_pidfd(tid, pid)?;
    // SAFETY: three integers.
    let copy = unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), fd, 0) };
    owned("pidfd_getfd", tid, copy)
}

/// Bytes that a pipe holds at most (fcntl(2), `F_GETPIPE_SZ`).
///
/// # Errors
/// When it is no pipe.
pub fn pipe_capacity(pipe: &OwnedFd) -> std::io::Result<u64> {
    let bytes = nix::fcntl::fcntl(pipe, nix::fcntl::FcntlArg::F_GETPIPE_SZ)?;
    Ok(u64::try_from(bytes).unwrap_or(0))
}

/// The descriptor `fd` that this process was started with, as a file that no program inherits. The
/// number is free afterwards, but for the standard ones. Must be called before anything was opened.
///
/// # Errors
/// When this process was not started with it.
pub fn take_inherited(fd: i32) -> std::io::Result<File> {
    const FIRST: i32 = 3;
    // SAFETY: three integers.
    let copy = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, FIRST) };
    if copy < 0 {
        return Err(std::io::Error::last_os_error());
    }
    if fd >= FIRST {
        // SAFETY: nobody but the caller of this process's program knows of the descriptor.
        unsafe { libc::close(fd) };
    }
    // SAFETY: the kernel just gave this descriptor to us alone.
    Ok(File::from(unsafe { OwnedFd::from_raw_fd(copy) }))
}

/// A new unnamed memory file.
///
/// # Errors
/// When the system has no room for it.
pub fn create_memfd() -> Result<File, PtraceError> {
    // SAFETY: the name is a valid C string; flags are an integer.
    let fd = unsafe { libc::memfd_create(c"retake-shared".as_ptr(), libc::MFD_CLOEXEC) };
    owned("memfd_create", Tid::new(0), i64::from(fd)).map(File::from)
}

/// Sends a copy of `file` over `socket`.
///
/// # Errors
/// When the other side is gone.
pub fn send_fd(socket: &UnixStream, file: &File) -> std::io::Result<()> {
    let fds = [file.as_raw_fd()];
    let iov = [std::io::IoSlice::new(b"f")];
    sendmsg::<()>(
        socket.as_raw_fd(),
        &iov,
        &[ControlMessage::ScmRights(&fds)],
        MsgFlags::empty(),
        None,
    )
    .map(drop)
    .map_err(std::io::Error::from)
}

/// Makes `/dev/null` of these standard descriptors of this process (0 to 2), so that whoever is at the
/// other end of what they were sees when the program lets go of it.
pub fn let_go_of(fds: std::ops::RangeInclusive<i32>) {
    let Ok(null) = File::options().read(true).write(true).open("/dev/null") else { return };
    for fd in fds {
        // SAFETY: descriptors are integers; the standard ones belong to nobody in particular.
        unsafe { libc::dup2(null.as_raw_fd(), fd) };
    }
}

/// Whether two descriptors of two processes are one open file description (`kcmp`); `None` where the
/// kernel has no `kcmp` or one of them does not exist.
pub fn same_open_file(a: (Tid, i32), b: (Tid, i32)) -> Option<bool> {
    const KCMP_FILE: i32 = 0;
    // SAFETY: five integers.
    let result =
        unsafe { libc::syscall(libc::SYS_kcmp, a.0.get(), b.0.get(), KCMP_FILE, a.1, b.1) };
    (result >= 0).then_some(result == 0)
}

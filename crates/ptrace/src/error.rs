//! Errors of the kernel boundary.

use retake_model::Tid;

/// A ptrace, wait or memory operation failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{call} for task {tid}: {errno}")]
pub struct PtraceError {
    call: &'static str,
    tid: Tid,
    errno: nix::errno::Errno,
}

impl PtraceError {
    pub(crate) fn last(call: &'static str, tid: Tid) -> Self {
        Self { call, tid, errno: nix::errno::Errno::last() }
    }

    pub(crate) fn of(call: &'static str, tid: Tid, errno: nix::errno::Errno) -> Self {
        Self { call, tid, errno }
    }

    pub(crate) fn io(call: &'static str, tid: Tid, error: &std::io::Error) -> Self {
        let errno =
            error.raw_os_error().map_or(nix::errno::Errno::EIO, nix::errno::Errno::from_raw);
        Self { call, tid, errno }
    }

    /// Whether the task does not exist any more (or was killed out of its stop): an ordinary
    /// outcome, as SIGKILL can come at any moment.
    pub fn is_gone(&self) -> bool {
        self.errno == nix::errno::Errno::ESRCH
    }

    /// Whether there is nothing (left) to wait for.
    pub fn has_no_child(&self) -> bool {
        self.errno == nix::errno::Errno::ECHILD
    }

    /// The kernel's error number.
    pub fn errno(&self) -> i32 {
        self.errno as i32
    }

    /// The task it was about.
    pub fn tid(&self) -> Tid {
        self.tid
    }
}

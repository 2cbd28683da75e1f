//! What a process may use at most.
#![expect(unsafe_code, reason = "prlimit(2) of another process has no wrapper")]

use std::io;

use nix::libc;
use retake_model::Tid;

/// The soft limit of a process's stack, in bytes; the largest number for none (prlimit(2), `RLIMIT_STACK`).
///
/// # Errors
/// When there is no such process, or it is somebody else's.
pub fn stack_limit(tid: Tid) -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: no new limit is given, and `limit` is valid for writes.
    let result =
        unsafe { libc::prlimit(tid.get(), libc::RLIMIT_STACK, std::ptr::null(), &raw mut limit) };
    if result == 0 { Ok(limit.rlim_cur) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_this_process_and_of_none() {
        let own = Tid::new(std::process::id().cast_signed());
        assert!(stack_limit(own).unwrap() > 0);
        assert!(stack_limit(Tid::new(i32::MAX)).is_err());
    }
}

//! Raw calls, each with its checked result.
#![expect(unsafe_code, reason = "the kernel boundary")]

use nix::libc;
use retake_model::Tid;

use crate::PtraceError;

/// One ptrace request with plain integer arguments.
pub(crate) fn ptrace(
    call: &'static str,
    request: libc::c_uint,
    tid: Tid,
    addr: usize,
    data: usize,
) -> Result<i64, PtraceError> {
    // SAFETY: with integer arguments the request reads and writes no memory of this process; callers
    // that pass a pointer as `data` go through `ptrace_with`.
    let result = unsafe { libc::ptrace(request, tid.get(), addr, data) };
    if result == -1 { Err(PtraceError::last(call, tid)) } else { Ok(result) }
}

/// One ptrace request that reads or fills `value`.
pub(crate) fn ptrace_with<T>(
    call: &'static str,
    request: libc::c_uint,
    tid: Tid,
    addr: usize,
    value: &mut T,
) -> Result<(), PtraceError> {
    // SAFETY: `value` is valid for reads and writes of its whole size, and every request that comes
    // through here transfers at most that (structs of the kernel's own layout, or an iovec).
    let result = unsafe { libc::ptrace(request, tid.get(), addr, std::ptr::from_mut(value)) };
    if result == -1 { Err(PtraceError::last(call, tid)) } else { Ok(()) }
}

/// Gives the CPU to another runnable thread once: with tracer and tracee pinned to one CPU this lets
/// a resumed task run until it stops or waits.
pub fn yield_cpu() {
    // SAFETY: sched_yield has no arguments and always succeeds.
    unsafe { libc::sched_yield() };
}

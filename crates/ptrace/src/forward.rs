//! Signals sent to this process while it stands in for another one.
#![expect(unsafe_code, reason = "signal handlers")]

use std::sync::atomic::{AtomicI32, Ordering};

use nix::libc;
use retake_model::Tid;

static TARGET: AtomicI32 = AtomicI32::new(0);

extern "C" fn forward(signal: libc::c_int) {
    let target = TARGET.load(Ordering::Relaxed);
    if target > 0 {
        // SAFETY: kill is async-signal-safe and takes two integers.
        unsafe { libc::kill(target, signal) };
    }
}

extern "C" fn ignore(_signal: libc::c_int) {}

fn handle(signal: libc::c_int, handler: extern "C" fn(libc::c_int)) {
    // SAFETY: all-zero bytes are a valid sigaction: no flags, empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as *const () as libc::sighandler_t;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: `action` is valid; the handlers only use async-signal-safe calls.
    unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
}

/// From here on SIGTERM, SIGHUP, SIGUSR1 and SIGUSR2 sent to this process go on to `program`, and
/// SIGINT, SIGQUIT and SIGTSTP do nothing here: a terminal sends them to the program as well.
pub fn forward_signals_to(program: Tid) {
    TARGET.store(program.get(), Ordering::Relaxed);
    for signal in [libc::SIGTERM, libc::SIGHUP, libc::SIGUSR1, libc::SIGUSR2] {
        handle(signal, forward);
    }
    for signal in [libc::SIGINT, libc::SIGQUIT] {
        handle(signal, ignore);
    }
}

/// Ends forwarding: the program is gone, its number may be reused.
pub fn stop_forwarding() {
    TARGET.store(0, Ordering::Relaxed);
}

//! A timer that interrupts this thread while it waits.
#![expect(unsafe_code, reason = "timer_create with a thread as its target, and a signal handler")]

use std::marker::PhantomData;
use std::time::Duration;

use nix::libc;

/// A timer whose expiry ends a wait of the thread that made it (`EINTR`).
///
/// An expiry between two waits is lost: let it repeat, and look at the time after each.
#[derive(Debug)]
pub struct Ticker {
    timer: libc::timer_t,
    /// It interrupts the thread it was made in.
    thread: PhantomData<*const ()>,
}

extern "C" fn nothing(_signal: libc::c_int) {}

pub(crate) fn signal() -> libc::c_int {
    // The first ones belong to libraries; programs that retake starts get it back as the default.
    libc::SIGRTMIN() + 7
}

fn timespec(time: Duration) -> libc::timespec {
    libc::timespec {
        tv_sec: libc::time_t::try_from(time.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: libc::c_long::from(time.subsec_nanos().cast_signed()),
    }
}

impl Ticker {
    /// A timer for the calling thread, not running yet.
    ///
    /// # Errors
    /// When the system has no timer left.
    pub fn new() -> std::io::Result<Self> {
        // SAFETY: all-zero bytes are a valid sigaction: no flags (so that waits end), empty mask.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = nothing as *const () as libc::sighandler_t;
        // SAFETY: `action` is valid; its handler does nothing.
        unsafe { libc::sigaction(signal(), &raw const action, std::ptr::null_mut()) };
        // SAFETY: all-zero bytes are a valid sigevent.
        let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = signal();
        // SAFETY: no arguments.
        event.sigev_notify_thread_id = unsafe { libc::gettid() };
        let mut timer: libc::timer_t = std::ptr::null_mut();
        // SAFETY: both pointers are valid for the call.
        let made =
            unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer) };
        if made != 0 {
            return Err(std::io::Error::last_os_error());
        }
        Ok(Self { timer, thread: PhantomData })
    }

    /// Interrupts in `period` and then each `period`; never for zero.
    pub fn every(&self, period: Duration) {
        self.first_then(period, period);
    }

    /// Interrupts after `first`, which may be short, and then each `period`; never for a zero `first`.
    pub fn first_then(&self, first: Duration, period: Duration) {
        let spec = libc::itimerspec { it_interval: timespec(period), it_value: timespec(first) };
        // SAFETY: the timer exists as long as this value; `spec` is valid.
        unsafe { libc::timer_settime(self.timer, 0, &raw const spec, std::ptr::null_mut()) };
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        // SAFETY: the timer exists, and is not used after this.
        unsafe { libc::timer_delete(self.timer) };
    }
}

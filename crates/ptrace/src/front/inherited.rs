//! What a started program takes over from whoever starts it.
#![expect(unsafe_code, reason = "signal dispositions and masks")]

use nix::libc;

/// Number of signals (signal(7)).
const SIGNALS: i32 = 64;

/// Blocked and ignored signals of a process: bit n-1 is signal n. A program starts with those of the
/// process that executes it (`nohup` ignores SIGHUP; shells without job control ignore SIGINT and
/// SIGQUIT in background jobs).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inherited {
    pub(crate) blocked: u64,
    ignored: u64,
}

fn change_mask(how: libc::c_int, set: Option<u64>) -> u64 {
    let mut old = 0_u64;
    let new = set.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: both masks are eight live bytes, as the size says; a null new mask changes nothing.
    unsafe { libc::syscall(libc::SYS_rt_sigprocmask, how, new, &raw mut old, 8_usize) };
    old
}

/// Sets the calling thread's blocked signals, and gives those before.
pub(crate) fn set_mask(mask: u64) -> u64 {
    change_mask(libc::SIG_SETMASK, Some(mask))
}

/// Blocks no signal of these any more.
pub(crate) fn unblock(mask: u64) {
    change_mask(libc::SIG_UNBLOCK, Some(mask));
}

pub(crate) fn bit(signal: libc::c_int) -> u64 {
    u32::try_from(signal - 1).map_or(0, |shift| 1_u64.checked_shl(shift).unwrap_or(0))
}

/// Gives a signal its default action.
pub(crate) fn reset(signal: libc::c_int) {
    // SAFETY: setting a disposition to the default touches no memory.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
}

fn is_ignored(signal: libc::c_int) -> bool {
    let mut old = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: with a null new action only `old` is written.
    if unsafe { libc::sigaction(signal, std::ptr::null(), old.as_mut_ptr()) } != 0 {
        return false;
    }
    // SAFETY: zeroed bytes, then filled by the kernel: a valid sigaction.
    let old = unsafe { old.assume_init() };
    // Rust's start-up code ignores SIGPIPE, whatever it was before.
    old.sa_sigaction == libc::SIG_IGN && signal != libc::SIGPIPE
}

impl Inherited {
    /// Those of this process, as they are now.
    pub fn now() -> Self {
        let ignored = (1..=SIGNALS).filter(|signal| is_ignored(*signal)).map(bit);
        Self {
            blocked: change_mask(libc::SIG_BLOCK, None),
            ignored: ignored.fold(0, |all, one| all | one),
        }
    }

    /// Whether the program is to ignore this signal when it starts.
    pub fn ignores(&self, signal: i32) -> bool {
        self.ignored & bit(signal) != 0
    }

    /// In a new process: ignores what is to be ignored, and nothing else. Signals stay blocked.
    pub(crate) fn set_dispositions(&self) {
        for signal in 1..=SIGNALS {
            let what = if self.ignores(signal) { libc::SIG_IGN } else { libc::SIG_DFL };
            // SAFETY: neither disposition touches memory; numbers that libc keeps for itself fail.
            unsafe { libc::signal(signal, what) };
        }
    }
}

//! Signals that whoever started the tests ignores: a shell does so for what it runs in the background.

use std::fs;
use std::sync::Arc;
use std::sync::Once;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

/// The signals that tests send, or expect to end a program.
const OURS: [i32; 4] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM];

/// Makes programs start with the default action for those signals. What is ignored stays ignored in a new program,
/// and what has a handler does not (execve(2)): each that is ignored here gets a handler that does nothing.
pub(crate) fn stop_ignoring() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for signal in OURS.into_iter().filter(|signal| ignored() >> (signal - 1) & 1 == 1) {
            // Where it fails, the test that needs it says so.
            let _ = signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)));
        }
    });
}

/// The signals that this process ignores (proc_pid_status(5), `SigIgn`): bit n-1 is signal n.
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}

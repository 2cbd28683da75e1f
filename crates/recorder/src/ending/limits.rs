//! What ends a recording although the program goes on, or waits.

use std::time::Duration;

use retake_ptrace::monotonic;

/// What becomes of a program in which every task waits for another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AtDeadlock {
    /// It is waited for, as for any other program: somebody may send it a signal.
    #[default]
    Wait,
    /// The recording ends, and the program with it.
    End,
}

/// Limits of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// It ends after so long.
    pub time: Option<Duration>,
    /// What happens at a deadlock.
    pub at_deadlock: AtDeadlock,
    /// How long the program has to end after SIGTERM, or SIGHUP because the terminal is gone. All that
    /// lives then is ended.
    pub patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { time: None, at_deadlock: AtDeadlock::Wait, patience: Duration::from_secs(5) }
    }
}

/// When the time is over, on the monotonic clock.
#[derive(Debug, Default)]
pub(super) struct Deadline(Option<Duration>);

impl Deadline {
    pub(super) fn after(time: Option<Duration>) -> Self {
        Self(time.map(|time| monotonic().saturating_add(time)))
    }

    /// Whether it has passed.
    pub(super) fn has_passed(&self) -> bool {
        self.0.is_some_and(|at| monotonic() >= at)
    }
}

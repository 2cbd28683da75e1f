//! Whose turn it is, and what is remembered from one look at the tasks to the next.

pub(crate) mod awaiting;
pub(crate) mod sleepers;

use std::time::Duration;

use retake_model::EventIndex;
use retake_ptrace::{Ticker, monotonic};

use crate::scheduler::{Candidate, Scheduler};

/// The scheduler, and the clock that wakes the recorder.
#[derive(Debug)]
pub(crate) struct Turns {
    pub(crate) scheduler: Scheduler,
    /// The tasks that could run, for one decision.
    pub(crate) candidates: Vec<Candidate>,
    /// When those that wait in the kernel were last looked at, on the monotonic clock.
    pub(crate) polled: Duration,
    /// When the running task is asked again to stop, on the monotonic clock.
    pub(crate) asked_again: Duration,
    /// A task was just woken by the running one.
    pub(crate) woke_somebody: bool,
    /// How many events there were when the running task was last looked at, and when that was.
    pub(crate) quiet_since: (EventIndex, Duration),
    /// Interrupts the wait for a task that runs for long. Without a timer nothing does.
    pub(crate) ticker: Option<Ticker>,
}

/// A tick that comes while nobody waits for it is lost: the next one comes so much later. (Not too soon,
/// or a machine that is busy does nothing but handle ticks.)
pub(crate) const AGAIN: Duration = Duration::from_micros(500);

/// How often the wait for the only task is looked at, in a call that may take for ever.
pub(crate) const IDLE_TICK: Duration = Duration::from_millis(100);

/// What turns are drawn from: another one each time.
fn seed() -> u64 {
    u64::try_from(monotonic().as_nanos() & u128::from(u64::MAX)).unwrap_or(1)
}

impl Turns {
    pub(crate) fn new() -> Self {
        Self {
            scheduler: Scheduler::new(seed()),
            candidates: Vec::new(),
            polled: Duration::ZERO,
            asked_again: Duration::ZERO,
            woke_somebody: false,
            quiet_since: (EventIndex::ZERO, Duration::ZERO),
            ticker: Ticker::new().ok(),
        }
    }
}

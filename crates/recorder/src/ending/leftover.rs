//! Processes that outlive the program's first one.

use std::time::Duration;

use retake_model::{EventIndex, Tid};

/// How often that is looked at.
pub(super) const LOOK: Duration = Duration::from_millis(10);

/// What becomes of processes that live when the program's first one ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leftover {
    /// They are ended: what is traced cannot be let go, as its system-call filter stays.
    End,
    /// They are recorded until the last one ends.
    Wait,
    /// They go on without being recorded, and the tracer with them.
    LeaveRunning,
}

/// A process that was left when the first one ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftProcess {
    /// Its number.
    pub pid: Tid,
    /// Its name (`/proc/PID/comm`).
    pub name: Vec<u8>,
}

/// How far it is with those that are left.
#[derive(Clone, Copy, Debug)]
pub(super) enum Phase {
    /// The first process has not ended.
    FirstLives,
    /// They are recorded on for a while.
    Settling { since: Duration, events: EventIndex, quiet_since: Duration },
    /// They got SIGTERM.
    Asked { since: Duration },
}

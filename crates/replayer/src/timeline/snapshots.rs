//! Checkpoints that live in memory, for the length of a debug session.

use std::collections::VecDeque;
use std::time::Duration;

use retake_model::EventIndex;
use retake_ptrace::monotonic;

use crate::machine::Machine;

/// How many are kept. Each is a set of stopped processes.
const MOST: usize = 8;
/// Replay that costs less than this is not worth a snapshot.
const APART: Duration = Duration::from_millis(100);

/// Copies of the machine at moments that were expensive to reach, oldest first.
#[derive(Debug)]
pub(crate) struct Snapshots {
    kept: VecDeque<Machine>,
    most: usize,
    /// On the monotonic clock.
    since: Duration,
}

impl Snapshots {
    pub(crate) fn new() -> Self {
        Self { kept: VecDeque::new(), most: MOST, since: monotonic() }
    }

    /// Keeps none.
    pub(crate) fn none() -> Self {
        Self { most: 0, ..Self::new() }
    }

    /// The machine is at a known moment: what it takes from here on counts.
    pub(crate) fn start_clock(&mut self) {
        self.since = monotonic();
    }

    /// Takes a snapshot if much was replayed since the last one.
    pub(crate) fn consider(&mut self, machine: &mut Machine) {
        let long_ago = || monotonic().saturating_sub(self.since) >= APART;
        if self.most == 0 || !machine.is_at_event() || !long_ago() {
            return;
        }
        let event = machine.done();
        if !self.kept.iter().any(|kept| kept.done() == event) {
            // Without it seeks only take longer: no room for processes is no failure.
            if let Ok(copy) = machine.copy() {
                self.kept.push_back(copy);
            }
            if self.kept.len() > self.most {
                self.kept.pop_front();
            }
        }
        self.start_clock();
    }

    /// The event of the last snapshot that is not after `event`.
    pub(crate) fn nearest(&self, event: EventIndex) -> Option<EventIndex> {
        self.kept.iter().map(Machine::done).filter(|at| *at <= event).max()
    }

    /// A machine as it was at `event`; the snapshot stays. `None`: there is no such snapshot, or no more, as
    /// its processes were killed or cannot be copied.
    pub(crate) fn take(&mut self, event: EventIndex) -> Option<Machine> {
        let at = self.kept.iter().position(|kept| kept.done() == event)?;
        let mut kept = self.kept.remove(at)?;
        let copy = kept.copy().ok()?;
        // It was useful: it goes last.
        self.kept.push_back(kept);
        Some(copy)
    }
}

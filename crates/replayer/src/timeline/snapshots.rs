//! Checkpoints that live in memory, for the length of a debug session.

use std::collections::VecDeque;
use std::time::Duration;

use retake_model::{EventIndex, Place, Position};
use retake_ptrace::monotonic;

use crate::machine::Machine;

/// How many are kept. Each is a set of stopped processes.
const MOST: usize = 12;
/// Replay that costs less than this is not worth a snapshot.
const APART: Duration = Duration::from_millis(100);
/// The same, of code that runs from its cache: whoever steps back in it goes there again at each step.
const APART_IN_CODE: Duration = Duration::from_millis(50);

/// Copies of the machine at moments that were expensive to reach, oldest first.
#[derive(Debug)]
pub(crate) struct Snapshots {
    kept: VecDeque<(Position, Machine)>,
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
        if machine.is_at_event() && monotonic() >= self.since + APART {
            self.keep(machine);
        }
    }

    /// When the next snapshot is to be taken of code that runs from its cache, on the monotonic clock.
    pub(crate) fn due_in_code(&self) -> Option<Duration> {
        (self.most > 0).then(|| self.since + APART_IN_CODE)
    }

    /// Takes a snapshot here.
    pub(crate) fn keep(&mut self, machine: &mut Machine) {
        // Without it seeks only take longer: no room for processes is no failure.
        if let Ok(Some(here)) = machine.here()
            && self.most > 0
            && !self.kept.iter().any(|(at, _)| *at == here)
            && let Ok(copy) = machine.copy()
        {
            self.kept.push_back((here, copy));
            if self.kept.len() > self.most {
                self.kept.pop_front();
            }
        }
        self.start_clock();
    }

    /// Where the last snapshot is that is not after `moment`.
    pub(crate) fn nearest(&self, moment: Position) -> Option<Position> {
        let earlier = self.kept.iter().map(|(at, _)| *at).filter(|at| *at <= moment);
        earlier.reduce(Position::max_with)
    }

    /// The last event that is not after `event` and has a snapshot.
    pub(crate) fn nearest_event(&self, event: EventIndex) -> Option<EventIndex> {
        let at_events = self.kept.iter().filter(|(at, _)| at.place() == Place::Event);
        at_events.map(|(at, _)| at.event()).filter(|at| *at <= event).max()
    }

    /// A machine as it was at a moment; the snapshot stays. `None`: there is no such snapshot, or no more, as
    /// its processes were killed or cannot be copied.
    pub(crate) fn take(&mut self, moment: Position) -> Option<Machine> {
        let n = self.kept.iter().position(|(at, _)| *at == moment)?;
        let (at, mut kept) = self.kept.remove(n)?;
        let copy = kept.copy().ok()?;
        // It was useful: it goes last.
        self.kept.push_back((at, kept));
        Some(copy)
    }
}

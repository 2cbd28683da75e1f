//! What the debug registers of a task watch for, and where it has waited.

use retake_model::Addr;
use retake_ptrace::{WATCHPOINTS, Watchpoint};

/// After so many arrivals at a loop in which the task did not wait it is not watched.
pub(super) const ARRIVALS: u32 = 2;

/// What the debug registers of a task watch for: words that others wait for, and the loop in which the task
/// itself has waited before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Armed {
    pub(super) points: [Option<Watchpoint>; WATCHPOINTS],
    pub(super) misses: u32,
    /// They were set after the task's last event: what came between is not known.
    pub(super) late: bool,
}

impl Armed {
    pub(super) fn is_empty(&self) -> bool {
        self.points.iter().all(Option::is_none)
    }

    pub(super) fn add(&mut self, point: Watchpoint) {
        if self.points.contains(&Some(point)) {
            return;
        }
        if let Some(free) = self.points.iter_mut().find(|place| place.is_none()) {
            *free = Some(point);
        }
    }
}

/// The loops in which a task has waited last. (Two of them: who meets others at a barrier and then waits for more to
/// do waits in two places by turns.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct WaitedAt(pub(super) [Option<Place>; 2]);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) pc: Addr,
    /// How often it came by since and did not wait.
    pub(super) passed: u32,
}

impl WaitedAt {
    /// It waits there.
    pub(crate) fn note(&mut self, pc: Addr) {
        let [last, before] = self.0;
        let other = if last.is_some_and(|last| last.pc == pc) { before } else { last };
        self.0 = [Some(Place { pc, passed: 0 }), other];
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    pub(super) fn places(&self) -> impl Iterator<Item = Addr> {
        self.0.into_iter().flatten().map(|place| place.pc)
    }

    /// Those that are worth to be watched for.
    pub(super) fn likely(&self) -> impl Iterator<Item = Addr> {
        let likely = self.0.into_iter().flatten().filter(|place| place.passed < ARRIVALS);
        likely.map(|place| place.pc)
    }

    /// It came by.
    pub(super) fn pass(&mut self, pc: Addr) {
        if let Some(place) = self.0.iter_mut().flatten().find(|place| place.pc == pc) {
            place.passed += 1;
        }
    }
}

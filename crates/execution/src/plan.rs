//! What is asked of a run.

use std::num::NonZeroU64;

use retake_model::{AddrRange, Position, Signal, TaskId};

use crate::{Direction, Site, State};

/// The caller's number for a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WatchId(u32);

impl WatchId {
    /// Wraps the caller's number.
    pub const fn new(raw: u32) -> Self {
        Self(raw)
    }

    /// The caller's number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// Which accesses of memory count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Writes, by the program or by the kernel for it.
    Write,
    /// Reads by the program. An implementation may count writes too: processors do not tell them apart.
    Read,
    /// Both.
    Any,
}

/// Memory at whose accesses a run stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// The caller's number.
    pub id: WatchId,
    /// The memory, in the address space of `task`.
    pub range: AddrRange,
    /// A task that sees it.
    pub task: TaskId,
    /// Which accesses.
    pub access: Access,
}

/// So many instructions of one task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps {
    /// Whose.
    pub task: TaskId,
    /// How many. A repeated string instruction and a system call are one each.
    pub count: NonZeroU64,
}

/// Some of the signals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignalSet(u64);

impl SignalSet {
    /// None of them.
    pub const NONE: Self = Self(0);

    /// Those for which `wanted` says so.
    pub fn of(wanted: impl Fn(Signal) -> bool) -> Self {
        let all = (1..=64).filter_map(|number| Signal::from_number(number).ok());
        Self(all.filter(|signal| wanted(*signal)).fold(0, |set, signal| set | signal.mask_bit()))
    }

    /// Whether a signal is among them.
    pub const fn contains(self, signal: Signal) -> bool {
        self.0 & signal.mask_bit() != 0
    }
}

/// What a run stops for. Without anything it goes to the end, or the start, of the recording.
#[derive(Clone, Debug)]
pub struct RunPlan<'a> {
    /// Which way.
    pub direction: Direction,
    /// Places. An arrival at the current position does not count.
    pub sites: &'a [Site],
    /// Memory.
    pub watches: &'a [Watch],
    /// Signals that do not end the process: a run forwards stops right before one takes effect, also at the
    /// current position. Whoever goes on from there goes to the event behind it first.
    pub signals: SignalSet,
    /// The run stops at the so-manieth of these arrivals and accesses.
    pub nth: NonZeroU64,
    /// The run goes no further than this; reaching it is [`crate::StopReason::Reached`].
    pub bound: Option<Position>,
    /// The run ends after so many instructions.
    pub steps: Option<Steps>,
}

impl<'a> RunPlan<'a> {
    /// To the next, or the previous, arrival at one of `sites`.
    pub const fn to_sites(direction: Direction, sites: &'a [Site]) -> Self {
        Self {
            direction,
            sites,
            watches: &[],
            signals: SignalSet::NONE,
            nth: NonZeroU64::MIN,
            bound: None,
            steps: None,
        }
    }

    /// So many instructions of a task.
    pub const fn steps(direction: Direction, task: TaskId, count: NonZeroU64) -> Self {
        let steps = Some(Steps { task, count });
        Self { steps, ..Self::to_sites(direction, &[]) }
    }
}

/// What a judge says of an arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It counts.
    Counts,
    /// It does not.
    Passes,
}

/// Judges arrivals by what predicates cannot say. A run backwards asks it in the order of time, and of
/// arrivals that it does not stop at.
pub type Judge<'a> = dyn FnMut(&crate::Hit, &dyn State) -> Verdict + 'a;

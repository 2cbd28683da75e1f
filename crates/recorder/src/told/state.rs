//! What a task is told of itself.

use super::cpu_set::CpuSet;
use crate::scheduler::Priority;

/// What a task is told of itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// The CPUs that it may use.
    pub(crate) cpus: CpuSet,
    /// The one that it is on.
    pub(crate) cpu: usize,
    /// Its policy, if that is a real-time one.
    pub(crate) real_time: Option<RealTime>,
    /// What that, or its nice value, is to the scheduler.
    pub(crate) priority: Priority,
}

/// A real-time policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RealTime {
    /// `SCHED_FIFO` or `SCHED_RR`.
    pub(crate) policy: u32,
    /// 1 to 99.
    pub(crate) priority: u32,
    /// The tasks that it makes have a usual policy.
    pub(crate) resets_on_fork: bool,
}

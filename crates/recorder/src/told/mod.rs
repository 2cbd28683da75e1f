//! What the program is told of CPUs and priorities.
//!
//! The recorder keeps all tasks on one CPU ([`crate::scheduler`]), and no task has a real-time policy in the
//! kernel: it would starve the recorder. A program that is told so starts fewer threads than natively, or gives
//! up. So each task is told the CPUs that the recorder itself may use, or as many as `--cpus` says
//! ([`Processors`]), and what it sets is remembered and told again: by calls ([`affinity`], [`policies`]) and
//! by files of procfs and sysfs ([`files`]). The answers are results and effects of recorded calls: replay needs nothing.

mod affinity;
mod contents;
mod cpu_set;
mod files;
mod named;
mod policies;
mod processors;
mod rights;

use crate::scheduler::Priority;

pub(crate) use contents::Content;
pub(crate) use cpu_set::CpuSet;
pub(crate) use files::ToldFiles;
pub(crate) use policies::RealTime;
pub use processors::MOST_CPUS;
pub(crate) use processors::Processors;

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

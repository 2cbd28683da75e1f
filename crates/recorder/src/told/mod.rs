//! What the program is told of CPUs and priorities.
//!
//! The recorder keeps all tasks on one CPU ([`crate::scheduler`]), and no task has a real-time policy in the
//! kernel: it would starve the recorder. A program that is told so starts fewer threads than natively, or gives
//! up. So each task is told the CPUs that the recorder itself may use, or as many as `--cpus` says
//! ([`Processors`]), and what it sets is remembered and told again: by calls ([`affinity`], [`policies`]) and
//! by files of procfs and sysfs ([`files`]). The answers are results and effects of recorded calls: replay needs nothing.

mod affinity;
pub(crate) mod contents;
pub(crate) mod cpu_set;
pub(crate) mod files;
mod named;
pub(crate) mod opened;
mod policies;
pub(crate) mod processors;
mod rights;
pub(crate) mod state;
mod telling;

pub use processors::MOST_CPUS;

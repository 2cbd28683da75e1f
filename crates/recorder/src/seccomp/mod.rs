//! Seccomp filters of the program (seccomp(2)), applied by the recorder.
//!
//! A filter in the kernel would judge the calls that the recorder injects too, and could not be told
//! from the recorder's own. So the kernel never gets one: the recorder, which sees each call of the
//! program anyway, keeps the program's filters and runs them at the entry of each call. Tasks inherit
//! them as the kernel has it: over `clone`, `fork` and `execve`.
//!
//! Not emulated: user notification (`SECCOMP_FILTER_FLAG_NEW_LISTENER`), which is refused as by a
//! kernel that does not have it. What `/proc/PID/status` says about seccomp is about the recorder's.

pub(crate) mod act;
mod bpf;
pub(crate) mod confinement;
mod install;

use crate::seccomp::confinement::{
    Confinement, FILTER_PENALTY, Installed, MOST_INSTRUCTIONS, Mode, Verdict, arch, cost,
};

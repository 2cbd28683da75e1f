//! Records a program: runs it natively under ptrace and seccomp, one task at a time, and writes down
//! everything its own instructions do not determine.
//!
//! The way in is [`record`]. The recorder changes what the program sees in few, documented ways (a
//! vdso that makes calls, refused interfaces, call sites led to code of retake's); it never changes what the
//! program computes, and needs neither hardware counters nor privileges. It refuses interfaces where the
//! kernel writes memory outside of any call (io_uring, kernel aio, userfaultfd), with the error that
//! programs know how to handle.

mod book;
mod calls;
mod checkpoints;
mod cpuid;
mod ending;
mod error;
mod fast;
mod files;
mod hardware;
mod memory;
mod next;
mod places;
mod record;
mod replaced;
mod run;
mod scheduler;
mod seccomp;
mod session;
mod signals;
mod start;
mod tasks;
mod told;
mod tracing;
mod turns;
mod waiting;
mod world;

pub use book::beside::{Beside, FoundBeside};
pub use ending::{AtDeadlock, EndedBy, LeftProcess, Leftover, Limits, Rest};
pub use error::RecordError;
pub use record::{Calls, RecordOptions, Recorded, record};
pub use retake_ptrace::{Front, Link, Side, ask_to_end, split, take_inherited};
pub use start::follow::{Executed, follow};
pub use start::front::{FrontEnd, attend};
pub use start::program::ProgramError;
pub use told::MOST_CPUS;

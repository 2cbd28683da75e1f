//! Records a program: runs it natively under ptrace and seccomp, one task at a time, and writes down
//! everything its own instructions do not determine.
//!
//! The way in is [`record`]. The recorder changes what the program sees in few, documented ways (a
//! vdso that makes calls, refused interfaces, call sites led to code of retake's); it never changes what the
//! program computes, and needs neither hardware counters nor privileges. It refuses interfaces where the
//! kernel writes memory outside of any call (io_uring, kernel aio, userfaultfd), with the error that
//! programs know how to handle.

mod audit;
mod awaiting;
mod beside;
mod book;
mod calls;
mod checkpoints;
mod clocks;
mod convention;
mod cpuid;
mod descriptors;
mod disposition;
mod echo;
mod ending;
mod error;
mod exec_calls;
mod executable;
mod exits;
mod fast;
mod file_parts;
mod file_writes;
mod files;
mod follow;
mod forced;
mod front;
mod growth;
mod hardware;
mod hidden;
mod image;
mod inheritance;
mod inherited_locks;
mod last_words;
mod leaving;
mod memory_calls;
mod midcode;
mod nearby;
mod new_task;
mod outer_filter;
mod output;
mod own_memory;
mod page_diff;
mod partial;
mod places;
mod probes;
mod program;
mod record;
mod refusals;
mod scheduler;
mod scratch;
mod seat;
mod seccomp;
mod served_files;
mod session;
mod shared_memory;
mod signals;
mod sleepers;
mod task;
mod task_calls;
mod thread_calls;
mod told;
mod tracing;
mod tracking;
mod trapped;
mod turns;
mod unfinished;
mod unkillable;
mod updates;
mod user_dispatch;
mod vdso;
mod vsyscall;
mod waiting;
mod world;

pub use beside::{Beside, FoundBeside};
pub use ending::{AtDeadlock, EndedBy, LeftProcess, Leftover, Limits, Rest};
pub use error::RecordError;
pub use follow::{Executed, follow};
pub use front::{FrontEnd, attend};
pub use program::ProgramError;
pub use record::{Calls, RecordOptions, Recorded, record};
pub use retake_ptrace::{Front, Link, Side, ask_to_end, split, take_inherited};
pub use told::MOST_CPUS;

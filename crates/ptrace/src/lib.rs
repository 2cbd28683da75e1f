//! Typed kernel boundary: ptrace(2), wait(2), seccomp(2), process memory, page maps.
//!
//! Principal types: [`Stopped`], a task in a ptrace-stop, which is consumed by resuming it into a
//! [`Running`]; [`PtraceStop`], what a task stopped for; [`ProcessMemory`]; [`PageMap`].
//!
//! The caller supplies policy: which task to resume, what a stop means. This crate holds all of the
//! workspace's `unsafe` for the kernel, and refuses to interpret: it knows no system call table, keeps
//! no list of tasks and never resumes a task by itself. A task that dies in the middle of an
//! operation is the ordinary error [`PtraceError::is_gone`].

mod affinity;
mod cpu;
mod death;
mod error;
mod fds;
mod follower;
mod front;
mod handle;
mod holes;
mod known;
mod limits;
mod memory;
mod pagemap;
mod paths;
mod random;
mod seccomp;
mod spawn;
mod stat;
mod status;
mod stop;
mod sys;
mod task;
mod ticker;
mod trapped;
mod tsc;
mod uffd;
mod watchpoints;

pub use affinity::{AffinityForm, affinity_form, affinity_of, widest_affinity};
pub use cpu::{
    ARCH_SET_CPUID, CpuidAnswer, Scheduling, ShortSlices, Wakes, allowed_cpus, be_no_nicer_than,
    cpuid, cpuid_table, current_cpu, pin_current_thread, prefer_short_slices, scheduling_of,
    set_nice, unpin, unpin_current_thread, unpin_from, xgetbv_xcr0,
};
pub use error::PtraceError;
pub use fds::{
    copy_fd, create_memfd, let_go_of, pipe_capacity, same_open_file, send_fd, take_inherited,
};
pub use follower::spawn_followed;
pub use front::{
    FromFront, Front, FrontEvent, Inherited, Link, Passed, Side, ask_to_end, split,
    was_asked_to_end,
};
pub use handle::ProcessHandle;
pub use holes::{data_ranges, punch_hole};
pub use known::{KnownFile, file_system, known_file};
pub use limits::stack_limit;
pub use memory::{ProcessMemory, read_words};
pub use pagemap::{PageMap, PageScan, private_page_count};
pub use paths::{find_file, find_file_in};
pub use random::RandomInstruction;
pub use seccomp::{CallStops, Filter, REPLAY_CALLS};
pub use spawn::{Cpuid, SpawnError, Stub, spawn_program, spawn_stub};
pub use stat::TaskStat;
pub use status::TaskStatus;
pub use stop::{PtraceStop, StopEvent, WaitFlags, others_have_stopped, wait, wait_any};
pub use sys::yield_cpu;
pub use task::{Resume, Running, Stopped, interrupt, kill_process, kill_task, send_signal};
pub use ticker::Ticker;
pub use tsc::{
    Clock, SameTraps, can_trap_cpuid, clock, monotonic, own_cpu_time, process_cpu_time, read_tsc,
};
pub use uffd::WriteTracker;
pub use watchpoints::{WATCHPOINTS, WatchLen, Watchpoint, is_watchpoint};

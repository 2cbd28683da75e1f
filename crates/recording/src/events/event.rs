//! What happened: events and their effects.

use retake_model::{
    Addr, AddrRange, Mapping, PageAddr, PageId, Protection, Registers, SharedId, SigInfo, Signal,
    SpaceId, SyscallNo, TaskId, Tid, VectorState,
};
use serde::{Deserialize, Serialize};

use crate::events::segment::LocalSegment;

/// One thing that the program's own instructions do not determine.
///
/// Between two events only one task runs: the task of the later one. The order of the events *is*
/// the schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The task it happened to.
    pub task: TaskId,
    /// What happened.
    pub kind: EventKind,
    /// Registers when the task stopped for it; replay compares them.
    pub before: Registers,
    /// Registers the task goes on with.
    pub after: Registers,
    /// What it did besides, in this order.
    pub effects: Vec<Effect>,
}

impl Event {
    /// One that another is read in place of.
    pub fn blank() -> Self {
        let (before, after) = (Registers::default(), Registers::default());
        let (task, kind, effects) = (TaskId::new(0), EventKind::Restart, Vec::new());
        Self { task, kind, before, after, effects }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventKind {
    /// A system call that was entered and completed with no other task's event in between.
    /// `before` are the registers at the entry stop (`orig_rax` = number, `rax` = `-ENOSYS`).
    Syscall {
        /// Its number.
        no: SyscallNo,
    },
    /// A system call was entered; other tasks' events follow before it completes, or it never does.
    SyscallEnter {
        /// Its number.
        no: SyscallNo,
    },
    /// The task's open call completed. `before` equals `after` of the entry.
    SyscallExit {
        /// Its number.
        no: SyscallNo,
    },
    /// The kernel set an interrupted call back to run again; no user code ran since the event before.
    Restart,
    /// An instruction that traps while recording. `before` are the registers at the trap.
    Instruction {
        /// Which one.
        instruction: TrappedInstruction,
    },
    /// A signal took effect.
    Signal {
        /// The kernel's description.
        info: SigInfo,
        /// What it did.
        delivery: Delivery,
        /// Where the task was.
        at: Where,
    },
    /// The task was preempted in the middle of code, and another one runs next.
    Preempt {
        /// Where the task was.
        at: Where,
    },
    /// The task is gone. For a task that ended inside a call or by a signal of its own this follows
    /// that event; nothing runs in between.
    Exit {
        /// How it ended.
        status: ExitStatus,
        /// Where the task was.
        at: Where,
    },
}

/// An instruction whose result differs from run to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TrappedInstruction {
    /// `rdtsc`
    Rdtsc,
    /// `rdtscp`
    Rdtscp,
    /// `cpuid`
    Cpuid,
    /// `rdrand`, in whose place stands an instruction that faults.
    Rdrand,
    /// `rdseed`, the same.
    Rdseed,
}

/// What a signal did to the task that it was delivered to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Delivery {
    /// A handler runs: `after` are its first registers, the frame is among the effects.
    Handler,
    /// Nothing (ignored, or a default action that does nothing).
    Ignored,
    /// The process ends; exits follow.
    Fatal {
        /// Whether the kernel says a core was dumped.
        core: bool,
    },
    /// The process stops until it is continued.
    Stop,
}

/// How a task was found to be at the place of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Where {
    /// The place finds itself: the next system call, fault or trap of the task, or no user code ran
    /// since its event before.
    Located,
    /// In the middle of code; replay stops at the first state equal to this one.
    MidCode(Box<Fingerprint>),
}

/// The state that identifies a moment in the middle of code, with `before` of the event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Vector registers.
    pub vector: VectorState,
    /// Eight bytes of stack that the task accessed just before, and seldom accesses: watching them
    /// finds the place. Without, each arrival at the program counter has to be looked at.
    pub watch: Option<Addr>,
    /// Words of memory, read at that moment, that are cheap to compare.
    pub probes: Vec<(Addr, u64)>,
    /// Digest of the pages that were dirtied since the checkpoint or mid-code event before, if taken.
    pub pages: Option<PageDigest>,
}

/// A digest over the contents of some pages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageDigest {
    /// Which pages, in ascending order.
    pub pages: Vec<PageAddr>,
    /// XXH3-128 over their contents in that order.
    pub hash: u128,
}

/// How a task or a process ended (wait(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExitStatus {
    /// By `exit` with this code.
    Exited(u8),
    /// By a signal.
    Killed(Signal),
}

impl ExitStatus {
    /// The code a shell gives: the exit code, or 128 + the signal's number.
    pub fn shell_code(self) -> u8 {
        match self {
            Self::Exited(code) => code,
            Self::Killed(signal) => u8::try_from(128 + signal.number()).unwrap_or(255),
        }
    }
}

/// Where the program's output went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stream {
    /// What the recorder was given as standard output.
    Stdout,
    /// What the recorder was given as standard error.
    Stderr,
}

/// One effect of an event. Replay applies them in order, in the address space of the event's task
/// unless the effect names another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// The kernel wrote these bytes.
    Write {
        /// Where.
        addr: Addr,
        /// What.
        #[serde(with = "crate::codec::bytes")]
        bytes: Vec<u8>,
    },
    /// Like [`Effect::Write`], into another address space (`process_vm_writev`, `/proc/PID/mem`).
    ForeignWrite {
        /// Whose memory.
        space: SpaceId,
        /// Where.
        addr: Addr,
        /// What.
        #[serde(with = "crate::codec::bytes")]
        bytes: Vec<u8>,
    },
    /// A mapping was made; whatever was at its addresses is gone.
    Map {
        /// The mapping.
        mapping: Mapping,
    },
    /// Mappings were removed.
    Unmap {
        /// The addresses.
        range: AddrRange,
    },
    /// A protection was changed.
    Protect {
        /// The addresses.
        range: AddrRange,
        /// The new protection.
        prot: Protection,
    },
    /// Pages were moved with what they hold (`mremap`); the target's old contents are gone. Where
    /// `to` is longer the rest is new memory of the same backing; where it is shorter the rest is
    /// unmapped.
    Move {
        /// Old addresses.
        from: AddrRange,
        /// New addresses.
        to: AddrRange,
        /// The old range stays mapped, empty (`MREMAP_DONTUNMAP`).
        keep: bool,
    },
    /// Private pages were dropped and read as their backing again (`MADV_DONTNEED`).
    Discard {
        /// The addresses.
        range: AddrRange,
    },
    /// A shared object appears (before the first mapping of it).
    NewShared {
        /// Its identity.
        shared: SharedId,
        /// Length in bytes, whole pages.
        len: u64,
        /// Pages that are not zero: page number within the object and contents.
        pages: Vec<(u64, PageId)>,
    },
    /// A shared object changed its length.
    ResizeShared {
        /// Which.
        shared: SharedId,
        /// New length in bytes, whole pages.
        len: u64,
    },
    /// A shared object was written other than through a mapping.
    SharedWrite {
        /// Which.
        shared: SharedId,
        /// Offset in bytes.
        offset: u64,
        /// What.
        #[serde(with = "crate::codec::bytes")]
        bytes: Vec<u8>,
    },
    /// A task was created. It starts with these registers when its first event is due.
    Spawn {
        /// The new task.
        child: TaskId,
        /// Its number in the program's eyes.
        tid: Tid,
        /// Its process (thread group) in the program's eyes.
        pid: Tid,
        /// Its address space: the parent's (`CLONE_VM`), or a new one, which starts as a copy.
        space: SpaceId,
        /// Its first registers.
        registers: Registers,
    },
    /// The program was replaced (`execve`): the task goes on in a new address space.
    Exec {
        /// The new image.
        image: Box<Image>,
    },
    /// The vector registers from here on (`rt_sigreturn`, signal delivery, exec).
    Vector {
        /// The state.
        state: VectorState,
    },
    /// The task's name changed.
    Name {
        /// `comm`, at most 15 bytes.
        #[serde(with = "crate::codec::bytes")]
        name: Vec<u8>,
    },
    /// These bytes of memory were written to a descriptor.
    Output {
        /// The stream, if it was the program's standard output or error.
        stream: Option<Stream>,
        /// Where they are in memory.
        addr: Addr,
        /// How many went out.
        len: u64,
        /// What they were, by [`crate::OutputHash`]: a replay that writes anything else diverges.
        hash: u64,
    },
    /// A hole was made in a shared object: zeroes, its length stays.
    ZeroShared {
        /// Which.
        shared: SharedId,
        /// Offset in bytes.
        offset: u64,
        /// Bytes.
        len: u64,
    },
    /// An effect on another address space.
    In {
        /// Which.
        space: SpaceId,
        /// What happened to it. It is about no third one.
        #[serde(deserialize_with = "crate::events::nested::deserialize")]
        effect: Box<Effect>,
    },
    /// A segment of the program's own was set.
    Segment {
        /// The segment.
        segment: LocalSegment,
    },
}

/// One address space right after `execve`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// The new address space.
    pub space: SpaceId,
    /// All of it, in ascending order.
    pub mappings: Vec<Mapping>,
    /// Every page that differs from its mapping's backing, in ascending order.
    pub pages: Vec<(PageAddr, PageId)>,
    /// Path that was executed, as the program gave it.
    #[serde(with = "crate::codec::bytes")]
    pub path: Vec<u8>,
}

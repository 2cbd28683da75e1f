//! Recorded tasks and their address spaces.

pub(crate) mod calls;
pub(crate) mod ends;
pub(crate) mod last_word;
pub(crate) mod last_words;
pub(crate) mod made;
pub(crate) mod new_task;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use retake_abi::{Before, Class, Convention, Syscall, TaskCall, nr};
use retake_model::{
    Addr, AddrRange, Protection, Registers, SigInfo, SpaceId, SyscallNo, TaskId, Tid, VectorState,
};
use retake_ptrace::{ProcessMemory, Stopped, monotonic};
use retake_recording::{EventKind, LocalSegment};
use retake_tracee::MappingTable;

use crate::calls::begun::Begun;
use crate::scheduler::{Candidate, Claim};
use crate::seccomp::confinement::Confinement;
use crate::signals::state::SignalState;
use crate::waiting::armed::Armed;
use crate::waiting::loops::Loops;

/// One recorded task.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) id: TaskId,
    pub(crate) tid: Tid,
    pub(crate) pid: Tid,
    pub(crate) space: SpaceId,
    pub(crate) name: Vec<u8>,
    pub(crate) memory: ProcessMemory,
    pub(crate) run: Run,
    /// What it goes on with since its last event.
    pub(crate) registers: Registers,
    /// Its last event was in the middle of code: it may come to equal registers again.
    pub(crate) mid_code: bool,
    /// An update of memory that it is in the middle of, where its last event left it.
    pub(crate) update: Option<crate::places::update::Update>,
    /// The call it has entered.
    pub(crate) open: Option<OpenCall>,
    /// A call that the kernel goes on with through `restart_syscall`.
    pub(crate) interrupted: Option<OpenCall>,
    /// Signals that wait for a place to be delivered at.
    pub(crate) held: VecDeque<SigInfo>,
    /// Since when the first of them waits, on the monotonic clock.
    pub(crate) held_since: Duration,
    /// One that was held, and sent again for the kernel to deliver.
    pub(crate) sent_again: Option<SigInfo>,
    /// Signals that are kept from coming again meanwhile.
    pub(crate) hidden: crate::signals::held::Hidden,
    /// How long they wait for a place that finds itself. Shorter where none came in time.
    pub(crate) patience: Duration,
    /// Its last event was the return from a handler.
    pub(crate) after_handler: bool,
    /// Since when it waits for the CPU, on the monotonic clock.
    pub(crate) since: Duration,
    /// It only waits, for this.
    pub(crate) waiting: Option<crate::waiting::word::Waiting>,
    /// What it waited for last, if it has done little since: it is likely to wait for that again.
    pub(crate) expects: Option<crate::waiting::word::Waiting>,
    /// What it waited for has happened.
    pub(crate) woken: bool,
    /// How long its last turn has lasted.
    pub(crate) last_turn: Duration,
    /// It was looked at so often, one time after the other, and did not only wait.
    pub(crate) seen_to_compute: u32,
    /// It gave the CPU away at its last event.
    pub(crate) yielded: bool,
    /// So many of its last events were looks at a clock, in its present turn.
    pub(crate) clock_reads: u32,
    /// In its last turn it did little but look at a clock, and nothing else since.
    pub(crate) polls: bool,
    /// Where it has waited last.
    pub(crate) waited_at: crate::waiting::armed::WaitedAt,
    /// What its debug registers watch for others.
    pub(crate) armed: Armed,
    /// When it was last seen to have made calls without a stop, on the monotonic clock.
    pub(crate) made_fast_calls: Option<Duration>,
    /// It was resumed so that it also stops at a call that is made without a stop, and is left alone until
    /// then (on the monotonic clock).
    pub(crate) to_next_call: Option<Duration>,
    /// It was asked to stop, and the stop has not been seen yet.
    pub(crate) asked_to_stop: bool,
    /// Where the kernel writes 0 when the task ends (`set_tid_address`).
    pub(crate) clear_tid: Addr,
    /// Head of the robust futex list.
    pub(crate) robust: Addr,
    /// What it does at signals that may be forced on it.
    pub(crate) signal_state: SignalState,
    /// A SIGSEGV that was sent to the task, and stood in for one that was forced on it.
    pub(crate) hides_forced: Option<SigInfo>,
    /// Code for calls without a stop, where there can be such.
    pub(crate) fast_code: Option<std::rc::Rc<retake_tracee::fast::FastCode>>,
    /// It has descriptors of its own, though others share its memory.
    pub(crate) has_own_fds: bool,
    /// Reading the time-stamp counter is a fault (prctl(2), `PR_SET_TSC`).
    pub(crate) counter_faults: bool,
    /// Which of its calls it handles itself.
    pub(crate) dispatch: Option<crate::calls::dispatch::Dispatch>,
    /// What seccomp(2) lets it do.
    pub(crate) confinement: Confinement,
    /// Vector registers and blocked signals, while its process is stopped.
    pub(crate) stopped: Option<(VectorState, u64)>,
    /// Another task of the recording traces it.
    pub(crate) traced: Option<crate::tracing::state::Traced>,
    /// How it goes on from where such a one has stopped it.
    pub(crate) resumes: Option<crate::tracing::state::Resumption>,
    /// The entry of the call that it is about to make is an event already.
    pub(crate) entry_recorded: bool,
    /// What it is told of CPUs and of its priority.
    pub(crate) told: crate::told::state::Told,
    /// Who made it.
    pub(crate) maker: Option<TaskId>,
    /// Its number in its own PID namespace, once asked for.
    pub(crate) own_number: Option<u32>,
    /// Its end is sure: it runs no user code any more.
    pub(crate) dying: bool,
    /// Its end has been recorded.
    pub(crate) ended: bool,
}

/// How long a signal waits for a place that finds itself.
pub(crate) const PATIENCE: Duration = Duration::from_millis(10);
/// So many looks at a clock in a row, and one in so short a time, are those of a task that only waits for
/// the time. (Each takes 0.7 µs without a stop, and up to 30 µs with one.)
const POLLS: u32 = 8;
const POLL_TIME: Duration = Duration::from_micros(40);
/// A task that has made calls without a stop so short ago is likely to make more.
const SAME_PHASE: Duration = Duration::from_millis(60);

impl Task {
    /// A task that is about to run.
    pub(crate) fn new(identity: Identity, signal_state: SignalState) -> Self {
        let Identity { id, tid, pid, space } = identity;
        Self {
            id,
            tid,
            pid,
            space,
            name: Vec::new(),
            memory: ProcessMemory::new(tid),
            run: Run::Away,
            registers: Registers::default(),
            mid_code: false,
            update: None,
            open: None,
            interrupted: None,
            held: VecDeque::new(),
            held_since: Duration::ZERO,
            hidden: crate::signals::held::Hidden::default(),
            sent_again: None,
            patience: PATIENCE,
            after_handler: false,
            since: monotonic(),
            waiting: None,
            expects: None,
            woken: false,
            last_turn: Duration::ZERO,
            seen_to_compute: 0,
            yielded: false,
            clock_reads: 0,
            polls: false,
            waited_at: crate::waiting::armed::WaitedAt::default(),
            armed: Armed::default(),
            made_fast_calls: None,
            to_next_call: None,
            asked_to_stop: false,
            clear_tid: Addr::NULL,
            robust: Addr::NULL,
            signal_state,
            hides_forced: None,
            fast_code: None,
            has_own_fds: false,
            counter_faults: false,
            dispatch: None,
            confinement: Confinement::inherited(),
            stopped: None,
            traced: None,
            resumes: None,
            entry_recorded: false,
            told: crate::told::state::Told::default(),
            maker: None,
            own_number: None,
            dying: false,
            ended: false,
        }
    }

    /// What it wants the CPU for.
    pub(crate) fn claim(&self) -> Claim {
        if self.woken {
            Claim::Woken
        } else if self.waiting.is_some() {
            Claim::Waits
        } else if self.yielded {
            Claim::Yielded
        } else if self.polls {
            Claim::Polls
        } else {
            Claim::Runs
        }
    }

    /// What is in the recording of the call that it is at the entry of.
    pub(crate) fn take_begun(&mut self) -> Begun {
        match std::mem::take(&mut self.entry_recorded) {
            true => Begun::Recorded,
            false => Begun::Unseen,
        }
    }

    /// The numbers of its process and of itself, for what its descriptors are.
    pub(crate) fn process(&self) -> (Tid, Tid) {
        (self.pid, self.tid)
    }

    /// As the scheduler sees it.
    pub(crate) fn candidate(&self) -> Candidate {
        Candidate {
            tid: self.tid,
            claim: self.claim(),
            since: self.since,
            is_in_code: self.mid_code,
            priority: self.told.priority,
            last_turn: self.last_turn,
            seen_to_compute: self.seen_to_compute,
        }
    }

    /// Whether it is likely to make more calls without a stop.
    pub(crate) fn makes_fast_calls(&self, now: Duration) -> bool {
        self.made_fast_calls.is_some_and(|last| now.saturating_sub(last) < SAME_PHASE)
    }

    /// An event of this task was recorded: what it last did is something else.
    pub(crate) fn moved_on(&mut self, kind: &EventKind) {
        let called = match kind {
            EventKind::Preempt { .. } => return,
            EventKind::Syscall { no } => Some(*no),
            _ => None,
        };
        (self.waiting, self.expects) = (None, None);
        self.woken = false;
        self.yielded = called == Some(nr::SCHED_YIELD);
        self.after_handler = called == Some(nr::RT_SIGRETURN);
        let is_clock = called.is_some_and(reads_a_clock);
        self.clock_reads = if is_clock { self.clock_reads.saturating_add(1) } else { 0 };
        self.polls &= is_clock;
    }

    /// Its turn has ended, after so long.
    pub(crate) fn turn_ended(&mut self, ran: Duration, now: Duration) {
        let reads = std::mem::take(&mut self.clock_reads);
        self.polls = reads >= POLLS && ran <= POLL_TIME * reads;
        self.last_turn = ran;
        self.since = now;
    }
}

/// Whether a call of this number does nothing but read a clock.
fn reads_a_clock(no: SyscallNo) -> bool {
    matches!(no, nr::CLOCK_GETTIME | nr::GETTIMEOFDAY | nr::TIME)
}

/// Numbers of a task, in the recording and in the kernel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity {
    pub(crate) id: TaskId,
    pub(crate) tid: Tid,
    pub(crate) pid: Tid,
    pub(crate) space: SpaceId,
}

/// What a task is doing.
#[derive(Debug)]
pub(crate) enum Run {
    /// Stopped by us; it may go on.
    Ready(Stopped),
    /// In the kernel, waiting; a stop will be reported.
    Kernel,
    /// Being handled right now, or gone.
    Away,
}

impl Run {
    pub(crate) fn is_ready(&self) -> bool {
        matches!(self, Self::Ready(_))
    }
}

/// A system call that was entered and has not completed.
#[derive(Debug)]
pub(crate) struct OpenCall {
    pub(crate) call: Syscall,
    /// How it was made: which registers its arguments are in.
    pub(crate) by: Convention,
    pub(crate) args: [u64; 6],
    pub(crate) before: Before,
    /// Registers at the entry stop, as the program set them.
    pub(crate) entry: Registers,
    /// Whether its entry is an event of its own.
    pub(crate) begun: Begun,
    /// Vector registers, taken when the call may wait (a checkpoint needs them then).
    pub(crate) vector: Option<VectorState>,
    /// Where output goes instead while other tasks run.
    pub(crate) redirect: Option<retake_abi::Placed>,
    /// The kernel may write to the program's memory while the call waits: no checkpoint then.
    pub(crate) writes_directly: bool,
    /// Pages before a call whose outputs are not known.
    pub(crate) pages: Option<crate::memory::page_diff::PagesBefore>,
    /// All memory before the call, for the audit.
    pub(crate) audit: Option<crate::calls::memory_before::MemoryBefore>,
    /// The task that it is to make.
    pub(crate) new_task: crate::tasks::new_task::NewTask,
    /// What the kernel may write when the task leaves its memory by this call.
    pub(crate) last_words: Vec<crate::tasks::last_word::LastWord>,
    /// It waits for a lock that the recorder keeps.
    pub(crate) lock_wait: Option<crate::calls::waits::LockWait>,
}

impl OpenCall {
    /// Whether the call is one in which a task waits for the child that it made (clone(2), `CLONE_VFORK`).
    pub(crate) fn waited_for_child(&self) -> bool {
        self.new_task.is_waited_for()
    }

    /// The number under which it is recorded.
    pub(crate) fn number(&self) -> SyscallNo {
        match self.by {
            // Not that of the call that `restart_syscall` goes on with.
            Convention::Native => crate::next::call_number(&self.entry),
            Convention::I386 | Convention::X32 => self.call.no,
        }
    }

    /// Whether the call is an `execve`.
    pub(crate) fn replaces_memory(&self) -> bool {
        matches!(self.call.class, Class::Task(TaskCall::Exec | TaskCall::ExecAt))
    }
}

/// One recorded address space.
#[derive(Debug)]
pub(crate) struct Space {
    pub(crate) table: MappingTable,
    /// End of the heap, once known.
    pub(crate) brk: Option<u64>,
    /// Attached System V segments: address and length.
    pub(crate) attached: BTreeMap<Addr, u64>,
    /// Scratch slots in use, by task.
    pub(crate) slots: BTreeMap<TaskId, u64>,
    /// Ranges whose contents changed other than by writing since the last checkpoint.
    pub(crate) cleared: Vec<AddrRange>,
    /// What tells which pages were written since the last checkpoint.
    pub(crate) tracking: crate::memory::tracking::Tracking,
    /// `PR_SET_DUMPABLE`, as the program knows it.
    pub(crate) dumpable: bool,
    /// Segments of the program's own, by their number.
    pub(crate) segments: BTreeMap<u32, LocalSegment>,
    /// Set where the program registered an rseq area.
    pub(crate) rseq: BTreeMap<TaskId, Addr>,
    /// How often other processes changed this one.
    pub(crate) foreign_changes: u64,
    /// Ranges that a forked process gets differently.
    pub(crate) inheritance: crate::memory::marks::Inheritance,
    /// Calls that are made without a stop.
    pub(crate) fast: crate::fast::state::FastCalls,
    /// Random numbers in its code.
    pub(crate) random: crate::replaced::random::Sites,
    /// Loops that tasks were found in.
    pub(crate) loops: Loops,
}

impl Space {
    pub(crate) fn new(table: MappingTable, brk: Option<u64>) -> Self {
        Self {
            table,
            brk,
            attached: BTreeMap::new(),
            slots: BTreeMap::new(),
            cleared: Vec::new(),
            tracking: crate::memory::tracking::Tracking::default(),
            dumpable: true,
            segments: BTreeMap::new(),
            rseq: BTreeMap::new(),
            foreign_changes: 0,
            inheritance: crate::memory::marks::Inheritance::default(),
            fast: crate::fast::state::FastCalls::absent(),
            random: crate::replaced::random::Sites::default(),
            loops: Loops::default(),
        }
    }

    /// Whether the program may write to all of these bytes.
    pub(crate) fn can_write(&self, start: Addr, len: u64) -> bool {
        AddrRange::with_len(start, len).is_some() && self.writable_len(start, len) == len
    }

    /// How many of these bytes, from the first on, the program may write to.
    pub(crate) fn writable_len(&self, start: Addr, len: u64) -> u64 {
        let end = start.get().saturating_add(len);
        let mut at = start;
        while at.get() < end {
            match self.table.find(at) {
                Some(mapping) if mapping.prot.allows(Protection::WRITE) => at = mapping.range.end(),
                _ => break,
            }
        }
        at.get().min(end) - start.get()
    }

    /// The copy that a forked process starts with.
    pub(crate) fn fork(&self) -> Self {
        Self {
            attached: self.attached.clone(),
            segments: self.segments.clone(),
            rseq: self.rseq.clone(),
            dumpable: self.dumpable,
            inheritance: self.inheritance.clone(),
            fast: self.fast.clone(),
            random: self.random.clone(),
            loops: self.loops.clone(),
            ..Self::new(self.table.clone(), self.brk)
        }
    }
}

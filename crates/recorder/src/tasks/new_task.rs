//! What clone(2), clone3(2), fork(2) and vfork(2) are asked for, in one form.

use retake_abi::consts::clone::{
    CLONE_CHILD_CLEARTID, CLONE_CHILD_SETTID, CLONE_CLEAR_SIGHAND, CLONE_FILES,
    CLONE_PARENT_SETTID, CLONE_PIDFD, CLONE_PTRACE, CLONE_THREAD, CLONE_UNTRACED, CLONE_VFORK,
    CLONE_VM,
};
use retake_abi::{Class, Errno, Syscall, TaskCall};
use retake_model::{Addr, Registers, Signal};
use retake_ptrace::{ProcessMemory, Stopped};
use retake_recording::Effect;
use retake_tracee::InjectPage;

use crate::book::Draft;
use crate::calls::Answer;
use crate::error::RecordError;
use crate::tasks::Task;

/// Where the arguments of a clone3(2) stand that are not quite the program's.
const OWN_ARGUMENTS: u64 = InjectPage::ADDR.get() + InjectPage::LEN / 4;
/// Room for them. (`struct clone_args` has 88 bytes in Linux 6.)
const ROOM: u64 = InjectPage::LEN / 4;

/// A task that is to be made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NewTask {
    flags: u64,
    pidfd: Addr,
    child_tid: Addr,
    parent_tid: Addr,
    /// The signal that its parent gets when it ends.
    exit_signal: u64,
}

impl NewTask {
    /// What a call asks for; nothing if it is none of these, or if its arguments cannot be read.
    pub(crate) fn of_call(call: &Syscall, args: &[u64; 6], memory: &ProcessMemory) -> Self {
        let [first, _, third, fourth, ..] = *args;
        const EXIT_SIGNAL: u64 = 0xff;
        let sigchld = u64::from(Signal::CHLD.number().unsigned_abs());
        match call.class {
            Class::Task(TaskCall::Clone) => Self {
                flags: first & 0xffff_ffff & !EXIT_SIGNAL,
                exit_signal: first & EXIT_SIGNAL,
                pidfd: Addr::new(third),
                parent_tid: Addr::new(third),
                child_tid: Addr::new(fourth),
            },
            Class::Task(TaskCall::Clone3) => Self::of_clone3(first, memory).unwrap_or_default(),
            Class::Task(TaskCall::Vfork) => {
                let flags = CLONE_VM | CLONE_VFORK;
                Self { flags, exit_signal: sigchld, ..Self::default() }
            }
            _ => Self { exit_signal: sigchld, ..Self::default() },
        }
    }

    /// The first five words of `struct clone_args` (linux/sched.h).
    fn of_clone3(arguments: u64, memory: &ProcessMemory) -> Option<Self> {
        let word = |n: u64| memory.read_u64(Addr::new(arguments.checked_add(n * 8)?)).ok();
        Some(Self {
            flags: word(0)?,
            pidfd: Addr::new(word(1)?),
            child_tid: Addr::new(word(2)?),
            parent_tid: Addr::new(word(3)?),
            exit_signal: word(4)?,
        })
    }

    /// It has the memory of its maker.
    pub(crate) fn shares_memory(&self) -> bool {
        self.flags & CLONE_VM != 0
    }

    /// It has the descriptors of its maker, not a copy.
    pub(crate) fn shares_descriptors(&self) -> bool {
        self.flags & CLONE_FILES != 0
    }

    /// It is of its maker's process.
    pub(crate) fn is_thread(&self) -> bool {
        self.flags & CLONE_THREAD != 0
    }

    /// Its maker waits until it executes a program or ends.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.flags & CLONE_VFORK != 0
    }

    /// Its parent gets SIGCHLD when it ends.
    pub(crate) fn tells_by_sigchld(&self) -> bool {
        self.exit_signal == u64::from(Signal::CHLD.number().unsigned_abs())
    }

    /// It is to be traced if its maker is.
    pub(crate) fn is_traced_as_its_maker(&self) -> bool {
        self.flags & CLONE_PTRACE != 0
    }

    /// It has the actions at signals of its maker, not a copy.
    pub(crate) fn shares_actions(&self) -> bool {
        crate::signals::forced::shares_actions(self.flags)
    }

    /// It has no handlers.
    pub(crate) fn loses_handlers(&self) -> bool {
        self.flags & CLONE_CLEAR_SIGHAND != 0
    }

    /// Where the kernel writes its number, in its own memory.
    pub(crate) fn own_tid(&self) -> Option<Addr> {
        (self.flags & CLONE_CHILD_SETTID != 0).then_some(self.child_tid)
    }

    /// Where the kernel writes 0 when it ends.
    pub(crate) fn clear_tid(&self) -> Addr {
        if self.flags & CLONE_CHILD_CLEARTID != 0 { self.child_tid } else { Addr::NULL }
    }

    /// What the kernel writes in its maker's memory: its number, and a descriptor.
    fn told(&self) -> impl Iterator<Item = Addr> {
        let pidfd = (self.flags & CLONE_PIDFD != 0).then_some(self.pidfd);
        let tid = (self.flags & CLONE_PARENT_SETTID != 0).then_some(self.parent_tid);
        [pidfd, tid].into_iter().flatten()
    }
}

/// Adds what the kernel has told the maker of a task to the next event. A call that fails may have done
/// that before.
pub(crate) fn add_told(draft: &mut Draft, task: &Task, new: &NewTask) {
    for addr in new.told() {
        let mut bytes = [0; 4];
        // What cannot be written is no error for the kernel.
        if task.memory.read_exact(addr, &mut bytes).is_ok() {
            draft.add(&Effect::Write { addr, bytes: bytes.to_vec() });
        }
    }
}

/// A task at the entry of clone(2) or clone3(2): what it makes must not escape the recorder
/// (`CLONE_UNTRACED`).
pub(crate) fn keep_traced(
    task: &mut Task,
    stopped: &mut Stopped,
    entry: &Registers,
    kind: TaskCall,
) -> Result<Answer, RecordError> {
    match kind {
        TaskCall::Clone if entry.rdi & CLONE_UNTRACED != 0 => {
            stopped.set_registers(&Registers { rdi: entry.rdi & !CLONE_UNTRACED, ..*entry })?;
        }
        TaskCall::Clone3 => {
            let (at, len) = (Addr::new(entry.rdi), entry.rsi);
            let Ok(flags) = task.memory.read_u64(at) else { return Ok(Answer::Kernel) };
            if flags & CLONE_UNTRACED == 0 {
                return Ok(Answer::Kernel);
            }
            if len > ROOM {
                // As where the kernel does not know what is behind its own structure.
                return Ok(Answer::Now(Errno::E2BIG.to_result()));
            }
            let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
            if task.memory.read_exact(at, &mut bytes).is_err() {
                return Ok(Answer::Kernel);
            }
            let own = Addr::new(OWN_ARGUMENTS);
            task.memory.write(own, &bytes)?;
            task.memory.write(own, &(flags & !CLONE_UNTRACED).to_le_bytes())?;
            stopped.set_registers(&Registers { rdi: own.get(), ..*entry })?;
        }
        _ => {}
    }
    Ok(Answer::Kernel)
}

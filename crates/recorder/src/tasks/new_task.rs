//! What clone(2), clone3(2), fork(2) and vfork(2) are asked for, in one form.

use retake_abi::consts::clone::{
    CLONE_CHILD_CLEARTID, CLONE_CHILD_SETTID, CLONE_CLEAR_SIGHAND, CLONE_FILES,
    CLONE_PARENT_SETTID, CLONE_PIDFD, CLONE_PTRACE, CLONE_THREAD, CLONE_VFORK, CLONE_VM,
};
use retake_abi::{Class, Syscall, TaskCall};
use retake_model::{Addr, Signal};
use retake_ptrace::ProcessMemory;

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
        crate::signals::state::shares_actions(self.flags)
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
    pub(super) fn told(&self) -> impl Iterator<Item = Addr> {
        let pidfd = (self.flags & CLONE_PIDFD != 0).then_some(self.pidfd);
        let tid = (self.flags & CLONE_PARENT_SETTID != 0).then_some(self.parent_tid);
        [pidfd, tid].into_iter().flatten()
    }
}

//! The shape of a table row: what one system call does to the task and its memory.

use retake_model::SyscallNo;

use crate::Errno;

/// One system call, or one sub-command of it after [`crate::resolve`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Syscall {
    /// Its number.
    pub no: SyscallNo,
    /// The kernel's name of it.
    pub name: &'static str,
    /// The name of the sub-command (`F_GETLK`, `TCGETS`), once resolved and if known.
    pub command: Option<&'static str>,
    /// Its arguments, for printing. At most six.
    pub args: &'static [Arg],
    /// Whether it may wait.
    pub blocks: Blocks,
    /// Who does what for it at record and at replay.
    pub class: Class,
    /// The memory the kernel writes.
    pub outputs: &'static [Output],
    /// Whether it may change what a descriptor number means.
    pub fds: FdEffect,
}

/// Whether a call may wait for another task or for the outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocks {
    /// It always returns by itself: the recorder may wait for its end and run nobody else.
    Never,
    /// It may wait. The recorder must be ready to run another task meanwhile.
    May,
}

/// Who does what for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The kernel runs it at record; replay applies the recorded writes and the result.
    Emulate,
    /// Shapes the address space; replay executes it (at the recorded address).
    Memory(MemoryCall),
    /// Makes, replaces or ends tasks.
    Task(TaskCall),
    /// Sets state of the calling task or does something else that needs code in the recorder.
    /// The kernel may still run it, and [`Syscall::outputs`] still hold.
    Thread(ThreadCall),
    /// Reads or changes signal state. The kernel runs it at record, the recorder keeps book.
    Signal(SignalCall),
    /// Answered with this error; the kernel never sees it.
    Refuse(Errno),
    /// Answered with this result, as if it had worked; the kernel never sees it and nothing is
    /// written.
    Pretend(i64),
    /// The kernel runs it, but what it writes is not known: find it by page differences.
    Unknown,
}

/// A call that shapes the address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryCall {
    /// mmap(2).
    Map,
    /// munmap(2).
    Unmap,
    /// mprotect(2), and pkey_mprotect(2) whose key is -1.
    Protect,
    /// mremap(2).
    Remap,
    /// brk(2).
    Break,
    /// madvise(2) with an advice that changes contents or inheritance (`MADV_DONTNEED`,
    /// `MADV_REMOVE`, `MADV_DONTFORK`, `MADV_WIPEONFORK` and the like). A failed call may have
    /// changed a part of the range.
    Advise,
    /// shmat(2).
    ShmAttach,
    /// shmdt(2).
    ShmDetach,
}

/// A call that makes, replaces or ends tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskCall {
    /// clone(2). `CLONE_CHILD_SETTID` is written by the child, in the child's memory: it is no
    /// output of this call.
    Clone,
    /// clone3(2): as [`Self::Clone`], with its arguments in memory.
    Clone3,
    /// fork(2).
    Fork,
    /// vfork(2).
    Vfork,
    /// execve(2).
    Exec,
    /// execveat(2).
    ExecAt,
    /// exit(2): this task only.
    Exit,
    /// exit_group(2).
    ExitGroup,
}

impl TaskCall {
    /// Whether it makes a task.
    pub const fn makes_a_task(self) -> bool {
        matches!(self, Self::Clone | Self::Clone3 | Self::Fork | Self::Vfork)
    }
}

/// A call that needs code of its own in the recorder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreadCall {
    /// set_tid_address(2): remember the address that is zeroed at exit.
    SetTidAddress,
    /// set_robust_list(2): remember the list that is walked at exit.
    SetRobustList,
    /// rseq(2): pretend success, never register.
    Rseq,
    /// arch_prctl(2) `ARCH_SET_FS`/`ARCH_SET_GS`: executed, and part of the registers.
    SegmentBase,
    /// arch_prctl(2) `ARCH_SET_CPUID`/`ARCH_GET_CPUID`: the recorder owns the switch.
    CpuidFaulting,
    /// arch_prctl(2) `ARCH_REQ_XCOMP_PERM`: the vector state grows; replay must ask too.
    XcompPermission,
    /// modify_ldt(2) that writes an entry: executed in both phases.
    ModifyLdt,
    /// prctl(2) `PR_SET_TSC`/`PR_GET_TSC`: the recorder owns the switch. `PR_GET_TSC` writes an
    /// `int` at its argument.
    Tsc,
    /// prctl(2) `PR_SET_NAME`: 16 bytes at its argument, for the names of replayed tasks.
    SetName,
    /// prctl(2) `PR_SET_DUMPABLE`/`PR_GET_DUMPABLE`: keep the value, never tell the kernel, else
    /// the recorder is locked out of `/proc/PID/mem`.
    Dumpable,
    /// prctl(2) `PR_SET_NO_NEW_PRIVS`/`PR_GET_NO_NEW_PRIVS`: the recorder may have set it.
    NoNewPrivs,
    /// seccomp(2), prctl(2) `PR_SET_SECCOMP`/`PR_GET_SECCOMP`: the recorder keeps the program's filters
    /// and applies them; the kernel sees none of them.
    Seccomp,
    /// restart_syscall(2): the outputs are those of the call that was interrupted.
    Restart,
    /// process_vm_writev(2): writes memory of another task.
    WriteOther,
    /// ptrace(2): a task has one tracer, which is the recorder. It does for the program what that asks for.
    Trace,
    /// personality(2): `READ_IMPLIES_EXEC` and `STICKY_TIMEOUTS` change other calls.
    Personality,
    /// unshare(2), setns(2): namespaces; tids of new tasks and clocks may change meaning.
    Namespace,
    /// clock_gettime(2), gettimeofday(2), time(2): the recorder may read the clock itself.
    Clock,
    /// futex(2) on a priority-inheriting lock: the recorder keeps it, also who waits for it.
    InheritedLock,
    /// getcpu(2), sched_getaffinity(2), sched_setaffinity(2): all tasks are on one processor, but are told
    /// what they were told to use.
    Affinity,
    /// setpriority(2): the kernel does it, and the recorder's scheduler takes notice.
    SetNice,
    /// sched_setscheduler(2), sched_setparam(2), sched_setattr(2): the recorder remembers real-time policies,
    /// which would starve it; the kernel does the rest.
    SetPolicy,
    /// sched_getscheduler(2), sched_getparam(2), sched_getattr(2), sched_rr_get_interval(2).
    TellPolicy,
    /// perf_event_open(2): the recorder lets counters be made that software counts.
    Counter,
    /// prctl(2) `PR_SET_SYSCALL_USER_DISPATCH`: the recorder keeps it and sends the signals.
    UserDispatch,
}

/// A call on signal state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalCall {
    /// rt_sigaction(2).
    Action,
    /// rt_sigprocmask(2).
    Mask,
    /// rt_sigreturn(2): all registers change; replay sets the recorded ones.
    Return,
    /// rt_sigsuspend(2): waits under a temporary mask.
    Suspend,
    /// sigaltstack(2).
    AltStack,
    /// rt_sigtimedwait(2): takes a pending signal.
    TimedWait,
}

/// Whether a call may change what a descriptor number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FdEffect {
    /// It leaves the descriptor table alone.
    None,
    /// It may open, close, duplicate, receive or replace descriptors.
    Changes,
}

/// One argument, for printing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arg {
    /// The name in the manual page.
    pub name: &'static str,
    /// How to print it, and whether it is a pointer.
    pub kind: ArgKind,
}

/// What an argument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgKind {
    /// A file descriptor, 32 bits signed; -100 is `AT_FDCWD`.
    Fd,
    /// A signed 32-bit number.
    Int,
    /// A signed 64-bit number.
    Long,
    /// An unsigned number: sizes, counts.
    Size,
    /// Flags or a bit set, printed in hexadecimal.
    Flags,
    /// A file mode, printed in octal.
    Mode,
    /// A signal number.
    Signal,
    /// A user address of anything.
    Ptr,
    /// A user address of a string that ends in 0.
    Text,
    /// A number or an address, as the sub-command says.
    Word,
}

impl ArgKind {
    /// Whether it can hold a user address.
    pub const fn is_pointer(self) -> bool {
        matches!(self, Self::Ptr | Self::Text | Self::Word)
    }
}

/// One piece of memory that the kernel may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output {
    /// Index of the argument that holds the pointer. A null pointer means: nothing is written.
    pub arg: u8,
    /// Distance from the pointer to the piece, in bytes.
    pub at: u32,
    /// How long it is.
    pub size: Size,
    /// With which results it is written.
    pub when: When,
}

/// How long an output is. Every `u8` is the index of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// This many bytes.
    Fixed(u32),
    /// This many bytes, unless that argument is null.
    FixedUnlessNull {
        /// Bytes.
        bytes: u32,
        /// The argument that must not be null.
        arg: u8,
    },
    /// This many bytes if that argument has a bit of the mask.
    FixedIfFlag {
        /// Bytes.
        bytes: u32,
        /// The argument that holds flags.
        arg: u8,
        /// The bits.
        mask: u64,
    },
    /// As many bytes as the result says, at most the capacity.
    Result {
        /// Argument with the capacity in bytes.
        cap: u8,
    },
    /// Result times `each` bytes, at most capacity times `each`.
    ResultTimes {
        /// Bytes of an element.
        each: u32,
        /// Argument with the capacity in elements, 32 bits signed as the kernel reads it.
        cap: u8,
    },
    /// `extra` bytes and then as many as the result says, at most the capacity (msgrcv).
    ResultPlus {
        /// Bytes before the data.
        extra: u32,
        /// Argument with the capacity of the data in bytes.
        cap: u8,
    },
    /// As many bytes as that argument says, at most a page (the kernel takes no larger structures).
    ArgBytes(u8),
    /// That argument times `each` bytes.
    ArgTimes {
        /// Argument with the number of elements.
        arg: u8,
        /// Bytes of an element.
        each: u32,
    },
    /// As many bytes as the result says, at most the size coded into an ioctl request
    /// (`_IOC_SIZE`).
    RequestResult {
        /// Argument with the request.
        request: u8,
    },
    /// One field in each element of an array (`revents` of a pollfd). [`crate::outputs`] gives the
    /// whole array as one range; [`crate::copy_back`] only the fields.
    Fields {
        /// Argument with the number of elements.
        count: Count,
        /// Bytes from one element to the next.
        stride: u32,
        /// Offset of the field in the element.
        at: u32,
        /// Bytes of the field.
        len: u32,
    },
    /// One byte for each page of the range whose length is in that argument (mincore).
    PageBytes(u8),
    /// A bit set of that many descriptors, rounded up to 8 bytes (select).
    FdSet {
        /// Argument with the number of descriptors.
        nfds: u8,
    },
    /// A bit set of `arg - 1` bits, rounded up to 8 bytes (get_mempolicy).
    NodeMask(u8),
    /// The capacity stood in the `u32` length word before the call; what is written is as long as
    /// the word says after the call, at most that capacity.
    LenWord {
        /// Argument that points to the length word.
        arg: u8,
    },
    /// The first `u32` of the output says how long it is, at most the capacity (statmount).
    OwnPrefix {
        /// Argument with the capacity in bytes.
        cap: u8,
    },
    /// The pointer is to an array of `struct iovec`; as many bytes as the result says are written
    /// to the buffers, in order. The array itself is not written.
    Iovec {
        /// Argument with the number of elements.
        count: u8,
    },
    /// As [`Self::Iovec`], but all of every buffer, whatever the result (process_vm_readv).
    IovecWhole {
        /// Argument with the number of elements.
        count: u8,
    },
    /// A `struct msghdr` for receiving: name, buffers, control data, and the header's own fields.
    Msghdr,
    /// An array of `struct mmsghdr` for receiving; the result says how many were filled.
    Mmsghdr {
        /// Argument with the number of elements.
        count: u8,
    },
    /// One of the odd ones.
    Special(Special),
}

impl Size {
    /// Whether its capacity stands in memory, where it can be wrong.
    const fn has_length(self) -> bool {
        matches!(self, Self::LenWord { .. } | Self::Msghdr | Self::Mmsghdr { .. })
    }
}

/// Where a number of elements comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// From that argument.
    Arg(u8),
    /// From the result, at most that argument.
    Result {
        /// Argument with the capacity in elements.
        cap: u8,
    },
}

/// Outputs whose length needs code of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// capget(2) data: 12 bytes for header version 1, else 24.
    CapData,
    /// name_to_handle_at(2): the handle's bytes after its 8-byte header.
    FileHandle,
    /// waitid(2) `rusage`: written only if a child was found.
    WaitidUsage,
    /// getxattrat(2): the value whose address and size stand in `struct xattr_args`.
    XattrArgs,
    /// `FS_IOC_FIEMAP`: the extents after the 32-byte header.
    Fiemap,
    /// `SIOCGIFCONF`: the requests whose address and length stand in `struct ifconf`.
    IfConf,
}

/// With which results an output is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// The call succeeded.
    Success,
    /// The result is above 0.
    Positive,
    /// Whatever the result.
    Always,
    /// A signal interrupted it: `EINTR` or a restart code.
    Interrupted,
    /// It succeeded or failed with this error.
    SuccessOr(Errno),
}

impl When {
    /// Whether an output of this kind is written when the call gives `result`.
    pub fn holds(self, result: i64) -> bool {
        let error = Errno::from_result(result);
        match self {
            Self::Success => error.is_none(),
            Self::Positive => error.is_none() && result > 0,
            Self::Always => true,
            Self::Interrupted => error.is_some_and(Errno::is_interruption),
            Self::SuccessOr(wanted) => error.is_none() || error == Some(wanted),
        }
    }
}

impl Syscall {
    /// A call that never waits, is emulated at replay, and writes nothing.
    pub(crate) const fn new(no: SyscallNo, name: &'static str, args: &'static [Arg]) -> Self {
        Self {
            no,
            name,
            command: None,
            args,
            blocks: Blocks::Never,
            class: Class::Emulate,
            outputs: &[],
            fds: FdEffect::None,
        }
    }

    /// It may wait.
    pub(crate) const fn may_block(mut self) -> Self {
        self.blocks = Blocks::May;
        self
    }

    /// It may not wait after all.
    pub(crate) const fn never_blocks(mut self) -> Self {
        self.blocks = Blocks::Never;
        self
    }

    /// It is of this class.
    pub(crate) const fn is(mut self, class: Class) -> Self {
        self.class = class;
        self
    }

    /// The kernel does not see it: it fails.
    pub(crate) const fn refused(self, error: Errno) -> Self {
        self.is(Class::Refuse(error)).never_blocks().writes(&[])
    }

    /// It writes these.
    pub(crate) const fn writes(mut self, outputs: &'static [Output]) -> Self {
        self.outputs = outputs;
        self
    }

    /// It changes descriptors.
    pub(crate) const fn changes_fds(mut self) -> Self {
        self.fds = FdEffect::Changes;
        self
    }

    /// Whether what the kernel wrote is exactly what [`crate::outputs`] says for this result. If
    /// not, page differences have to be stored: for [`Class::Unknown`] whatever it returned, and
    /// for a call with outputs that failed with `EFAULT`, perhaps halfway through its writes; or with
    /// `EINVAL`, which may be about the length of an address behind the data.
    pub fn outputs_are_exact(&self, result: i64) -> bool {
        match self.class {
            Class::Unknown => false,
            Class::Refuse(_) | Class::Pretend(_) => true,
            _ => match Errno::from_result(result) {
                Some(Errno::EFAULT) => self.outputs.is_empty(),
                Some(Errno::EINVAL) => !self.outputs.iter().any(|output| output.size.has_length()),
                _ => true,
            },
        }
    }
}

impl Arg {
    /// An argument.
    pub(crate) const fn new(name: &'static str, kind: ArgKind) -> Self {
        Self { name, kind }
    }
}

/// Written when the call succeeds.
pub(crate) const fn out(arg: u8, size: Size) -> Output {
    Output { arg, at: 0, size, when: When::Success }
}

/// A structure of this many bytes, written when the call succeeds.
pub(crate) const fn fixed(arg: u8, bytes: u32) -> Output {
    out(arg, Size::Fixed(bytes))
}

impl Output {
    /// Written with these results.
    pub(crate) const fn when(mut self, when: When) -> Self {
        self.when = when;
        self
    }

    /// This many bytes behind the pointer.
    pub(crate) const fn at(mut self, at: u32) -> Self {
        self.at = at;
        self
    }
}

/// Makes one family's rows: `NUMBER name(arg: Kind, …).method(…)…;`.
macro_rules! calls {
    ($($nr:ident $name:ident ($($arg:ident : $kind:ident),* $(,)?) $(. $method:ident ($($value:expr),* $(,)?))* ;)*) => {
        /// The rows of this family.
        pub(crate) const ROWS: &[$crate::call::Syscall] = &[$(
            $crate::call::Syscall::new(
                $crate::nr::$nr,
                stringify!($name),
                &[$($crate::call::Arg::new(stringify!($arg), $crate::call::ArgKind::$kind)),*],
            )
            $(.$method($(const { $value }),*))*
        ),*];
    };
}
pub(crate) use calls;

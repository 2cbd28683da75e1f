//! Tasks, processes, scheduling, limits and identity (`man 2 clone`, `wait4`, `prctl`, …).

use crate::Errno;
use crate::call::{Class, Size, Special, TaskCall, ThreadCall, When, calls, fixed, out};
use crate::consts::clone::{CLONE_PARENT_SETTID, CLONE_PIDFD};

/// `struct rusage` (getrusage(2)), in bytes.
const RUSAGE: u32 = 144;

calls! {
    SCHED_YIELD sched_yield();
    GETPID getpid();
    GETPPID getppid();
    GETTID gettid();
    CLONE clone(flags: Flags, stack: Ptr, parent_tid: Ptr, child_tid: Ptr, tls: Ptr)
        .is(Class::Task(TaskCall::Clone)).changes_fds()
        .writes(&[
            // A call that fails may have told the descriptor.
            out(2, Size::FixedIfFlag { bytes: 4, arg: 0, mask: CLONE_PARENT_SETTID | CLONE_PIDFD })
                .when(When::Always),
        ]);
    // Where it writes stands in its structure: `pidfd` and `parent_tid`.
    CLONE3 clone3(args: Ptr, size: Size).is(Class::Task(TaskCall::Clone3)).changes_fds();
    FORK fork().is(Class::Task(TaskCall::Fork));
    VFORK vfork().may_block().is(Class::Task(TaskCall::Vfork));
    EXECVE execve(path: Text, argv: Ptr, envp: Ptr).may_block().changes_fds()
        .is(Class::Task(TaskCall::Exec));
    EXECVEAT execveat(dirfd: Fd, path: Text, argv: Ptr, envp: Ptr, flags: Flags).may_block()
        .changes_fds().is(Class::Task(TaskCall::ExecAt));
    EXIT exit(status: Int).may_block().is(Class::Task(TaskCall::Exit));
    EXIT_GROUP exit_group(status: Int).may_block().is(Class::Task(TaskCall::ExitGroup));
    WAIT4 wait4(pid: Int, status: Ptr, options: Flags, rusage: Ptr).may_block()
        .writes(&[fixed(1, 4).when(When::Positive), fixed(3, RUSAGE).when(When::Positive)]);
    // The kernel writes si_signo, si_errno, si_code, and behind 4 bytes of padding si_pid, si_uid,
    // si_status: also when it found no child, and when it failed.
    WAITID waitid(which: Int, id: Int, info: Ptr, options: Flags, rusage: Ptr).may_block()
        .writes(&[
            fixed(2, 12).when(When::Always),
            fixed(2, 12).at(16).when(When::Always),
            out(4, Size::Special(Special::WaitidUsage)),
        ]);
    PTRACE ptrace(request: Int, pid: Int, addr: Word, data: Word)
        .is(Class::Thread(ThreadCall::Trace));
    PRCTL prctl(option: Int, arg2: Word, arg3: Word, arg4: Word, arg5: Word);
    ARCH_PRCTL arch_prctl(code: Flags, addr: Word);
    SET_TID_ADDRESS set_tid_address(tid: Ptr).is(Class::Thread(ThreadCall::SetTidAddress));
    SET_ROBUST_LIST set_robust_list(head: Ptr, size: Size)
        .is(Class::Thread(ThreadCall::SetRobustList));
    GET_ROBUST_LIST get_robust_list(pid: Int, head: Ptr, size: Ptr)
        .writes(&[fixed(1, 8), fixed(2, 8)]);
    RSEQ rseq(area: Ptr, size: Size, flags: Flags, signature: Flags)
        .is(Class::Thread(ThreadCall::Rseq));
    MODIFY_LDT modify_ldt(func: Int, ptr: Ptr, size: Size);
    // The 64-bit kernel has no code for these two.
    SET_THREAD_AREA set_thread_area(desc: Ptr).refused(Errno::ENOSYS);
    GET_THREAD_AREA get_thread_area(desc: Ptr).refused(Errno::ENOSYS);
    PERSONALITY personality(persona: Flags).is(Class::Thread(ThreadCall::Personality));
    UNSHARE unshare(flags: Flags).changes_fds().is(Class::Thread(ThreadCall::Namespace));
    SETNS setns(fd: Fd, kind: Flags).is(Class::Thread(ThreadCall::Namespace));
    // A filter of the program's in the kernel would also judge the calls that the recorder injects.
    SECCOMP seccomp(operation: Int, flags: Flags, args: Ptr)
        .is(Class::Thread(ThreadCall::Seccomp));
    KCMP kcmp(pid1: Int, pid2: Int, kind: Int, idx1: Size, idx2: Size);
    // All tasks are on one processor, whatever they ask for.
    GETCPU getcpu(cpu: Ptr, node: Ptr, cache: Ptr)
        .is(Class::Thread(ThreadCall::Affinity))
        .writes(&[fixed(0, 4), fixed(1, 4)]);
    SCHED_SETAFFINITY sched_setaffinity(pid: Int, size: Size, mask: Ptr)
        .is(Class::Thread(ThreadCall::Affinity));
    SCHED_GETAFFINITY sched_getaffinity(pid: Int, size: Size, mask: Ptr)
        .is(Class::Thread(ThreadCall::Affinity))
        .writes(&[out(2, Size::Result { cap: 1 })]);
    // A real-time policy would starve the recorder, which is on the same processor.
    SCHED_SETPARAM sched_setparam(pid: Int, param: Ptr).is(Class::Thread(ThreadCall::SetPolicy));
    SCHED_GETPARAM sched_getparam(pid: Int, param: Ptr)
        .is(Class::Thread(ThreadCall::TellPolicy))
        .writes(&[fixed(1, 4)]);
    SCHED_SETSCHEDULER sched_setscheduler(pid: Int, policy: Int, param: Ptr)
        .is(Class::Thread(ThreadCall::SetPolicy));
    SCHED_GETSCHEDULER sched_getscheduler(pid: Int).is(Class::Thread(ThreadCall::TellPolicy));
    SCHED_GET_PRIORITY_MAX sched_get_priority_max(policy: Int);
    SCHED_GET_PRIORITY_MIN sched_get_priority_min(policy: Int);
    SCHED_RR_GET_INTERVAL sched_rr_get_interval(pid: Int, interval: Ptr)
        .is(Class::Thread(ThreadCall::TellPolicy))
        .writes(&[fixed(1, 16)]);
    // A structure of another size is told the kernel's.
    SCHED_SETATTR sched_setattr(pid: Int, attr: Ptr, flags: Flags)
        .is(Class::Thread(ThreadCall::SetPolicy))
        .writes(&[fixed(1, 4).when(When::SuccessOr(Errno::E2BIG))]);
    SCHED_GETATTR sched_getattr(pid: Int, attr: Ptr, size: Int, flags: Flags)
        .is(Class::Thread(ThreadCall::TellPolicy))
        .writes(&[out(1, Size::ArgBytes(2))]);
    GETPRIORITY getpriority(which: Int, who: Int);
    SETPRIORITY setpriority(which: Int, who: Int, priority: Int)
        .is(Class::Thread(ThreadCall::SetNice));
    IOPRIO_SET ioprio_set(which: Int, who: Int, ioprio: Flags);
    IOPRIO_GET ioprio_get(which: Int, who: Int);
    GETRLIMIT getrlimit(resource: Int, limit: Ptr).writes(&[fixed(1, 16)]);
    SETRLIMIT setrlimit(resource: Int, limit: Ptr);
    PRLIMIT64 prlimit64(pid: Int, resource: Int, new: Ptr, old: Ptr).writes(&[fixed(3, 16)]);
    GETRUSAGE getrusage(who: Int, usage: Ptr).writes(&[fixed(1, RUSAGE)]);
    GETUID getuid();
    GETGID getgid();
    GETEUID geteuid();
    GETEGID getegid();
    SETUID setuid(uid: Int);
    SETGID setgid(gid: Int);
    SETREUID setreuid(ruid: Int, euid: Int);
    SETREGID setregid(rgid: Int, egid: Int);
    SETRESUID setresuid(ruid: Int, euid: Int, suid: Int);
    SETRESGID setresgid(rgid: Int, egid: Int, sgid: Int);
    GETRESUID getresuid(ruid: Ptr, euid: Ptr, suid: Ptr)
        .writes(&[fixed(0, 4), fixed(1, 4), fixed(2, 4)]);
    GETRESGID getresgid(rgid: Ptr, egid: Ptr, sgid: Ptr)
        .writes(&[fixed(0, 4), fixed(1, 4), fixed(2, 4)]);
    SETFSUID setfsuid(uid: Int);
    SETFSGID setfsgid(gid: Int);
    GETGROUPS getgroups(size: Int, list: Ptr)
        .writes(&[out(1, Size::ResultTimes { each: 4, cap: 0 })]);
    SETGROUPS setgroups(size: Int, list: Ptr);
    SETPGID setpgid(pid: Int, pgid: Int);
    GETPGID getpgid(pid: Int);
    GETPGRP getpgrp();
    SETSID setsid();
    GETSID getsid(pid: Int);
    // An unknown version in the header is overwritten by the kernel's own, which is how programs
    // ask for it; the call may fail or not.
    CAPGET capget(header: Ptr, data: Ptr)
        .writes(&[fixed(0, 4).when(When::Always), out(1, Size::Special(Special::CapData))]);
    CAPSET capset(header: Ptr, data: Ptr).writes(&[fixed(0, 4).when(When::Always)]);
    PIDFD_OPEN pidfd_open(pid: Int, flags: Flags).changes_fds();
    PIDFD_GETFD pidfd_getfd(pidfd: Fd, target: Fd, flags: Flags).changes_fds();
    LANDLOCK_CREATE_RULESET landlock_create_ruleset(attr: Ptr, size: Size, flags: Flags)
        .changes_fds();
    LANDLOCK_ADD_RULE landlock_add_rule(ruleset: Fd, kind: Int, attr: Ptr, flags: Flags);
    LANDLOCK_RESTRICT_SELF landlock_restrict_self(ruleset: Fd, flags: Flags);
    LSM_GET_SELF_ATTR lsm_get_self_attr(attr: Int, ctx: Ptr, size: Ptr, flags: Flags)
        .writes(&[
            out(1, Size::LenWord { arg: 2 }),
            // Also when no module answers.
            fixed(2, 4).when(When::Always),
        ]);
    LSM_SET_SELF_ATTR lsm_set_self_attr(attr: Int, ctx: Ptr, size: Size, flags: Flags);
    LSM_LIST_MODULES lsm_list_modules(ids: Ptr, size: Ptr, flags: Flags)
        .writes(&[
            out(0, Size::LenWord { arg: 1 }),
            fixed(1, 4).when(When::SuccessOr(Errno::E2BIG)),
        ]);
}

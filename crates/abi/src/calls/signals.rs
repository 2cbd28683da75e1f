//! Signals (`man 2 rt_sigaction`, …).

use crate::call::{Class, SignalCall, Size, ThreadCall, When, calls, fixed, out};

calls! {
    RT_SIGACTION rt_sigaction(signum: Signal, act: Ptr, old: Ptr, sigsetsize: Size)
        .is(Class::Signal(SignalCall::Action)).writes(&[fixed(2, 32)]);
    RT_SIGPROCMASK rt_sigprocmask(how: Int, set: Ptr, old: Ptr, sigsetsize: Size)
        .is(Class::Signal(SignalCall::Mask)).writes(&[fixed(2, 8)]);
    RT_SIGRETURN rt_sigreturn().is(Class::Signal(SignalCall::Return));
    RT_SIGPENDING rt_sigpending(set: Ptr, sigsetsize: Size).writes(&[out(0, Size::ArgBytes(1))]);
    RT_SIGTIMEDWAIT rt_sigtimedwait(set: Ptr, info: Ptr, timeout: Ptr, sigsetsize: Size).may_block()
        .is(Class::Signal(SignalCall::TimedWait)).writes(&[fixed(1, 128).when(When::Positive)]);
    RT_SIGQUEUEINFO rt_sigqueueinfo(pid: Int, signum: Signal, info: Ptr);
    RT_TGSIGQUEUEINFO rt_tgsigqueueinfo(tgid: Int, tid: Int, signum: Signal, info: Ptr);
    RT_SIGSUSPEND rt_sigsuspend(mask: Ptr, sigsetsize: Size).may_block()
        .is(Class::Signal(SignalCall::Suspend));
    SIGALTSTACK sigaltstack(new: Ptr, old: Ptr).is(Class::Signal(SignalCall::AltStack))
        .writes(&[fixed(1, 24)]);
    PAUSE pause().may_block();
    KILL kill(pid: Int, signum: Signal);
    TKILL tkill(tid: Int, signum: Signal);
    TGKILL tgkill(tgid: Int, tid: Int, signum: Signal);
    PIDFD_SEND_SIGNAL pidfd_send_signal(pidfd: Fd, signum: Signal, info: Ptr, flags: Flags);
    SIGNALFD signalfd(fd: Fd, mask: Ptr, sigsetsize: Size).changes_fds();
    SIGNALFD4 signalfd4(fd: Fd, mask: Ptr, sigsetsize: Size, flags: Flags).changes_fds();
    RESTART_SYSCALL restart_syscall().may_block().is(Class::Thread(ThreadCall::Restart));
}

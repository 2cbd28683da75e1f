//! Waiting for descriptors (`man 2 poll`, `select`, `epoll_wait`) and being told of files.

use crate::Errno;
use crate::call::{Count, Output, Size, When, calls, fixed, out};

/// `struct epoll_event`, in bytes: packed on x86-64.
const EPOLL_EVENT: u32 = 12;
/// Timeouts come back with the remaining time, whatever the result (select(2), "C library/kernel
/// differences").
const fn remaining(arg: u8) -> Output {
    fixed(arg, 16).when(When::Always)
}
/// `revents` of each pollfd: also after a signal (`ERESTARTNOHAND`).
const REVENTS: Output = Output {
    arg: 0,
    at: 0,
    size: Size::Fields { count: Count::Arg(1), stride: 8, at: 6, len: 2 },
    when: When::Always,
};

calls! {
    POLL poll(fds: Ptr, nfds: Size, timeout: Int).may_block().writes(&[REVENTS]);
    PPOLL ppoll(fds: Ptr, nfds: Size, timeout: Ptr, mask: Ptr, sigsetsize: Size).may_block()
        .writes(&[REVENTS, remaining(2)]);
    SELECT select(nfds: Int, read: Ptr, write: Ptr, except: Ptr, timeout: Ptr).may_block()
        .writes(&[
            out(1, Size::FdSet { nfds: 0 }),
            out(2, Size::FdSet { nfds: 0 }),
            out(3, Size::FdSet { nfds: 0 }),
            remaining(4),
        ]);
    PSELECT6 pselect6(nfds: Int, read: Ptr, write: Ptr, except: Ptr, timeout: Ptr, mask: Ptr)
        .may_block()
        .writes(&[
            out(1, Size::FdSet { nfds: 0 }),
            out(2, Size::FdSet { nfds: 0 }),
            out(3, Size::FdSet { nfds: 0 }),
            remaining(4),
        ]);
    EPOLL_CREATE epoll_create(size: Int).changes_fds();
    EPOLL_CREATE1 epoll_create1(flags: Flags).changes_fds();
    EPOLL_CTL epoll_ctl(epfd: Fd, op: Int, fd: Fd, event: Ptr);
    EPOLL_WAIT epoll_wait(epfd: Fd, events: Ptr, maxevents: Int, timeout: Int).may_block()
        .writes(&[out(1, Size::ResultTimes { each: EPOLL_EVENT, cap: 2 })]);
    EPOLL_PWAIT epoll_pwait(
        epfd: Fd, events: Ptr, maxevents: Int, timeout: Int, mask: Ptr, sigsetsize: Size
    )
        .may_block().writes(&[out(1, Size::ResultTimes { each: EPOLL_EVENT, cap: 2 })]);
    EPOLL_PWAIT2 epoll_pwait2(
        epfd: Fd, events: Ptr, maxevents: Int, timeout: Ptr, mask: Ptr, sigsetsize: Size
    )
        .may_block().writes(&[out(1, Size::ResultTimes { each: EPOLL_EVENT, cap: 2 })]);
    EPOLL_CTL_OLD epoll_ctl_old().refused(Errno::ENOSYS);
    EPOLL_WAIT_OLD epoll_wait_old().refused(Errno::ENOSYS);
    EVENTFD eventfd(initval: Int).changes_fds();
    EVENTFD2 eventfd2(initval: Int, flags: Flags).changes_fds();
    INOTIFY_INIT inotify_init().changes_fds();
    INOTIFY_INIT1 inotify_init1(flags: Flags).changes_fds();
    INOTIFY_ADD_WATCH inotify_add_watch(fd: Fd, path: Text, mask: Flags);
    INOTIFY_RM_WATCH inotify_rm_watch(fd: Fd, wd: Int);
    FANOTIFY_INIT fanotify_init(flags: Flags, event_flags: Flags).changes_fds();
    FANOTIFY_MARK fanotify_mark(fd: Fd, flags: Flags, mask: Flags, dirfd: Fd, path: Text);
}

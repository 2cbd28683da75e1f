//! Clocks, timers and sleeping (`man 2 clock_gettime`, `nanosleep`, …).

use crate::call::{Class, ThreadCall, When, calls, fixed};

/// `struct timespec` and the kernel's `struct timeval`, in bytes.
const TIME: u32 = 16;
/// `struct itimerspec` and `struct itimerval`, in bytes.
const TIMER: u32 = 32;
/// `struct timex` (adjtimex(2)), in bytes.
const TIMEX: u32 = 208;

calls! {
    NANOSLEEP nanosleep(req: Ptr, rem: Ptr).may_block()
        .writes(&[fixed(1, TIME).when(When::Interrupted)]);
    CLOCK_NANOSLEEP clock_nanosleep(clock: Int, flags: Flags, req: Ptr, rem: Ptr).may_block()
        .writes(&[fixed(3, TIME).when(When::Interrupted)]);
    GETITIMER getitimer(which: Int, value: Ptr).writes(&[fixed(1, TIMER)]);
    SETITIMER setitimer(which: Int, new: Ptr, old: Ptr).writes(&[fixed(2, TIMER)]);
    ALARM alarm(seconds: Int);
    GETTIMEOFDAY gettimeofday(tv: Ptr, tz: Ptr).writes(&[fixed(0, TIME), fixed(1, 8)])
        .is(Class::Thread(ThreadCall::Clock));
    SETTIMEOFDAY settimeofday(tv: Ptr, tz: Ptr);
    TIME time(tloc: Ptr).writes(&[fixed(0, 8)]).is(Class::Thread(ThreadCall::Clock));
    TIMES times(buf: Ptr).writes(&[fixed(0, 32)]);
    ADJTIMEX adjtimex(buf: Ptr).writes(&[fixed(0, TIMEX).when(When::Always)]);
    CLOCK_ADJTIME clock_adjtime(clock: Int, buf: Ptr).writes(&[fixed(1, TIMEX)]);
    CLOCK_SETTIME clock_settime(clock: Int, tp: Ptr);
    CLOCK_GETTIME clock_gettime(clock: Int, tp: Ptr).writes(&[fixed(1, TIME)])
        .is(Class::Thread(ThreadCall::Clock));
    CLOCK_GETRES clock_getres(clock: Int, res: Ptr).writes(&[fixed(1, TIME)]);
    TIMER_CREATE timer_create(clock: Int, event: Ptr, id: Ptr).writes(&[fixed(2, 4)]);
    TIMER_SETTIME timer_settime(id: Int, flags: Flags, new: Ptr, old: Ptr)
        .writes(&[fixed(3, TIMER)]);
    TIMER_GETTIME timer_gettime(id: Int, value: Ptr).writes(&[fixed(1, TIMER)]);
    TIMER_GETOVERRUN timer_getoverrun(id: Int);
    TIMER_DELETE timer_delete(id: Int);
    TIMERFD_CREATE timerfd_create(clock: Int, flags: Flags).changes_fds();
    TIMERFD_SETTIME timerfd_settime(fd: Fd, flags: Flags, new: Ptr, old: Ptr)
        .writes(&[fixed(3, TIMER)]);
    TIMERFD_GETTIME timerfd_gettime(fd: Fd, value: Ptr).writes(&[fixed(1, TIMER)]);
}

//! futex(2). The kernel answers `ENOSYS` to an operation that it does not know; so do we, also to
//! condition variables that requeue to a priority-inheriting lock, which no C library makes any more. The
//! words of such locks are written by the recorder.

use crate::Errno;
use crate::call::{Class, ThreadCall, fixed};
use crate::commands::commands;
use crate::consts::futex as f;

commands! { TABLE:
    f::FUTEX_WAIT, "FUTEX_WAIT".may_block();
    f::FUTEX_WAKE, "FUTEX_WAKE";
    f::FUTEX_FD, "FUTEX_FD".refused(Errno::ENOSYS);
    f::FUTEX_REQUEUE, "FUTEX_REQUEUE";
    f::FUTEX_CMP_REQUEUE, "FUTEX_CMP_REQUEUE";
    f::FUTEX_WAKE_OP, "FUTEX_WAKE_OP".writes(&[fixed(4, 4)]);
    f::FUTEX_LOCK_PI, "FUTEX_LOCK_PI".is(Class::Thread(ThreadCall::InheritedLock)).may_block();
    f::FUTEX_UNLOCK_PI, "FUTEX_UNLOCK_PI".is(Class::Thread(ThreadCall::InheritedLock));
    f::FUTEX_TRYLOCK_PI, "FUTEX_TRYLOCK_PI".is(Class::Thread(ThreadCall::InheritedLock));
    f::FUTEX_WAIT_BITSET, "FUTEX_WAIT_BITSET".may_block();
    f::FUTEX_WAKE_BITSET, "FUTEX_WAKE_BITSET";
    f::FUTEX_WAIT_REQUEUE_PI, "FUTEX_WAIT_REQUEUE_PI".refused(Errno::ENOSYS);
    f::FUTEX_CMP_REQUEUE_PI, "FUTEX_CMP_REQUEUE_PI".refused(Errno::ENOSYS);
    f::FUTEX_LOCK_PI2, "FUTEX_LOCK_PI2".is(Class::Thread(ThreadCall::InheritedLock)).may_block();
}

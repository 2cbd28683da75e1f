//! Futexes, System V and POSIX IPC, keys (`man 2 futex`, `msgrcv`, `mq_open`, `keyctl`).

use crate::call::{Size, calls, fixed, out};

calls! {
    FUTEX futex(word: Ptr, op: Int, val: Int, timeout: Word, word2: Ptr, val3: Int);
    FUTEX_WAITV futex_waitv(waiters: Ptr, count: Int, flags: Flags, timeout: Ptr, clock: Int)
        .may_block();
    FUTEX_WAKE futex_wake(word: Ptr, mask: Flags, count: Int, flags: Flags);
    FUTEX_WAIT futex_wait(word: Ptr, val: Size, mask: Flags, flags: Flags, timeout: Ptr, clock: Int)
        .may_block();
    FUTEX_REQUEUE futex_requeue(waiters: Ptr, flags: Flags, wake: Int, requeue: Int);
    SHMGET shmget(key: Int, size: Size, flags: Flags);
    SHMCTL shmctl(shmid: Int, cmd: Int, buf: Ptr);
    SEMGET semget(key: Int, count: Int, flags: Flags);
    SEMOP semop(semid: Int, ops: Ptr, count: Size).may_block();
    SEMTIMEDOP semtimedop(semid: Int, ops: Ptr, count: Size, timeout: Ptr).may_block();
    SEMCTL semctl(semid: Int, number: Int, cmd: Int, arg: Word);
    MSGGET msgget(key: Int, flags: Flags);
    MSGSND msgsnd(msqid: Int, msg: Ptr, size: Size, flags: Flags).may_block();
    MSGRCV msgrcv(msqid: Int, msg: Ptr, size: Size, kind: Long, flags: Flags).may_block()
        .writes(&[out(1, Size::ResultPlus { extra: 8, cap: 2 })]);
    MSGCTL msgctl(msqid: Int, cmd: Int, buf: Ptr);
    MQ_OPEN mq_open(name: Text, flags: Flags, mode: Mode, attr: Ptr).changes_fds();
    MQ_UNLINK mq_unlink(name: Text);
    MQ_TIMEDSEND mq_timedsend(mqd: Fd, msg: Ptr, len: Size, priority: Int, timeout: Ptr)
        .may_block();
    MQ_TIMEDRECEIVE mq_timedreceive(mqd: Fd, msg: Ptr, len: Size, priority: Ptr, timeout: Ptr)
        .may_block().writes(&[out(1, Size::Result { cap: 2 }), fixed(3, 4)]);
    MQ_NOTIFY mq_notify(mqd: Fd, event: Ptr);
    MQ_GETSETATTR mq_getsetattr(mqd: Fd, new: Ptr, old: Ptr).writes(&[fixed(2, 64)]);
    ADD_KEY add_key(kind: Text, description: Text, payload: Ptr, size: Size, keyring: Int);
    REQUEST_KEY request_key(kind: Text, description: Text, callout: Text, keyring: Int).may_block();
    KEYCTL keyctl(operation: Int, arg2: Word, arg3: Word, arg4: Word, arg5: Word);
}

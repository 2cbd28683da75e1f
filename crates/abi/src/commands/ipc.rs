//! shmctl(2), semctl(2), msgctl(2), keyctl(2). The old `IPC_64` bit (0x100) is cut off before.

use crate::call::{Class, Size, fixed, out};
use crate::commands::commands;

commands! { SHM:
    0, "IPC_RMID";
    1, "IPC_SET";
    2, "IPC_STAT".writes(&[fixed(2, 112)]);
    3, "IPC_INFO".writes(&[fixed(2, 72)]);
    11, "SHM_LOCK";
    12, "SHM_UNLOCK";
    13, "SHM_STAT".writes(&[fixed(2, 112)]);
    14, "SHM_INFO".writes(&[fixed(2, 48)]);
    15, "SHM_STAT_ANY".writes(&[fixed(2, 112)]);
}

commands! { SEM:
    0, "IPC_RMID";
    1, "IPC_SET";
    2, "IPC_STAT".writes(&[fixed(3, 104)]);
    3, "IPC_INFO".writes(&[fixed(3, 40)]);
    11, "GETPID";
    12, "GETVAL";
    // The number of semaphores is not among the arguments.
    13, "GETALL".is(Class::Unknown);
    14, "GETNCNT";
    15, "GETZCNT";
    16, "SETVAL";
    17, "SETALL";
    18, "SEM_STAT".writes(&[fixed(3, 104)]);
    19, "SEM_INFO".writes(&[fixed(3, 40)]);
    20, "SEM_STAT_ANY".writes(&[fixed(3, 104)]);
}

commands! { MSG:
    0, "IPC_RMID";
    1, "IPC_SET";
    2, "IPC_STAT".writes(&[fixed(2, 120)]);
    3, "IPC_INFO".writes(&[fixed(2, 32)]);
    11, "MSG_STAT".writes(&[fixed(2, 120)]);
    12, "MSG_INFO".writes(&[fixed(2, 32)]);
    13, "MSG_STAT_ANY".writes(&[fixed(2, 120)]);
}

commands! { KEY:
    0, "KEYCTL_GET_KEYRING_ID";
    1, "KEYCTL_JOIN_SESSION_KEYRING";
    2, "KEYCTL_UPDATE";
    3, "KEYCTL_REVOKE";
    4, "KEYCTL_CHOWN";
    5, "KEYCTL_SETPERM";
    6, "KEYCTL_DESCRIBE".writes(&[out(2, Size::Result { cap: 3 })]);
    7, "KEYCTL_CLEAR";
    8, "KEYCTL_LINK";
    9, "KEYCTL_UNLINK";
    10, "KEYCTL_SEARCH".may_block();
    11, "KEYCTL_READ".writes(&[out(2, Size::Result { cap: 3 })]);
    12, "KEYCTL_INSTANTIATE";
    13, "KEYCTL_NEGATE";
    14, "KEYCTL_SET_REQKEY_KEYRING";
    15, "KEYCTL_SET_TIMEOUT";
    16, "KEYCTL_ASSUME_AUTHORITY";
    17, "KEYCTL_GET_SECURITY".writes(&[out(2, Size::Result { cap: 3 })]);
    18, "KEYCTL_SESSION_TO_PARENT";
    19, "KEYCTL_REJECT";
    20, "KEYCTL_INSTANTIATE_IOV";
    21, "KEYCTL_INVALIDATE";
    22, "KEYCTL_GET_PERSISTENT";
    23, "KEYCTL_DH_COMPUTE".writes(&[out(2, Size::Result { cap: 3 })]);
    // The fourth argument is a structure with the lengths of the others.
    24, "KEYCTL_PKEY_QUERY".is(Class::Unknown);
    25, "KEYCTL_PKEY_ENCRYPT".is(Class::Unknown);
    26, "KEYCTL_PKEY_DECRYPT".is(Class::Unknown);
    27, "KEYCTL_PKEY_SIGN".is(Class::Unknown);
    28, "KEYCTL_PKEY_VERIFY";
    29, "KEYCTL_RESTRICT_KEYRING";
    30, "KEYCTL_MOVE";
    // What the kernel does not know it fills with zeros.
    31, "KEYCTL_CAPABILITIES".writes(&[out(1, Size::ArgBytes(2))]);
    32, "KEYCTL_WATCH_KEY";
}

//! fcntl(2).

use crate::call::{Output, fixed};
use crate::commands::commands;
use crate::consts::fcntl as f;

/// `struct flock`, in bytes.
const LOCK: Output = fixed(2, 32);

commands! { TABLE:
    f::F_DUPFD, "F_DUPFD".changes_fds();
    f::F_GETFD, "F_GETFD";
    f::F_SETFD, "F_SETFD";
    f::F_GETFL, "F_GETFL";
    f::F_SETFL, "F_SETFL";
    f::F_GETLK, "F_GETLK".writes(&[LOCK]);
    f::F_SETLK, "F_SETLK";
    f::F_SETLKW, "F_SETLKW".may_block();
    f::F_SETOWN, "F_SETOWN";
    f::F_GETOWN, "F_GETOWN";
    f::F_SETSIG, "F_SETSIG";
    f::F_GETSIG, "F_GETSIG";
    f::F_SETOWN_EX, "F_SETOWN_EX";
    f::F_GETOWN_EX, "F_GETOWN_EX".writes(&[fixed(2, 8)]);
    f::F_GETOWNER_UIDS, "F_GETOWNER_UIDS".writes(&[fixed(2, 8)]);
    f::F_OFD_GETLK, "F_OFD_GETLK".writes(&[LOCK]);
    f::F_OFD_SETLK, "F_OFD_SETLK";
    f::F_OFD_SETLKW, "F_OFD_SETLKW".may_block();
    f::F_SETLEASE, "F_SETLEASE";
    f::F_GETLEASE, "F_GETLEASE";
    f::F_NOTIFY, "F_NOTIFY";
    f::F_DUPFD_QUERY, "F_DUPFD_QUERY";
    f::F_CREATED_QUERY, "F_CREATED_QUERY";
    f::F_CANCELLK, "F_CANCELLK";
    f::F_DUPFD_CLOEXEC, "F_DUPFD_CLOEXEC".changes_fds();
    f::F_SETPIPE_SZ, "F_SETPIPE_SZ";
    f::F_GETPIPE_SZ, "F_GETPIPE_SZ";
    f::F_ADD_SEALS, "F_ADD_SEALS";
    f::F_GET_SEALS, "F_GET_SEALS";
    f::F_GET_RW_HINT, "F_GET_RW_HINT".writes(&[fixed(2, 8)]);
    f::F_SET_RW_HINT, "F_SET_RW_HINT";
    f::F_GET_FILE_RW_HINT, "F_GET_FILE_RW_HINT".writes(&[fixed(2, 8)]);
    f::F_SET_FILE_RW_HINT, "F_SET_FILE_RW_HINT";
    f::F_GETDELEG, "F_GETDELEG".writes(&[fixed(2, 8)]);
    f::F_SETDELEG, "F_SETDELEG";
}

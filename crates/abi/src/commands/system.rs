//! quotactl(2), syslog(2), modify_ldt(2), getsockopt(2) and setsockopt(2).

use crate::Errno;
use crate::call::{Class, Size, Syscall, ThreadCall, fixed, out};
use crate::commands::commands;

// `cmd >> 8` of quotactl(2); `addr` is the last argument of quotactl and of quotactl_fd.
commands! { QUOTA:
    0x80_0001, "Q_SYNC".may_block();
    0x80_0002, "Q_QUOTAON";
    0x80_0003, "Q_QUOTAOFF";
    0x80_0004, "Q_GETFMT".writes(&[fixed(3, 4)]);
    0x80_0005, "Q_GETINFO".writes(&[fixed(3, 24)]);
    0x80_0006, "Q_SETINFO";
    0x80_0007, "Q_GETQUOTA".writes(&[fixed(3, 72)]);
    0x80_0008, "Q_SETQUOTA";
    0x80_0009, "Q_GETNEXTQUOTA".writes(&[fixed(3, 72)]);
    0x5801, "Q_XQUOTAON";
    0x5802, "Q_XQUOTAOFF";
    0x5803, "Q_XGETQUOTA".writes(&[fixed(3, 112)]);
    0x5804, "Q_XSETQLIM";
    0x5805, "Q_XGETQSTAT".writes(&[fixed(3, 80)]);
    0x5806, "Q_XQUOTARM";
    0x5807, "Q_XQUOTASYNC".may_block();
    0x5808, "Q_XGETQSTATV".is(Class::Unknown);
    0x5809, "Q_XGETNEXTQUOTA".writes(&[fixed(3, 112)]);
}

commands! { SYSLOG:
    0, "SYSLOG_ACTION_CLOSE";
    1, "SYSLOG_ACTION_OPEN";
    2, "SYSLOG_ACTION_READ".may_block().writes(&[out(1, Size::Result { cap: 2 })]);
    3, "SYSLOG_ACTION_READ_ALL".writes(&[out(1, Size::Result { cap: 2 })]);
    4, "SYSLOG_ACTION_READ_CLEAR".writes(&[out(1, Size::Result { cap: 2 })]);
    5, "SYSLOG_ACTION_CLEAR";
    6, "SYSLOG_ACTION_CONSOLE_OFF";
    7, "SYSLOG_ACTION_CONSOLE_ON";
    8, "SYSLOG_ACTION_CONSOLE_LEVEL";
    9, "SYSLOG_ACTION_SIZE_UNREAD";
    10, "SYSLOG_ACTION_SIZE_BUFFER";
}

// The kernel returns an error of modify_ldt as an unsigned 32-bit number.
commands! { LDT:
    0, "read".writes(&[out(1, Size::Result { cap: 2 })]);
    1, "write (old)".is(Class::Thread(ThreadCall::ModifyLdt));
    2, "read default".writes(&[out(1, Size::Result { cap: 2 })]);
    0x11, "write".is(Class::Thread(ThreadCall::ModifyLdt));
}

const SOL_IP: u64 = 0;
const SOL_TCP: u64 = 6;
const SOL_IPV6: u64 = 41;
const SOL_PACKET: u64 = 263;
const SOL_NETLINK: u64 = 270;
const SOL_XDP: u64 = 283;

/// Options that map memory shared with the kernel do not exist for a recorded program. Some write memory.
pub(crate) fn set_option(call: Syscall, level: u64, name: u64) -> Syscall {
    match (level, name) {
        // PACKET_RX_RING, PACKET_TX_RING
        (SOL_PACKET, 5 | 13)
        // NETLINK_RX_RING, NETLINK_TX_RING
        | (SOL_NETLINK, 6 | 7)
        | (SOL_XDP, _) => call.refused(Errno::ENOPROTOOPT),
        // IPT_SO_SET_REPLACE, ARPT_SO_SET_REPLACE, EBT_SO_SET_ENTRIES, IP6T_SO_SET_REPLACE: the old
        // counters are written to where a pointer in the value leads.
        (SOL_IP, 64 | 96 | 128) | (SOL_IPV6, 64) => call.is(Class::Unknown),
        _ => call,
    }
}

/// As [`set_option`], for getsockopt(2).
pub(crate) fn get_option(call: Syscall, level: u64, name: u64) -> Syscall {
    match (level, name) {
        // TCP_ZEROCOPY_RECEIVE
        (SOL_TCP, 35) | (SOL_XDP, _) => call.refused(Errno::ENOPROTOOPT),
        _ => call,
    }
}

//! Which calls are made without a stop, and what they write.

use retake_abi::nr;
use retake_model::SyscallNo;

use super::fds::FdKind;
use super::layout::ROW_COUNT;

/// When a call has bytes to be written down, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Mode {
    /// It is traced.
    Traced = 0,
    /// None.
    Plain = 1,
    /// A fixed number, when it gives zero.
    Fixed = 2,
    /// As many as its result says, written by it.
    Written = 3,
    /// As many as its result says, taken by it.
    Taken = 4,
}

/// What must hold besides, or is done besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Extra {
    None = 0,
    /// `gettimeofday`, without the time zone.
    TimeOfDay = 1,
    /// `time`, with no pointer.
    Time = 2,
    /// `open`: the flags are in the second argument.
    Open = 3,
    /// `openat`: in the third.
    OpenAt = 4,
    /// `close`: nothing is known of the descriptor any more.
    Close = 5,
    /// `fcntl`: copies of descriptors, getters and setters of flags.
    Fcntl = 6,
    /// `ioctl`: some plain ones.
    Ioctl = 7,
    /// `recvfrom`: no address, no waiting for all.
    Recv = 9,
    /// `epoll_wait`: that does not wait.
    Epoll = 10,
    /// `prlimit64`: that sets nothing.
    Limit = 11,
}

/// An argument, by its place in an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Arg {
    None = 0,
    First = 8 * 5,
    Second = 8 * 6,
    Third = 8 * 7,
    Fifth = 8 * 8,
    Fourth = 8 * 10,
}

/// What the code knows of a call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) mode: Mode,
    /// What must be known of the descriptor in the first argument.
    pub(super) needs: FdKind,
    /// Where its bytes are.
    pub(super) data: Arg,
    /// How many there are at most, where the result says how many.
    pub(super) cap: Arg,
    /// How many there are, where that is fixed.
    pub(super) fixed: u16,
    pub(super) extra: Extra,
    /// Bytes that one of the result stands for.
    pub(super) each: u8,
}

impl Row {
    const TRACED: Self = Self {
        mode: Mode::Traced,
        needs: FdKind::UNKNOWN,
        data: Arg::None,
        cap: Arg::None,
        fixed: 0,
        extra: Extra::None,
        each: 1,
    };

    const fn plain() -> Self {
        Self { mode: Mode::Plain, ..Self::TRACED }
    }

    const fn fixed(data: Arg, fixed: u16) -> Self {
        Self { mode: Mode::Fixed, data, fixed, ..Self::TRACED }
    }

    const fn written(data: Arg, cap: Arg) -> Self {
        Self { mode: Mode::Written, data, cap, ..Self::TRACED }
    }

    const fn taken(data: Arg, cap: Arg) -> Self {
        Self { mode: Mode::Taken, data, cap, ..Self::TRACED }
    }

    const fn needs(self, needs: FdKind) -> Self {
        Self { needs, ..self }
    }

    const fn and(self, extra: Extra) -> Self {
        Self { extra, ..self }
    }

    /// As it stands in the table.
    pub(super) fn encode(self) -> [u8; 8] {
        let [low, high] = self.fixed.to_le_bytes();
        let needs = self.needs.byte();
        let (mode, extra) = (self.mode as u8, self.extra as u8);
        [mode, needs, self.data as u8, self.cap as u8, low, high, extra, self.each]
    }
}

const STAT: u16 = 144;
const EPOLL_EVENT: u8 = 12;

/// The calls. `futex` is not one of them: who wakes another task gives the CPU away there, where it has just let go of
/// what both want. None waits for another task, but for those that need a descriptor of which that is known; what
/// each writes is what the table of the `abi` crate says.
const CALLS: [(SyscallNo, Row); 50] = [
    (nr::GETPID, Row::plain()),
    (nr::GETPPID, Row::plain()),
    (nr::GETTID, Row::plain()),
    (nr::GETUID, Row::plain()),
    (nr::GETEUID, Row::plain()),
    (nr::GETGID, Row::plain()),
    (nr::GETEGID, Row::plain()),
    (nr::GETPGRP, Row::plain()),
    (nr::CLOCK_GETTIME, Row::fixed(Arg::Second, 16)),
    (nr::CLOCK_GETRES, Row::fixed(Arg::Second, 16)),
    (nr::GETTIMEOFDAY, Row::fixed(Arg::First, 16).and(Extra::TimeOfDay)),
    (nr::TIME, Row::plain().and(Extra::Time)),
    (nr::READ, Row::written(Arg::Second, Arg::Third).needs(FdKind::READ)),
    (nr::PREAD64, Row::written(Arg::Second, Arg::Third).needs(FdKind::READ)),
    (nr::WRITE, Row::taken(Arg::Second, Arg::Third).needs(FdKind::WRITE)),
    (nr::PWRITE64, Row::taken(Arg::Second, Arg::Third).needs(FdKind::WRITE)),
    (nr::GETDENTS64, Row::written(Arg::Second, Arg::Third).needs(FdKind::READ)),
    (nr::RECVFROM, Row::written(Arg::Second, Arg::Third).needs(FdKind::READ).and(Extra::Recv)),
    (nr::SENDTO, Row::taken(Arg::Second, Arg::Third).needs(FdKind::WRITE)),
    (nr::LSEEK, Row::plain()),
    (nr::STAT, Row::fixed(Arg::Second, STAT)),
    (nr::FSTAT, Row::fixed(Arg::Second, STAT)),
    (nr::LSTAT, Row::fixed(Arg::Second, STAT)),
    (nr::NEWFSTATAT, Row::fixed(Arg::Third, STAT)),
    (nr::STATX, Row::fixed(Arg::Fifth, 256)),
    (nr::STATFS, Row::fixed(Arg::Second, 120)),
    (nr::FSTATFS, Row::fixed(Arg::Second, 120)),
    (nr::ACCESS, Row::plain()),
    (nr::FACCESSAT, Row::plain()),
    (nr::FACCESSAT2, Row::plain()),
    (nr::READLINK, Row::written(Arg::Second, Arg::Third)),
    (nr::READLINKAT, Row::written(Arg::Third, Arg::Fourth)),
    (nr::GETCWD, Row::written(Arg::First, Arg::Second)),
    (nr::GETXATTR, Row::written(Arg::Third, Arg::Fourth)),
    (nr::LGETXATTR, Row::written(Arg::Third, Arg::Fourth)),
    (nr::FGETXATTR, Row::written(Arg::Third, Arg::Fourth)),
    (nr::LISTXATTR, Row::written(Arg::Second, Arg::Third)),
    (nr::LLISTXATTR, Row::written(Arg::Second, Arg::Third)),
    (nr::FLISTXATTR, Row::written(Arg::Second, Arg::Third)),
    (nr::UNAME, Row::fixed(Arg::First, 390)),
    (nr::GETRUSAGE, Row::fixed(Arg::Second, STAT)),
    (nr::GETRLIMIT, Row::fixed(Arg::Second, 16)),
    (nr::PRLIMIT64, Row::fixed(Arg::Fourth, 16).and(Extra::Limit)),
    (nr::SYSINFO, Row::fixed(Arg::First, 112)),
    (nr::OPEN, Row::plain().and(Extra::Open)),
    (nr::OPENAT, Row::plain().and(Extra::OpenAt)),
    (nr::CLOSE, Row::plain().and(Extra::Close)),
    (nr::FCNTL, Row::plain().and(Extra::Fcntl)),
    (nr::IOCTL, Row::fixed(Arg::Third, 0).and(Extra::Ioctl)),
    (
        nr::EPOLL_WAIT,
        Row { each: EPOLL_EVENT, ..Row::written(Arg::Second, Arg::Third).and(Extra::Epoll) },
    ),
];

const fn by_number() -> [Row; ROW_COUNT] {
    let mut rows = [Row::TRACED; ROW_COUNT];
    let mut n = 0;
    while n < CALLS.len() {
        let (no, row) = CALLS[n];
        rows[no.get() as usize] = row;
        n += 1;
    }
    rows
}

/// The same by their numbers.
static ROWS: [Row; ROW_COUNT] = by_number();

/// What the code knows of a call.
pub(super) fn row_of(no: SyscallNo) -> Row {
    let no = usize::try_from(no.get()).ok();
    no.and_then(|no| ROWS.get(no)).copied().unwrap_or(Row::TRACED)
}

/// Whether the call may be made without a stop, if its arguments and its descriptor allow it.
pub fn may_be_fast(no: SyscallNo) -> bool {
    row_of(no).mode != Mode::Traced
}

/// Whether that depends on the descriptor in its first argument.
pub fn needs_descriptor(no: SyscallNo) -> bool {
    row_of(no).needs != FdKind::UNKNOWN
}

/// The table as it stands in memory.
pub(super) fn table() -> Vec<u8> {
    ROWS.iter().flat_map(|row| row.encode()).collect()
}

/// A table of traced calls.
pub(super) fn table_of_none() -> Vec<u8> {
    Row::TRACED.encode().repeat(ROW_COUNT)
}

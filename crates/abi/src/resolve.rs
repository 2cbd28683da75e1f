//! From a row to what holds for one call: sub-commands, and flags that keep it from waiting.

use retake_model::SyscallNo;

use crate::Errno;
use crate::call::{Blocks, Class, Syscall};
use crate::commands::{fcntl, futex, ioctl, ipc, madvise, pick, prctl, system};
use crate::consts::futex::FUTEX_CMD_MASK;
use crate::consts::prctl::PR_SCHED_CORE;
use crate::consts::{nonblock, time::TIMER_ABSTIME, wait::WNOHANG};
use crate::nr;

/// The row for these arguments.
pub(crate) fn refine(row: Syscall, args: &[u64; 6]) -> Syscall {
    let row = command(row, args);
    if row.blocks == Blocks::May && returns_at_once(row.no, args) {
        row.never_blocks()
    } else {
        row
    }
}

/// The low half of an argument: what the kernel sees of an `int`.
const fn low(arg: u64) -> u64 {
    arg & 0xffff_ffff
}

fn command(row: Syscall, args: &[u64; 6]) -> Syscall {
    let [a, b, c, d, ..] = *args;
    match row.no {
        nr::FCNTL => pick(row, fcntl::TABLE, low(b)),
        nr::IOCTL => ioctl::resolve(row, b),
        nr::FUTEX => {
            known_or_refused(pick(row, futex::TABLE, low(b) & FUTEX_CMD_MASK), Errno::ENOSYS)
        }
        nr::MADVISE => known_or_refused(pick(row, madvise::TABLE, low(c)), Errno::EINVAL),
        nr::PRCTL => prctl_option(row, a, b),
        nr::ARCH_PRCTL => known_or_refused(pick(row, prctl::ARCH, low(a)), Errno::EINVAL),
        nr::SHMCTL => pick(row, ipc::SHM, low(b) & !IPC_64),
        nr::SEMCTL => pick(row, ipc::SEM, low(c) & !IPC_64),
        nr::MSGCTL => pick(row, ipc::MSG, low(b) & !IPC_64),
        nr::KEYCTL => pick(row, ipc::KEY, low(a)),
        nr::QUOTACTL => pick(row, system::QUOTA, low(a) >> 8),
        nr::QUOTACTL_FD => pick(row, system::QUOTA, low(b) >> 8),
        nr::SYSLOG => pick(row, system::SYSLOG, low(a)),
        nr::MODIFY_LDT => pick(row, system::LDT, low(a)),
        nr::SETSOCKOPT => system::set_option(row, low(b), low(c)),
        nr::GETSOCKOPT => system::get_option(row, low(b), low(c)),
        nr::CLOCK_NANOSLEEP if b & TIMER_ABSTIME != 0 => row.writes(&[]),
        // Huge pages of the reserved pool: as if there were none. Memory that the kernel may drop: as
        // a kernel before it.
        nr::MMAP if d & MAP_HUGETLB != 0 => row.refused(Errno::ENOMEM),
        nr::MMAP if d & MAP_TYPE == MAP_DROPPABLE => row.refused(Errno::EINVAL),
        nr::MEMFD_CREATE if b & MFD_HUGETLB != 0 => row.refused(Errno::ENOSYS),
        nr::SHMGET if c & SHM_HUGETLB != 0 => row.refused(Errno::ENOMEM),
        nr::PKEY_MPROTECT if low(args[3]) != low(u64::MAX) => row.refused(Errno::EINVAL),
        _ => row,
    }
}

/// mmap(2), memfd_create(2), shmget(2).
const MAP_TYPE: u64 = 0xf;
const MAP_DROPPABLE: u64 = 0x8;
const MAP_HUGETLB: u64 = 0x4_0000;
const MFD_HUGETLB: u64 = 0x4;
const SHM_HUGETLB: u64 = 0x800;

/// The bit that marks the newer structures of shmctl and the like; 64-bit kernels ignore it.
const IPC_64: u64 = 0x100;

fn prctl_option(row: Syscall, option: u64, arg2: u64) -> Syscall {
    /// `PR_SCHED_CORE_GET`: the only one of the family that writes.
    const SCHED_CORE_GET: u64 = 0;
    let found = pick(row, prctl::TABLE, low(option));
    if low(option) == PR_SCHED_CORE && arg2 != SCHED_CORE_GET {
        return found.writes(&[]);
    }
    found
}

/// Where the table is all there is, anything else gets the kernel's answer to an unknown command.
fn known_or_refused(row: Syscall, error: Errno) -> Syscall {
    if row.class == Class::Unknown { row.refused(error) } else { row }
}

/// Whether a flag or a zero timeout keeps this call from waiting. Descriptors in non-blocking mode
/// are not known here.
const fn returns_at_once(no: SyscallNo, args: &[u64; 6]) -> bool {
    let [_, b, c, d, e, f] = *args;
    match no {
        nr::RECVFROM | nr::SENDTO | nr::RECVMMSG | nr::SENDMMSG => d & nonblock::MSG_DONTWAIT != 0,
        nr::RECVMSG | nr::SENDMSG => c & nonblock::MSG_DONTWAIT != 0,
        nr::WAIT4 => c & WNOHANG != 0,
        nr::WAITID => d & WNOHANG != 0,
        nr::GETRANDOM => c & nonblock::GRND_NONBLOCK != 0,
        nr::MSGRCV => e & nonblock::IPC_NOWAIT != 0,
        nr::MSGSND => d & nonblock::IPC_NOWAIT != 0,
        nr::POLL => low(c) == 0,
        nr::EPOLL_WAIT | nr::EPOLL_PWAIT => low(d) == 0,
        nr::FLOCK => b & nonblock::LOCK_NB != 0,
        nr::PREADV2 => f & nonblock::RWF_NOWAIT != 0,
        _ => false,
    }
}

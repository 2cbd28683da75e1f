use retake_model::SyscallNo;

use crate::{Blocks, Class, Errno, FdEffect, MemoryCall, Syscall, ThreadCall, nr, resolve};

fn row(no: SyscallNo, args: &[u64]) -> Syscall {
    let mut all = [0; 6];
    all[..args.len()].copy_from_slice(args);
    resolve(no, &all)
}

#[test]
fn flags_keep_calls_from_waiting() {
    let cases: [(SyscallNo, &[u64], Blocks); 14] = [
        (nr::RECVFROM, &[3, 0, 0, 0], Blocks::May),
        (nr::RECVFROM, &[3, 0, 0, 0x40], Blocks::Never),
        (nr::SENDMSG, &[3, 0, 0x4040], Blocks::Never),
        (nr::WAIT4, &[0, 0, 1], Blocks::Never),
        (nr::WAIT4, &[0, 0, 2], Blocks::May),
        (nr::GETRANDOM, &[0, 0, 1], Blocks::Never),
        (nr::POLL, &[0, 0, 0], Blocks::Never),
        (nr::POLL, &[0, 0, 0xffff_ffff], Blocks::May),
        (nr::EPOLL_WAIT, &[0, 0, 0, 0], Blocks::Never),
        (nr::MSGRCV, &[0, 0, 0, 0, 0o4000], Blocks::Never),
        (nr::FLOCK, &[3, 6], Blocks::Never),
        (nr::FUTEX, &[0, 128], Blocks::May),
        (nr::FUTEX, &[0, 129], Blocks::Never),
        (nr::FCNTL, &[3, 7], Blocks::May),
    ];
    for (no, args, blocks) in cases {
        assert_eq!(row(no, args).blocks, blocks, "{no} {args:x?}");
    }
}

#[test]
fn refusals() {
    let cases: [(SyscallNo, &[u64], Errno); 8] = [
        (nr::IO_URING_SETUP, &[], Errno::ENOSYS),
        (nr::USERFAULTFD, &[], Errno::ENOSYS),
        (nr::FUTEX, &[0, 11 | 128], Errno::ENOSYS),
        (nr::FUTEX, &[0, 99], Errno::ENOSYS),
        (nr::MADVISE, &[0, 0, 8], Errno::EINVAL),
        (nr::MADVISE, &[0, 0, 102], Errno::EINVAL),
        (nr::MADVISE, &[0, 0, 9999], Errno::EINVAL),
        (nr::SETSOCKOPT, &[3, 263, 5], Errno::ENOPROTOOPT),
    ];
    for (no, args, error) in cases {
        let found = row(no, args);
        assert_eq!(found.class, Class::Refuse(error), "{no} {args:x?}");
        assert_eq!(found.blocks, Blocks::Never, "{no} {args:x?}");
    }
    assert_eq!(row(nr::SETSOCKOPT, &[3, 1, 5]).class, Class::Emulate);
}

/// Netfilter gives the old counters to where a pointer in the value leads.
#[test]
fn options_that_write() {
    for (level, name) in [(0, 64), (0, 96), (0, 128), (41, 64)] {
        assert_eq!(row(nr::SETSOCKOPT, &[3, level, name]).class, Class::Unknown);
    }
    assert_eq!(row(nr::SETSOCKOPT, &[3, 0, 65]).class, Class::Emulate);
}

#[test]
fn locks_of_the_recorder() {
    let lock = Class::Thread(ThreadCall::InheritedLock);
    for (op, blocks) in
        [(6, Blocks::May), (13, Blocks::May), (7, Blocks::Never), (8, Blocks::Never)]
    {
        let found = row(nr::FUTEX, &[0, op | 128]);
        assert_eq!((found.class, found.blocks), (lock, blocks), "{op}");
    }
}

#[test]
fn sub_commands_get_their_class() {
    assert_eq!(row(nr::MADVISE, &[0, 0, 4]).class, Class::Memory(MemoryCall::Advise));
    assert_eq!(row(nr::MADVISE, &[0, 0, 3]).class, Class::Emulate);
    assert_eq!(row(nr::ARCH_PRCTL, &[0x1002]).class, Class::Thread(ThreadCall::SegmentBase));
    assert_eq!(row(nr::PRCTL, &[15]).class, Class::Thread(ThreadCall::SetName));
    assert_eq!(row(nr::PRCTL, &[16, 0x2000]).outputs.len(), 1);
    assert_eq!(row(nr::PRCTL, &[22]).class, Class::Thread(ThreadCall::Seccomp));
    assert_eq!(row(nr::SECCOMP, &[1]).class, Class::Thread(ThreadCall::Seccomp));
    assert_eq!(row(nr::PRCTL, &[0x7777]).class, Class::Unknown);
    assert_eq!(row(nr::FCNTL, &[3, 1030]).fds, FdEffect::Changes);
    assert_eq!(row(nr::FCNTL, &[3, 1]).fds, FdEffect::None);
    assert_eq!(row(nr::SHMCTL, &[1, 0x102]).command, Some("IPC_STAT"));
    assert_eq!(row(nr::QUOTACTL, &[0x8000_0700]).command, Some("Q_GETQUOTA"));
    assert_eq!(
        row(nr::PKEY_MPROTECT, &[0, 0, 1, u64::MAX]).class,
        Class::Memory(MemoryCall::Protect)
    );
    assert_eq!(row(nr::PKEY_MPROTECT, &[0, 0, 1, 2]).class, Class::Refuse(Errno::EINVAL));
    // Only the low 32 bits of an int argument count.
    assert_eq!(row(nr::FCNTL, &[3, 0xdead_0000_0003]).command, Some("F_GETFL"));
}

#[test]
fn unknown_requests_and_numbers() {
    for found in [
        row(nr::IOCTL, &[3, 0x1234_5678]),
        row(SyscallNo::new(337), &[]),
        row(SyscallNo::new(u32::MAX), &[]),
    ] {
        assert_eq!(found.class, Class::Unknown);
        assert_eq!(found.blocks, Blocks::May);
    }
}

#[test]
fn core_scheduling_writes_only_for_get() {
    assert_eq!(row(nr::PRCTL, &[62, 0, 0, 0, 0x2000]).outputs.len(), 1);
    assert!(row(nr::PRCTL, &[62, 1, 0, 0, 0]).outputs.is_empty());
}

#[test]
fn memory_of_special_kinds_is_refused() {
    let class = |no, args: &[u64]| row(no, args).class;
    assert_eq!(class(nr::MMAP, &[0, 4096, 3, 0x4_0022]), Class::Refuse(Errno::ENOMEM));
    assert_eq!(class(nr::MMAP, &[0, 4096, 3, 0x28]), Class::Refuse(Errno::EINVAL));
    assert!(matches!(class(nr::MMAP, &[0, 4096, 3, 0x22]), Class::Memory(_)));
    assert_eq!(class(nr::MEMFD_CREATE, &[1, 4]), Class::Refuse(Errno::ENOSYS));
    assert_eq!(class(nr::SHMGET, &[0, 1 << 21, 0o4600]), Class::Refuse(Errno::ENOMEM));
}

//! The machine as a whole: mounts, modules, quotas, randomness, names (`man 2 mount`, …).

use crate::Errno;
use crate::call::{Class, Size, Special, ThreadCall, When, calls, fixed, out};

calls! {
    IOCTL ioctl(fd: Fd, request: Flags, arg: Word);
    UNAME uname(buf: Ptr).writes(&[fixed(0, 390)]);
    SYSINFO sysinfo(info: Ptr).writes(&[fixed(0, 112)]);
    SYSLOG syslog(kind: Int, buf: Ptr, len: Int);
    GETRANDOM getrandom(buf: Ptr, count: Size, flags: Flags).may_block()
        .writes(&[out(0, Size::Result { cap: 1 })]);
    SYSFS sysfs(option: Int, arg1: Word, arg2: Word).is(Class::Unknown);
    VHANGUP vhangup();
    PIVOT_ROOT pivot_root(new_root: Text, put_old: Text);
    CHROOT chroot(path: Text);
    ACCT acct(path: Text);
    MOUNT mount(source: Text, target: Text, fstype: Text, flags: Flags, data: Ptr).may_block();
    UMOUNT2 umount2(target: Text, flags: Flags).may_block();
    SWAPON swapon(path: Text, flags: Flags).may_block();
    SWAPOFF swapoff(path: Text).may_block();
    REBOOT reboot(magic1: Flags, magic2: Flags, op: Flags, arg: Ptr);
    SETHOSTNAME sethostname(name: Ptr, len: Int);
    SETDOMAINNAME setdomainname(name: Ptr, len: Int);
    IOPL iopl(level: Int).refused(Errno::EPERM);
    IOPERM ioperm(from: Size, count: Size, on: Int).refused(Errno::EPERM);
    INIT_MODULE init_module(image: Ptr, len: Size, params: Text).may_block();
    FINIT_MODULE finit_module(fd: Fd, params: Text, flags: Flags).may_block();
    DELETE_MODULE delete_module(name: Text, flags: Flags).may_block();
    KEXEC_LOAD kexec_load(entry: Ptr, segments: Size, list: Ptr, flags: Flags);
    KEXEC_FILE_LOAD kexec_file_load(kernel: Fd, initrd: Fd, len: Size, cmdline: Text, flags: Flags);
    QUOTACTL quotactl(cmd: Flags, special: Text, id: Int, addr: Ptr);
    QUOTACTL_FD quotactl_fd(fd: Fd, cmd: Flags, id: Int, addr: Ptr);
    LOOKUP_DCOOKIE lookup_dcookie(cookie: Size, buf: Ptr, len: Size)
        .writes(&[out(1, Size::Result { cap: 2 })]);
    NAME_TO_HANDLE_AT name_to_handle_at(
        dirfd: Fd, path: Text, handle: Ptr, mount_id: Ptr, flags: Flags
    )
        .may_block().writes(&[
            fixed(2, 8).when(When::SuccessOr(Errno::EOVERFLOW)),
            out(2, Size::Special(Special::FileHandle)),
            fixed(3, 4).when(When::SuccessOr(Errno::EOVERFLOW)),
            // AT_HANDLE_MNT_ID_UNIQUE: the mount's number has 64 bits.
            out(3, Size::FixedIfFlag { bytes: 4, arg: 4, mask: 1 }).at(4)
                .when(When::SuccessOr(Errno::EOVERFLOW)),
        ]);
    OPEN_BY_HANDLE_AT open_by_handle_at(mount: Fd, handle: Ptr, flags: Flags)
        .may_block().changes_fds();
    // The kernel writes its ring buffer at any time.
    // A structure of another size is told the kernel's.
    PERF_EVENT_OPEN perf_event_open(attr: Ptr, pid: Int, cpu: Int, group: Fd, flags: Flags)
        .is(Class::Thread(ThreadCall::Counter)).changes_fds()
        .writes(&[fixed(0, 4).at(4).when(When::SuccessOr(Errno::E2BIG))]);
    BPF bpf(cmd: Int, attr: Ptr, size: Int).may_block().changes_fds().is(Class::Unknown);
    OPEN_TREE open_tree(dirfd: Fd, path: Text, flags: Flags).may_block().changes_fds();
    OPEN_TREE_ATTR open_tree_attr(dirfd: Fd, path: Text, flags: Flags, attr: Ptr, size: Size)
        .may_block().changes_fds();
    MOVE_MOUNT move_mount(from: Fd, from_path: Text, to: Fd, to_path: Text, flags: Flags);
    FSOPEN fsopen(fsname: Text, flags: Flags).changes_fds();
    FSCONFIG fsconfig(fd: Fd, cmd: Int, key: Text, value: Ptr, aux: Int).may_block();
    FSMOUNT fsmount(fd: Fd, flags: Flags, attrs: Flags).may_block().changes_fds();
    FSPICK fspick(dirfd: Fd, path: Text, flags: Flags).changes_fds();
    MOUNT_SETATTR mount_setattr(dirfd: Fd, path: Text, flags: Flags, attr: Ptr, size: Size);
    STATMOUNT statmount(request: Ptr, buf: Ptr, size: Size, flags: Flags)
        .writes(&[out(1, Size::OwnPrefix { cap: 2 })]);
    LISTMOUNT listmount(request: Ptr, ids: Ptr, count: Size, flags: Flags)
        .writes(&[out(1, Size::ResultTimes { each: 8, cap: 2 })]);
    LISTNS listns(request: Ptr, ids: Ptr, count: Size, flags: Flags)
        .writes(&[out(1, Size::ResultTimes { each: 8, cap: 2 })]);
    SETXATTRAT setxattrat(dirfd: Fd, path: Text, flags: Flags, name: Text, args: Ptr, size: Size);
    GETXATTRAT getxattrat(dirfd: Fd, path: Text, flags: Flags, name: Text, args: Ptr, size: Size)
        .writes(&[out(4, Size::Special(Special::XattrArgs))]);
    LISTXATTRAT listxattrat(dirfd: Fd, path: Text, flags: Flags, list: Ptr, size: Size)
        .writes(&[out(3, Size::Result { cap: 4 })]);
    REMOVEXATTRAT removexattrat(dirfd: Fd, path: Text, flags: Flags, name: Text);
    FILE_GETATTR file_getattr(dirfd: Fd, path: Text, attr: Ptr, size: Size, flags: Flags)
        .writes(&[out(2, Size::ArgBytes(3))]);
    FILE_SETATTR file_setattr(dirfd: Fd, path: Text, attr: Ptr, size: Size, flags: Flags);
}

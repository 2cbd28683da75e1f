//! Files: opening, reading, writing, metadata (`man 2 open`, `read`, `stat`, …).

use crate::call::{Size, When, calls, fixed, out};

/// `struct stat` (stat(2), `asm/stat.h`), in bytes.
const STAT: u32 = 144;
/// `struct statx` (statx(2), `linux/stat.h`), in bytes.
const STATX: u32 = 256;
/// `struct statfs` (statfs(2), `asm/statfs.h`), in bytes.
const STATFS: u32 = 120;

calls! {
    READ read(fd: Fd, buf: Ptr, count: Size).may_block().writes(&[out(1, Size::Result { cap: 2 })]);
    WRITE write(fd: Fd, buf: Ptr, count: Size).may_block();
    OPEN open(path: Text, flags: Flags, mode: Mode).may_block().changes_fds();
    CLOSE close(fd: Fd).may_block().changes_fds();
    STAT stat(path: Text, statbuf: Ptr).writes(&[fixed(1, STAT)]);
    FSTAT fstat(fd: Fd, statbuf: Ptr).writes(&[fixed(1, STAT)]);
    LSTAT lstat(path: Text, statbuf: Ptr).writes(&[fixed(1, STAT)]);
    LSEEK lseek(fd: Fd, offset: Long, whence: Int);
    PREAD64 pread64(fd: Fd, buf: Ptr, count: Size, offset: Long).may_block()
        .writes(&[out(1, Size::Result { cap: 2 })]);
    PWRITE64 pwrite64(fd: Fd, buf: Ptr, count: Size, offset: Long).may_block();
    READV readv(fd: Fd, iov: Ptr, iovcnt: Int).may_block()
        .writes(&[out(1, Size::Iovec { count: 2 })]);
    WRITEV writev(fd: Fd, iov: Ptr, iovcnt: Int).may_block();
    ACCESS access(path: Text, mode: Int);
    PIPE pipe(fds: Ptr).writes(&[fixed(0, 8)]).changes_fds();
    PIPE2 pipe2(fds: Ptr, flags: Flags).writes(&[fixed(0, 8)]).changes_fds();
    DUP dup(fd: Fd).changes_fds();
    DUP2 dup2(old: Fd, new: Fd).may_block().changes_fds();
    DUP3 dup3(old: Fd, new: Fd, flags: Flags).may_block().changes_fds();
    FCNTL fcntl(fd: Fd, cmd: Int, arg: Word);
    FLOCK flock(fd: Fd, operation: Flags).may_block();
    FSYNC fsync(fd: Fd).may_block();
    FDATASYNC fdatasync(fd: Fd).may_block();
    SYNC sync().may_block();
    SYNCFS syncfs(fd: Fd).may_block();
    SYNC_FILE_RANGE sync_file_range(fd: Fd, offset: Long, nbytes: Long, flags: Flags).may_block();
    TRUNCATE truncate(path: Text, length: Long).may_block();
    FTRUNCATE ftruncate(fd: Fd, length: Long).may_block();
    FALLOCATE fallocate(fd: Fd, mode: Flags, offset: Long, len: Long).may_block();
    FADVISE64 fadvise64(fd: Fd, offset: Long, len: Size, advice: Int);
    READAHEAD readahead(fd: Fd, offset: Long, count: Size);
    GETDENTS getdents(fd: Fd, dirp: Ptr, count: Size).may_block()
        .writes(&[out(1, Size::Result { cap: 2 })]);
    GETDENTS64 getdents64(fd: Fd, dirp: Ptr, count: Size).may_block()
        .writes(&[out(1, Size::Result { cap: 2 })]);
    GETCWD getcwd(buf: Ptr, size: Size).writes(&[out(0, Size::Result { cap: 1 })]);
    CHDIR chdir(path: Text);
    FCHDIR fchdir(fd: Fd);
    RENAME rename(old: Text, new: Text);
    MKDIR mkdir(path: Text, mode: Mode);
    RMDIR rmdir(path: Text);
    CREAT creat(path: Text, mode: Mode).may_block().changes_fds();
    LINK link(old: Text, new: Text);
    UNLINK unlink(path: Text);
    SYMLINK symlink(target: Text, path: Text);
    READLINK readlink(path: Text, buf: Ptr, size: Int).writes(&[out(1, Size::Result { cap: 2 })]);
    CHMOD chmod(path: Text, mode: Mode);
    FCHMOD fchmod(fd: Fd, mode: Mode);
    CHOWN chown(path: Text, owner: Int, group: Int);
    FCHOWN fchown(fd: Fd, owner: Int, group: Int);
    LCHOWN lchown(path: Text, owner: Int, group: Int);
    UMASK umask(mask: Mode);
    UTIME utime(path: Text, times: Ptr);
    UTIMES utimes(path: Text, times: Ptr);
    FUTIMESAT futimesat(dirfd: Fd, path: Text, times: Ptr);
    UTIMENSAT utimensat(dirfd: Fd, path: Text, times: Ptr, flags: Flags);
    MKNOD mknod(path: Text, mode: Mode, dev: Size);
    USTAT ustat(dev: Size, ubuf: Ptr).writes(&[fixed(1, 32)]);
    STATFS statfs(path: Text, buf: Ptr).writes(&[fixed(1, STATFS)]);
    FSTATFS fstatfs(fd: Fd, buf: Ptr).writes(&[fixed(1, STATFS)]);
    SETXATTR setxattr(path: Text, name: Text, value: Ptr, size: Size, flags: Flags);
    LSETXATTR lsetxattr(path: Text, name: Text, value: Ptr, size: Size, flags: Flags);
    FSETXATTR fsetxattr(fd: Fd, name: Text, value: Ptr, size: Size, flags: Flags);
    GETXATTR getxattr(path: Text, name: Text, value: Ptr, size: Size)
        .writes(&[out(2, Size::Result { cap: 3 })]);
    LGETXATTR lgetxattr(path: Text, name: Text, value: Ptr, size: Size)
        .writes(&[out(2, Size::Result { cap: 3 })]);
    FGETXATTR fgetxattr(fd: Fd, name: Text, value: Ptr, size: Size)
        .writes(&[out(2, Size::Result { cap: 3 })]);
    LISTXATTR listxattr(path: Text, list: Ptr, size: Size)
        .writes(&[out(1, Size::Result { cap: 2 })]);
    LLISTXATTR llistxattr(path: Text, list: Ptr, size: Size)
        .writes(&[out(1, Size::Result { cap: 2 })]);
    FLISTXATTR flistxattr(fd: Fd, list: Ptr, size: Size)
        .writes(&[out(1, Size::Result { cap: 2 })]);
    REMOVEXATTR removexattr(path: Text, name: Text);
    LREMOVEXATTR lremovexattr(path: Text, name: Text);
    FREMOVEXATTR fremovexattr(fd: Fd, name: Text);
    OPENAT openat(dirfd: Fd, path: Text, flags: Flags, mode: Mode).may_block().changes_fds();
    OPENAT2 openat2(dirfd: Fd, path: Text, how: Ptr, size: Size).may_block().changes_fds();
    MKDIRAT mkdirat(dirfd: Fd, path: Text, mode: Mode);
    MKNODAT mknodat(dirfd: Fd, path: Text, mode: Mode, dev: Size);
    FCHOWNAT fchownat(dirfd: Fd, path: Text, owner: Int, group: Int, flags: Flags);
    NEWFSTATAT newfstatat(dirfd: Fd, path: Text, statbuf: Ptr, flags: Flags)
        .writes(&[fixed(2, STAT)]);
    UNLINKAT unlinkat(dirfd: Fd, path: Text, flags: Flags);
    RENAMEAT renameat(olddirfd: Fd, old: Text, newdirfd: Fd, new: Text);
    RENAMEAT2 renameat2(olddirfd: Fd, old: Text, newdirfd: Fd, new: Text, flags: Flags);
    LINKAT linkat(olddirfd: Fd, old: Text, newdirfd: Fd, new: Text, flags: Flags);
    SYMLINKAT symlinkat(target: Text, dirfd: Fd, path: Text);
    READLINKAT readlinkat(dirfd: Fd, path: Text, buf: Ptr, size: Int)
        .writes(&[out(2, Size::Result { cap: 3 })]);
    FCHMODAT fchmodat(dirfd: Fd, path: Text, mode: Mode);
    FCHMODAT2 fchmodat2(dirfd: Fd, path: Text, mode: Mode, flags: Flags);
    FACCESSAT faccessat(dirfd: Fd, path: Text, mode: Int);
    FACCESSAT2 faccessat2(dirfd: Fd, path: Text, mode: Int, flags: Flags);
    SENDFILE sendfile(out: Fd, in: Fd, offset: Ptr, count: Size).may_block()
        .writes(&[fixed(2, 8).when(When::Always)]);
    SPLICE splice(in: Fd, off_in: Ptr, out: Fd, off_out: Ptr, len: Size, flags: Flags).may_block()
        .writes(&[fixed(1, 8), fixed(3, 8)]);
    TEE tee(in: Fd, out: Fd, len: Size, flags: Flags).may_block();
    VMSPLICE vmsplice(fd: Fd, iov: Ptr, count: Size, flags: Flags).may_block()
        .writes(&[out(1, Size::Iovec { count: 2 })]);
    COPY_FILE_RANGE copy_file_range(
        in: Fd, off_in: Ptr, out: Fd, off_out: Ptr, len: Size, flags: Flags
    )
        .may_block().writes(&[fixed(1, 8), fixed(3, 8)]);
    PREADV preadv(fd: Fd, iov: Ptr, iovcnt: Int, pos_l: Long, pos_h: Long).may_block()
        .writes(&[out(1, Size::Iovec { count: 2 })]);
    PWRITEV pwritev(fd: Fd, iov: Ptr, iovcnt: Int, pos_l: Long, pos_h: Long).may_block();
    PREADV2 preadv2(fd: Fd, iov: Ptr, iovcnt: Int, pos_l: Long, pos_h: Long, flags: Flags)
        .may_block()
        .writes(&[out(1, Size::Iovec { count: 2 })]);
    PWRITEV2 pwritev2(fd: Fd, iov: Ptr, iovcnt: Int, pos_l: Long, pos_h: Long, flags: Flags)
        .may_block();
    STATX statx(dirfd: Fd, path: Text, flags: Flags, mask: Flags, statxbuf: Ptr)
        .writes(&[fixed(4, STATX)]);
    CLOSE_RANGE close_range(first: Size, last: Size, flags: Flags).may_block().changes_fds();
}

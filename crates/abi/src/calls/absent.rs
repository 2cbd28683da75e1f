//! Calls that a recorded program is told do not exist: those where the kernel writes to memory
//! later, outside any call (io_uring, kernel aio), and those that Linux removed long ago.

use crate::Errno;
use crate::call::calls;

calls! {
    IO_SETUP io_setup(events: Int, ctx: Ptr).refused(Errno::ENOSYS);
    IO_DESTROY io_destroy(ctx: Ptr).refused(Errno::ENOSYS);
    IO_GETEVENTS io_getevents(ctx: Ptr, min: Long, max: Long, events: Ptr, timeout: Ptr)
        .refused(Errno::ENOSYS);
    IO_PGETEVENTS io_pgetevents(
        ctx: Ptr, min: Long, max: Long, events: Ptr, timeout: Ptr, mask: Ptr
    )
        .refused(Errno::ENOSYS);
    IO_SUBMIT io_submit(ctx: Ptr, count: Long, list: Ptr).refused(Errno::ENOSYS);
    IO_CANCEL io_cancel(ctx: Ptr, iocb: Ptr, result: Ptr).refused(Errno::ENOSYS);
    IO_URING_SETUP io_uring_setup(entries: Int, params: Ptr).refused(Errno::ENOSYS);
    IO_URING_ENTER io_uring_enter(
        fd: Fd, submit: Int, complete: Int, flags: Flags, arg: Ptr, size: Size
    )
        .refused(Errno::ENOSYS);
    IO_URING_REGISTER io_uring_register(fd: Fd, opcode: Int, arg: Ptr, count: Int)
        .refused(Errno::ENOSYS);
    USELIB uselib(library: Text).refused(Errno::ENOSYS);
    SYSCTL _sysctl(args: Ptr).refused(Errno::ENOSYS);
    CREATE_MODULE create_module(name: Text, size: Size).refused(Errno::ENOSYS);
    GET_KERNEL_SYMS get_kernel_syms(table: Ptr).refused(Errno::ENOSYS);
    QUERY_MODULE query_module(name: Text, which: Int, buf: Ptr, size: Size, ret: Ptr)
        .refused(Errno::ENOSYS);
    NFSSERVCTL nfsservctl(cmd: Int, arg: Ptr, resp: Ptr).refused(Errno::ENOSYS);
    GETPMSG getpmsg().refused(Errno::ENOSYS);
    PUTPMSG putpmsg().refused(Errno::ENOSYS);
    AFS_SYSCALL afs_syscall().refused(Errno::ENOSYS);
    TUXCALL tuxcall().refused(Errno::ENOSYS);
    SECURITY security().refused(Errno::ENOSYS);
    // Made by the kernel's own probe trampolines only; from anywhere else they kill.
    URETPROBE uretprobe().refused(Errno::ENOSYS);
    UPROBE uprobe().refused(Errno::ENOSYS);
    VSERVER vserver().refused(Errno::ENOSYS);
}

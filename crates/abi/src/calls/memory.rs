//! The address space (`man 2 mmap`, …).

use crate::Errno;
use crate::call::{Class, MemoryCall, Size, ThreadCall, When, calls, fixed, out};

calls! {
    MMAP mmap(addr: Ptr, length: Size, prot: Flags, flags: Flags, fd: Fd, offset: Long)
        .is(Class::Memory(MemoryCall::Map));
    MPROTECT mprotect(addr: Ptr, length: Size, prot: Flags).is(Class::Memory(MemoryCall::Protect));
    MUNMAP munmap(addr: Ptr, length: Size).is(Class::Memory(MemoryCall::Unmap));
    BRK brk(addr: Ptr).is(Class::Memory(MemoryCall::Break));
    MREMAP mremap(old: Ptr, old_size: Size, new_size: Size, flags: Flags, new: Ptr)
        .is(Class::Memory(MemoryCall::Remap));
    MSYNC msync(addr: Ptr, length: Size, flags: Flags).may_block();
    // What it knows of the pages before a hole is written, and then it fails.
    MINCORE mincore(addr: Ptr, length: Size, vec: Ptr)
        .writes(&[out(2, Size::PageBytes(1)).when(When::SuccessOr(Errno::ENOMEM))]);
    MADVISE madvise(addr: Ptr, length: Size, advice: Int);
    SHMAT shmat(shmid: Int, addr: Ptr, flags: Flags).is(Class::Memory(MemoryCall::ShmAttach));
    SHMDT shmdt(addr: Ptr).is(Class::Memory(MemoryCall::ShmDetach));
    MLOCK mlock(addr: Ptr, length: Size);
    MLOCK2 mlock2(addr: Ptr, length: Size, flags: Flags);
    MUNLOCK munlock(addr: Ptr, length: Size);
    MLOCKALL mlockall(flags: Flags);
    MUNLOCKALL munlockall();
    // Rearranges pages behind the mapping's back; the kernel itself only emulates it.
    REMAP_FILE_PAGES remap_file_pages(addr: Ptr, size: Size, prot: Flags, pgoff: Size, flags: Flags)
        .refused(Errno::ENOSYS);
    MBIND mbind(addr: Ptr, length: Size, mode: Int, nodemask: Ptr, maxnode: Size, flags: Flags);
    SET_MEMPOLICY set_mempolicy(mode: Int, nodemask: Ptr, maxnode: Size);
    GET_MEMPOLICY get_mempolicy(mode: Ptr, nodemask: Ptr, maxnode: Size, addr: Ptr, flags: Flags)
        .writes(&[fixed(0, 4), out(1, Size::NodeMask(2))]);
    SET_MEMPOLICY_HOME_NODE set_mempolicy_home_node(
        addr: Ptr, length: Size, node: Size, flags: Flags
    );
    MIGRATE_PAGES migrate_pages(pid: Int, maxnode: Size, old: Ptr, new: Ptr);
    MOVE_PAGES move_pages(pid: Int, count: Size, pages: Ptr, nodes: Ptr, status: Ptr, flags: Flags)
        .writes(&[out(4, Size::ArgTimes { arg: 1, each: 4 }).when(When::Always)]);
    MEMBARRIER membarrier(cmd: Int, flags: Flags, cpu: Int);
    PROCESS_VM_READV process_vm_readv(
        pid: Int, local: Ptr, liovcnt: Size, remote: Ptr, riovcnt: Size, flags: Flags
    )
        .writes(&[out(1, Size::IovecWhole { count: 2 })]);
    PROCESS_VM_WRITEV process_vm_writev(
        pid: Int, local: Ptr, liovcnt: Size, remote: Ptr, riovcnt: Size, flags: Flags
    )
        .is(Class::Thread(ThreadCall::WriteOther));
    // The page fault handler of the program would race with every access to its memory.
    USERFAULTFD userfaultfd(flags: Flags).refused(Errno::ENOSYS);
    // With pkey -1 it is mprotect; no other key exists, because pkey_alloc finds none.
    PKEY_MPROTECT pkey_mprotect(addr: Ptr, length: Size, prot: Flags, pkey: Int)
        .is(Class::Memory(MemoryCall::Protect));
    // What a kernel says on a processor without protection keys (pkeys(7)).
    PKEY_ALLOC pkey_alloc(flags: Flags, rights: Flags).refused(Errno::ENOSPC);
    PKEY_FREE pkey_free(pkey: Int).refused(Errno::EINVAL);
    // Could change the memory of a process while it runs.
    PROCESS_MADVISE process_madvise(pidfd: Fd, iov: Ptr, iovcnt: Size, advice: Int, flags: Flags)
        .refused(Errno::EPERM);
    PROCESS_MRELEASE process_mrelease(pidfd: Fd, flags: Flags);
    // Such memory can be read by nobody else, also not by the recorder.
    MEMFD_SECRET memfd_secret(flags: Flags).refused(Errno::ENOSYS);
    CACHESTAT cachestat(fd: Fd, range: Ptr, stat: Ptr, flags: Flags).writes(&[fixed(2, 40)]);
    MAP_SHADOW_STACK map_shadow_stack(addr: Ptr, size: Size, flags: Flags).refused(Errno::ENOSYS);
    MSEAL mseal(addr: Ptr, length: Size, flags: Flags);
    MEMFD_CREATE memfd_create(name: Text, flags: Flags).changes_fds();
}

//! The address space (`man 2 mmap`, …).

use crate::Errno;
use crate::call::{Class, MemoryCall, Size, When, calls, fixed, out};

calls! {
    MMAP mmap(addr: Ptr, length: Size, prot: Flags, flags: Flags, fd: Fd, offset: Long)
        .is(Class::Memory(MemoryCall::Map));
    MPROTECT mprotect(addr: Ptr, length: Size, prot: Flags).is(Class::Memory(MemoryCall::Protect));
    MUNMAP munmap(addr: Ptr, length: Size).is(Class::Memory(MemoryCall::Unmap));
    BRK brk(addr: Ptr).is(Class::Memory(MemoryCall::Break));
    MREMAP mremap(old: Ptr, old_size: Size, new_size: Size, flags: Flags, new: Ptr)
        .is(Class::Memory(MemoryCall::Remap));
    MADVISE madvise(addr: Ptr, length: Size, advice: Int);
}

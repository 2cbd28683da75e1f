//! madvise(2).

use crate::Errno;
use crate::call::{Class, MemoryCall};
use crate::commands::commands;
use crate::consts::madvise as m;

commands! { TABLE:
    m::MADV_NORMAL, "MADV_NORMAL";
    m::MADV_RANDOM, "MADV_RANDOM";
    m::MADV_SEQUENTIAL, "MADV_SEQUENTIAL";
    m::MADV_WILLNEED, "MADV_WILLNEED";
    m::MADV_DONTNEED, "MADV_DONTNEED".is(Class::Memory(MemoryCall::Advise));
    // The kernel chooses when the pages become zero.
    m::MADV_FREE, "MADV_FREE".refused(Errno::EINVAL);
    m::MADV_REMOVE, "MADV_REMOVE".is(Class::Memory(MemoryCall::Advise));
    m::MADV_DONTFORK, "MADV_DONTFORK".is(Class::Memory(MemoryCall::Advise));
    m::MADV_DOFORK, "MADV_DOFORK".is(Class::Memory(MemoryCall::Advise));
    m::MADV_MERGEABLE, "MADV_MERGEABLE";
    m::MADV_UNMERGEABLE, "MADV_UNMERGEABLE";
    m::MADV_HUGEPAGE, "MADV_HUGEPAGE";
    m::MADV_NOHUGEPAGE, "MADV_NOHUGEPAGE";
    m::MADV_DONTDUMP, "MADV_DONTDUMP";
    m::MADV_DODUMP, "MADV_DODUMP";
    m::MADV_WIPEONFORK, "MADV_WIPEONFORK".is(Class::Memory(MemoryCall::Advise));
    m::MADV_KEEPONFORK, "MADV_KEEPONFORK".is(Class::Memory(MemoryCall::Advise));
    m::MADV_COLD, "MADV_COLD";
    m::MADV_PAGEOUT, "MADV_PAGEOUT";
    m::MADV_POPULATE_READ, "MADV_POPULATE_READ";
    m::MADV_POPULATE_WRITE, "MADV_POPULATE_WRITE";
    m::MADV_DONTNEED_LOCKED, "MADV_DONTNEED_LOCKED".is(Class::Memory(MemoryCall::Advise));
    m::MADV_COLLAPSE, "MADV_COLLAPSE";
    m::MADV_HWPOISON, "MADV_HWPOISON".refused(Errno::EPERM);
    m::MADV_SOFT_OFFLINE, "MADV_SOFT_OFFLINE".refused(Errno::EPERM);
    // Guards are not mappings: nothing would tell the replayer where they are.
    m::MADV_GUARD_INSTALL, "MADV_GUARD_INSTALL".refused(Errno::EINVAL);
    m::MADV_GUARD_REMOVE, "MADV_GUARD_REMOVE".refused(Errno::EINVAL);
}

//! prctl(2) and arch_prctl(2).

use crate::Errno;
use crate::call::{Class, Size, ThreadCall, fixed, out};
use crate::commands::commands;
use crate::consts::{arch, prctl as p};

commands! { TABLE:
    p::PR_SET_PDEATHSIG, "PR_SET_PDEATHSIG";
    p::PR_GET_PDEATHSIG, "PR_GET_PDEATHSIG".writes(&[fixed(1, 4)]);
    p::PR_GET_DUMPABLE, "PR_GET_DUMPABLE".is(Class::Thread(ThreadCall::Dumpable));
    p::PR_SET_DUMPABLE, "PR_SET_DUMPABLE".is(Class::Thread(ThreadCall::Dumpable));
    p::PR_GET_UNALIGN, "PR_GET_UNALIGN".writes(&[fixed(1, 4)]);
    p::PR_SET_UNALIGN, "PR_SET_UNALIGN";
    p::PR_GET_KEEPCAPS, "PR_GET_KEEPCAPS";
    p::PR_SET_KEEPCAPS, "PR_SET_KEEPCAPS";
    p::PR_GET_FPEMU, "PR_GET_FPEMU".writes(&[fixed(1, 4)]);
    p::PR_SET_FPEMU, "PR_SET_FPEMU";
    p::PR_GET_FPEXC, "PR_GET_FPEXC".writes(&[fixed(1, 4)]);
    p::PR_SET_FPEXC, "PR_SET_FPEXC";
    p::PR_GET_TIMING, "PR_GET_TIMING";
    p::PR_SET_TIMING, "PR_SET_TIMING";
    p::PR_SET_NAME, "PR_SET_NAME".is(Class::Thread(ThreadCall::SetName));
    p::PR_GET_NAME, "PR_GET_NAME".writes(&[fixed(1, 16)]);
    p::PR_GET_ENDIAN, "PR_GET_ENDIAN".writes(&[fixed(1, 4)]);
    p::PR_SET_ENDIAN, "PR_SET_ENDIAN";
    p::PR_GET_SECCOMP, "PR_GET_SECCOMP".is(Class::Thread(ThreadCall::Seccomp));
    p::PR_SET_SECCOMP, "PR_SET_SECCOMP".is(Class::Thread(ThreadCall::Seccomp));
    p::PR_CAPBSET_READ, "PR_CAPBSET_READ";
    p::PR_CAPBSET_DROP, "PR_CAPBSET_DROP";
    p::PR_GET_TSC, "PR_GET_TSC".is(Class::Thread(ThreadCall::Tsc));
    p::PR_SET_TSC, "PR_SET_TSC".is(Class::Thread(ThreadCall::Tsc));
    p::PR_GET_SECUREBITS, "PR_GET_SECUREBITS";
    p::PR_SET_SECUREBITS, "PR_SET_SECUREBITS";
    p::PR_SET_TIMERSLACK, "PR_SET_TIMERSLACK";
    p::PR_GET_TIMERSLACK, "PR_GET_TIMERSLACK";
    p::PR_TASK_PERF_EVENTS_DISABLE, "PR_TASK_PERF_EVENTS_DISABLE";
    p::PR_TASK_PERF_EVENTS_ENABLE, "PR_TASK_PERF_EVENTS_ENABLE";
    p::PR_MCE_KILL, "PR_MCE_KILL";
    p::PR_MCE_KILL_GET, "PR_MCE_KILL_GET";
    // Moves the heap and the stack in the kernel's books only.
    p::PR_SET_MM, "PR_SET_MM".refused(Errno::EPERM);
    p::PR_SET_CHILD_SUBREAPER, "PR_SET_CHILD_SUBREAPER";
    p::PR_GET_CHILD_SUBREAPER, "PR_GET_CHILD_SUBREAPER".writes(&[fixed(1, 4)]);
    p::PR_SET_NO_NEW_PRIVS, "PR_SET_NO_NEW_PRIVS".is(Class::Thread(ThreadCall::NoNewPrivs));
    p::PR_GET_NO_NEW_PRIVS, "PR_GET_NO_NEW_PRIVS".is(Class::Thread(ThreadCall::NoNewPrivs));
    p::PR_GET_TID_ADDRESS, "PR_GET_TID_ADDRESS".writes(&[fixed(1, 8)]);
    p::PR_SET_THP_DISABLE, "PR_SET_THP_DISABLE";
    p::PR_GET_THP_DISABLE, "PR_GET_THP_DISABLE";
    p::PR_CAP_AMBIENT, "PR_CAP_AMBIENT";
    p::PR_GET_SPECULATION_CTRL, "PR_GET_SPECULATION_CTRL";
    p::PR_SET_SPECULATION_CTRL, "PR_SET_SPECULATION_CTRL";
    p::PR_SET_IO_FLUSHER, "PR_SET_IO_FLUSHER";
    p::PR_GET_IO_FLUSHER, "PR_GET_IO_FLUSHER";
    p::PR_SET_SYSCALL_USER_DISPATCH, "PR_SET_SYSCALL_USER_DISPATCH"
        .is(Class::Thread(ThreadCall::UserDispatch));
    // Only PR_SCHED_CORE_GET (0 in the second argument) writes; for the others the fifth
    // argument is null.
    p::PR_SCHED_CORE, "PR_SCHED_CORE".writes(&[fixed(4, 8)]);
    // Would deny the mappings that the recorder injects.
    p::PR_SET_MDWE, "PR_SET_MDWE".refused(Errno::EINVAL);
    p::PR_GET_MDWE, "PR_GET_MDWE";
    p::PR_SET_MEMORY_MERGE, "PR_SET_MEMORY_MERGE";
    p::PR_GET_MEMORY_MERGE, "PR_GET_MEMORY_MERGE";
    p::PR_GET_AUXV, "PR_GET_AUXV".writes(&[out(1, Size::Result { cap: 2 })]);
    p::PR_SET_VMA, "PR_SET_VMA";
    // The tracer is the recorder, and stays it.
    p::PR_SET_PTRACER, "PR_SET_PTRACER".is(Class::Pretend(0));
}

commands! { ARCH:
    arch::ARCH_SET_GS, "ARCH_SET_GS".is(Class::Thread(ThreadCall::SegmentBase));
    arch::ARCH_SET_FS, "ARCH_SET_FS".is(Class::Thread(ThreadCall::SegmentBase));
    arch::ARCH_GET_FS, "ARCH_GET_FS".writes(&[fixed(1, 8)]);
    arch::ARCH_GET_GS, "ARCH_GET_GS".writes(&[fixed(1, 8)]);
    arch::ARCH_GET_CPUID, "ARCH_GET_CPUID".is(Class::Thread(ThreadCall::CpuidFaulting));
    arch::ARCH_SET_CPUID, "ARCH_SET_CPUID".is(Class::Thread(ThreadCall::CpuidFaulting));
    arch::ARCH_GET_XCOMP_SUPP, "ARCH_GET_XCOMP_SUPP".writes(&[fixed(1, 8)]);
    arch::ARCH_GET_XCOMP_PERM, "ARCH_GET_XCOMP_PERM".writes(&[fixed(1, 8)]);
    arch::ARCH_REQ_XCOMP_PERM, "ARCH_REQ_XCOMP_PERM".is(Class::Thread(ThreadCall::XcompPermission));
    arch::ARCH_GET_XCOMP_GUEST_PERM, "ARCH_GET_XCOMP_GUEST_PERM".writes(&[fixed(1, 8)]);
    arch::ARCH_REQ_XCOMP_GUEST_PERM, "ARCH_REQ_XCOMP_GUEST_PERM";
    // Would be a vdso that reads clocks without a call; a kernel without checkpoint/restore says the same.
    arch::ARCH_MAP_VDSO_X32, "ARCH_MAP_VDSO_X32".refused(Errno::EINVAL);
    arch::ARCH_MAP_VDSO_32, "ARCH_MAP_VDSO_32".refused(Errno::EINVAL);
    arch::ARCH_MAP_VDSO_64, "ARCH_MAP_VDSO_64".refused(Errno::EINVAL);
    // Linear address masking and shadow stacks: as on a processor that has neither.
    arch::ARCH_GET_UNTAG_MASK, "ARCH_GET_UNTAG_MASK".writes(&[fixed(1, 8)]);
    arch::ARCH_ENABLE_TAGGED_ADDR, "ARCH_ENABLE_TAGGED_ADDR".refused(Errno::ENODEV);
    arch::ARCH_GET_MAX_TAG_BITS, "ARCH_GET_MAX_TAG_BITS".writes(&[fixed(1, 8)]);
    arch::ARCH_FORCE_TAGGED_SVA, "ARCH_FORCE_TAGGED_SVA".refused(Errno::EINVAL);
    arch::ARCH_SHSTK_ENABLE, "ARCH_SHSTK_ENABLE".refused(Errno::EOPNOTSUPP);
    arch::ARCH_SHSTK_DISABLE, "ARCH_SHSTK_DISABLE".refused(Errno::EOPNOTSUPP);
    arch::ARCH_SHSTK_LOCK, "ARCH_SHSTK_LOCK".refused(Errno::EOPNOTSUPP);
    arch::ARCH_SHSTK_UNLOCK, "ARCH_SHSTK_UNLOCK".refused(Errno::EOPNOTSUPP);
    arch::ARCH_SHSTK_STATUS, "ARCH_SHSTK_STATUS".writes(&[fixed(1, 8)]);
}

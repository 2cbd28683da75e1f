//! CPUs: pinning, cpuid.
#![expect(unsafe_code, reason = "affinity calls and instructions that have no safe form")]

use std::sync::OnceLock;

use nix::libc;
use retake_model::Tid;

/// arch_prctl(2): whether `cpuid` is allowed.
pub const ARCH_SET_CPUID: u64 = 0x1012;

/// What cpuid answers for one leaf and subleaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuidAnswer {
    /// eax
    pub eax: u32,
    /// ebx
    pub ebx: u32,
    /// ecx
    pub ecx: u32,
    /// edx
    pub edx: u32,
}

/// Executes `cpuid`.
pub fn cpuid(leaf: u32, subleaf: u32) -> CpuidAnswer {
    let answer = std::arch::x86_64::__cpuid_count(leaf, subleaf);
    CpuidAnswer { eax: answer.eax, ebx: answer.ebx, ecx: answer.ecx, edx: answer.edx }
}

/// All that `cpuid` says, as `cpuid` gives it: leaf, subleaf, eax, ebx, ecx, edx.
pub fn cpuid_table(mut cpuid: impl FnMut(u32, u32) -> CpuidAnswer) -> Vec<[u32; 6]> {
    let mut table = Vec::new();
    for base in [0, 0x8000_0000] {
        let last = cpuid(base, 0).eax.min(base + 0x40);
        for leaf in base..=last {
            let subleaves = if matches!(leaf, 4 | 7 | 0xd) { 3 } else { 1 };
            for subleaf in 0..subleaves {
                let a = cpuid(leaf, subleaf);
                // Leaf 1 ebx has the APIC id of this very CPU in its top byte.
                let ebx = if leaf == 1 { a.ebx & 0x00ff_ffff } else { a.ebx };
                table.push([leaf, subleaf, a.eax, ebx, a.ecx, a.edx]);
            }
        }
    }
    table
}

/// Has `cpuid` fault in the calling thread, and in what it starts until they execute a program, or
/// ends that (arch_prctl(2), Linux 4.12). False where the processor cannot.
pub(crate) fn trap_cpuid(on: bool) -> bool {
    // SAFETY: arch_prctl with integer arguments.
    unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_SET_CPUID, u64::from(!on)) == 0 }
}

/// `XCR0`: which state components the system has turned on.
pub fn xgetbv_xcr0() -> u64 {
    // OSXSAVE, leaf 1 ecx bit 27
    if cpuid(1, 0).ecx & (1 << 27) == 0 {
        return 3;
    }
    let (low, high): (u32, u32);
    // SAFETY: OSXSAVE is set, so xgetbv with ecx 0 is allowed in user mode; it changes nothing else.
    unsafe {
        std::arch::asm!("xgetbv", in("ecx") 0, out("eax") low, out("edx") high,
            options(nomem, nostack, preserves_flags));
    }
    u64::from(high) << 32 | u64::from(low)
}

/// `struct sched_attr`, first version (sched_setattr(2)).
#[repr(C)]
struct SchedAttr {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

impl SchedAttr {
    const SIZE: u32 = 48;

    fn of(tid: Tid) -> Option<Self> {
        let mut attr = Self {
            size: Self::SIZE,
            policy: 0,
            flags: 0,
            nice: 0,
            priority: 0,
            runtime: 0,
            deadline: 0,
            period: 0,
        };
        let (call, number) = (libc::SYS_sched_getattr, tid.get());
        // SAFETY: `attr` has the layout and size that is said.
        let result = unsafe { libc::syscall(call, number, &raw mut attr, Self::SIZE, 0) };
        (result == 0).then_some(attr)
    }
}

/// Who gets short slices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShortSlices {
    /// The calling thread.
    Own,
    /// What it starts from here on as well.
    Inherited,
}

/// How soon a thread gets the CPU after it wakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wakes {
    /// At once, mostly.
    Soon,
    /// When the system finds that it is its turn.
    InTurn,
}

/// Asks the scheduler to give this thread the CPU soon after it wakes, for short times (Linux 6.12: a slice
/// of one's own for ordinary tasks, shown by sched_getattr(2)). Older kernels take no notice.
pub fn prefer_short_slices(whose: ShortSlices) -> Wakes {
    const RESET_ON_FORK: u64 = 1;
    const SLICE_NS: u64 = 100_000;
    let Some(now) = SchedAttr::of(CALLER) else { return Wakes::InTurn };
    let flags = match whose {
        ShortSlices::Own => RESET_ON_FORK,
        ShortSlices::Inherited => now.flags & RESET_ON_FORK,
    };
    let attr = SchedAttr { flags, runtime: SLICE_NS, size: SchedAttr::SIZE, ..now };
    // SAFETY: `attr` has the layout and size that it says; 0 is the calling thread.
    unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attr, 0) };
    match SchedAttr::of(CALLER) {
        Some(attr) if attr.runtime == SLICE_NS => Wakes::Soon,
        _ => Wakes::InTurn,
    }
}

/// How the system schedules a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheduling {
    /// `SCHED_OTHER` and so on (sched(7)).
    pub policy: u32,
    /// -20 to 19.
    pub nice: i32,
}

/// How the system schedules a task, if there is such a task.
pub fn scheduling_of(tid: Tid) -> Option<Scheduling> {
    SchedAttr::of(tid).map(|attr| Scheduling { policy: attr.policy, nice: attr.nice })
}

/// Lets this thread be no nicer than this, where it may.
pub fn be_no_nicer_than(nice: i32) {
    if SchedAttr::of(CALLER).is_some_and(|now| now.nice > nice) {
        set_nice(CALLER, nice);
    }
}

/// Sets a task's nice value, where this process may.
pub fn set_nice(tid: Tid, nice: i32) {
    let Ok(who) = libc::id_t::try_from(tid.get()) else { return };
    // SAFETY: setpriority has integer arguments only. On Linux it is of one task.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, who, nice) };
}

/// The CPU this thread runs on right now.
pub fn current_cpu() -> usize {
    // SAFETY: no arguments, no memory.
    let cpu = unsafe { libc::sched_getcpu() };
    usize::try_from(cpu).unwrap_or(0)
}

/// The calling thread, for calls that take a task's number.
const CALLER: Tid = Tid::new(0);

fn set_affinity(tid: Tid, set: &libc::cpu_set_t) -> std::io::Result<()> {
    // SAFETY: `set` is a valid cpu set of the size given.
    let result = unsafe { libc::sched_setaffinity(tid.get(), size_of::<libc::cpu_set_t>(), set) };
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

fn affinity() -> std::io::Result<libc::cpu_set_t> {
    // SAFETY: all-zero bytes are an empty cpu set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is valid for writes of the size given.
    let result = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) };
    if result == 0 { Ok(set) } else { Err(std::io::Error::last_os_error()) }
}

/// The CPUs that this process may use: those of the calling thread at the first call, or before the
/// first thread was bound to one. Never empty.
pub fn allowed_cpus() -> &'static [usize] {
    static ALLOWED: OnceLock<Vec<usize>> = OnceLock::new();
    ALLOWED.get_or_init(|| {
        let cpus = 0..8 * size_of::<libc::cpu_set_t>();
        let allowed = affinity().map(|set| {
            // SAFETY: CPU_ISSET checks the index against the set's size.
            cpus.filter(|cpu| unsafe { libc::CPU_ISSET(*cpu, &set) }).collect::<Vec<_>>()
        });
        allowed.ok().filter(|cpus| !cpus.is_empty()).unwrap_or_else(|| vec![current_cpu()])
    })
}

/// Binds the calling thread (and what it starts from here on) to one CPU.
///
/// # Errors
/// When the system refuses (the CPU is not in this process's cpuset).
pub fn pin_current_thread(cpu: usize) -> std::io::Result<()> {
    allowed_cpus();
    // SAFETY: all-zero bytes are an empty cpu set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: CPU_SET checks the index against the set's size.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    set_affinity(CALLER, &set)
}

/// Lets the calling thread run on every CPU that this process may use. Where the system refuses it
/// stays where it is.
pub fn unpin_current_thread() {
    unpin(CALLER);
}

/// The same for another task.
pub fn unpin(tid: Tid) {
    // SAFETY: all-zero bytes are an empty cpu set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    for cpu in 0..8 * size_of::<libc::cpu_set_t>() {
        // SAFETY: CPU_SET checks the index against the set's size.
        unsafe { libc::CPU_SET(cpu, &mut set) };
    }
    let _ = set_affinity(tid, &set);
}

/// Lets the calling thread run on every CPU of `allowed` but `cpu`, if that leaves one.
///
/// # Errors
/// When the system refuses.
pub fn unpin_from(cpu: usize) -> std::io::Result<()> {
    let mine = affinity()?;
    // SAFETY: all-zero bytes are an empty cpu set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    let online = std::thread::available_parallelism().map_or(1, usize::from).max(cpu + 1);
    let mut any = false;
    for other in (0..online.max(1024)).filter(|&other| other != cpu) {
        // SAFETY: CPU_SET checks the index against the set's size.
        unsafe { libc::CPU_SET(other, &mut set) };
        any = true;
    }
    if any && set_affinity(CALLER, &set).is_ok() {
        return Ok(());
    }
    set_affinity(CALLER, &mine)
}

//! CPUs: pinning, cpuid, time-stamp counter.
#![expect(unsafe_code, reason = "affinity calls and instructions that have no safe form")]

use nix::libc;

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

/// Reads the time-stamp counter.
pub fn read_tsc() -> u64 {
    // SAFETY: x86-64 always has rdtsc; this process has not turned it off for itself.
    unsafe { std::arch::x86_64::_rdtsc() }
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

/// The CPU this thread runs on right now.
pub fn current_cpu() -> usize {
    // SAFETY: no arguments, no memory.
    let cpu = unsafe { libc::sched_getcpu() };
    usize::try_from(cpu).unwrap_or(0)
}

fn set_affinity(set: &libc::cpu_set_t) -> std::io::Result<()> {
    // SAFETY: `set` is a valid cpu set of the size given.
    let result = unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), set) };
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

fn affinity() -> std::io::Result<libc::cpu_set_t> {
    // SAFETY: all-zero bytes are an empty cpu set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is valid for writes of the size given.
    let result = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) };
    if result == 0 { Ok(set) } else { Err(std::io::Error::last_os_error()) }
}

/// Binds the calling thread (and what it starts from here on) to one CPU.
///
/// # Errors
/// When the system refuses (the CPU is not in this process's cpuset).
pub fn pin_current_thread(cpu: usize) -> std::io::Result<()> {
    // SAFETY: all-zero bytes are an empty cpu set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: CPU_SET checks the index against the set's size.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    set_affinity(&set)
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
    if any && set_affinity(&set).is_ok() {
        return Ok(());
    }
    set_affinity(&mine)
}

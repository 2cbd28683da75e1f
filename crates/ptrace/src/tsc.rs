//! The time-stamp counter and `cpuid`: trapped in recorded programs, and best in their tracer too.
#![expect(unsafe_code, reason = "prctl, a signal handler, rdtsc and cpuid")]

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::OnceLock;
use std::time::Duration;

use nix::libc;
use retake_model::Tid;

use crate::Cpuid;
use crate::cpu::trap_cpuid;

const PR_SET_TSC: libc::c_int = 26;
const PR_TSC_ENABLE: libc::c_ulong = 1;
pub(crate) const PR_TSC_SIGSEGV: libc::c_ulong = 2;
/// `si_code` of a general-protection fault, which is what a trapped `rdtsc` gives.
const SI_KERNEL: i32 = 0x80;
const RDTSC: [u8; 2] = [0x0f, 0x31];
const RDTSCP: [u8; 2] = [0x0f, 0x01];

const CPUID: [u8; 2] = [0x0f, 0xa2];

thread_local! {
    static COUNTER: Cell<bool> = const { Cell::new(false) };
    static CPUID_TOO: Cell<bool> = const { Cell::new(false) };
}

/// What stood for SIGSEGV before [`recover`].
static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();

/// While it lives, what is trapped in the processes that this thread traces is trapped in it, too: the
/// time-stamp counter, and `cpuid` if that is.
///
/// Where the two differ, each switch between them writes a control register or a model-specific one,
/// and under a hypervisor that write is the larger part of a ptrace-stop. Measured for the two stops
/// of a call in one virtual machine: the counter alone 32 µs, and 13 µs without; in another one
/// `cpuid` 44 µs, and 11 µs without.
///
/// The thread must take the time from [`monotonic`]: `Instant::now` reads the counter. Where something
/// does all the same, the trap is lifted for the thread, which costs speed and nothing else. `cpuid`
/// is executed for whoever wants it.
#[derive(Debug)]
pub struct SameTraps {
    outer: bool,
    /// It is about the thread it was made in.
    thread: PhantomData<*const ()>,
}

impl SameTraps {
    /// Traps them in this thread. Where the system refuses, everything works, only slower.
    pub fn start(cpuid: Cpuid) -> Self {
        let outer = COUNTER.replace(true);
        if !outer {
            BEFORE.get_or_init(install_recovery);
            set(PR_TSC_SIGSEGV);
            if cpuid == Cpuid::Trapped {
                CPUID_TOO.set(trap_cpuid(true));
            }
        }
        Self { outer, thread: PhantomData }
    }

    /// Traps the counter again in a thread that is to trap it, where something has read it meanwhile.
    pub fn renew() {
        if COUNTER.get() {
            set(PR_TSC_SIGSEGV);
        }
    }
}

impl Drop for SameTraps {
    fn drop(&mut self) {
        if !self.outer {
            set(PR_TSC_ENABLE);
            COUNTER.set(false);
            if CPUID_TOO.replace(false) {
                trap_cpuid(false);
            }
        }
    }
}

/// Whether this processor and system can trap `cpuid`. (Whether they can shows when it is tried.)
pub fn can_trap_cpuid() -> bool {
    trap_cpuid(true) && trap_cpuid(CPUID_TOO.get())
}

/// Sets what `rdtsc` does in this thread; false if the system refuses.
pub(crate) fn set(what: libc::c_ulong) -> bool {
    // SAFETY: prctl with integer arguments.
    unsafe { libc::prctl(PR_SET_TSC, what, 0, 0, 0) == 0 }
}

fn install_recovery() -> libc::sigaction {
    // SAFETY: all-zero bytes are a valid sigaction: the default, no flags, empty mask.
    let mut before: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = recover as *const () as libc::sighandler_t;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: both are valid; the handler makes async-signal-safe calls only.
    unsafe { libc::sigaction(libc::SIGSEGV, &raw const action, &raw mut before) };
    before
}

/// Somebody read the counter although it is trapped: lift the trap and go on. Or executed `cpuid`: do
/// that in its place. For any other fault the former handler is put back, and the fault happens
/// again.
extern "C" fn recover(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel gives a siginfo to a handler with SA_SIGINFO.
    let info = unsafe { &*info };
    // SAFETY: and the context of what it interrupts, which is the handler's to change.
    let context = unsafe { &mut *context.cast::<libc::ucontext_t>() };
    let registers = &mut context.uc_mcontext.gregs;
    let rip = registers[libc::REG_RIP as usize];
    if info.si_code == SI_KERNEL {
        let code = std::ptr::with_exposed_provenance::<[u8; 2]>(usize::try_from(rip).unwrap_or(0));
        // SAFETY: this kind of fault comes from executing an instruction, which is there then. Of a
        // one-byte instruction at the very end of a mapping the second read faults: it is about to
        // be fatal in any case.
        let code = unsafe { code.read_unaligned() };
        if (code == RDTSC || code == RDTSCP) && set(PR_TSC_ENABLE) {
            return;
        }
        if code == CPUID && trap_cpuid(false) {
            execute_cpuid(registers);
            // A thread that was started while its parent had the trap is better without.
            trap_cpuid(CPUID_TOO.get());
            return;
        }
    }
    if let Some(before) = BEFORE.get() {
        // SAFETY: `before` came from the kernel.
        unsafe { libc::sigaction(signal, before, std::ptr::null_mut()) };
    } else {
        // SAFETY: setting a disposition to the default touches no memory.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// Does what the instruction that was trapped does, and goes past it.
fn execute_cpuid(registers: &mut [libc::greg_t; 23]) {
    let low = |register: libc::greg_t| u32::try_from(register & 0xffff_ffff).unwrap_or(0);
    let (rax, rcx) = (libc::REG_RAX as usize, libc::REG_RCX as usize);
    let answer = crate::cpu::cpuid(low(registers[rax]), low(registers[rcx]));
    for (register, value) in [
        (rax, answer.eax),
        (libc::REG_RBX as usize, answer.ebx),
        (rcx, answer.ecx),
        (libc::REG_RDX as usize, answer.edx),
    ] {
        registers[register] = i64::from(value);
    }
    registers[libc::REG_RIP as usize] += 2;
}

/// Reads the time-stamp counter.
pub fn read_tsc() -> u64 {
    let trapped = COUNTER.get();
    if trapped {
        set(PR_TSC_ENABLE);
    }
    // SAFETY: x86-64 always has rdtsc; it is not trapped here now.
    let tsc = unsafe { std::arch::x86_64::_rdtsc() };
    if trapped {
        set(PR_TSC_SIGSEGV);
    }
    tsc
}

/// A clock of the system, the same for all processes (of a time namespace).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock(libc::clockid_t);

impl Clock {
    /// Time of day.
    pub const REALTIME: Self = Self(libc::CLOCK_REALTIME);
    /// Time of day as of the last tick.
    pub const REALTIME_COARSE: Self = Self(libc::CLOCK_REALTIME_COARSE);

    /// The clock that clock_gettime(2) means by this argument; `None` for clocks of processes, threads
    /// and devices, and for numbers that mean nothing.
    pub fn from_id(id: u64) -> Option<Self> {
        const KNOWN: [libc::clockid_t; 6] = [
            libc::CLOCK_REALTIME,
            libc::CLOCK_MONOTONIC,
            libc::CLOCK_MONOTONIC_RAW,
            libc::CLOCK_REALTIME_COARSE,
            libc::CLOCK_MONOTONIC_COARSE,
            libc::CLOCK_BOOTTIME,
        ];
        // The kernel looks at 32 bits.
        let id = id & 0xffff_ffff;
        KNOWN.into_iter().find(|known| u64::try_from(*known) == Ok(id)).map(Self)
    }
}

/// Time on the monotonic clock, asked of the kernel: also where the counter is trapped.
pub fn monotonic() -> Duration {
    clock(Clock(libc::CLOCK_MONOTONIC))
}

/// CPU time that a process has used; zero once it is gone.
pub fn process_cpu_time(pid: Tid) -> Duration {
    // `CPUCLOCK_SCHED` of the process (linux/posix-timers_types.h); clock_getcpuclockid(3) does this.
    clock(Clock((!pid.get() << 3) | 2))
}

/// CPU time that this thread has used.
pub fn own_cpu_time() -> Duration {
    clock(Clock(libc::CLOCK_THREAD_CPUTIME_ID))
}

/// What a clock says, asked of the kernel.
pub fn clock(which: Clock) -> Duration {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a valid place for the result. (clock_gettime(3) would read the counter.)
    unsafe { libc::syscall(libc::SYS_clock_gettime, which.0, &raw mut now) };
    let nanos = u32::try_from(now.tv_nsec).unwrap_or(0);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), nanos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn reading_the_counter_lifts_the_trap() {
        let trapped = SameTraps::start(Cpuid::Executed);
        let before = monotonic();
        let _ = Instant::now();
        // SAFETY: traps if the line above did not lift it, and is recovered from then.
        assert!(unsafe { std::arch::x86_64::_rdtsc() } > 0);
        assert!(monotonic() >= before);
        drop(trapped);
        assert!(read_tsc() > 0);
    }

    #[test]
    fn cpuid_answers_where_it_is_trapped() {
        let plain = crate::cpu::cpuid(0, 0);
        let trapped = SameTraps::start(Cpuid::Trapped);
        assert_eq!(crate::cpu::cpuid(0, 0), plain);
        assert_eq!(crate::cpu::cpuid(0, 0), plain);
        // A thread that inherits it.
        let inherits = std::thread::spawn(|| crate::cpu::cpuid(0, 0));
        assert_eq!(inherits.join().ok(), Some(plain));
        drop(trapped);
        assert_eq!(crate::cpu::cpuid(0, 0), plain);
    }

    #[test]
    fn the_counter_can_be_read_on_purpose() {
        let _trapped = SameTraps::start(Cpuid::Executed);
        let first = read_tsc();
        assert!(read_tsc() > first);
    }
}

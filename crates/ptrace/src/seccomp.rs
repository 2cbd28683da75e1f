//! Seccomp filters of recorded and of replaying processes.

use nix::libc;

/// `AUDIT_ARCH_X86_64`
const ARCH_X86_64: u32 = 0xc000_003e;
/// Offsets in `struct seccomp_data` (linux/seccomp.h).
const DATA_NR: u32 = 0;
const DATA_ARCH: u32 = 4;
const DATA_IP: u32 = 8;
/// The fifth argument.
const DATA_FD: u32 = 16 + 4 * 8;

/// What the recording filter says with calls that are not of the table of x86-64.
pub(crate) const OTHER_TABLE: u32 = 1;
/// What it says with calls that it stops by a signal, beside [`OTHER_TABLE`]: its SIGSYS is known by that.
pub(crate) const BY_SIGNAL: u32 = 0x72f6;

/// How the recording filter stops a task at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallStops {
    /// At its entry (`SECCOMP_RET_TRACE`).
    AtEntry,
    /// By a SIGSYS (`SECCOMP_RET_TRAP`), as [`StopEvent::Seccomp`](crate::StopEvent::Seccomp) as well. Of several
    /// filters' actions the most severe is taken: this one comes before those of a filter that answers calls
    /// with an error.
    BySignal,
}

/// Calls that a replaying process may really make: those that shape its memory, make tasks, and end
/// it; `recvmsg` and `close` fetch the recorded files from the replayer.
pub const REPLAY_CALLS: [i64; 16] = [
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_clone,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_recvmsg,
    libc::SYS_close,
    libc::SYS_rt_sigprocmask,
    libc::SYS_sigaltstack,
    libc::SYS_prctl,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_modify_ldt,
];

/// Where the vsyscall page is (arch/x86/include/uapi/asm/vsyscall.h).
pub(crate) const VSYSCALL_PAGE: u64 = 0xffff_ffff_ff60_0000;
/// Instructions that [`Filter::confine_replay`] has for calls of that page.
const VSYSCALL_CHECK: u8 = 7;

/// A classic BPF program for seccomp(2).
#[derive(Clone, Debug)]
pub struct Filter {
    pub(crate) code: Vec<libc::sock_filter>,
}

const fn op(code: u32, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    #[expect(clippy::cast_possible_truncation, reason = "BPF opcodes fit 16 bits")]
    libc::sock_filter { code: code as u16, jt, jf, k }
}

const fn load(offset: u32) -> libc::sock_filter {
    op(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset)
}

const fn jump_if(k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    op(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, jt, jf, k)
}

const fn give(action: u32) -> libc::sock_filter {
    op(libc::BPF_RET | libc::BPF_K, 0, 0, action)
}

#[expect(clippy::cast_possible_truncation, reason = "takes the halves of a 64-bit word")]
const fn halves(word: u64) -> (u32, u32) {
    (word as u32, (word >> 32) as u32)
}

impl Filter {
    /// Recording: every call is stopped, but for those whose instruction ends at one of these addresses
    /// (the recorder's own), and an `mmap` of no file with the descriptor `map_with`.
    /// [`Stopped::calls_by_other_table`](crate::Stopped::calls_by_other_table) tells which table they are of.
    pub fn stop_all_but(untraced: &[u64], map_with: u64, stops: CallStops) -> Self {
        let mut code = Vec::new();
        for ip in untraced {
            let (low, high) = halves(*ip);
            code.extend([
                load(DATA_IP),
                jump_if(low, 0, 3),
                load(DATA_IP + 4),
                jump_if(high, 0, 1),
                give(libc::SECCOMP_RET_ALLOW),
            ]);
        }
        let (low, high) = halves(map_with);
        let action = match stops {
            CallStops::AtEntry => libc::SECCOMP_RET_TRACE,
            CallStops::BySignal => libc::SECCOMP_RET_TRAP | BY_SIGNAL,
        };
        code.extend([
            load(DATA_NR),
            jump_if(u32::try_from(libc::SYS_mmap).unwrap_or(u32::MAX), 0, 5),
            load(DATA_FD),
            jump_if(low, 0, 3),
            load(DATA_FD + 4),
            jump_if(high, 0, 1),
            give(libc::SECCOMP_RET_ALLOW),
            load(DATA_ARCH),
            jump_if(ARCH_X86_64, 1, 0),
            give(action | OTHER_TABLE),
            give(action),
        ]);
        Self { code }
    }

    /// Replay: only [`REPLAY_CALLS`], anything else ends the process. Calls of the vsyscall page, which
    /// `PTRACE_SYSEMU` does not see, are traced.
    pub fn confine_replay() -> Self {
        let n = u8::try_from(REPLAY_CALLS.len()).unwrap_or(u8::MAX);
        let mut code = vec![load(DATA_ARCH), jump_if(ARCH_X86_64, 1, 0)];
        code.push(give(libc::SECCOMP_RET_KILL_PROCESS));
        code.push(load(DATA_NR));
        for (i, call) in (0_u8..).zip(REPLAY_CALLS) {
            code.push(jump_if(
                u32::try_from(call).unwrap_or(u32::MAX),
                n - i - 1 + VSYSCALL_CHECK,
                0,
            ));
        }
        let (low, high) = halves(VSYSCALL_PAGE);
        let vsyscall: [_; VSYSCALL_CHECK as usize] = [
            load(DATA_IP + 4),
            jump_if(high, 0, 4),
            load(DATA_IP),
            op(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, 0, 0, !0xfff),
            jump_if(low, 0, 1),
            give(libc::SECCOMP_RET_TRACE),
            give(libc::SECCOMP_RET_KILL_PROCESS),
        ];
        code.extend(vsyscall);
        code.push(give(libc::SECCOMP_RET_ALLOW));
        Self { code }
    }
}

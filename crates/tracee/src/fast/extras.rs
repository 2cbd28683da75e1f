//! What must hold for single calls besides what their rows say.

use iced_x86::IcedError;
use iced_x86::code_asm::{
    CodeAssembler, CodeLabel, byte_ptr, dword_ptr, edi, edx, esi, qword_ptr, r9, r9d, r11, rdi,
    rdx, rsi,
};

use retake_abi::consts::fcntl::{F_DUPFD_CLOEXEC, F_SETFL};

use super::code::{small, word};
use super::entry::LEN;
use super::layout::{FD_COUNT, FD_KINDS};
use super::rows::{Arg, Extra};

/// Flags of open(2) that change a file, or need not be a file's: `O_TRUNC`, `O_TMPFILE`.
const OPEN_CHANGES: i32 = 0x200 | 0x40_0000;
/// Flags of recvfrom(2) that wait, or give something else: `MSG_WAITALL`, `MSG_ERRQUEUE`, `MSG_OOB`.
const RECV_WAITS: i32 = 0x100 | 0x2000 | 1;
/// Commands of ioctl(2): `TCGETS`, `TIOCGWINSZ`, `FIONREAD`, `FIOCLEX`, and what they write.
const IOCTLS: [(i32, i32); 4] = [(0x5401, 36), (0x5413, 8), (0x541b, 4), (0x5451, 0)];

/// Where jumps go that several parts of the code have.
pub(super) struct Ways {
    /// The call is made.
    pub(super) ready: CodeLabel,
    /// The call is left to the stub.
    pub(super) slow: CodeLabel,
}

/// What must hold besides for the call whose row says so in `r9d`, or is done besides. The entry is at `r11`.
pub(super) fn extras(a: &mut CodeAssembler, ways: &mut Ways) -> Result<(), IcedError> {
    let (ready, slow) = (ways.ready, ways.slow);
    a.test(r9d, r9d)?;
    a.je(ready)?;
    let arg = |arg: Arg| i32::from(arg as u8);
    let only = |a: &mut CodeAssembler,
                extra: Extra,
                part: &mut dyn FnMut(&mut CodeAssembler) -> Result<(), IcedError>|
     -> Result<(), IcedError> {
        let mut next = a.create_label();
        a.cmp(r9d, extra as i32)?;
        a.jne(next)?;
        part(a)?;
        a.jmp(ready)?;
        a.set_label(&mut next)
    };
    only(a, Extra::OpenAt, &mut |a| {
        a.test(edx, OPEN_CHANGES)?;
        a.jne(slow)
    })?;
    only(a, Extra::Close, &mut |a| {
        a.mov(r9d, edi)?;
        a.cmp(r9d, i32::try_from(FD_COUNT).unwrap_or(0))?;
        a.jae(ready)?;
        a.mov(byte_ptr(r9 + FD_KINDS.get()), 0)
    })?;
    only(a, Extra::Fcntl, &mut |a| {
        // F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL: 0 to 4.
        a.cmp(esi, small(F_DUPFD_CLOEXEC))?;
        a.je(ready)?;
        a.cmp(esi, small(F_SETFL))?;
        a.ja(slow)
    })?;
    only(a, Extra::Ioctl, &mut |a| {
        for (command, len) in IOCTLS {
            a.mov(dword_ptr(r11 + word(LEN)), len)?;
            a.cmp(esi, command)?;
            a.je(ready)?;
        }
        a.jmp(slow)
    })?;
    only(a, Extra::Recv, &mut |a| {
        a.cmp(qword_ptr(r11 + arg(Arg::Fifth)), 0)?;
        a.jne(slow)?;
        a.test(dword_ptr(r11 + arg(Arg::Fourth)), RECV_WAITS)?;
        a.jne(slow)
    })?;
    only(a, Extra::Epoll, &mut |a| {
        a.cmp(dword_ptr(r11 + arg(Arg::Fourth)), 0)?;
        a.jne(slow)
    })?;
    only(a, Extra::Open, &mut |a| {
        a.test(esi, OPEN_CHANGES)?;
        a.jne(slow)
    })?;
    only(a, Extra::TimeOfDay, &mut |a| {
        a.test(rdi, rdi)?;
        a.je(slow)?;
        a.test(rsi, rsi)?;
        a.jne(slow)
    })?;
    only(a, Extra::Time, &mut |a| {
        a.test(rdi, rdi)?;
        a.jne(slow)
    })?;
    only(a, Extra::Limit, &mut |a| {
        a.test(rdx, rdx)?;
        a.jne(slow)
    })?;
    a.jmp(slow)
}

//! What the code asks the kernel besides. None of that is an event: see [`FastCode::is_question`].
//!
//! [`FastCode::is_question`]: super::FastCode::is_question

use iced_x86::IcedError;
use iced_x86::code_asm::{
    CodeAssembler, CodeLabel, byte_ptr, dword_ptr, eax, ecx, edi, edx, esi, qword_ptr, r8, r9, r9d,
    r10d, r11, rax, rcx, rdi, rdx, rsi,
};

use retake_abi::consts::open::O_ACCMODE;
use retake_abi::nr;
use retake_model::{Addr, Registers};

use super::code::{WOULD_NOT_WAIT, restore, small, word};
use super::entry::{ASKED, LEN, RESULT};
use super::extras::Ways;
use super::fds::FdKind;
use super::layout::{
    CURSOR, FD_COUNT, FD_KINDS, LOOKED_AT, LOOKED_AT_LEN, PLAIN_DEVICE_COUNT, PLAIN_DEVICES,
};
use super::rows::{Arg, Extra};

/// Bytes that a pipe takes at once, or not at all (`PIPE_BUF`, pipe(7)).
const AT_ONCE: i32 = 4096;
/// A pipe of 16 pages has room for new bytes if these, and twice those in it, are no more: of any two pages that follow
/// each other more than a half is in use, and the first and the last may hold one byte (`pipe_write` in the kernel's
/// fs/pipe.c: only what is left over from whole pages goes to a page that is begun).
const FULL: i32 = 13 * 4096;
/// What is said of a pipe of which nothing is said.
const UNKNOWN: i32 = 0x7fff_ffff;
const POLLIN: i32 = 1;
const POLLOUT: i32 = 4;
const FIONREAD: i32 = 0x541b;
/// Of `poll`, to tell the questions apart by `rsi`.
const ONE_DESCRIPTOR: i32 = 1;
/// `st_mode` in `struct stat`, and what is in it: `S_IFMT`, `S_IFREG`, `S_IFDIR`.
const MODE: u64 = LOOKED_AT + 24;
const TYPE: i32 = 0xf000;
const REGULAR: i32 = 0x8000;
const FOLDER: i32 = 0x4000;

/// Emits the question whether the call would wait: to `call` if it would not. The entry is at `r11`, the row at `r8`.
/// The label is behind the `syscall` instruction.
pub(super) fn ask_whether_it_waits(
    a: &mut CodeAssembler,
    ways: &mut Ways,
    call: CodeLabel,
) -> Result<CodeLabel, IcedError> {
    let mut labels = || a.create_label();
    let (mut after, mut reading, mut ask, mut measured) = (labels(), labels(), labels(), labels());
    let (mut would_not, mut fine) = (labels(), labels());
    let cursor = || qword_ptr(CURSOR.get());
    let kind = || byte_ptr(r11 + word(LEN) + 4);
    a.test(kind(), i32::from(FdKind::MAY_WAIT.byte()))?;
    a.je(call)?;
    a.mov(ecx, POLLIN)?;
    a.test(byte_ptr(r8 + 1), i32::from(FdKind::WRITE.byte()))?;
    a.je(reading)?;
    a.mov(ecx, POLLOUT)?;
    is_large(a, reading)?;
    a.test(kind(), i32::from(FdKind::PIPE.byte()))?;
    a.je(ways.slow)?;
    a.set_label(&mut reading)?;
    a.shl(rcx, 32)?;
    a.mov(edi, edi)?;
    a.or(rcx, rdi)?;
    a.mov(qword_ptr(r11 + word(ASKED)), rcx)?;
    a.lea(rdi, qword_ptr(r11 + word(ASKED)))?;
    a.mov(esi, ONE_DESCRIPTOR)?;
    a.xor(edx, edx)?;
    a.mov(eax, nr::POLL.get())?;
    a.set_label(&mut ask)?;
    // The flags are the same whatever way led here.
    a.cmp(r11, r11)?;
    a.syscall()?;
    a.set_label(&mut after)?;
    a.mov(r11, cursor())?;
    a.mov(rcx, qword_ptr(r11 + word(ASKED)))?;
    a.mov(qword_ptr(r11 + word(ASKED)), 0)?;
    a.mov(r10d, esi)?;
    restore(a, r11, &[rdi, rsi, rdx])?;
    a.cmp(r10d, FIONREAD)?;
    a.je(measured)?;
    a.cmp(eax, small(WOULD_NOT_WAIT))?;
    a.je(would_not)?;
    a.cmp(eax, 1)?;
    a.jne(ways.slow)?;
    // An end or an error may come with a signal: only what was asked for is good.
    a.mov(r9, rcx)?;
    a.shr(rcx, 48)?;
    a.shl(r9, 16)?;
    a.shr(r9, 48)?;
    a.cmp(ecx, r9d)?;
    a.jne(ways.slow)?;

    // A pipe that takes some bytes does not take many.
    a.set_label(&mut would_not)?;
    a.test(byte_ptr(r8 + 1), i32::from(FdKind::WRITE.byte()))?;
    a.je(fine)?;
    is_large(a, fine)?;
    a.mov(qword_ptr(r11 + word(ASKED)), UNKNOWN)?;
    a.lea(rdx, qword_ptr(r11 + word(ASKED)))?;
    a.mov(esi, FIONREAD)?;
    a.mov(eax, nr::IOCTL.get())?;
    a.jmp(ask)?;
    a.set_label(&mut measured)?;
    a.cmp(eax, small(WOULD_NOT_WAIT))?;
    a.je(fine)?;
    a.test(eax, eax)?;
    a.jne(ways.slow)?;
    a.movzx(r9d, byte_ptr(r8 + 3))?;
    a.add(rcx, rcx)?;
    a.add(rcx, qword_ptr(r11 + r9))?;
    a.cmp(rcx, FULL)?;
    a.ja(ways.slow)?;
    a.set_label(&mut fine)?;
    a.mov(rax, qword_ptr(r11 + 8))?;
    Ok(after)
}

/// What memory had at `asked` before the kernel answered.
pub(super) fn unanswered_probe(registers: &Registers, asked: Addr) -> Option<(Addr, Vec<u8>)> {
    /// `revents` in `struct pollfd`.
    const REVENTS: u64 = 6;
    if registers.rsi == FIONREAD.cast_unsigned().into() {
        return Some((asked, UNKNOWN.to_le_bytes().to_vec()));
    }
    Some((asked.checked_add(REVENTS)?, vec![0; 2]))
}

/// Goes to `small` unless the call has more bytes than a pipe takes at once.
fn is_large(a: &mut CodeAssembler, small: CodeLabel) -> Result<(), IcedError> {
    a.movzx(r9d, byte_ptr(r8 + 3))?;
    a.cmp(qword_ptr(r11 + r9), AT_ONCE)?;
    a.jbe(small)
}

/// Emits the look at a file that was opened to be read: if it is one that never waits, the table of descriptors says so
/// from here on, as does the entry. That is at `rcx`, the result in `rax`, the row at `r11`. In replay the table says it
/// already: that is an effect of the call. The label is behind the `syscall` instruction.
pub(super) fn look_at_opened(a: &mut CodeAssembler) -> Result<CodeLabel, IcedError> {
    const { assert!(Extra::OpenAt as i32 == Extra::Open as i32 + 1) };
    let mut labels = || a.create_label();
    let (mut after, mut known, mut wipe, mut done) = (labels(), labels(), labels(), labels());
    let mut is_plain = labels();
    a.movzx(esi, byte_ptr(r11 + 6))?;
    a.sub(esi, Extra::Open as i32)?;
    a.cmp(esi, 1)?;
    a.ja(done)?;
    // The flags are in the second argument, or in the third.
    a.test(dword_ptr(rcx + rsi * 8 + i32::from(Arg::Second as u8)), small(O_ACCMODE))?;
    a.jne(done)?;
    a.cmp(rax, i32::try_from(FD_COUNT).unwrap_or(0))?;
    a.jae(done)?;
    a.movzx(esi, byte_ptr(rax + FD_KINDS.get()))?;
    a.mov(dword_ptr(rcx + word(LEN) + 4), esi)?;
    a.test(esi, esi)?;
    a.jne(done)?;
    a.mov(edi, eax)?;
    a.mov(esi, small(LOOKED_AT))?;
    a.mov(eax, nr::FSTAT.get())?;
    a.cmp(rsi, rsi)?;
    a.syscall()?;
    a.set_label(&mut after)?;
    a.mov(rcx, qword_ptr(CURSOR.get()))?;
    a.mov(rsi, qword_ptr(LOOKED_AT))?;
    a.test(rsi, rsi)?;
    a.je(wipe)?;
    for n in 0..PLAIN_DEVICE_COUNT as u64 {
        a.cmp(rsi, qword_ptr(PLAIN_DEVICES.get() + 8 * n))?;
        a.je(known)?;
    }
    a.jmp(wipe)?;
    a.set_label(&mut known)?;
    a.mov(esi, dword_ptr(MODE))?;
    a.and(esi, TYPE)?;
    a.cmp(esi, REGULAR)?;
    a.je(is_plain)?;
    a.cmp(esi, FOLDER)?;
    a.jne(wipe)?;
    a.set_label(&mut is_plain)?;
    a.mov(rax, qword_ptr(rcx + word(RESULT)))?;
    a.mov(byte_ptr(rax + FD_KINDS.get()), i32::from(FdKind::READ.byte()))?;
    a.mov(byte_ptr(rcx + word(LEN) + 4), i32::from(FdKind::READ.byte()))?;
    a.set_label(&mut wipe)?;
    a.mov(edi, small(LOOKED_AT))?;
    a.mov(ecx, small(LOOKED_AT_LEN / 8))?;
    a.xor(eax, eax)?;
    a.cld()?;
    a.rep().stosq()?;
    a.mov(rcx, qword_ptr(CURSOR.get()))?;
    a.set_label(&mut done)?;
    Ok(after)
}

//! The code.

use iced_x86::BlockEncoderOptions;
use iced_x86::IcedError;
use iced_x86::code_asm::{
    AsmRegister64, CodeAssembler, byte_ptr, dword_ptr, ecx, edi, esi, qword_ptr, r8, r9, r9d, r10,
    r10d, r11, r11b, r11d, r12, r13, r14, r15, rax, rbp, rbx, rcx, rdi, rdx, rsi, rsp, word_ptr,
};
use retake_model::{Addr, PAGE_SIZE, Registers};

use super::entry::{ASKED, FLAGS, FS_BASE, GS_BASE, HEADER, LEN, RESULT};
use super::extras::{Ways, extras};
use super::layout::{
    CODE, CURSOR, ENTRIES_END, FD_COUNT, FD_KINDS, FIRST_ENTRY, LAST_START, LOOKED_AT,
    LOOKED_AT_LEN, MOST_BYTES, ROW_COUNT, ROWS, TURNS,
};
use super::questions::{ask_whether_it_waits, look_at_opened, unanswered_probe};
use super::rows::{Mode, table, table_of_none};

/// Registers in the order in which an entry has them, after the stub's address and the number.
const SAVED: [AsmRegister64; 13] = [rbx, rbp, rsp, rdi, rsi, rdx, r8, r9, r10, r12, r13, r14, r15];
/// What replay answers to the code's question whether a call would wait, if it would not. The kernel says 1,
/// for the one descriptor, and what is to be said of it.
pub const WOULD_NOT_WAIT: u64 = 2;
const DIRECTION_FLAG: i32 = 0x400;

/// The assembled code.
#[derive(Clone, Debug)]
pub struct FastCode {
    bytes: Vec<u8>,
    /// The address after its `syscall` instruction.
    pub after_call: Addr,
    /// The address after the one with which it asks whether a call would wait.
    pub after_probe: Addr,
    /// The address after the one with which it looks at an opened file.
    pub after_look: Addr,
    /// From here on result and flags are in the entry.
    written: Addr,
    /// From here on the cursor is past the entry.
    logged: Addr,
    /// Its last instruction, by which it is left.
    pub exit: Addr,
}

pub(super) fn small(value: u64) -> i32 {
    i32::try_from(value).unwrap_or(0)
}

pub(super) fn word(n: usize) -> i32 {
    8 * i32::try_from(n).unwrap_or(0)
}

impl FastCode {
    /// Assembles it.
    ///
    /// # Errors
    /// Never, unless an instruction is written wrongly.
    pub fn assemble() -> Result<Self, IcedError> {
        let cursor = || qword_ptr(CURSOR.get());
        let mut a = CodeAssembler::new(64)?;
        let mut labels = || a.create_label();
        let (mut slow_at_once, mut wrap_at_once, mut wrap) = (labels(), labels(), labels());
        let (mut any_descriptor, mut any_length, mut call) = (labels(), labels(), labels());
        let (mut after_call, mut written) = (labels(), labels());
        let (mut no_bytes, mut with_bytes, mut fixed) = (labels(), labels(), labels());
        let (mut store, mut logged, mut forwards, mut exit) =
            (labels(), labels(), labels(), labels());
        let mut ways = Ways { ready: labels(), slow: labels() };

        // Is it one of ours?
        a.cmp(rax, i32::try_from(ROW_COUNT).unwrap_or(0) - 1)?;
        a.ja(slow_at_once)?;
        a.mov(r11, qword_ptr(rax * 8 + ROWS))?;
        a.test(r11b, r11b)?;
        a.je(slow_at_once)?;

        // The entry, as far as it is known. What it has, is free to be used.
        a.mov(r11, cursor())?;
        a.cmp(r11, small(LAST_START))?;
        a.jae(wrap_at_once)?;
        a.mov(qword_ptr(r11), rcx)?;
        a.mov(qword_ptr(r11 + 8), rax)?;
        for (n, register) in SAVED.into_iter().enumerate() {
            a.mov(qword_ptr(r11 + word(2 + n)), register)?;
        }
        a.rdfsbase(rcx)?;
        a.mov(qword_ptr(r11 + word(FS_BASE)), rcx)?;
        a.rdgsbase(rcx)?;
        a.mov(qword_ptr(r11 + word(GS_BASE)), rcx)?;
        a.lea(r8, qword_ptr(rax * 8 + ROWS))?;
        a.movzx(ecx, word_ptr(r8 + 4))?;
        a.mov(qword_ptr(r11 + word(LEN)), rcx)?;

        // What is known of the descriptor?
        a.movzx(r9d, byte_ptr(r8 + 1))?;
        a.test(r9d, r9d)?;
        a.je(any_descriptor)?;
        a.mov(r10d, edi)?;
        a.cmp(r10d, i32::try_from(FD_COUNT).unwrap_or(0))?;
        a.jae(ways.slow)?;
        a.movzx(r10d, byte_ptr(r10 + FD_KINDS.get()))?;
        a.mov(dword_ptr(r11 + word(LEN) + 4), r10d)?;
        a.mov(ecx, r10d)?;
        a.and(ecx, r9d)?;
        a.cmp(ecx, r9d)?;
        a.jne(ways.slow)?;

        // Is there room for what the result may tell?
        a.set_label(&mut any_descriptor)?;
        a.movzx(r9d, byte_ptr(r8 + 3))?;
        a.test(r9d, r9d)?;
        a.je(any_length)?;
        a.mov(rcx, qword_ptr(r11 + r9))?;
        a.cmp(rcx, small(MOST_BYTES))?;
        a.ja(ways.slow)?;
        a.movzx(r9d, byte_ptr(r8 + 7))?;
        a.imul_2(rcx, r9)?;
        a.cmp(rcx, small(MOST_BYTES))?;
        a.ja(ways.slow)?;
        a.lea(r9, qword_ptr(r11 + rcx + (small(HEADER) + 8)))?;
        a.cmp(r9, small(ENTRIES_END.get()))?;
        a.ja(wrap)?;

        a.set_label(&mut any_length)?;
        a.movzx(r9d, byte_ptr(r8 + 6))?;
        extras(&mut a, &mut ways)?;

        a.set_label(&mut ways.ready)?;
        let after_probe = ask_whether_it_waits(&mut a, &mut ways, call)?;

        a.set_label(&mut call)?;
        restore(&mut a, r11, &[r8, r9, r10])?;
        // The flags are the same whatever way led here.
        a.cmp(r11, r11)?;
        a.syscall()?;
        a.set_label(&mut after_call)?;
        a.mov(rcx, cursor())?;
        a.mov(qword_ptr(rcx + word(RESULT)), rax)?;
        a.mov(qword_ptr(rcx + word(FLAGS)), r11)?;

        // What it wrote, or took.
        a.set_label(&mut written)?;
        a.mov(r11, qword_ptr(rcx + 8))?;
        a.lea(r11, qword_ptr(r11 * 8 + ROWS))?;
        a.movzx(esi, byte_ptr(r11))?;
        a.cmp(esi, Mode::Fixed as i32)?;
        a.jb(no_bytes)?;
        a.je(fixed)?;
        a.test(rax, rax)?;
        a.jle(no_bytes)?;
        a.movzx(esi, byte_ptr(r11 + 3))?;
        a.mov(rdi, qword_ptr(rcx + rsi))?;
        a.cmp(rdi, rax)?;
        a.cmova(rdi, rax)?;
        a.movzx(esi, byte_ptr(r11 + 7))?;
        a.imul_2(rdi, rsi)?;
        a.jmp(with_bytes)?;
        a.set_label(&mut fixed)?;
        a.test(rax, rax)?;
        a.jne(no_bytes)?;
        a.mov(edi, dword_ptr(rcx + word(LEN)))?;
        a.set_label(&mut with_bytes)?;
        a.movzx(esi, byte_ptr(r11 + 2))?;
        a.mov(rsi, qword_ptr(rcx + rsi))?;
        a.test(rsi, rsi)?;
        a.je(no_bytes)?;
        a.mov(dword_ptr(rcx + word(LEN)), edi)?;
        a.mov(r11, rdi)?;
        a.lea(rdi, qword_ptr(rcx + small(HEADER)))?;
        a.mov(rcx, r11)?;
        a.cld()?;
        a.rep().movsb()?;
        a.add(rdi, 7)?;
        a.and(rdi, -8)?;
        a.mov(rcx, cursor())?;
        a.jmp(store)?;
        a.set_label(&mut no_bytes)?;
        let after_look = look_at_opened(&mut a)?;
        a.mov(dword_ptr(rcx + word(LEN)), 0)?;
        a.lea(rdi, qword_ptr(rcx + small(HEADER)))?;
        a.set_label(&mut store)?;
        a.mov(cursor(), rdi)?;
        a.set_label(&mut logged)?;
        restore(&mut a, rcx, &[rdi, rsi])?;
        a.mov(r11, qword_ptr(rcx + word(FLAGS)))?;
        a.test(r11d, DIRECTION_FLAG)?;
        a.je(forwards)?;
        a.std()?;
        a.set_label(&mut forwards)?;
        a.mov(rax, qword_ptr(rcx + word(RESULT)))?;
        a.mov(rcx, qword_ptr(rcx))?;
        a.set_label(&mut exit)?;
        a.jmp(rcx)?;

        // The buffer is full: a mark, and from the start on.
        a.set_label(&mut wrap)?;
        a.mov(rax, qword_ptr(r11 + 8))?;
        a.mov(rcx, qword_ptr(r11))?;
        restore(&mut a, r11, &[r8, r9, r10])?;
        a.set_label(&mut wrap_at_once)?;
        a.mov(qword_ptr(r11), 0)?;
        a.mov(r11d, small(FIRST_ENTRY.get()))?;
        a.mov(cursor(), r11)?;
        a.inc(qword_ptr(TURNS))?;
        a.jmp(slow_at_once)?;
        // To the stub's own `syscall`.
        a.set_label(&mut ways.slow)?;
        a.mov(rax, qword_ptr(r11 + 8))?;
        a.mov(rcx, qword_ptr(r11))?;
        restore(&mut a, r11, &[r8, r9, r10])?;
        a.set_label(&mut slow_at_once)?;
        a.sub(rcx, 2)?;
        a.jmp(exit)?;

        let options = BlockEncoderOptions::RETURN_NEW_INSTRUCTION_OFFSETS;
        let result = a.assemble_options(CODE.get(), options)?;
        let at = |label| result.label_ip(label).map(Addr::new);
        let after_call = at(&after_call)?;
        let (after_probe, after_look) = (at(&after_probe)?, at(&after_look)?);
        let (written, logged, exit) = (at(&written)?, at(&logged)?, at(&exit)?);
        let bytes = result.inner.code_buffer;
        Ok(Self { bytes, after_call, after_probe, after_look, written, logged, exit })
    }

    /// The code and the table of calls.
    pub fn pages(&self) -> Vec<u8> {
        let mut pages = self.bytes.clone();
        pages.resize(usize::try_from(PAGE_SIZE).unwrap_or(0), 0xcc);
        pages.extend(table());
        pages
    }

    /// What makes every call a traced one: where it goes, and the bytes.
    pub fn none() -> (Addr, Vec<u8>) {
        (Addr::new(ROWS), table_of_none())
    }

    /// Where its calls end: the one that is an event, and the two questions.
    pub fn places(&self) -> [Addr; 3] {
        [self.after_call, self.after_probe, self.after_look]
    }

    /// The code of a recording whose calls end there. Only these places count for a replay: the code itself is in the
    /// recording.
    #[must_use]
    pub fn with_places(self, [after_call, after_probe, after_look]: [Addr; 3]) -> Self {
        Self { after_call, after_probe, after_look, ..self }
    }

    /// What memory had where the kernel has answered a question that a killed task will not read the answer of. The
    /// entry is at `cursor`.
    pub fn unanswered(&self, registers: &Registers, cursor: Addr) -> Option<(Addr, Vec<u8>)> {
        match registers.pc() {
            pc if pc == self.after_look => {
                Some((Addr::new(LOOKED_AT), vec![0; usize::try_from(LOOKED_AT_LEN).ok()?]))
            }
            pc if pc == self.after_probe => {
                let asked = cursor.checked_add(8 * ASKED as u64)?;
                unanswered_probe(registers, asked)
            }
            _ => None,
        }
    }

    /// Whether a call that ends at `pc` is one with which the code asks the kernel something for itself. That is no
    /// event, and replay does not make it: the answer is [`WOULD_NOT_WAIT`] where the task's next event is a call of this
    /// code (it ends at [`Self::after_call`]), else 0; nothing is written to memory.
    pub fn is_question(&self, pc: Addr) -> bool {
        pc == self.after_probe || pc == self.after_look
    }

    /// Whether a task at `pc` is in the middle: what it does there must not be cut in two.
    pub fn is_inside(&self, pc: Addr) -> bool {
        let at = pc.offset_from(CODE).and_then(|at| usize::try_from(at).ok());
        at.is_some_and(|at| at < self.bytes.len()) && pc != self.exit
    }

    /// Whether a task at `pc` has made a call, and the cursor does not say so yet.
    pub fn has_unlogged(&self, pc: Addr) -> bool {
        pc >= self.after_call && pc < self.logged
    }

    /// Whether it has not come to write the result.
    pub fn has_unwritten(&self, pc: Addr) -> bool {
        pc >= self.after_call && pc < self.written
    }
}

/// Gives registers the values that the entry at `from` has.
pub(super) fn restore(
    a: &mut CodeAssembler,
    from: AsmRegister64,
    registers: &[AsmRegister64],
) -> Result<(), IcedError> {
    for (n, saved) in SAVED.into_iter().enumerate() {
        if registers.contains(&saved) {
            a.mov(saved, qword_ptr(from + word(2 + n)))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use iced_x86::{Decoder, DecoderOptions, Mnemonic};

    use super::*;

    fn decode(bytes: &[u8], at: Addr) -> Vec<iced_x86::Instruction> {
        Decoder::with_ip(64, bytes, at.get(), DecoderOptions::NONE).into_iter().collect()
    }

    #[test]
    fn there_is_a_question_a_call_and_one_way_out() {
        let code = FastCode::assemble().unwrap();
        assert!(code.bytes.len() < 0x1000, "{}", code.bytes.len());
        let list = decode(&code.bytes, CODE);
        assert!(list.iter().all(|one| !one.is_invalid()));
        let calls = list.iter().filter(|one| one.mnemonic() == Mnemonic::Syscall);
        let behind: Vec<u64> = calls.map(iced_x86::Instruction::next_ip).collect();
        assert_eq!(behind, [code.after_probe, code.after_call, code.after_look].map(Addr::get));
        let indirect = list.iter().filter(|one| one.is_jmp_near_indirect());
        assert_eq!(indirect.map(|one| one.ip()).collect::<Vec<_>>(), [code.exit.get()]);
        assert!(code.after_call < code.written && code.written < code.logged);
        assert!(code.is_inside(CODE) && !code.is_inside(code.exit) && !code.is_inside(Addr::NULL));
        assert!(code.has_unlogged(code.after_call) && !code.has_unlogged(code.logged));
    }

    #[test]
    fn recordings_from_before_have_no_call_where_the_question_is() {
        // There the one call of the code ended.
        const BEFORE: u64 = 0x7000_20b0;
        let code = FastCode::assemble().unwrap();
        assert!(!code.is_question(Addr::new(BEFORE)) && code.after_call != Addr::new(BEFORE));
    }

    #[test]
    fn answers_that_nobody_reads_are_taken_back() {
        let code = FastCode::assemble().unwrap();
        let cursor = Addr::new(0x7000_5000);
        let at = |pc: Addr, second: u64| {
            code.unanswered(
                &Registers { rip: pc.get(), rsi: second, ..Registers::default() },
                cursor,
            )
        };
        let asked = 0x7000_5000 + 160;
        assert_eq!(at(code.after_probe, 1), Some((Addr::new(asked + 6), vec![0; 2])));
        let full = (Addr::new(asked), vec![0xff, 0xff, 0xff, 0x7f]);
        assert_eq!(at(code.after_probe, 0x541b), Some(full));
        assert_eq!(at(code.after_look, 1).unwrap().1.len(), 144);
        assert_eq!(at(code.after_call, 1), None);
    }

    #[test]
    fn the_table_is_behind_the_code() {
        let pages = FastCode::assemble().unwrap().pages();
        assert_eq!(pages[0x1000 + 110 * 8], Mode::Plain as u8, "getppid");
        assert_eq!(pages[0x1000 + 228 * 8], Mode::Fixed as u8, "clock_gettime");
        assert_eq!(pages[0x1000 + 8 * 24], Mode::Traced as u8, "sched_yield");
        assert_eq!(pages.len(), 0x2000);
    }
}

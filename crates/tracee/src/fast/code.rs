//! The code, and where it stands.

use iced_x86::BlockEncoderOptions;
use iced_x86::IcedError;
use iced_x86::code_asm::{
    AsmRegister64, CodeAssembler, byte_ptr, qword_ptr, r8, r9, r10, r11, r11d, r12, r13, r14, r15,
    rax, rbp, rbx, rcx, rdi, rdx, rsi, rsp,
};
use retake_abi::nr;
use retake_model::{Addr, PAGE_SIZE, SyscallNo};

use super::entry::{Entry, FLAGS, FS_BASE, GS_BASE, OUTPUT, RESULT};

/// Where the code stands: one page.
pub const CODE: Addr = Addr::new(0x7000_2000);
/// A byte for each system call, by its number: a [`Kind`].
const KINDS: u64 = CODE.get() + 0x800;
const KIND_COUNT: usize = 0x100;
/// The buffer's first word says where the next entry goes.
pub const CURSOR: Addr = Addr::new(0x7000_4000);
/// Its second word: how often the cursor went back to the start.
const TURNS: u64 = CURSOR.get() + 8;
/// Bytes of the buffer.
pub const BUFFER_LEN: u64 = 16 * PAGE_SIZE;
/// The first entry.
pub const FIRST_ENTRY: Addr = Addr::new(CURSOR.get() + 64);
/// Where the last entry ends.
pub const ENTRIES_END: Addr =
    Addr::new(FIRST_ENTRY.get() + (BUFFER_LEN - 64) / Entry::LEN * Entry::LEN);

/// What the code does with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Leaves it to the stub.
    Traced = 0,
    /// Makes it; it writes nothing.
    Plain = 1,
    /// `clock_gettime`: 16 bytes where the second argument points to.
    Clock = 2,
    /// `gettimeofday`, without the time zone: 16 bytes where the first argument points to.
    TimeOfDay = 3,
    /// `time`, with no pointer.
    Time = 4,
}

/// Calls that are short, never wait, and say everything in their result or in 16 bytes.
const CALLS: [(SyscallNo, Kind); 10] = [
    (nr::GETPID, Kind::Plain),
    (nr::GETPPID, Kind::Plain),
    (nr::GETTID, Kind::Plain),
    (nr::GETUID, Kind::Plain),
    (nr::GETEUID, Kind::Plain),
    (nr::GETGID, Kind::Plain),
    (nr::GETEGID, Kind::Plain),
    (nr::CLOCK_GETTIME, Kind::Clock),
    (nr::GETTIMEOFDAY, Kind::TimeOfDay),
    (nr::TIME, Kind::Time),
];

/// What the code does with a call.
pub fn kind_of(no: SyscallNo) -> Kind {
    CALLS.iter().find(|(fast, _)| *fast == no).map_or(Kind::Traced, |(_, kind)| *kind)
}

/// Registers in the order in which an entry has them, after the stub's address and the number.
const SAVED: [AsmRegister64; 13] = [rbx, rbp, rsp, rdi, rsi, rdx, r8, r9, r10, r12, r13, r14, r15];
/// The assembled code.
#[derive(Clone, Debug)]
pub struct FastCode {
    bytes: Vec<u8>,
    /// The address after its `syscall` instruction.
    pub after_call: Addr,
    /// From here on result and flags are in the entry.
    written: Addr,
    /// From here on the cursor is past the entry.
    logged: Addr,
    /// Its last instruction, by which it is left.
    pub exit: Addr,
}

impl FastCode {
    /// Assembles it.
    ///
    /// # Errors
    /// Never, unless an instruction is written wrongly.
    pub fn assemble() -> Result<Self, IcedError> {
        let word = |n: usize| 8 * i32::try_from(n).unwrap_or(0);
        let cursor = || qword_ptr(CURSOR.get());
        let mut a = CodeAssembler::new(64)?;
        let mut labels = || a.create_label();
        let (mut slow, mut wrap, mut checked, mut day) = (labels(), labels(), labels(), labels());
        let (mut after, mut written, mut of_day, mut copy) =
            (labels(), labels(), labels(), labels());
        let (mut done, mut logged, mut exit) = (labels(), labels(), labels());

        // Is it one of ours, with arguments that are?
        a.cmp(rax, i32::try_from(KIND_COUNT).unwrap_or(0) - 1)?;
        a.ja(slow)?;
        a.movzx(r11d, byte_ptr(rax + KINDS))?;
        a.cmp(r11d, Kind::Clock as i32)?;
        a.je(checked)?;
        a.cmp(r11d, Kind::Plain as i32)?;
        a.jb(slow)?;
        a.je(checked)?;
        a.cmp(r11d, Kind::TimeOfDay as i32)?;
        a.je(day)?;
        a.test(rdi, rdi)?;
        a.jne(slow)?;
        a.jmp(checked)?;
        a.set_label(&mut day)?;
        a.test(rdi, rdi)?;
        a.je(slow)?;
        a.test(rsi, rsi)?;
        a.jne(slow)?;

        // The entry, as far as it is known.
        a.set_label(&mut checked)?;
        a.mov(r11, cursor())?;
        a.cmp(r11, i32::try_from(ENTRIES_END.get()).unwrap_or(0))?;
        a.jae(wrap)?;
        a.mov(qword_ptr(r11), rcx)?;
        a.mov(qword_ptr(r11 + 8), rax)?;
        for (n, register) in SAVED.into_iter().enumerate() {
            a.mov(qword_ptr(r11 + word(2 + n)), register)?;
        }
        a.rdfsbase(rcx)?;
        a.mov(qword_ptr(r11 + word(FS_BASE)), rcx)?;
        a.rdgsbase(rcx)?;
        a.mov(qword_ptr(r11 + word(GS_BASE)), rcx)?;

        a.syscall()?;
        a.set_label(&mut after)?;
        a.mov(rcx, cursor())?;
        a.mov(qword_ptr(rcx + word(RESULT)), rax)?;
        a.mov(qword_ptr(rcx + word(FLAGS)), r11)?;

        // What it wrote.
        a.set_label(&mut written)?;
        a.mov(r11, qword_ptr(rcx + 8))?;
        a.movzx(r11d, byte_ptr(r11 + KINDS))?;
        a.cmp(r11d, Kind::TimeOfDay as i32)?;
        a.je(of_day)?;
        a.cmp(r11d, Kind::Clock as i32)?;
        a.jne(done)?;
        a.test(rax, rax)?;
        a.jne(done)?;
        a.mov(r11, rsi)?;
        a.jmp(copy)?;
        a.set_label(&mut of_day)?;
        a.test(rax, rax)?;
        a.jne(done)?;
        a.mov(r11, rdi)?;
        a.set_label(&mut copy)?;
        a.mov(rax, qword_ptr(r11))?;
        a.mov(qword_ptr(rcx + word(OUTPUT)), rax)?;
        a.mov(rax, qword_ptr(r11 + 8))?;
        a.mov(qword_ptr(rcx + word(OUTPUT + 1)), rax)?;
        a.mov(rax, qword_ptr(rcx + word(RESULT)))?;

        a.set_label(&mut done)?;
        a.mov(r11, qword_ptr(rcx + word(FLAGS)))?;
        a.add(cursor(), i32::try_from(Entry::LEN).unwrap_or(0))?;
        a.set_label(&mut logged)?;
        a.mov(rcx, qword_ptr(rcx))?;
        a.set_label(&mut exit)?;
        a.jmp(rcx)?;

        a.set_label(&mut wrap)?;
        a.mov(r11d, u32::try_from(FIRST_ENTRY.get()).unwrap_or(0))?;
        a.mov(cursor(), r11)?;
        a.inc(qword_ptr(TURNS))?;
        a.set_label(&mut slow)?;
        // To the stub's own `syscall`.
        a.sub(rcx, 2)?;
        a.jmp(exit)?;

        let options = BlockEncoderOptions::RETURN_NEW_INSTRUCTION_OFFSETS;
        let result = a.assemble_options(CODE.get(), options)?;
        let at = |label| result.label_ip(label).map(Addr::new);
        let (after_call, written) = (at(&after)?, at(&written)?);
        let (logged, exit) = (at(&logged)?, at(&exit)?);
        let bytes = result.inner.code_buffer;
        Ok(Self { bytes, after_call, written, logged, exit })
    }

    /// The page of code, with the table of calls.
    pub fn page(&self) -> Vec<u8> {
        let mut page = self.bytes.clone();
        let kinds = KINDS - CODE.get();
        page.resize(usize::try_from(kinds).unwrap_or(0), 0xcc);
        let mut table = [Kind::Traced as u8; KIND_COUNT];
        for (no, kind) in CALLS {
            if let Some(place) = usize::try_from(no.get()).ok().and_then(|no| table.get_mut(no)) {
                *place = kind as u8;
            }
        }
        page.extend(table);
        page
    }

    /// What makes every call a traced one: where it goes, and the bytes.
    pub fn none() -> (Addr, Vec<u8>) {
        (Addr::new(KINDS), vec![Kind::Traced as u8; KIND_COUNT])
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

#[cfg(test)]
mod tests {
    use iced_x86::{Decoder, DecoderOptions, Mnemonic};

    use super::*;

    fn decode(bytes: &[u8], at: Addr) -> Vec<iced_x86::Instruction> {
        Decoder::with_ip(64, bytes, at.get(), DecoderOptions::NONE).into_iter().collect()
    }

    #[test]
    fn there_is_one_call_and_one_way_out() {
        let code = FastCode::assemble().unwrap();
        assert!(code.bytes.len() < 0x800, "{}", code.bytes.len());
        let list = decode(&code.bytes, CODE);
        assert!(list.iter().all(|one| !one.is_invalid()));
        let call = list.iter().position(|one| one.mnemonic() == Mnemonic::Syscall).unwrap();
        assert_eq!(list[call].next_ip(), code.after_call.get());
        assert_eq!(list.iter().filter(|one| one.mnemonic() == Mnemonic::Syscall).count(), 1);
        let indirect = list.iter().filter(|one| one.is_jmp_near_indirect());
        assert_eq!(indirect.map(|one| one.ip()).collect::<Vec<_>>(), [code.exit.get()]);
        assert!(code.after_call < code.written && code.written < code.logged);
        assert!(code.is_inside(CODE) && !code.is_inside(code.exit) && !code.is_inside(Addr::NULL));
        assert!(code.has_unlogged(code.after_call) && !code.has_unlogged(code.logged));
    }

    #[test]
    fn calls_have_bytes_in_the_table() {
        let page = FastCode::assemble().unwrap().page();
        assert_eq!(page[0x800 + 110], Kind::Plain as u8);
        assert_eq!(page[0x800 + 228], Kind::Clock as u8);
        assert_eq!(page[0x800], Kind::Traced as u8, "read");
        assert_eq!(page.len(), 0x900);
    }
}

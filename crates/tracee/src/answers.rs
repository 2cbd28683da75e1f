//! `cpuid` answered by code from a table, where it would trap. (Under a hypervisor it leaves the virtual machine even
//! where it does not.)
//!
//! A site is led here by a jump that takes the place of `cpuid` and of the instructions behind it, which are executed
//! here then. Nothing is kept anywhere but below the red zone of the stack, so the code can be stopped and left at any
//! instruction. What is not in the table is asked of the processor: that traps.

use iced_x86::code_asm::{
    CodeAssembler, CodeLabel, al, dword_ptr, eax, ebx, ecx, edx, qword_ptr, rax, rbx, rsp,
};
use iced_x86::{BlockEncoderOptions, Decoder, DecoderOptions, IcedError, Instruction};
use retake_model::{Addr, PAGE_SIZE};
use retake_ptrace::CpuidAnswer;

/// Room for code and table.
pub const ANSWERS_LEN: u64 = 2 * PAGE_SIZE;
/// Sites that there is room for.
pub const MOST_SITES: usize = 64;
/// Answers that there is room for.
const MOST_ANSWERS: usize = 96;
/// Bytes below the stack pointer that the program uses (x86-64 psABI).
const RED_ZONE: i32 = 128;
/// Bytes of an entry: leaf, mask of ecx, subleaf, four registers.
const ENTRY_LEN: i32 = 28;
/// What stands for the mask behind the last entry.
const END: u32 = 1;

/// What `cpuid` says of a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// eax
    pub leaf: u32,
    /// ecx, where the answer depends on it.
    pub subleaf: Option<u32>,
    /// The answer.
    pub answer: CpuidAnswer,
}

/// Instructions that are moved here, from `cpuid` on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Where they stand.
    pub site: Addr,
    /// Their bytes: whole instructions, none of which refers to itself.
    pub code: Vec<u8>,
}

impl Moved {
    fn behind_cpuid(&self) -> Vec<Instruction> {
        Decoder::with_ip(64, &self.code, self.site.get(), DecoderOptions::NONE)
            .into_iter()
            .skip(1)
            .map(|mut one| {
                // What they refer to is known as an address. By theirs they would be taken for targets of jumps here.
                one.set_ip(0);
                one
            })
            .collect()
    }

    fn end(&self) -> u64 {
        self.site.get().wrapping_add(self.code.len() as u64)
    }
}

/// Code and table for a place: the same wherever that and the sites are, at the same distance.
#[derive(Clone, Debug)]
pub struct Answering {
    /// At most [`ANSWERS_LEN`] bytes.
    pub bytes: Vec<u8>,
    /// Where in them each site is to jump to, in the order of the sites.
    pub entries: Vec<u64>,
}

impl Answering {
    /// Assembles it for a place within 2 GiB of the sites. What there is no room for is left
    /// out.
    ///
    /// # Errors
    /// When a site is too far away, or its instructions cannot be moved.
    pub fn assemble(at: Addr, answers: &[Answer], sites: &[Moved]) -> Result<Self, IcedError> {
        let mut a = CodeAssembler::new(64)?;
        let (mut search, mut table) = (a.create_label(), a.create_label());
        let mut labels = Vec::new();
        for moved in sites.iter().take(MOST_SITES) {
            let mut entry = a.create_label();
            a.set_label(&mut entry)?;
            labels.push(entry);
            a.lea(rsp, qword_ptr(rsp - RED_ZONE))?;
            a.call(search)?;
            a.lea(rsp, qword_ptr(rsp + RED_ZONE))?;
            for instruction in moved.behind_cpuid() {
                a.add_instruction(instruction)?;
            }
            a.jmp(moved.end())?;
        }
        a.set_label(&mut search)?;
        answer(&mut a, table)?;
        a.set_label(&mut table)?;
        a.db(&encode(answers))?;
        let options = BlockEncoderOptions::RETURN_NEW_INSTRUCTION_OFFSETS;
        let result = a.assemble_options(at.get(), options)?;
        let offset = |label| result.label_ip(label).map(|ip| ip.wrapping_sub(at.get()));
        let entries = labels.iter().map(offset);
        let entries = entries.collect::<Result<_, _>>()?;
        Ok(Self { bytes: result.inner.code_buffer, entries })
    }
}

/// Emits what has the effect of `cpuid`, and no other but on the stack. It is called.
fn answer(a: &mut CodeAssembler, table: CodeLabel) -> Result<(), IcedError> {
    let mut labels = || a.create_label();
    let (mut look, mut next, mut found) = (labels(), labels(), labels());
    a.mov(edx, eax)?;
    // The flags: five by `lahf`, and that of overflow.
    a.lahf()?;
    a.seto(al)?;
    a.push(rax)?;
    a.lea(rbx, qword_ptr(table))?;
    a.set_label(&mut look)?;
    a.cmp(edx, dword_ptr(rbx))?;
    a.jne(next)?;
    a.mov(eax, dword_ptr(rbx + 4))?;
    a.and(eax, ecx)?;
    a.cmp(eax, dword_ptr(rbx + 8))?;
    a.je(found)?;
    a.set_label(&mut next)?;
    a.add(rbx, ENTRY_LEN)?;
    a.cmp(dword_ptr(rbx + 4), END.cast_signed())?;
    a.jne(look)?;
    restore_flags(a)?;
    a.mov(eax, edx)?;
    a.cpuid()?;
    a.ret()?;
    a.set_label(&mut found)?;
    restore_flags(a)?;
    a.mov(eax, dword_ptr(rbx + 12))?;
    a.mov(ecx, dword_ptr(rbx + 20))?;
    a.mov(edx, dword_ptr(rbx + 24))?;
    a.mov(ebx, dword_ptr(rbx + 16))?;
    a.ret()
}

/// Emits what takes the flags from the stack.
fn restore_flags(a: &mut CodeAssembler) -> Result<(), IcedError> {
    a.pop(rax)?;
    // 1 and 127 do not fit a signed byte.
    a.add(al, 0x7f)?;
    a.sahf()
}

/// The table, with its end.
fn encode(answers: &[Answer]) -> Vec<u8> {
    let one = |known: &Answer| {
        let CpuidAnswer { eax: a, ebx: b, ecx: c, edx: d } = known.answer;
        let mask = if known.subleaf.is_some() { u32::MAX } else { 0 };
        [known.leaf, mask, known.subleaf.unwrap_or(0), a, b, c, d]
    };
    // `look` tests before it knows that there is one.
    let none = [u32::MAX, u32::MAX, u32::MAX, 0, 0, 0, 0];
    let list = answers.iter().take(MOST_ANSWERS).map(one);
    let words = std::iter::once(none).chain(list).chain([[0, END, 0, 0, 0, 0, 0]]);
    words.flatten().flat_map(u32::to_le_bytes).collect()
}

#[cfg(test)]
mod tests {
    use iced_x86::Mnemonic;

    use super::*;

    const AT: Addr = Addr::new(0x7fff_0010_0000);
    const SITE: Addr = Addr::new(0x7fff_0000_1000);

    fn moved(code: &[u8]) -> Moved {
        Moved { site: SITE, code: code.to_vec() }
    }

    fn decode(answering: &Answering) -> Vec<Instruction> {
        let code = Decoder::with_ip(64, &answering.bytes, AT.get(), DecoderOptions::NONE);
        code.into_iter().take_while(|one| one.mnemonic() != Mnemonic::Ret).collect()
    }

    #[test]
    fn moved_instructions_refer_to_the_same() {
        // cpuid; mov [rip + 0x100], eax; jl back by 16
        let site = moved(&[0x0f, 0xa2, 0x89, 0x05, 0, 1, 0, 0, 0x7c, 0xf0]);
        let answering = Answering::assemble(AT, &[], std::slice::from_ref(&site)).unwrap();
        assert_eq!(answering.entries, [0]);
        let code = decode(&answering);
        let store = code.iter().find(|one| one.mnemonic() == Mnemonic::Mov).unwrap();
        assert_eq!(store.memory_displacement64(), SITE.get() + 8 + 0x100);
        let branch = code.iter().find(|one| one.mnemonic() == Mnemonic::Jl).unwrap();
        assert_eq!(branch.near_branch_target(), SITE.get() + 10 - 16);
        let back = code.iter().find(|one| one.mnemonic() == Mnemonic::Jmp).unwrap();
        assert_eq!(back.near_branch_target(), site.end());
    }

    #[test]
    fn all_that_is_taken_has_room() {
        let answer = Answer { leaf: 4, subleaf: Some(1), answer: retake_ptrace::cpuid(4, 1) };
        // Instructions that are as long as they can be moved.
        let longest = moved(&[0x0f, 0xa2, 0x75, 0, 0xc7, 0x05, 0, 0, 0, 0, 0, 0, 0, 0]);
        let sites = vec![longest; MOST_SITES + 1];
        let answering = Answering::assemble(AT, &[answer; MOST_ANSWERS + 1], &sites).unwrap();
        assert_eq!(answering.entries.len(), MOST_SITES);
        assert!(answering.bytes.len() as u64 <= ANSWERS_LEN, "{}", answering.bytes.len());
    }

    #[test]
    fn what_is_too_far_away_cannot_be_moved() {
        // cpuid; mov [rip], eax
        let code = vec![0x0f, 0xa2, 0x89, 0x05, 0, 0, 0, 0];
        let site = Moved { site: Addr::new(0x5555_0000_0000), code };
        assert!(Answering::assemble(AT, &[], &[site]).is_err());
    }
}

//! What the instructions of a loop read and write.

use std::collections::BTreeSet;

use iced_x86::{
    Code, Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, Mnemonic,
    OpAccess, Register, UsedMemory,
};
use retake_model::{Addr, Registers};

/// Longest instruction (Intel SDM vol. 2, 2.3.11).
pub(super) const LONGEST: usize = 15;

/// One access of memory by an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Access {
    pub(super) addr: Addr,
    /// In bytes.
    pub(super) len: usize,
    pub(super) reads: bool,
    pub(super) writes: bool,
}

/// An instruction of a loop.
#[derive(Clone, Debug)]
pub(super) struct Step {
    instruction: Instruction,
}

/// Registers that the instructions of a loop write, as 64-bit ones.
pub(super) type Written = BTreeSet<Register>;

impl Step {
    /// The instruction that `code` at `pc` begins with. None for those that read what is not in
    /// registers and memory (clocks, random numbers), that leave the program (calls of the system,
    /// faults), or that are not executed in one step.
    pub(super) fn decode(pc: Addr, code: &[u8]) -> Option<Self> {
        let instruction = Decoder::with_ip(64, code, pc.get(), DecoderOptions::NONE).decode();
        (!instruction.is_invalid() && is_plain(&instruction)).then_some(Self { instruction })
    }

    /// Its length in bytes.
    pub(super) fn len(&self) -> usize {
        self.instruction.len()
    }

    /// Its accesses of memory, with these registers before it. None if one of them cannot be told.
    pub(super) fn accesses(&self, registers: &Registers) -> Option<Vec<Access>> {
        let mut factory = InstructionInfoFactory::new();
        let used = factory.info(&self.instruction).used_memory();
        let accesses = used.iter().filter(|memory| touches(memory.access()));
        accesses.map(|memory| access(memory, registers)).collect()
    }

    /// Adds the registers that it writes to `written`.
    pub(super) fn add_written(&self, written: &mut Written) {
        let mut factory = InstructionInfoFactory::new();
        for used in factory.info(&self.instruction).used_registers() {
            if writes(used.access()) {
                written.insert(used.register().full_register());
            }
        }
    }

    /// The same, if their addresses depend on no register of `written`: then they are the same in each
    /// turn of the loop, whatever it has read before.
    pub(super) fn steady_accesses(
        &self,
        registers: &Registers,
        written: &Written,
    ) -> Option<Vec<Access>> {
        let mut factory = InstructionInfoFactory::new();
        let used = factory.info(&self.instruction).used_memory();
        let depends = |memory: &UsedMemory| {
            let parts = [memory.base(), memory.index()];
            parts.iter().any(|register| written.contains(&register.full_register()))
        };
        let accesses = used.iter().filter(|memory| touches(memory.access()));
        accesses
            .map(|memory| if depends(memory) { None } else { access(memory, registers) })
            .collect()
    }
}

fn is_plain(instruction: &Instruction) -> bool {
    let leaves = matches!(
        instruction.flow_control(),
        FlowControl::Interrupt | FlowControl::Exception | FlowControl::XbeginXabortXend
    );
    let reads_more = matches!(
        instruction.mnemonic(),
        Mnemonic::Rdtsc
            | Mnemonic::Rdtscp
            | Mnemonic::Rdpmc
            | Mnemonic::Rdpid
            | Mnemonic::Rdrand
            | Mnemonic::Rdseed
            | Mnemonic::Cpuid
            | Mnemonic::Xgetbv
            | Mnemonic::Umwait
            | Mnemonic::Tpause
    );
    // These put the trap flag of a single step into memory.
    let shows_step = matches!(instruction.code(), Code::Pushfq | Code::Pushfw);
    let calls = matches!(
        instruction.mnemonic(),
        Mnemonic::Syscall | Mnemonic::Sysenter | Mnemonic::Popf | Mnemonic::Popfq
    );
    let repeats = instruction.has_rep_prefix() && instruction.is_string_instruction()
        || instruction.has_repne_prefix() && instruction.is_string_instruction();
    !(leaves || reads_more || shows_step || calls || repeats)
}

fn reads(access: OpAccess) -> bool {
    matches!(
        access,
        OpAccess::Read | OpAccess::CondRead | OpAccess::ReadWrite | OpAccess::ReadCondWrite
    )
}

fn writes(access: OpAccess) -> bool {
    matches!(
        access,
        OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite
    )
}

fn touches(access: OpAccess) -> bool {
    reads(access) || writes(access)
}

fn access(memory: &UsedMemory, registers: &Registers) -> Option<Access> {
    let addr = memory.virtual_address(0, |register, _, _| value_of(register, registers))?;
    Some(Access {
        addr: Addr::new(addr),
        len: memory.memory_size().size(),
        reads: reads(memory.access()),
        writes: writes(memory.access()),
    })
}

fn value_of(register: Register, registers: &Registers) -> Option<u64> {
    Some(match register {
        Register::FS => registers.fs_base,
        Register::GS => registers.gs_base,
        Register::CS | Register::DS | Register::ES | Register::SS => 0,
        other => {
            let value = match other.full_register() {
                Register::RAX => registers.rax,
                Register::RBX => registers.rbx,
                Register::RCX => registers.rcx,
                Register::RDX => registers.rdx,
                Register::RSI => registers.rsi,
                Register::RDI => registers.rdi,
                Register::RBP => registers.rbp,
                Register::RSP => registers.rsp,
                Register::R8 => registers.r8,
                Register::R9 => registers.r9,
                Register::R10 => registers.r10,
                Register::R11 => registers.r11,
                Register::R12 => registers.r12,
                Register::R13 => registers.r13,
                Register::R14 => registers.r14,
                Register::R15 => registers.r15,
                _ => return None,
            };
            if other.is_gpr32() { value & 0xffff_ffff } else { value }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(code: &[u8]) -> Option<Step> {
        Step::decode(Addr::new(0x1000), code)
    }

    #[test]
    fn what_leaves_the_program_or_reads_a_clock_is_no_step_of_a_waiting_loop() {
        assert!(step(&[0x0f, 0x05]).is_none(), "syscall");
        assert!(step(&[0xcd, 0x80]).is_none(), "int 0x80");
        assert!(step(&[0x0f, 0x31]).is_none(), "rdtsc");
        assert!(step(&[0xf3, 0xa4]).is_none(), "rep movsb");
        assert!(step(&[0x9c]).is_none(), "pushf");
        assert!(step(&[0xf3, 0x90]).is_some(), "pause");
        assert!(step(&[0xa4]).is_some(), "movsb, once");
        assert!(step(&[0xeb, 0xfe]).is_some(), "jmp");
    }

    #[test]
    fn accesses_have_their_addresses() {
        let registers = Registers { rbx: 0x5000, rcx: 2, fs_base: 0x9000, ..Registers::default() };
        let check = |code: &[u8], addr: u64, len, reads, writes| {
            let found = step(code).and_then(|step| step.accesses(&registers));
            let expected = Access { addr: Addr::new(addr), len, reads, writes };
            assert_eq!(found, Some(vec![expected]), "{code:x?}");
        };
        check(&[0x8b, 0x44, 0x8b, 0x10], 0x5018, 4, true, false); // mov eax, [rbx+rcx*4+16]
        check(&[0x3a, 0x03], 0x5000, 1, true, false); // cmp al, [rbx]
        check(&[0x48, 0x8b, 0x05, 0x00, 0x01, 0, 0], 0x1107, 8, true, false); // mov rax, [rip+256]
        check(&[0x87, 0x03], 0x5000, 4, true, true); // xchg [rbx], eax
        check(&[0x64, 0x8b, 0x04, 0x25, 8, 0, 0, 0], 0x9008, 4, true, false); // mov eax, fs:[8]
        check(&[0x89, 0x03], 0x5000, 4, false, true); // mov [rbx], eax
    }

    #[test]
    fn reads_through_registers_that_change_are_not_steady() {
        let registers = Registers { rbx: 0x5000, rax: 0x6000, ..Registers::default() };
        let load = step(&[0x48, 0x8b, 0x03]).unwrap(); // mov rax, [rbx]
        let follow = step(&[0x8b, 0x10]).unwrap(); // mov edx, [rax]
        let mut written = Written::new();
        load.add_written(&mut written);
        let steady = load.steady_accesses(&registers, &written).unwrap();
        assert_eq!((steady.len(), steady[0].addr), (1, Addr::new(0x5000)));
        assert_eq!(follow.steady_accesses(&registers, &written), None);
    }
}

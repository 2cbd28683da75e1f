//! What the instructions of a loop read and write.

use std::collections::BTreeSet;

use iced_x86::{
    Code, CpuidFeature, Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory,
    Mnemonic, OpAccess, OpKind, Register, RflagsBits, UsedMemory, UsedRegister,
};
use retake_model::{Addr, Registers};
use retake_tracee::Glance;

/// Longest instruction (Intel SDM vol. 2, 2.3.11).
pub(crate) const LONGEST: usize = 15;

/// One access of memory by an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) addr: Addr,
    /// In bytes.
    pub(crate) len: usize,
    pub(crate) reads: bool,
    pub(crate) writes: bool,
}

/// An instruction that only works on registers and memory.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    instruction: Instruction,
    memory: Vec<UsedMemory>,
    /// The registers that it writes, as 64-bit ones.
    written: Vec<Register>,
    /// Those of them that it writes whole, and those that it reads.
    written_whole: Vec<Register>,
    read: Vec<Register>,
}

/// What a turn of a loop makes anew, whatever it was before.
#[derive(Clone, Debug, Default)]
pub(crate) struct Anew {
    registers: BTreeSet<Register>,
    flags: u32,
    /// What was read before it was made.
    read: BTreeSet<Register>,
    read_flags: u32,
}

impl Anew {
    /// Adds the next instruction of the turn.
    pub(crate) fn add(&mut self, step: &Step) {
        let fresh = |register: &&Register| !self.registers.contains(*register);
        self.read.extend(step.read.iter().filter(fresh));
        self.read_flags |= step.instruction.rflags_read() & !self.flags;
        let unread = |register: &&Register| !self.read.contains(*register);
        self.registers.extend(step.written_whole.iter().filter(unread));
        self.flags |= step.instruction.rflags_modified() & !self.read_flags;
    }

    /// Whether a turn that begins with `first` and leads to `then` leads there again.
    pub(crate) fn leads_again(&self, first: &Registers, then: &Registers) -> bool {
        let (mut first, mut then) = (*first, *then);
        let flags = [
            (RflagsBits::CF, 0),
            (RflagsBits::PF, 2),
            (RflagsBits::AF, 4),
            (RflagsBits::ZF, 6),
            (RflagsBits::SF, 7),
            (RflagsBits::OF, 11),
        ];
        for (flag, bit) in flags {
            if self.flags & flag != 0 {
                first.eflags &= !(1 << bit);
                then.eflags &= !(1 << bit);
            }
        }
        for register in &self.registers {
            for registers in [&mut first, &mut then] {
                if let Some(place) = place_of(*register, registers) {
                    *place = 0;
                }
            }
        }
        first == then
    }
}

/// The registers of a task before one of the instructions of a loop, as far as they can be told without
/// executing those before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    registers: Registers,
    unknown: BTreeSet<Register>,
}

impl Known {
    /// All of them.
    pub(crate) fn all(registers: &Registers) -> Self {
        Self { registers: *registers, unknown: BTreeSet::new() }
    }

    /// Whether no register is unknown.
    pub(super) fn is_complete(&self) -> bool {
        self.unknown.is_empty()
    }

    pub(super) fn value(&self, register: Register) -> Option<u64> {
        let is_known = !self.unknown.contains(&register.full_register());
        if is_known { value_of(register, &self.registers) } else { None }
    }

    pub(super) fn set(&mut self, register: Register, value: u64) {
        if let Some(place) = place_of(register, &mut self.registers) {
            *place = value;
            self.unknown.remove(&register.full_register());
        }
    }
}

impl Step {
    /// The instruction that `code` at `pc` begins with. None for those that read what is not in
    /// registers and memory (clocks, random numbers), that leave the program (calls of the system,
    /// faults), or that are not executed in one step.
    pub(crate) fn decode(pc: Addr, code: &[u8]) -> Option<Self> {
        let instruction = Decoder::with_ip(64, code, pc.get(), DecoderOptions::NONE).decode();
        if instruction.is_invalid() || !is_plain(&instruction) {
            return None;
        }
        let mut factory = InstructionInfoFactory::new();
        let info = factory.info(&instruction);
        let memory = info.used_memory().iter().filter(|memory| touches(memory.access()));
        let used = info.used_registers();
        let those = |wanted: &dyn Fn(&UsedRegister) -> bool| {
            let full = |used: &UsedRegister| used.register().full_register();
            used.iter().filter(|used| wanted(used)).map(full).collect()
        };
        let is_whole = |used: &UsedRegister| {
            let register = used.register();
            used.access() == OpAccess::Write && (register.is_gpr32() || register.is_gpr64())
        };
        Some(Self {
            instruction,
            memory: memory.copied().collect(),
            written: those(&|used| writes(used.access())),
            written_whole: those(&is_whole),
            read: those(&|used| !is_whole(used)),
        })
    }

    /// The instruction at `pc`, where that is one of these.
    pub(crate) fn read(memory: &Glance<'_>, pc: Addr) -> Option<Self> {
        let mut code = [0; LONGEST];
        let got = memory.read(pc, &mut code);
        Self::decode(pc, code.get(..got)?)
    }

    /// Where the code goes on: around the loop, for a jump back. None where registers or memory say it.
    pub(crate) fn next(&self) -> Option<Addr> {
        let here = self.instruction.ip();
        let behind = self.instruction.next_ip();
        let target = self.instruction.near_branch_target();
        match self.instruction.flow_control() {
            FlowControl::Next => Some(Addr::new(behind)),
            FlowControl::UnconditionalBranch => Some(Addr::new(target)),
            FlowControl::ConditionalBranch => {
                Some(Addr::new(if target <= here { target } else { behind }))
            }
            _ => None,
        }
    }

    /// Where it leads to if it is a branch ahead that may be taken.
    pub(crate) fn leads_ahead(&self) -> Option<Addr> {
        let target = self.instruction.near_branch_target();
        let is_branch = self.instruction.flow_control() == FlowControl::ConditionalBranch;
        (is_branch && target > self.instruction.ip()).then(|| Addr::new(target))
    }

    /// The memory that it reads, changes and writes without a lock, if it does: another CPU can write there
    /// in between.
    pub(crate) fn update(&self, registers: &Registers) -> Option<Access> {
        // `xchg` locks by itself; the bit of the others says how far from the operand the word is.
        let is_other = matches!(
            self.instruction.mnemonic(),
            Mnemonic::Xchg | Mnemonic::Bts | Mnemonic::Btr | Mnemonic::Btc
        );
        if is_other || self.instruction.has_lock_prefix() {
            return None;
        }
        let [access] = *self.accesses(&Known::all(registers))?.as_slice() else { return None };
        (access.reads && access.writes && (1..=8).contains(&access.len)).then_some(access)
    }

    /// Its length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.instruction.len()
    }

    /// Whether it neither reads nor writes vector and floating-point state.
    pub(crate) fn is_general(&self) -> bool {
        use CpuidFeature as F;
        self.instruction.cpuid_features().iter().all(|feature| {
            matches!(
                feature,
                F::INTEL8086
                    | F::INTEL186
                    | F::INTEL286
                    | F::INTEL386
                    | F::INTEL486
                    | F::X64
                    | F::CMOV
                    | F::PAUSE
                    | F::MULTIBYTENOP
            )
        })
    }

    /// Its accesses of memory, with these registers before it. None if one of them cannot be told.
    pub(crate) fn accesses(&self, known: &Known) -> Option<Vec<Access>> {
        self.memory.iter().map(|memory| access(memory, known)).collect()
    }

    /// Whether it is at this address.
    pub(crate) fn is_at(&self, pc: Addr) -> bool {
        self.instruction.ip() == pc.get()
    }

    /// Whether it is the hint of a loop that waits.
    pub(super) fn is_pause(&self) -> bool {
        self.instruction.mnemonic() == Mnemonic::Pause
    }

    pub(super) fn instruction(&self) -> &Instruction {
        &self.instruction
    }

    /// The registers that it writes are not known any more.
    pub(super) fn forget_written(&self, known: &mut Known) {
        known.unknown.extend(&self.written);
    }

    /// The registers after it. What it loads from memory is read there.
    pub(crate) fn pass(&self, known: &mut Known, memory: &Glance<'_>) {
        let loaded = self.loads(known, memory);
        self.forget_written(known);
        if let Some(value) = loaded {
            known.set(self.instruction.op0_register(), value);
        }
    }

    /// What it puts into its first operand, for plain loads and moves of 32 and 64 bits.
    fn loads(&self, known: &Known, memory: &Glance<'_>) -> Option<u64> {
        let to = self.instruction.op0_register();
        let is_move = self.instruction.mnemonic() == Mnemonic::Mov
            && self.instruction.op1_kind() == OpKind::Register
            && (to.is_gpr32() || to.is_gpr64());
        if is_move {
            return known.value(self.instruction.op1_register());
        }
        let is_load = self.instruction.mnemonic() == Mnemonic::Mov
            && self.instruction.op1_kind() == OpKind::Memory
            && (to.is_gpr32() || to.is_gpr64());
        let [only] = self.memory.as_slice() else { return None };
        let mut bytes = [0; 8];
        let part = bytes.get_mut(..if to.is_gpr32() { 4 } else { 8 })?;
        let from = access(only, known).filter(|_| is_load)?;
        memory.read_exact(from.addr, part)?;
        Some(u64::from_le_bytes(bytes))
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
    !(leaves || reads_more || shows_step || calls || can_be_left(instruction))
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

fn access(memory: &UsedMemory, known: &Known) -> Option<Access> {
    let addr = memory.virtual_address(0, |register, _, _| known.value(register))?;
    Some(Access {
        addr: Addr::new(addr),
        len: memory.memory_size().size(),
        reads: reads(memory.access()),
        writes: writes(memory.access()),
    })
}

fn value_of(register: Register, registers: &Registers) -> Option<u64> {
    match register {
        Register::FS => Some(registers.fs_base),
        Register::GS => Some(registers.gs_base),
        Register::CS | Register::DS | Register::ES | Register::SS => Some(0),
        other => {
            let mut registers = *registers;
            let value = *place_of(other, &mut registers)?;
            Some(if other.is_gpr32() { value & 0xffff_ffff } else { value })
        }
    }
}

fn place_of(register: Register, registers: &mut Registers) -> Option<&mut u64> {
    Some(match register.full_register() {
        Register::RAX => &mut registers.rax,
        Register::RBX => &mut registers.rbx,
        Register::RCX => &mut registers.rcx,
        Register::RDX => &mut registers.rdx,
        Register::RSI => &mut registers.rsi,
        Register::RDI => &mut registers.rdi,
        Register::RBP => &mut registers.rbp,
        Register::RSP => &mut registers.rsp,
        Register::R8 => &mut registers.r8,
        Register::R9 => &mut registers.r9,
        Register::R10 => &mut registers.r10,
        Register::R11 => &mut registers.r11,
        Register::R12 => &mut registers.r12,
        Register::R13 => &mut registers.r13,
        Register::R14 => &mut registers.r14,
        Register::R15 => &mut registers.r15,
        _ => return None,
    })
}

/// Whether an instruction may be left before it is complete.
pub(crate) fn can_be_left(instruction: &Instruction) -> bool {
    // "REP/REPE/REPZ/REPNE/REPNZ" in Intel SDM vol. 2.
    let repeats = (instruction.has_rep_prefix() || instruction.has_repne_prefix())
        && instruction.is_string_instruction();
    // The mask has the elements that are still to come ("VPGATHERDD", "VPSCATTERDD").
    let has_mask = instruction.is_vsib();
    // The tile configuration has the row to go on with ("TILELOADD", "TILESTORED").
    let has_row = matches!(
        instruction.mnemonic(),
        Mnemonic::Tileloadd | Mnemonic::Tileloaddt1 | Mnemonic::Tilestored
    );
    repeats || has_mask || has_row
}

#[cfg(test)]
mod tests {
    use retake_model::Tid;
    use retake_ptrace::ProcessMemory;

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
            let found = step(code).and_then(|step| step.accesses(&Known::all(&registers)));
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
    fn updates_without_a_lock_are_known() {
        let registers = Registers { rbx: 0x5000, rsp: 0x7000, ..Registers::default() };
        let check = |code: &[u8]| {
            let update = step(code).and_then(|step| step.update(&registers));
            update.map(|access| (access.addr.get(), access.len))
        };
        assert_eq!(check(&[0x48, 0x83, 0x03, 0x01]), Some((0x5000, 8)), "add qword [rbx], 1");
        assert_eq!(check(&[0xff, 0x43, 0x04]), Some((0x5004, 4)), "inc dword [rbx+4]");
        assert_eq!(check(&[0x0f, 0xc1, 0x03]), Some((0x5000, 4)), "xadd [rbx], eax");
        assert_eq!(check(&[0xf0, 0xff, 0x03]), None, "lock inc dword [rbx]");
        assert_eq!(check(&[0x87, 0x03]), None, "xchg [rbx], eax");
        assert_eq!(check(&[0x0f, 0xab, 0x03]), None, "bts [rbx], eax");
        assert_eq!(check(&[0xff, 0x33]), None, "push qword [rbx]");
        assert_eq!(check(&[0x89, 0x03]), None, "mov [rbx], eax");
    }

    #[test]
    fn code_goes_on_around_its_loop() {
        let next = |code: &[u8]| step(code).and_then(|step| step.next()).map(Addr::get);
        assert_eq!(next(&[0x90]), Some(0x1001), "nop");
        assert_eq!(next(&[0x75, 0xf0]), Some(0xff2), "jne back");
        assert_eq!(next(&[0x75, 0x10]), Some(0x1002), "jne on");
        assert_eq!(next(&[0xeb, 0x10]), Some(0x1012), "jmp");
        assert_eq!(next(&[0xc3]), None, "ret");
        assert_eq!(next(&[0xff, 0xe0]), None, "jmp rax");
    }

    #[test]
    fn what_is_loaded_is_followed() {
        let target = Box::new(5_u64);
        let pointer = Box::new(std::ptr::from_ref(&*target).addr() as u64);
        let own = ProcessMemory::new(Tid::new(std::process::id().cast_signed()));
        let own = Glance::of_still(&own);
        let registers =
            Registers { rbx: std::ptr::from_ref(&*pointer).addr() as u64, ..Registers::default() };
        let mut known = Known::all(&registers);
        step(&[0x48, 0x8b, 0x03]).unwrap().pass(&mut known, &own); // mov rax, [rbx]
        let follow = step(&[0x8b, 0x10]).unwrap(); // mov edx, [rax]
        let accesses = follow.accesses(&known).unwrap();
        assert_eq!((accesses.len(), accesses[0].addr), (1, Addr::new(*pointer)));
        follow.pass(&mut known, &own);
        assert_eq!(known.value(Register::EDX), Some(5));
    }

    #[test]
    fn what_is_computed_is_not_known() {
        let own = ProcessMemory::new(Tid::new(std::process::id().cast_signed()));
        let own = Glance::of_still(&own);
        let mut known = Known::all(&Registers { rax: 0x6000, ..Registers::default() });
        step(&[0x48, 0xff, 0xc0]).unwrap().pass(&mut known, &own); // inc rax
        assert_eq!(step(&[0x8b, 0x10]).unwrap().accesses(&known), None, "mov edx, [rax]");
    }

    #[test]
    fn what_a_turn_makes_anew_does_not_count() {
        let mut turn = Anew::default();
        turn.add(&step(&[0x8b, 0x03]).unwrap()); // mov eax, [rbx]
        turn.add(&step(&[0x39, 0xc8]).unwrap()); // cmp eax, ecx
        turn.add(&step(&[0x74, 0xfa]).unwrap()); // je
        let before =
            Registers { rax: 7, rbx: 0x5000, rcx: 1, eflags: 0x202, ..Registers::default() };
        let then = Registers { rax: 1, eflags: 0x246, ..before };
        assert!(turn.leads_again(&before, &then));
        assert!(!turn.leads_again(&before, &Registers { rcx: 2, ..then }), "rcx is read");
        assert!(!turn.leads_again(&before, &Registers { rdx: 2, ..then }), "rdx is not written");
        let mut counts = Anew::default();
        counts.add(&step(&[0x48, 0xff, 0xc0]).unwrap()); // inc rax
        assert!(!counts.leads_again(&before, &then), "rax is read before it is written");
        let mut part = Anew::default();
        part.add(&step(&[0x8a, 0x03]).unwrap()); // mov al, [rbx]
        assert!(!part.leads_again(&before, &then), "the rest of rax stays");
    }

    #[test]
    fn vector_instructions_are_told_from_others() {
        let general = |code: &[u8]| step(code).unwrap().is_general();
        assert!(general(&[0x48, 0x8b, 0x03]), "mov rax, [rbx]");
        assert!(general(&[0xf3, 0x90]), "pause");
        assert!(general(&[0xf0, 0x48, 0x0f, 0xc1, 0x03]), "lock xadd [rbx], rax");
        assert!(!general(&[0x0f, 0x2e, 0x03]), "ucomiss xmm0, [rbx]");
        assert!(!general(&[0xd9, 0x03]), "fld dword [rbx]");
    }
}

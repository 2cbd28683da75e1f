//! Instructions of every form, with random operands.

use iced_x86::{
    Code, Decoder, DecoderOptions, Encoder, EncodingKind, FlowControl, Instruction, Mnemonic,
    OpCodeOperandKind as K, OpKind, Register,
};

use super::bench::{DATA, DATA_LEN, FS, GS, LOW, LOW_LEN};
use super::rng::Rng;

/// Forms that are left out although they can be executed in user mode, and why.
fn is_left_out(mnemonic: Mnemonic) -> bool {
    use Mnemonic as M;
    matches!(
        mnemonic,
        // Answers that change from one run to the next.
        M::Rdtsc | M::Rdtscp | M::Rdpmc | M::Rdpru | M::Rdrand | M::Rdseed | M::Rdpid | M::Cpuid
            | M::Xgetbv
            // Tables of the processor that it runs on.
            | M::Sgdt | M::Sidt | M::Sldt | M::Smsw | M::Str | M::Lsl | M::Lar | M::Verr | M::Verw
            // The kernel refuses to let a tracer set what these may leave: bases of its own half, and
            // selectors of other rings.
            | M::Wrfsbase | M::Wrgsbase | M::Lss | M::Lfs | M::Lgs
            // A mask of pages that cannot be reached from there on.
            | M::Wrpkru
            // They wait, or call a hypervisor.
            | M::Monitor | M::Monitorx | M::Mwait | M::Mwaitx | M::Umonitor | M::Umwait | M::Tpause
            | M::Vmcall | M::Vmmcall | M::Vmfunc | M::Vmgexit | M::Getsec | M::Enclu | M::Tdcall
            | M::Seamcall | M::Senduipi | M::Uiret | M::Stui | M::Clui | M::Testui
            // Shows the trap flag of a native step.
            | M::Pushf | M::Pushfd | M::Pushfq
            // May set the trap flag.
            | M::Popf | M::Popfd | M::Popfq
            // They store the address of the last x87 instruction, which is that in the cache.
            | M::Fnstenv | M::Fstenv | M::Fnsave | M::Fsave | M::Fxsave | M::Fxsave64 | M::Xsave
            | M::Xsave64 | M::Xsavec | M::Xsavec64 | M::Xsaveopt | M::Xsaveopt64
            // Restores from random bytes: which parts it takes is not compared here.
            | M::Xrstor | M::Xrstor64
            // Transactions: abort at any time.
            | M::Xbegin | M::Xend | M::Xabort | M::Xtest | M::Xsusldtrk | M::Xresldtrk
            | M::Syscall | M::Sysenter | M::Sysexit | M::Sysret | M::Int | M::Int1 | M::Int3
            // No instructions.
            | M::Db | M::Dw | M::Dd | M::Dq | M::Zero_bytes | M::INVALID
    )
}

/// All forms that the generator knows how to build.
pub(crate) fn all() -> Vec<Code> {
    Code::values()
        .filter(|code| {
            let op = code.op_code();
            let mut probe = Instruction::default();
            probe.set_code(*code);
            op.is_instruction()
                && op.mode64()
                && !probe.is_privileged()
                && code.flow_control() == FlowControl::Next
                && !is_left_out(code.mnemonic())
                && op.op_kinds().iter().all(|kind| is_built(*kind))
                && !sets_segment(*code)
        })
        .collect()
}

fn sets_segment(code: Code) -> bool {
    use Code as C;
    matches!(
        code,
        C::Mov_Sreg_rm16
            | C::Mov_Sreg_r32m16
            | C::Mov_Sreg_r64m16
            | C::Popw_FS
            | C::Popq_FS
            | C::Popw_GS
            | C::Popq_GS
    )
}

fn is_built(kind: K) -> bool {
    !matches!(
        kind,
        K::farbr2_2
            | K::farbr4_2
            | K::cr_reg
            | K::dr_reg
            | K::tr_reg
            | K::br16_1
            | K::br32_1
            | K::br64_1
            | K::br16_2
            | K::br32_4
            | K::br64_4
            | K::xbegin_2
            | K::xbegin_4
            | K::brdisp_2
            | K::brdisp_4
    )
}

/// Puts an instruction together; the code ends at the address of what follows.
pub(crate) struct Maker<'a> {
    pub(crate) rng: &'a mut Rng,
    pub(crate) at: u64,
    pub(crate) bytes: Vec<u8>,
}

impl Maker<'_> {
    pub(crate) fn here(&self) -> u64 {
        self.at + self.bytes.len() as u64
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Adds an instruction as it is. False if it cannot be encoded so.
    pub(crate) fn add(&mut self, instruction: &Instruction) -> bool {
        let mut encoder = Encoder::new(64);
        let here = self.here();
        if encoder.encode(instruction, here).is_err() {
            return false;
        }
        let bytes = encoder.take_buffer();
        let again = Decoder::with_ip(64, &bytes, here, DecoderOptions::NONE).decode();
        let same = again.code() == instruction.code() && again.len() == bytes.len();
        if same {
            self.raw(&bytes);
        }
        same
    }

    /// `mov register, value`
    pub(crate) fn set(&mut self, register: Register, value: u64) {
        let set = Instruction::with2(Code::Mov_r64_imm64, register, value).unwrap();
        assert!(self.add(&set));
    }

    /// A general register of 64 bits that may be changed.
    pub(crate) fn gpr(&mut self) -> Register {
        match self.rng.below(16) {
            4 if !self.rng.once_in(64) => Register::RBP,
            n => Register::RAX + n,
        }
    }

    /// An address in the data: aligned or not, now and then at the very end.
    pub(crate) fn address(&mut self) -> u64 {
        let offset = u64::from(self.rng.below(DATA_LEN as u32 - 600)) + 100;
        match self.rng.below(16) {
            0..8 => DATA + (offset & !63),
            8..14 => DATA + offset,
            14 => DATA + DATA_LEN - u64::from(self.rng.below(66)),
            _ => DATA + 0x1000 - u64::from(self.rng.below(66)),
        }
    }

    /// Adds an instruction of this form, behind others that make its operands good. False if that does
    /// not work out with these operands.
    pub(crate) fn form(&mut self, code: Code) -> bool {
        let before = self.bytes.len();
        let mut instruction = Instruction::default();
        instruction.set_code(code);
        let op = code.op_code();
        let mut immediates = 0;
        for (n, kind) in op.op_kinds().iter().enumerate() {
            self.operand(&mut instruction, n as u32, *kind, &mut immediates);
        }
        if op.can_use_op_mask_register() && (op.require_op_mask_register() || self.rng.once_in(3)) {
            instruction.set_op_mask(Register::K1 + self.rng.below(7));
            if op.can_use_zeroing_masking() && self.rng.once_in(2) {
                instruction.set_zeroing_masking(true);
            }
        }
        let in_memory =
            (0..instruction.op_count()).any(|n| instruction.op_kind(n) == OpKind::Memory);
        if in_memory && op.can_broadcast() && self.rng.once_in(3) {
            instruction.set_is_broadcast(true);
        }
        if op.can_use_lock_prefix()
            && instruction.op0_kind() == OpKind::Memory
            && self.rng.once_in(4)
        {
            instruction.set_has_lock_prefix(true);
        }
        if instruction.is_string_instruction() {
            if op.can_use_rep_prefix() && self.rng.once_in(2) {
                instruction.set_has_rep_prefix(true);
            } else if op.can_use_repne_prefix() && self.rng.once_in(2) {
                instruction.set_has_repne_prefix(true);
            }
            let times = u64::from(self.rng.below(40));
            self.set(Register::RCX, times);
        }
        if matches!(code.mnemonic(), Mnemonic::Div | Mnemonic::Idiv) && self.rng.below(4) > 0 {
            // Mostly without an overflow.
            self.raw(&[0x31, 0xd2]);
        }
        let added = self.add(&instruction);
        if !added {
            self.bytes.truncate(before);
        }
        added
    }

    fn operand(&mut self, i: &mut Instruction, n: u32, kind: K, immediates: &mut u32) {
        let is_evex = i.code().op_code().encoding() == EncodingKind::EVEX;
        let wide = if is_evex { 32 } else { 16 };
        let name = format!("{kind:?}");
        let in_memory = match kind {
            K::mem | K::mem_offs | K::mem_mpx | K::mem_mib | K::sibmem | K::seg_rBX_al => true,
            _ if name.starts_with("mem_vsib") => true,
            _ if name.contains("_or_mem") => self.rng.once_in(2),
            _ => false,
        };
        if in_memory {
            return self.memory(i, n, kind, &name);
        }
        if name.starts_with("imm") {
            return self.immediate(i, n, kind, immediates);
        }
        let string = match kind {
            K::seg_rSI => Some((OpKind::MemorySegRSI, Register::RSI)),
            K::es_rDI => Some((OpKind::MemoryESRDI, Register::RDI)),
            K::seg_rDI => Some((OpKind::MemorySegRDI, Register::RDI)),
            _ => None,
        };
        if let Some((kind, register)) = string {
            let address = self.address();
            if self.rng.below(32) > 0 {
                self.set(register, address);
            }
            return i.set_op_kind(n, kind);
        }
        let gpr = |maker: &mut Self, first: Register| {
            let number = maker.gpr().number() as u32;
            first + number
        };
        let register = match kind {
            K::al => Register::AL,
            K::cl => Register::CL,
            K::ax => Register::AX,
            K::dx => Register::DX,
            K::eax => Register::EAX,
            K::rax => Register::RAX,
            K::st0 => Register::ST0,
            K::sti_opcode => Register::ST0 + self.rng.below(8),
            K::es => Register::ES,
            K::cs => Register::CS,
            K::ss => Register::SS,
            K::ds => Register::DS,
            K::fs => Register::FS,
            K::gs => Register::GS,
            K::seg_reg => Register::ES + self.rng.below(6),
            K::bnd_reg | K::bnd_or_mem_mpx => Register::BND0 + self.rng.below(4),
            K::kp1_reg => Register::K0 + self.rng.below(4) * 2,
            _ if name.starts_with("r8") => Register::AL + self.rng.below(20),
            _ if name.starts_with("r16") => gpr(self, Register::AX),
            _ if name.starts_with("r32") => gpr(self, Register::EAX),
            _ if name.starts_with("r64") => gpr(self, Register::RAX),
            _ if name.starts_with("mm") => Register::MM0 + self.rng.below(8),
            _ if name.starts_with("xmm") => Register::XMM0 + self.rng.below(wide),
            _ if name.starts_with("ymm") => Register::YMM0 + self.rng.below(wide),
            _ if name.starts_with("zmm") => Register::ZMM0 + self.rng.below(wide),
            _ if name.starts_with("tmm") => Register::TMM0 + self.rng.below(8),
            _ if name.starts_with('k') => Register::K0 + self.rng.below(8),
            _ => return,
        };
        i.set_op_kind(n, OpKind::Register);
        i.set_op_register(n, register);
    }

    fn immediate(&mut self, i: &mut Instruction, n: u32, kind: K, immediates: &mut u32) {
        let value = self.rng.value();
        let byte = value as u8;
        *immediates += 1;
        match kind {
            K::imm8 if *immediates == 2 => {
                i.set_op_kind(n, OpKind::Immediate8_2nd);
                // `enter`: few nested frames.
                i.set_immediate8_2nd(byte & 31);
                return;
            }
            K::imm8 | K::imm4_m2z => i.set_op_kind(n, OpKind::Immediate8),
            K::imm8_const_1 => {
                i.set_op_kind(n, OpKind::Immediate8);
                i.set_immediate8(1);
                return;
            }
            K::imm8sex16 => i.set_op_kind(n, OpKind::Immediate8to16),
            K::imm8sex32 => i.set_op_kind(n, OpKind::Immediate8to32),
            K::imm8sex64 => i.set_op_kind(n, OpKind::Immediate8to64),
            K::imm16 => i.set_op_kind(n, OpKind::Immediate16),
            K::imm32 => i.set_op_kind(n, OpKind::Immediate32),
            K::imm32sex64 => i.set_op_kind(n, OpKind::Immediate32to64),
            _ => i.set_op_kind(n, OpKind::Immediate64),
        }
        match i.op_kind(n) {
            OpKind::Immediate8 if kind == K::imm4_m2z => i.set_immediate8(byte & 3),
            OpKind::Immediate8 => i.set_immediate8(byte),
            OpKind::Immediate8to16 => i.set_immediate8to16((byte as i8).into()),
            OpKind::Immediate8to32 => i.set_immediate8to32((byte as i8).into()),
            OpKind::Immediate8to64 => i.set_immediate8to64((byte as i8).into()),
            // `enter` and others: not far.
            OpKind::Immediate16 if i.mnemonic() == Mnemonic::Enter => {
                i.set_immediate16(u16::from(byte));
            }
            OpKind::Immediate16 => i.set_immediate16(value as u16),
            OpKind::Immediate32 => i.set_immediate32(value as u32),
            OpKind::Immediate32to64 => i.set_immediate32to64((value as i32).into()),
            _ => i.set_immediate64(value),
        }
    }

    fn memory(&mut self, i: &mut Instruction, n: u32, kind: K, name: &str) {
        i.set_op_kind(n, OpKind::Memory);
        i.set_memory_index_scale(1);
        let address = self.address();
        if kind == K::mem_offs {
            i.set_memory_displ_size(8);
            i.set_memory_displacement64(address);
            return;
        }
        if kind == K::seg_rBX_al {
            self.set(Register::RBX, address & !0xff);
            i.set_memory_base(Register::RBX);
            i.set_memory_index(Register::AL);
            return;
        }
        if let Some(kind) = name.strip_prefix("mem_vsib") {
            let first = match kind.as_bytes().last() {
                Some(b'x') => Register::XMM0,
                Some(b'y') => Register::YMM0,
                _ => Register::ZMM0,
            };
            let number = self.rng.below(16);
            if self.rng.below(8) > 0 {
                let zero = Register::XMM0 + number;
                let clear =
                    Instruction::with3(Code::VEX_Vpxor_xmm_xmm_xmmm128, zero, zero, zero).unwrap();
                self.add(&clear);
            }
            let base = self.gpr();
            self.set(base, address);
            i.set_memory_base(base);
            i.set_memory_index(first + number);
            i.set_memory_index_scale(1 << self.rng.below(4));
            return;
        }
        let base = self.gpr();
        match self.rng.below(16) {
            0..4 if kind != K::sibmem => {
                i.set_memory_base(Register::RIP);
                i.set_memory_displ_size(8);
                i.set_memory_displacement64(address);
            }
            4..7 => {
                self.set(base, address);
                i.set_memory_base(base);
            }
            7..10 => {
                let displacement = u64::from(self.rng.below(0x400)).wrapping_sub(0x200);
                self.set(base, address.wrapping_sub(displacement));
                i.set_memory_base(base);
                i.set_memory_displ_size(8);
                i.set_memory_displacement64(displacement);
            }
            10..12 => {
                let index = match self.gpr() {
                    Register::RSP => Register::RSI,
                    other => other,
                };
                let (scale, times) = (1 << self.rng.below(4), u64::from(self.rng.below(16)));
                self.set(base, address.wrapping_sub(times * u64::from(scale)));
                if index != base {
                    self.set(index, times);
                }
                i.set_memory_base(base);
                i.set_memory_index(index);
                i.set_memory_index_scale(scale);
            }
            12 => {
                i.set_memory_base(Register::RSP);
                i.set_memory_displ_size(8);
                let offset = u64::from(self.rng.below(0x100)).wrapping_sub(0x80) & !7;
                i.set_memory_displacement64(offset);
            }
            13 => {
                let (segment, start) = self.rng.pick(&[(Register::FS, FS), (Register::GS, GS)]);
                i.set_segment_prefix(segment);
                i.set_memory_displ_size(8);
                let _ = start;
                i.set_memory_displacement64(u64::from(self.rng.below(0x400)).wrapping_sub(0x200));
                if self.rng.once_in(2) {
                    self.set(base, 0x40);
                    i.set_memory_base(base);
                }
                if self.rng.once_in(8) {
                    i.set_memory_base(Register::RIP);
                    i.set_memory_displacement64(address);
                }
            }
            14 => {
                i.set_memory_displ_size(8);
                let offset = u64::from(self.rng.below(LOW_LEN as u32 - 600));
                i.set_memory_displacement64(LOW + (offset & !15));
            }
            _ => {
                // Whatever is in it.
                i.set_memory_base(if self.rng.once_in(8) { Register::EIP } else { base });
                i.set_memory_displ_size(if i.memory_base() == Register::EIP { 4 } else { 0 });
            }
        }
    }
}

//! Instructions that the translator adds, as bytes (Intel SDM vol. 2).

use iced_x86::{Encoder, Instruction};

use crate::register::Gpr;

/// REX.W, and the bits that number registers above seven.
const REX_W: u8 = 0x48;

/// Code that is being put together, for one place in the cache.
#[derive(Debug)]
pub(crate) struct Emitter {
    /// Offset in the room of the first byte.
    start: u32,
    /// Address of offset 0.
    base: u32,
    pub(crate) bytes: Vec<u8>,
}

/// A displacement that is filled in later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hole {
    /// Offset in the room of its four bytes.
    pub(crate) at: u32,
}

impl Emitter {
    pub(crate) fn new(base: u32, start: u32) -> Self {
        Self { start, base, bytes: Vec::new() }
    }

    /// Offset in the room of what comes next.
    pub(crate) fn here(&self) -> u32 {
        self.start + u32::try_from(self.bytes.len()).unwrap_or(u32::MAX / 2)
    }

    pub(crate) fn start(&self) -> u32 {
        self.start
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// An instruction that does not depend on where it lies; `ud2` if there is none like that.
    pub(crate) fn instruction(&mut self, instruction: &Instruction) {
        let before = self.bytes.len();
        let mut encoder = Encoder::new(64);
        encoder.set_buffer(std::mem::take(&mut self.bytes));
        let encoded = encoder.encode(instruction, 0);
        self.bytes = encoder.take_buffer();
        if encoded.is_err() {
            self.bytes.truncate(before);
            self.raw(&[0x0f, 0x0b]);
        }
    }

    fn absolute(&mut self, rex: u8, opcode: &[u8], register: u8, address: u32) {
        self.bytes.push(rex | (register >> 3) << 2);
        self.raw(opcode);
        // ModRM with a SIB byte; SIB without base and index: a displacement of 32 bits.
        self.raw(&[(register & 7) << 3 | 0b100, 0x25]);
        self.raw(&address.to_le_bytes());
    }

    /// `mov [address], register`
    pub(crate) fn store(&mut self, address: u32, register: Gpr) {
        self.absolute(REX_W, &[0x89], register.number(), address);
    }

    /// `mov register, [address]`
    pub(crate) fn load(&mut self, register: Gpr, address: u32) {
        self.absolute(REX_W, &[0x8b], register.number(), address);
    }

    /// `mov qword [address], 0`
    pub(crate) fn clear(&mut self, address: u32) {
        self.absolute(REX_W, &[0xc7], 0, address);
        self.raw(&[0; 4]);
    }

    /// `mov dword [address], value`
    pub(crate) fn note(&mut self, address: u32, value: u32) {
        self.raw(&[0xc7, 0x04, 0x25]);
        self.raw(&address.to_le_bytes());
        self.raw(&value.to_le_bytes());
    }

    /// `mov to, [base + offset]`; `base` is neither `rsp` nor `r12`.
    pub(crate) fn load_near(&mut self, to: Gpr, base: Gpr, offset: u8) {
        let rex = REX_W | u8::from(base.is_high()) | u8::from(to.is_high()) << 2;
        self.raw(&[rex, 0x8b, 0b1000_0000 | to.low() << 3 | base.low()]);
        self.raw(&u32::from(offset).to_le_bytes());
    }

    /// `add qword [address], n`: changes the flags.
    pub(crate) fn add_to(&mut self, address: u32, n: i8) {
        self.absolute(REX_W, &[0x83], 0, address);
        self.raw(&n.to_le_bytes());
    }

    /// `push qword [address]`
    pub(crate) fn push_from(&mut self, address: u32) {
        self.raw(&[0xff, 0x34, 0x25]);
        self.raw(&address.to_le_bytes());
    }

    /// `push value`, which is sign-extended: at most 31 bits of an address.
    pub(crate) fn push(&mut self, value: i32) {
        self.raw(&[0x68]);
        self.raw(&value.to_le_bytes());
    }

    /// `jmp qword [table + r11 * 8]`
    pub(crate) fn jump_through(&mut self, table: u32) {
        self.raw(&[0x42, 0xff, 0x24, 0xdd]);
        self.raw(&table.to_le_bytes());
    }

    /// `lea register, [register + n]`
    pub(crate) fn advance(&mut self, register: Gpr, n: i32) {
        let low = register.low();
        let both = if register.is_high() { 0b101 } else { 0 };
        self.raw(&[REX_W | both, 0x8d, 0b1000_0000 | low << 3 | low]);
        if low == 4 {
            self.raw(&[0x24]);
        }
        self.raw(&n.to_le_bytes());
    }

    /// `lea rcx, [register + rcx]`
    pub(crate) fn add_to_rcx(&mut self, register: Gpr) {
        let sib = Gpr::RCX.low() << 3 | register.low();
        let rex = REX_W | u8::from(register.is_high());
        // Without a displacement, which costs time; `rbp` and `r13` as a base need one.
        match register.low() {
            5 => self.raw(&[rex, 0x8d, 0b0100_1100, sib, 0]),
            _ => self.raw(&[rex, 0x8d, 0b0000_1100, sib]),
        }
    }

    /// `mov to, from`
    pub(crate) fn copy(&mut self, to: Gpr, from: Gpr) {
        let rex = REX_W | u8::from(to.is_high()) | u8::from(from.is_high()) << 2;
        self.raw(&[rex, 0x89, 0b1100_0000 | from.low() << 3 | to.low()]);
    }

    /// `mov register, value`, as short as it can be.
    pub(crate) fn set(&mut self, register: Gpr, value: u64) {
        let high = u8::from(register.is_high());
        if let Ok(short) = u32::try_from(value) {
            if high == 1 {
                self.raw(&[0x41]);
            }
            self.raw(&[0xb8 | register.low()]);
            self.raw(&short.to_le_bytes());
        } else if let Ok(short) = i32::try_from(value.cast_signed()) {
            self.raw(&[REX_W | high, 0xc7, 0b1100_0000 | register.low()]);
            self.raw(&short.to_le_bytes());
        } else {
            self.raw(&[REX_W | high, 0xb8 | register.low()]);
            self.raw(&value.to_le_bytes());
        }
    }

    /// `mov rax, [address]`, for any address.
    pub(crate) fn load_rax_far(&mut self, address: u64) {
        self.raw(&[REX_W, 0xa1]);
        self.raw(&address.to_le_bytes());
    }

    /// `mov rcx, [rcx]`
    pub(crate) fn follow_rcx(&mut self) {
        self.raw(&[REX_W, 0x8b, 0x09]);
    }

    /// `mov rax, half of xmm`: the lower one, or the upper one (SSE4.1).
    pub(crate) fn rax_from_xmm(&mut self, register: u8, half: XmmHalf) {
        let rex = REX_W | (register >> 3) << 2;
        let modrm = 0b1100_0000 | (register & 7) << 3;
        match half {
            XmmHalf::Lower => self.raw(&[0x66, rex, 0x0f, 0x7e, modrm]),
            XmmHalf::Upper => self.raw(&[0x66, rex, 0x0f, 0x3a, 0x16, modrm, 1]),
        }
    }

    /// Leaves the cache with this number, by the code at `common`.
    pub(crate) fn leave(&mut self, number: u64, common: u32) {
        self.set(Gpr::RAX, number);
        self.jump(common);
    }

    /// `jmp` to an offset in the room.
    pub(crate) fn jump(&mut self, to: u32) {
        let hole = self.jump_hole();
        self.fill(hole, to);
    }

    /// `jmp` to a place that is filled in later.
    pub(crate) fn jump_hole(&mut self) -> Hole {
        self.raw(&[0xe9]);
        self.hole()
    }

    /// `jcc` to a place that is filled in later; `condition` as in the opcode.
    pub(crate) fn jump_if_hole(&mut self, condition: u8) -> Hole {
        self.raw(&[0x0f, 0x80 | condition]);
        self.hole()
    }

    /// `jrcxz` over the next `bytes` bytes.
    pub(crate) fn skip_if_rcx_is_zero(&mut self, bytes: u8) {
        self.raw(&[0xe3, bytes]);
    }

    /// A jump to a place that is filled in later, taken if `rcx` is zero.
    pub(crate) fn jump_if_rcx_is_zero(&mut self) -> Hole {
        // `jrcxz` reaches only so far: over a short jump, which leads over a long one.
        self.raw(&[0xe3, 2, 0xeb, 5]);
        self.jump_hole()
    }

    fn hole(&mut self) -> Hole {
        let at = self.here();
        self.raw(&[0; 4]);
        Hole { at }
    }

    /// Fills a hole of this code.
    pub(crate) fn fill(&mut self, hole: Hole, to: u32) {
        let at = (hole.at - self.start) as usize;
        if let Some(place) = self.bytes.get_mut(at..at + 4) {
            place.copy_from_slice(&hole.displacement(to));
        }
    }

    /// The same if there is one.
    pub(crate) fn fill_if(&mut self, hole: Option<Hole>, to: u32) {
        if let Some(hole) = hole {
            self.fill(hole, to);
        }
    }

    pub(crate) fn address(&self, offset: u32) -> u32 {
        self.base + offset
    }
}

impl Hole {
    /// What leads from the hole to an offset in the room.
    pub(crate) fn displacement(self, to: u32) -> [u8; 4] {
        to.wrapping_sub(self.at + 4).to_le_bytes()
    }
}

/// A half of a register of 128 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum XmmHalf {
    /// Bits 0 to 63.
    Lower,
    /// Bits 64 to 127.
    Upper,
}

#[cfg(test)]
mod tests {
    use iced_x86::{Decoder, DecoderOptions, Formatter, IntelFormatter};

    use super::*;

    fn shown(write: impl FnOnce(&mut Emitter)) -> Vec<String> {
        let mut emitter = Emitter::new(0x3800_0000, 0x1000);
        write(&mut emitter);
        let mut decoder = Decoder::with_ip(64, &emitter.bytes, 0x3800_1000, DecoderOptions::NONE);
        let mut formatter = IntelFormatter::new();
        let mut lines = Vec::new();
        while decoder.can_decode() {
            let mut line = String::new();
            formatter.format(&decoder.decode(), &mut line);
            lines.push(line);
        }
        lines
    }

    #[test]
    fn added_instructions_are_what_they_say() {
        let r = |n: usize| Gpr::SPARE[n];
        let lines = shown(|e| {
            e.store(0x3800_0008, Gpr::RCX);
            e.load(r(14), 0x3800_0078);
            e.add_to(0x3800_0100, 1);
            e.clear(0x3800_0100);
            e.note(0x3800_00a0, 7);
            e.load_near(Gpr::RCX, Gpr::R11, 8);
            e.push_from(0x3800_2000);
            e.push(0x40_1136);
            e.jump_through(0x3800_1000);
            e.advance(Gpr::RAX, 1);
            e.advance(r(11), 2);
            e.add_to_rcx(Gpr::RAX);
            e.add_to_rcx(r(6));
            e.add_to_rcx(r(12));
            e.copy(Gpr::RCX, r(7));
            e.copy(r(7), Gpr::RCX);
        });
        assert_eq!(
            lines,
            [
                "mov [38000008h],rcx",
                "mov r15,[38000078h]",
                "add qword ptr [38000100h],1",
                "mov qword ptr [38000100h],0",
                "mov dword ptr [380000A0h],7",
                "mov rcx,[r11+8]",
                "push qword ptr [38002000h]",
                "push 401136h",
                "jmp qword ptr [r11*8+38001000h]",
                "lea rax,[rax+1]",
                "lea r12,[r12+2]",
                "lea rcx,[rax+rcx]",
                "lea rcx,[rbp+rcx]",
                "lea rcx,[r13+rcx]",
                "mov rcx,r8",
                "mov r8,rcx",
            ]
        );
    }

    #[test]
    fn constants_and_transfers_are_what_they_say() {
        let lines = shown(|e| {
            e.set(Gpr::RAX, 7);
            e.set(Gpr::SPARE[9], u64::MAX);
            e.set(Gpr::RCX, 0x7fff_1234_5678);
            e.load_rax_far(0x7fff_0000_1234);
            e.follow_rcx();
            e.rax_from_xmm(9, XmmHalf::Lower);
            e.rax_from_xmm(2, XmmHalf::Upper);
            e.skip_if_rcx_is_zero(5);
            e.jump(0x1000);
            let hole = e.jump_if_hole(5);
            e.fill(hole, 0x1000);
        });
        assert_eq!(
            lines,
            [
                "mov eax,7",
                "mov r10,0FFFFFFFFFFFFFFFFh",
                "mov rcx,7FFF12345678h",
                "mov rax,[7FFF00001234h]",
                "mov rcx,[rcx]",
                "movq rax,xmm9",
                "pextrq rax,xmm2,1",
                "jrcxz 0000000038001036h",
                "jmp 0000000038001000h",
                "jne 0000000038001000h",
            ]
        );
    }
}

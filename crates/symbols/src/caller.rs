//! From the registers of a frame to those of its caller.

use retake_model::{Addr, FileAddr, RegisterName, Registers};

use crate::frame_guess::{frame_pointer_rule, is_signal_return, signal_rule};
use crate::frame_rule::{Cfa, FrameKind, FrameRule, Saved};
use crate::module::Module;

/// What the program counter of a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PcKind {
    /// The instruction that runs next: the innermost frame, or one that a signal interrupted.
    Exact,
    /// A return address: the frame is still in the call before it.
    Return,
}

impl PcKind {
    /// The address to look up for a frame with this program counter.
    pub fn lookup(self, pc: u64) -> u64 {
        match self {
            Self::Exact => pc,
            Self::Return => pc.wrapping_sub(1),
        }
    }
}

/// The frame around a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallerFrame {
    /// Its registers: `rip`, `rsp` and the callee-saved ones. The others are those of the inner
    /// frame, and mean something only around a signal's frame, which has them all.
    pub registers: Registers,
    /// What its `rip` is.
    pub pc: PcKind,
    /// The CFA of the inner frame: with the entry of its function it tells that frame from others.
    pub inner_cfa: Addr,
}

type Read<'a> = &'a mut dyn FnMut(Addr) -> Option<u64>;

fn plus(register: RegisterName, offset: i64, registers: &Registers) -> Addr {
    Addr::new(registers.get(register).wrapping_add(offset.cast_unsigned()))
}

impl FrameRule {
    /// The canonical frame address. `read` gives the word at an address.
    pub fn cfa(&self, registers: &Registers, read: Read<'_>) -> Option<Addr> {
        match &self.cfa {
            Cfa::Register { register, offset } => Some(plus(*register, *offset, registers)),
            Cfa::Memory { register, offset } => {
                read(plus(*register, *offset, registers)).map(Addr::new)
            }
            Cfa::Expression(expression) => {
                expression.evaluate(None, registers, read).map(Addr::new)
            }
        }
    }

    /// The frame around the one with these registers; `None` where the stack ends, or memory cannot
    /// be read.
    pub fn caller(&self, registers: &Registers, read: Read<'_>) -> Option<CallerFrame> {
        let cfa = self.cfa(registers, read)?;
        let pc = resolve(&self.return_address, RegisterName::Rip, cfa, registers, read)?;
        if pc == 0 {
            return None;
        }
        let mut caller = *registers;
        caller.rsp = cfa.get();
        for (name, saved) in &self.registers {
            if let Some(value) = resolve(saved, *name, cfa, registers, read) {
                caller.set(*name, value);
            }
        }
        caller.rip = pc;
        let pc = match self.kind {
            FrameKind::Called => PcKind::Return,
            FrameKind::Signal => PcKind::Exact,
        };
        Some(CallerFrame { registers: caller, pc, inner_cfa: cfa })
    }

    /// The rule of code that nothing is known of, such as code that a program made itself: `rbp` is
    /// a frame pointer.
    pub fn frame_pointer() -> Self {
        frame_pointer_rule()
    }
}

fn resolve(
    saved: &Saved,
    name: RegisterName,
    cfa: Addr,
    registers: &Registers,
    read: Read<'_>,
) -> Option<u64> {
    let from_cfa = |offset: i64| cfa.get().wrapping_add(offset.cast_unsigned());
    match saved {
        Saved::Same => Some(registers.get(name)),
        Saved::AtCfa(offset) => read(Addr::new(from_cfa(*offset))),
        Saved::Value(offset) => Some(from_cfa(*offset)),
        Saved::Register(register) => Some(registers.get(*register)),
        Saved::Memory { register, offset } => read(plus(*register, *offset, registers)),
        Saved::AtExpression(expression) => {
            let addr = expression.evaluate(Some(cfa), registers, read)?;
            read(Addr::new(addr))
        }
        Saved::ValueExpression(expression) => expression.evaluate(Some(cfa), registers, read),
        Saved::Lost => None,
    }
}

impl Module {
    /// The rule for a frame with this program counter.
    pub fn rule_of_frame(&self, pc: FileAddr, kind: PcKind) -> Option<FrameRule> {
        // A handler returns to the first byte of this code; nothing called it from the byte before.
        let code = self.elf().bytes_at(pc, 16).unwrap_or_default();
        if is_signal_return(code) {
            return Some(signal_rule());
        }
        self.frame_rule(FileAddr::new(kind.lookup(pc.get())))
    }

    /// The frame around the one whose registers these are and whose program counter is at `pc` of
    /// this file. `read` gives the word at an address of memory. `None` where the stack ends, and
    /// where memory cannot be read.
    pub fn caller_frame(
        &self,
        pc: FileAddr,
        kind: PcKind,
        registers: &Registers,
        read: &mut dyn FnMut(Addr) -> Option<u64>,
    ) -> Option<CallerFrame> {
        self.rule_of_frame(pc, kind)?.caller(registers, read)
    }

    /// The canonical frame address of such a frame. Together with the entry of its function it tells
    /// the frame from all others that exist at the same time.
    pub fn frame_cfa(
        &self,
        pc: FileAddr,
        kind: PcKind,
        registers: &Registers,
        read: &mut dyn FnMut(Addr) -> Option<u64>,
    ) -> Option<Addr> {
        self.rule_of_frame(pc, kind)?.cfa(registers, read)
    }
}

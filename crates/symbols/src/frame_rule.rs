//! Where a frame's caller is, at one instruction (DWARF 5 §6.4).

use retake_model::RegisterName;

use crate::expression::FrameExpression;

/// The registers that a function leaves as its caller had them (System V ABI for AMD64, 3.2.1),
/// besides `rsp`.
pub(crate) const CALLEE_SAVED: [RegisterName; 6] = [
    RegisterName::Rbx,
    RegisterName::Rbp,
    RegisterName::R12,
    RegisterName::R13,
    RegisterName::R14,
    RegisterName::R15,
];

/// How the caller's frame is found at an instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameRule {
    /// The canonical frame address: for a called function, `rsp` as it is right after the return.
    pub cfa: Cfa,
    /// The address at which the caller goes on. [`Saved::Lost`] where a stack ends.
    pub return_address: Saved,
    /// The caller's registers: the callee-saved ones, and others of which something is said. If
    /// `rsp` is not among them, it is the CFA.
    pub registers: Vec<(RegisterName, Saved)>,
    /// What the frame is.
    pub kind: FrameKind,
    /// How the rule is known.
    pub source: RuleSource,
}

impl FrameRule {
    /// Where the caller's value of a register is. `rsp` without a rule is the CFA; other registers
    /// without one are lost.
    pub fn register(&self, name: RegisterName) -> Saved {
        let found = self.registers.iter().find(|(register, _)| *register == name);
        match found {
            Some((_, saved)) => saved.clone(),
            None if name == RegisterName::Rsp => Saved::Value(0),
            None => Saved::Lost,
        }
    }
}

/// The canonical frame address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cfa {
    /// A register and an offset.
    Register {
        /// The register.
        register: RegisterName,
        /// What is added, wrapping.
        offset: i64,
    },
    /// The word in memory at a register and an offset: frames that align the stack, and signal
    /// frames.
    Memory {
        /// The register.
        register: RegisterName,
        /// What is added to it, wrapping.
        offset: i64,
    },
    /// None of these forms: it has to be evaluated.
    Expression(FrameExpression),
}

/// Where the caller's value of a register is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Saved {
    /// Still in the register.
    Same,
    /// In memory, at the CFA and this offset.
    AtCfa(i64),
    /// The CFA and this offset is the value.
    Value(i64),
    /// In another register.
    Register(RegisterName),
    /// In memory, at a register and an offset: signal frames.
    Memory {
        /// The register.
        register: RegisterName,
        /// What is added to it, wrapping.
        offset: i64,
    },
    /// In memory, at the address that the expression gives; the CFA is on its stack.
    AtExpression(FrameExpression),
    /// What the expression gives; the CFA is on its stack.
    ValueExpression(FrameExpression),
    /// Nowhere.
    Lost,
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// A function that was called: its caller's address is a return address.
    Called,
    /// What a signal handler returns to: the frame around it was interrupted, before the instruction
    /// at its address.
    Signal,
}

/// How a rule is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleSource {
    /// From call frame information: exact.
    CallFrameInfo,
    /// From the instructions: there is no call frame information here.
    Instructions,
    /// By the convention that `rbp` is a frame pointer.
    FramePointer,
}

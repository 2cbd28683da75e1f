//! DWARF expressions of call frame information (DWARF 5 §2.5 and §6.4.2).

use std::fmt;
use std::sync::Arc;

use gimli::{
    Encoding, EndianSlice, EvaluationResult, Expression, Format, LittleEndian, Location, Operation,
    Register, Value,
};
use retake_model::{Addr, RegisterName, Registers};

use crate::sections::Slice;

/// Compilers write three to ten operations.
const MAX_OPERATIONS: u32 = 1000;
const ENCODING: Encoding = Encoding { address_size: 8, format: Format::Dwarf32, version: 4 };

/// Column 16 of call frame information: the return address (System V ABI for AMD64, figure 3.36).
pub(crate) const RETURN_ADDRESS: Register = Register(16);

/// The register of a DWARF number (System V ABI for AMD64, figure 3.36).
pub(crate) fn register_of(register: Register) -> Option<RegisterName> {
    use RegisterName as R;
    Some(match register.0 {
        0 => R::Rax,
        1 => R::Rdx,
        2 => R::Rcx,
        3 => R::Rbx,
        4 => R::Rsi,
        5 => R::Rdi,
        6 => R::Rbp,
        7 => R::Rsp,
        8 => R::R8,
        9 => R::R9,
        10 => R::R10,
        11 => R::R11,
        12 => R::R12,
        13 => R::R13,
        14 => R::R14,
        15 => R::R15,
        16 => R::Rip,
        49 => R::Eflags,
        58 => R::FsBase,
        59 => R::GsBase,
        _ => return None,
    })
}

/// An expression that gives an address or a value of a frame.
#[derive(Clone, PartialEq, Eq)]
pub struct FrameExpression(Arc<[u8]>);

impl fmt::Debug for FrameExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FrameExpression({} bytes)", self.0.len())
    }
}

/// What an expression computes, as far as that is known without registers and memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Constant(u64),
    /// A register and an offset.
    Register(RegisterName, i64),
    /// The word in memory at a register and an offset.
    Memory(RegisterName, i64),
}

impl FrameExpression {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self(Arc::from(bytes))
    }

    fn get(&self) -> Expression<Slice<'_>> {
        Expression(EndianSlice::new(&self.0, LittleEndian))
    }

    /// The value for one frame. `read` gives the word at an address.
    pub(crate) fn evaluate(
        &self,
        cfa: Option<Addr>,
        registers: &Registers,
        read: &mut dyn FnMut(Addr) -> Option<u64>,
    ) -> Option<u64> {
        let mut evaluation = self.get().evaluation(ENCODING);
        evaluation.set_max_iterations(MAX_OPERATIONS);
        if let Some(cfa) = cfa {
            evaluation.set_initial_value(cfa.get());
        }
        let mut result = evaluation.evaluate().ok()?;
        loop {
            result = match result {
                EvaluationResult::Complete => break,
                EvaluationResult::RequiresRegister { register, .. } => {
                    let value = Value::Generic(registers.get(register_of(register)?));
                    evaluation.resume_with_register(value).ok()?
                }
                EvaluationResult::RequiresMemory { address, size, space: None, .. } => {
                    let word = read(Addr::new(address))?;
                    let unused = 64_u32.checked_sub(u32::from(size).checked_mul(8)?)?;
                    let value = word.checked_shl(unused).unwrap_or(0);
                    let value = value.checked_shr(unused).unwrap_or(0);
                    evaluation.resume_with_memory(Value::Generic(value)).ok()?
                }
                EvaluationResult::RequiresCallFrameCfa => {
                    evaluation.resume_with_call_frame_cfa(cfa?.get()).ok()?
                }
                _ => return None,
            };
        }
        let pieces = evaluation.result();
        let [piece] = pieces.as_slice() else { return None };
        match piece.location {
            Location::Address { address } => Some(address),
            Location::Value { value: Value::Generic(value) } => Some(value),
            _ => None,
        }
    }

    /// The form of an expression without branches. `pc` is where the frame is in the file: only the
    /// offset in its page may matter, which is the same in memory. PLT stubs ask for that.
    pub(crate) fn form(&self, pc: u64) -> Option<Form> {
        let mut stack: Vec<Form> = Vec::new();
        let mut operations = self.get().operations(ENCODING);
        while let Some(operation) = operations.next().ok()? {
            let value = match operation {
                Operation::Nop => continue,
                Operation::RegisterOffset { register, offset, .. } => {
                    Form::Register(register_of(register)?, offset)
                }
                Operation::UnsignedConstant { value } => Form::Constant(value),
                Operation::SignedConstant { value } => Form::Constant(value.cast_unsigned()),
                Operation::PlusConstant { value } => add(stack.pop()?, value)?,
                Operation::Deref { size: 8, space: false, .. } => match stack.pop()? {
                    Form::Register(register, offset) => Form::Memory(register, offset),
                    Form::Constant(_) | Form::Memory(..) => return None,
                },
                other => {
                    let (right, left) = (stack.pop()?, stack.pop()?);
                    combine(&other, left, right, pc)?
                }
            };
            stack.push(value);
        }
        stack.pop()
    }
}

fn add(value: Form, more: u64) -> Option<Form> {
    match value {
        Form::Constant(value) => Some(Form::Constant(value.wrapping_add(more))),
        Form::Register(register, offset) => {
            Some(Form::Register(register, offset.wrapping_add(more.cast_signed())))
        }
        Form::Memory(..) => None,
    }
}

fn combine(operation: &Operation<Slice<'_>>, left: Form, right: Form, pc: u64) -> Option<Form> {
    let constant = match (operation, left, right) {
        (Operation::Plus, left, Form::Constant(more)) => return add(left, more),
        (Operation::Plus, Form::Constant(more), right) => return add(right, more),
        (Operation::Minus, left, Form::Constant(less)) => return add(left, less.wrapping_neg()),
        (Operation::And, Form::Register(RegisterName::Rip, offset), Form::Constant(mask))
            if mask < retake_model::PAGE_SIZE =>
        {
            pc.wrapping_add(offset.cast_unsigned()) & mask
        }
        (operation, Form::Constant(left), Form::Constant(right)) => match operation {
            Operation::And => left & right,
            Operation::Or => left | right,
            Operation::Mul => left.wrapping_mul(right),
            Operation::Shl => u32::try_from(right).ok().and_then(|by| left.checked_shl(by))?,
            Operation::Ge => u64::from(left.cast_signed() >= right.cast_signed()),
            Operation::Gt => u64::from(left.cast_signed() > right.cast_signed()),
            Operation::Le => u64::from(left.cast_signed() <= right.cast_signed()),
            Operation::Lt => u64::from(left.cast_signed() < right.cast_signed()),
            Operation::Eq => u64::from(left == right),
            Operation::Ne => u64::from(left != right),
            _ => return None,
        },
        _ => return None,
    };
    Some(Form::Constant(constant))
}

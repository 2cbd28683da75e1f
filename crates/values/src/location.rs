//! Where a variable is: location descriptions (DWARF 5 §2.5, §2.6).

mod bounds;
mod operands;
mod pieces;
mod thread_locals;

use std::sync::Arc;

use gimli::{
    AttributeValue, DieReference, DwAt, EvaluationResult, Expression, Location, Piece, constants,
};
use retake_model::Addr;

use crate::Missing;
use crate::dwarf::{Bytes, Entry, Info, TypeId, UnitInfo};
use crate::space::{Frame, Space};
use crate::value::Stored;

use operands::{constant, memory, typed, value_bytes, value_type, word};

/// Compilers write a few dozen operations.
const MAX_OPERATIONS: u32 = 10_000;
/// Expressions that need others.
const MAX_DEPTH: usize = 8;
/// A register or a piece is no larger.
const MAX_PIECE: u64 = 1 << 16;
/// DWARF says nothing of the size of what is left.
const WHOLE: usize = 16;

/// A frame, what is around it, and the memory that it is in.
#[derive(Clone, Copy)]
pub struct At<'a> {
    /// The frame, its caller, and so on; none where only globals are asked for.
    pub frames: &'a [Frame],
    /// The memory.
    pub space: &'a dyn Space,
    /// Where the frame's thread keeps its own variables (`fs_base`).
    pub thread: Option<Addr>,
}

impl std::fmt::Debug for At<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("At").field("frames", &self.frames).finish_non_exhaustive()
    }
}

/// What an expression is evaluated for.
#[derive(Clone, Copy)]
struct Subject<'s> {
    info: &'s Arc<Info>,
    unit: &'s UnitInfo,
    bias: Option<u64>,
    /// What is on the stack at the beginning.
    object: Option<u64>,
}

impl<'a> At<'a> {
    /// Where a variable is, by its entry.
    pub(crate) fn locate(&self, info: &Arc<Info>, id: TypeId) -> Result<Stored, Missing> {
        self.locate_within(info, id, MAX_DEPTH)
    }

    fn locate_within(&self, info: &Arc<Info>, id: TypeId, left: usize) -> Result<Stored, Missing> {
        let left = deeper(left)?;
        let (unit, offset) = info.find(id).ok_or_else(|| unclear("an entry is not there"))?;
        let entry = unit.unit.entry(offset)?;
        let value = match entry.attr_value(constants::DW_AT_location)? {
            Some(value) => value,
            None => return self.without_location(info, &unit, &entry, left),
        };
        let expression = self.expression(&unit, value)?;
        let subject = Subject { info, unit: &unit, bias: self.bias_of(info), object: None };
        let pieces = self.evaluate(&subject, expression, left)?;
        self.stored(info, &unit, pieces, left)
    }

    fn without_location(
        &self,
        info: &Arc<Info>,
        unit: &UnitInfo,
        entry: &Entry<'_, '_>,
        left: usize,
    ) -> Result<Stored, Missing> {
        if let Some(value) = entry.attr_value(constants::DW_AT_const_value)? {
            return constant(unit, value).ok_or_else(|| unclear("a constant of an odd form"));
        }
        // A copy of a variable whose place the other entry says: a static one.
        for at in [constants::DW_AT_abstract_origin, constants::DW_AT_specification] {
            let Some(other) = crate::dwarf::reference(unit, entry, at) else { continue };
            let Some((unit, offset)) = info.find(other) else { continue };
            let origin = unit.unit.entry(offset)?;
            let says = |at: DwAt| matches!(origin.attr_value(at), Ok(Some(_)));
            if says(constants::DW_AT_location) || says(constants::DW_AT_const_value) {
                return self.locate_within(info, other, left);
            }
        }
        Err(Missing::OptimizedOut("it has no location anywhere in this function"))
    }

    /// The expression that holds at the frame's place.
    fn expression(
        &self,
        unit: &UnitInfo,
        value: AttributeValue<Bytes>,
    ) -> Result<Expression<Bytes>, Missing> {
        if let AttributeValue::Exprloc(expression) = value {
            return Ok(expression);
        }
        if let AttributeValue::Block(bytes) = value {
            return Ok(Expression(bytes));
        }
        let Some(mut list) = unit.dwarf.attr_locations(&unit.unit, value)? else {
            return Err(unclear("a location of an odd form"));
        };
        let frame = self.frames.first().ok_or_else(|| unclear("there is no frame"))?;
        let pc = frame.pc.get();
        while let Some(entry) = list.next()? {
            if (entry.range.begin..entry.range.end).contains(&pc) {
                return Ok(entry.data);
            }
        }
        Err(Missing::OptimizedOut("it has no location at this instruction"))
    }

    fn bias_of(&self, info: &Info) -> Option<u64> {
        let same = self.frames.first().filter(|frame| std::ptr::eq(&*frame.info, info));
        same.map(|frame| frame.bias).or_else(|| self.space.bias(info))
    }

    /// The address of a member that an expression places, for an object at an address.
    pub(crate) fn member_address(
        space: &dyn Space,
        info: &Arc<Info>,
        expression: &Expression<Bytes>,
        encoding: gimli::Encoding,
        object: Addr,
    ) -> Result<Addr, Missing> {
        let mut evaluation = expression.clone().evaluation(encoding);
        evaluation.set_max_iterations(MAX_OPERATIONS);
        evaluation.set_initial_value(object.get());
        evaluation.set_object_address(object.get());
        let mut result = evaluation.evaluate()?;
        loop {
            result = match result {
                EvaluationResult::Complete => break,
                EvaluationResult::RequiresMemory { address, size, .. } => {
                    let word = memory(space, address, size)?;
                    evaluation.resume_with_memory(gimli::Value::Generic(word))?
                }
                EvaluationResult::RequiresRelocatedAddress(address) => {
                    let bias =
                        space.bias(info).ok_or_else(|| unclear("the module is not loaded"))?;
                    evaluation.resume_with_relocated_address(address.wrapping_add(bias))?
                }
                _ => return Err(unclear("a member's place needs more than memory")),
            };
        }
        match evaluation.result().first().map(|piece| &piece.location) {
            Some(Location::Address { address }) => Ok(Addr::new(*address)),
            Some(Location::Value { value: gimli::Value::Generic(value) }) => Ok(Addr::new(*value)),
            _ => Err(unclear("a member's place is no address")),
        }
    }

    fn evaluate(
        &self,
        subject: &Subject<'_>,
        expression: Expression<Bytes>,
        left: usize,
    ) -> Result<Vec<Piece<Bytes>>, Missing> {
        let left = deeper(left)?;
        if expression.0.is_empty() {
            return Err(Missing::OptimizedOut("it is kept nowhere at this instruction"));
        }
        let Subject { info, unit, bias, object } = *subject;
        let mut evaluation = expression.evaluation(unit.unit.encoding());
        evaluation.set_max_iterations(MAX_OPERATIONS);
        if let Some(object) = object {
            evaluation.set_initial_value(object);
        }
        let relocated = |address: u64| {
            // What the linker leaves of an address whose section it did not take.
            if address == 0 || address >= u64::MAX - 1 {
                return Err(Missing::OptimizedOut("the linker has left it out"));
            }
            let bias = bias.ok_or_else(|| unclear("the module is not loaded"))?;
            Ok::<_, Missing>(address.wrapping_add(bias))
        };
        let frame = || self.frames.first().ok_or_else(|| unclear("there is no frame"));
        let mut result = evaluation.evaluate()?;
        // What can be asked again and again by hostile bytes is bounded by the operations above.
        loop {
            result = match result {
                EvaluationResult::Complete => return Ok(evaluation.result()),
                EvaluationResult::RequiresMemory { address, size, base_type, .. } => {
                    let ty = value_type(info, unit, base_type)?;
                    let word = memory(self.space, address, size)?;
                    evaluation.resume_with_memory(typed(ty, &word.to_le_bytes())?)?
                }
                EvaluationResult::RequiresRegister { register, base_type } => {
                    let bytes = frame()?.register(register.0)?;
                    let ty = value_type(info, unit, base_type)?;
                    evaluation.resume_with_register(typed(ty, &bytes)?)?
                }
                EvaluationResult::RequiresFrameBase => {
                    evaluation.resume_with_frame_base(self.frame_base(left)?)?
                }
                EvaluationResult::RequiresTls(offset) => {
                    evaluation.resume_with_tls(self.thread_local(info, offset)?)?
                }
                EvaluationResult::RequiresCallFrameCfa => {
                    let cfa = frame()?.cfa.ok_or_else(|| unclear("the frame's address"))?;
                    evaluation.resume_with_call_frame_cfa(cfa.get())?
                }
                EvaluationResult::RequiresAtLocation(reference) => {
                    let bytes = self.bytes_of_location(info, unit, reference)?;
                    evaluation.resume_with_at_location(bytes)?
                }
                EvaluationResult::RequiresEntryValue(entry) => {
                    let value = self.entry_value(unit, entry, left)?;
                    evaluation.resume_with_entry_value(gimli::Value::Generic(value))?
                }
                EvaluationResult::RequiresRelocatedAddress(address) => {
                    evaluation.resume_with_relocated_address(relocated(address)?)?
                }
                EvaluationResult::RequiresIndexedAddress { index, relocate } => {
                    let address = unit.dwarf.address(&unit.unit, index)?;
                    let address = if relocate { relocated(address)? } else { address };
                    evaluation.resume_with_indexed_address(address)?
                }
                EvaluationResult::RequiresBaseType(offset) => {
                    evaluation.resume_with_base_type(value_type(info, unit, offset)?)?
                }
                EvaluationResult::RequiresParameterRef(_) => {
                    return Err(unclear("a parameter of the caller's call"));
                }
            };
        }
    }

    /// `DW_AT_frame_base` of the function that has the frame's code.
    fn frame_base(&self, left: usize) -> Result<u64, Missing> {
        let frame = self.frames.first().ok_or_else(|| unclear("there is no frame"))?;
        let function = frame.info.function_at(frame.pc.get());
        let (unit, offset) = function.ok_or_else(|| unclear("the function"))?;
        let entry = unit.unit.entry(offset)?;
        let value = entry.attr_value(constants::DW_AT_frame_base)?;
        let value = value.ok_or_else(|| unclear("the frame's base"))?;
        let expression = self.expression(&unit, value)?;
        let bias = Some(frame.bias);
        let subject = Subject { info: &frame.info, unit: &unit, bias, object: None };
        let pieces = self.evaluate(&subject, expression, left)?;
        match pieces.first().map(|piece| &piece.location) {
            Some(Location::Address { address }) => Ok(*address),
            // A register holds the address itself (DWARF 5 §3.3.5).
            Some(Location::Register { register }) => word(&frame.register(register.0)?),
            Some(Location::Value { value: gimli::Value::Generic(value) }) => Ok(*value),
            _ => Err(unclear("the frame's base is no address")),
        }
    }

    fn bytes_of_location(
        &self,
        info: &Info,
        unit: &UnitInfo,
        reference: DieReference<usize>,
    ) -> Result<Bytes, Missing> {
        let id = match reference {
            DieReference::UnitRef(offset) => unit.id_of(offset),
            DieReference::DebugInfoRef(offset) => unit.id_in_file(offset),
        };
        let (unit, offset) = info.find(id).ok_or_else(|| unclear("an entry is not there"))?;
        let entry = unit.unit.entry(offset)?;
        let value = entry.attr_value(constants::DW_AT_location)?;
        Ok(self.expression(&unit, value.ok_or_else(|| unclear("a location"))?)?.0)
    }

    /// What a register had when the function was entered: what the caller's call says that it passed.
    fn entry_value(
        &self,
        unit: &UnitInfo,
        expression: Expression<Bytes>,
        left: usize,
    ) -> Result<u64, Missing> {
        const GONE: Missing =
            Missing::OptimizedOut("its value at the entry of the function is not known");
        let mut operations = expression.operations(unit.unit.encoding());
        let register = match operations.next()? {
            Some(gimli::Operation::Register { register }) => register,
            Some(gimli::Operation::RegisterOffset { register, offset: 0, .. }) => register,
            _ => return Err(GONE),
        };
        let [_, caller, ..] = self.frames else { return Err(GONE) };
        // The place to look up lies inside the call, the call ends one byte later.
        let back = caller.pc.get().wrapping_add(1);
        let (unit, passed) = caller.info.passed_at(back, register.0).ok_or(GONE)?;
        let outer = At { frames: self.frames.get(1..).unwrap_or_default(), ..*self };
        let bias = Some(caller.bias);
        let subject = Subject { info: &caller.info, unit: &unit, bias, object: None };
        let pieces = outer.evaluate(&subject, passed, left)?;
        match pieces.first().map(|piece| &piece.location) {
            Some(Location::Address { address }) => Ok(*address),
            Some(Location::Register { register }) => word(&caller.register(register.0)?),
            Some(Location::Value { value }) => word(&value_bytes(value)),
            _ => Err(GONE),
        }
    }
}

fn unclear(what: &str) -> Missing {
    Missing::Unclear(what.to_owned())
}

fn deeper(left: usize) -> Result<usize, Missing> {
    left.checked_sub(1).ok_or_else(|| unclear("its place needs too many others"))
}

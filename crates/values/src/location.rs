//! Where a variable is: location descriptions (DWARF 5 §2.5, §2.6).

use std::sync::Arc;

use gimli::{
    AttributeValue, DebugInfoOffset, DieReference, DwAt, EvaluationResult, Expression, Location,
    Piece, Reader, UnitOffset, ValueType, constants,
};
use retake_model::Addr;

use crate::Missing;
use crate::dwarf::{Bytes, Encoding, Entry, Info, Kind, TypeId, UnitInfo};
use crate::space::{Frame, Space};
use crate::value::{Part, Stored, Value};

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
        let expression = self.expression(info, &unit, value)?;
        let subject = Subject { info, unit: &unit, bias: self.bias_of(info), object: None };
        let pieces = self.evaluate(&subject, expression, left)?;
        self.stored(info, pieces, left)
    }

    fn without_location(
        &self,
        info: &Arc<Info>,
        unit: &UnitInfo,
        entry: &Entry<'_, '_>,
        left: usize,
    ) -> Result<Stored, Missing> {
        if let Some(value) = entry.attr_value(constants::DW_AT_const_value)? {
            return constant(info, unit, value).ok_or_else(|| unclear("a constant of an odd form"));
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
        info: &Info,
        unit: &UnitInfo,
        value: AttributeValue<Bytes>,
    ) -> Result<Expression<Bytes>, Missing> {
        if let AttributeValue::Exprloc(expression) = value {
            return Ok(expression);
        }
        if let AttributeValue::Block(bytes) = value {
            return Ok(Expression(bytes));
        }
        let Some(mut list) = info.dwarf().attr_locations(&unit.unit, value)? else {
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
                    let ty = value_type(info, unit, base_type);
                    let word = memory(self.space, address, size)?;
                    evaluation.resume_with_memory(typed(ty, &word.to_le_bytes())?)?
                }
                EvaluationResult::RequiresRegister { register, base_type } => {
                    let bytes = frame()?.register(register.0)?;
                    let ty = value_type(info, unit, base_type);
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
                    let address = info.dwarf().address(&unit.unit, index)?;
                    let address = if relocate { relocated(address)? } else { address };
                    evaluation.resume_with_indexed_address(address)?
                }
                EvaluationResult::RequiresBaseType(offset) => {
                    evaluation.resume_with_base_type(value_type(info, unit, offset))?
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
        let expression = self.expression(&frame.info, &unit, value)?;
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

    /// A thread-local variable of the program itself: its block ends where `fs_base` is (variant II,
    /// "ELF Handling For Thread-Local Storage" §3.4.6).
    fn thread_local(&self, info: &Info, offset: u64) -> Result<u64, Missing> {
        let block = info.module().thread_locals().ok_or_else(|| unclear("the thread's block"))?;
        let thread = self.thread.filter(|thread| !thread.is_null());
        let thread = thread.ok_or_else(|| unclear("the thread's block is not set up yet"))?;
        if info.module().is_library() {
            return Err(unclear("thread-local variables of libraries are not supported"));
        }
        let size = block.size.checked_next_multiple_of(block.align).unwrap_or(block.size);
        Ok(thread.get().wrapping_sub(size).wrapping_add(offset))
    }

    fn bytes_of_location(
        &self,
        info: &Info,
        unit: &UnitInfo,
        reference: DieReference<usize>,
    ) -> Result<Bytes, Missing> {
        let id = match reference {
            DieReference::UnitRef(offset) => unit.id_of(offset),
            DieReference::DebugInfoRef(DebugInfoOffset(offset)) => TypeId::of_offset(offset),
        };
        let (unit, offset) = info.find(id).ok_or_else(|| unclear("an entry is not there"))?;
        let entry = unit.unit.entry(offset)?;
        let value = entry.attr_value(constants::DW_AT_location)?;
        Ok(self.expression(info, &unit, value.ok_or_else(|| unclear("a location"))?)?.0)
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

    fn stored(
        &self,
        info: &Arc<Info>,
        pieces: Vec<Piece<Bytes>>,
        left: usize,
    ) -> Result<Stored, Missing> {
        let [piece] = pieces.as_slice() else {
            if pieces.iter().any(|piece| piece.size_in_bits.is_some_and(|bits| bits % 8 != 0)) {
                return self.of_bits(info, &pieces, left);
            }
            let mut parts = Vec::new();
            for piece in &pieces {
                let bits = piece.size_in_bits.unwrap_or(0);
                let len = bits.div_ceil(8);
                if len > MAX_PIECE {
                    return Err(unclear("it lies in pieces that are too large"));
                }
                let what = self.piece(info, piece, left);
                parts.push(Part { len, what });
            }
            if parts.iter().all(|part| part.what.is_err()) {
                return Err(Missing::OptimizedOut("no part of it is kept at this instruction"));
            }
            return Ok(Stored::Parts(parts.into()));
        };
        let stored = self.piece(info, piece, left)?;
        match piece.size_in_bits {
            // The rest is nowhere.
            Some(bits) => {
                let len = bits.div_ceil(8).min(MAX_PIECE);
                Ok(Stored::Parts(vec![Part { len, what: Ok(stored) }].into()))
            }
            None => Ok(stored),
        }
    }

    /// Pieces that do not end between bytes: bit fields. A byte of which a part is known is taken for known, as
    /// nobody keeps the unused bits behind a field.
    fn of_bits(
        &self,
        info: &Arc<Info>,
        pieces: &[Piece<Bytes>],
        left: usize,
    ) -> Result<Stored, Missing> {
        let most = usize::try_from(8 * MAX_PIECE).unwrap_or(usize::MAX);
        let (mut whole, mut known, mut at): (Vec<u8>, Vec<bool>, usize) = (vec![], vec![], 0);
        for piece in pieces {
            let count = usize::try_from(piece.size_in_bits.unwrap_or(0)).unwrap_or(usize::MAX);
            let end = at.checked_add(count).filter(|end| *end <= most);
            let end = end.ok_or_else(|| unclear("it lies in pieces that are too large"))?;
            whole.resize(end.div_ceil(8), 0);
            known.resize(end.div_ceil(8), false);
            let first = usize::try_from(piece.bit_offset.unwrap_or(0) % 8).unwrap_or(0);
            let len = u64::try_from((first + count).div_ceil(8)).unwrap_or(u64::MAX);
            let bytes =
                self.piece(info, piece, left).and_then(|found| found.read(0, len, self.space));
            for bit in 0..bytes.as_ref().map_or(0, |_| count) {
                let (from, to) = (first + bit, at + bit);
                let byte = bytes.as_ref().ok().and_then(|bytes| bytes.get(from / 8));
                let is_set = byte.is_some_and(|byte| byte >> (from % 8) & 1 != 0);
                if let (Some(byte), Some(known)) = (whole.get_mut(to / 8), known.get_mut(to / 8)) {
                    *byte |= u8::from(is_set) << (to % 8);
                    *known = true;
                }
            }
            at = end;
        }
        let part = |(byte, known): (&u8, &bool)| Part {
            len: 1,
            what: match known {
                true => Ok(Stored::Bytes([*byte].into())),
                false => Err(Missing::OptimizedOut("this part is kept nowhere")),
            },
        };
        Ok(Stored::Parts(whole.iter().zip(&known).map(part).collect()))
    }

    fn piece(
        &self,
        info: &Arc<Info>,
        piece: &Piece<Bytes>,
        left: usize,
    ) -> Result<Stored, Missing> {
        let stored = match &piece.location {
            Location::Empty => return Err(Missing::OptimizedOut("this part is kept nowhere")),
            Location::Address { address } => return Ok(Stored::Memory(Addr::new(*address))),
            Location::Register { register } => {
                let frame = self.frames.first().ok_or_else(|| unclear("there is no frame"))?;
                frame.register(register.0)?
            }
            Location::Value { value } => value_bytes(value),
            Location::Bytes { value } => value.to_slice()?.into_owned(),
            Location::ImplicitPointer { value: DebugInfoOffset(offset), byte_offset } => {
                let id = TypeId::of_offset(*offset);
                let (unit, at) = info.find(id).ok_or_else(|| unclear("an entry is not there"))?;
                let entry = unit.unit.entry(at)?;
                let ty = crate::dwarf::reference(&unit, &entry, constants::DW_AT_type);
                let stored = self.locate_within(info, id, left)?;
                let target =
                    Value { info: Arc::clone(info), ty: ty.unwrap_or(TypeId::VOID), stored };
                return Ok(Stored::Pointing(Box::new(target), *byte_offset));
            }
        };
        let skip = piece.bit_offset.unwrap_or(0) / 8;
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        Ok(Stored::Bytes(stored.get(skip..).unwrap_or_default().into()))
    }
}

fn unclear(what: &str) -> Missing {
    Missing::Unclear(what.to_owned())
}

fn deeper(left: usize) -> Result<usize, Missing> {
    left.checked_sub(1).ok_or_else(|| unclear("its place needs too many others"))
}

fn memory(space: &dyn Space, address: u64, size: u8) -> Result<u64, Missing> {
    let mut bytes = [0; 8];
    let size = usize::from(size).min(8);
    space.read_all(Addr::new(address), bytes.get_mut(..size).unwrap_or_default())?;
    Ok(u64::from_le_bytes(bytes))
}

fn word(bytes: &[u8]) -> Result<u64, Missing> {
    let word = bytes.get(..8).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
    word.ok_or_else(|| unclear("a value of another size than an address"))
}

fn value_type(info: &Info, unit: &UnitInfo, offset: UnitOffset) -> ValueType {
    if offset.0 == 0 {
        return ValueType::Generic;
    }
    let ty = info.ty(unit.id_of(offset));
    let Some((Kind::Base(encoding), size)) = ty.as_deref().map(|ty| (&ty.kind, ty.size)) else {
        return ValueType::Generic;
    };
    let signed = matches!(encoding, Encoding::Signed | Encoding::Char { signed: true });
    match (encoding, signed, size) {
        (Encoding::Float, _, Some(4)) => ValueType::F32,
        (Encoding::Float, _, Some(8)) => ValueType::F64,
        (_, true, Some(1)) => ValueType::I8,
        (_, true, Some(2)) => ValueType::I16,
        (_, true, Some(4)) => ValueType::I32,
        (_, true, Some(8)) => ValueType::I64,
        (_, false, Some(1)) => ValueType::U8,
        (_, false, Some(2)) => ValueType::U16,
        (_, false, Some(4)) => ValueType::U32,
        (_, false, Some(8)) => ValueType::U64,
        _ => ValueType::Generic,
    }
}

fn typed(ty: ValueType, bytes: &[u8]) -> Result<gimli::Value, Missing> {
    let mut wide = [0; WHOLE];
    let len = bytes.len().min(WHOLE);
    wide.get_mut(..len).unwrap_or_default().copy_from_slice(bytes.get(..len).unwrap_or_default());
    let reader = gimli::EndianSlice::new(&wide, gimli::LittleEndian);
    if ty == ValueType::Generic {
        return Ok(gimli::Value::Generic(word(&wide)?));
    }
    Ok(gimli::Value::parse(ty, reader)?)
}

fn value_bytes(value: &gimli::Value) -> Vec<u8> {
    match *value {
        gimli::Value::Generic(value) | gimli::Value::U64(value) => value.to_le_bytes().to_vec(),
        gimli::Value::I64(value) => value.to_le_bytes().to_vec(),
        gimli::Value::I8(value) => i64::from(value).to_le_bytes().to_vec(),
        gimli::Value::U8(value) => u64::from(value).to_le_bytes().to_vec(),
        gimli::Value::I16(value) => i64::from(value).to_le_bytes().to_vec(),
        gimli::Value::U16(value) => u64::from(value).to_le_bytes().to_vec(),
        gimli::Value::I32(value) => i64::from(value).to_le_bytes().to_vec(),
        gimli::Value::U32(value) => u64::from(value).to_le_bytes().to_vec(),
        gimli::Value::F32(value) => value.to_le_bytes().to_vec(),
        gimli::Value::F64(value) => value.to_le_bytes().to_vec(),
    }
}

/// A constant that stands for a variable.
fn constant(info: &Info, unit: &UnitInfo, value: AttributeValue<Bytes>) -> Option<Stored> {
    let bytes = match value {
        AttributeValue::Block(bytes) => bytes.to_slice().ok()?.into_owned(),
        AttributeValue::Sdata(value) => i128::from(value).to_le_bytes().to_vec(),
        AttributeValue::Data1(value) => u128::from(value).to_le_bytes().to_vec(),
        AttributeValue::Data2(value) => u128::from(value).to_le_bytes().to_vec(),
        AttributeValue::Data4(value) => u128::from(value).to_le_bytes().to_vec(),
        AttributeValue::Data8(value) => u128::from(value).to_le_bytes().to_vec(),
        AttributeValue::Udata(value) => u128::from(value).to_le_bytes().to_vec(),
        value => info.dwarf().attr_string(&unit.unit, value).ok()?.to_slice().ok()?.into_owned(),
    };
    Some(Stored::Bytes(bytes.into()))
}

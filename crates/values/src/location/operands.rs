//! What operations of location expressions work with.

use gimli::{AttributeValue, Reader, UnitOffset, ValueType};
use retake_model::Addr;

use super::{WHOLE, unclear};
use crate::Missing;
use crate::dwarf::{Bytes, Encoding, Info, Kind, UnitInfo};
use crate::space::Space;
use crate::value::Stored;

pub(super) fn memory(space: &dyn Space, address: u64, size: u8) -> Result<u64, Missing> {
    let mut bytes = [0; 8];
    let size = usize::from(size).min(8);
    space.read_all(Addr::new(address), bytes.get_mut(..size).unwrap_or_default())?;
    Ok(u64::from_le_bytes(bytes))
}

pub(super) fn word(bytes: &[u8]) -> Result<u64, Missing> {
    let word = bytes.get(..8).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
    word.ok_or_else(|| unclear("a value of another size than an address"))
}

pub(super) fn value_type(
    info: &Info,
    unit: &UnitInfo,
    offset: UnitOffset,
) -> Result<ValueType, Missing> {
    if offset.0 == 0 {
        return Ok(ValueType::Generic);
    }
    let ty = info.ty(unit.id_of(offset));
    let Some((Kind::Base(encoding), size)) = ty.as_deref().map(|ty| (&ty.kind, ty.size)) else {
        return Err(unclear("a calculation with something that is no number"));
    };
    let signed = matches!(encoding, Encoding::Signed | Encoding::Char { signed: true });
    Ok(match (encoding, signed, size) {
        (Encoding::Float, _, Some(4)) => ValueType::F32,
        (Encoding::Float, _, Some(8)) => ValueType::F64,
        (_, true, Some(1)) => ValueType::I8,
        (_, true, Some(2)) => ValueType::I16,
        (_, true, Some(4)) => ValueType::I32,
        (_, true, Some(8)) => ValueType::I64,
        (_, false, Some(1)) => ValueType::U8,
        (_, false, Some(2)) => ValueType::U16,
        (_, false, Some(4)) => ValueType::U32,
        (Encoding::Float | Encoding::Complex, ..) => return Err(odd_size()),
        (_, false, Some(8)) => ValueType::U64,
        _ => return Err(odd_size()),
    })
}

fn odd_size() -> Missing {
    unclear("a calculation with numbers of a size that is not supported")
}

pub(super) fn typed(ty: ValueType, bytes: &[u8]) -> Result<gimli::Value, Missing> {
    let mut wide = [0; WHOLE];
    let len = bytes.len().min(WHOLE);
    wide.get_mut(..len).unwrap_or_default().copy_from_slice(bytes.get(..len).unwrap_or_default());
    let reader = gimli::EndianSlice::new(&wide, gimli::LittleEndian);
    if ty == ValueType::Generic {
        return Ok(gimli::Value::Generic(word(&wide)?));
    }
    Ok(gimli::Value::parse(ty, reader)?)
}

pub(super) fn value_bytes(value: &gimli::Value) -> Vec<u8> {
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
pub(super) fn constant(unit: &UnitInfo, value: AttributeValue<Bytes>) -> Option<Stored> {
    let bytes = match value {
        AttributeValue::Block(bytes) => bytes.to_slice().ok()?.into_owned(),
        AttributeValue::Sdata(value) => i128::from(value).to_le_bytes().to_vec(),
        AttributeValue::Data1(value) => u128::from(value).to_le_bytes().to_vec(),
        AttributeValue::Data2(value) => u128::from(value).to_le_bytes().to_vec(),
        AttributeValue::Data4(value) => u128::from(value).to_le_bytes().to_vec(),
        AttributeValue::Data8(value) => u128::from(value).to_le_bytes().to_vec(),
        AttributeValue::Udata(value) => u128::from(value).to_le_bytes().to_vec(),
        value => unit.dwarf.attr_string(&unit.unit, value).ok()?.to_slice().ok()?.into_owned(),
    };
    Some(Stored::Bytes(bytes.into()))
}

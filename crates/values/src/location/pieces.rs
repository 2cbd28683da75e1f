//! From what an expression gives to where a value is: pieces in memory and registers.

use std::sync::Arc;

use super::operands::value_bytes;
use gimli::{Location, Piece, Reader, constants};
use retake_model::Addr;

use super::{At, MAX_PIECE, unclear};
use crate::Missing;
use crate::dwarf::{Bytes, Info, TypeId, UnitInfo};
use crate::value::{Part, Stored, Value};

impl At<'_> {
    pub(super) fn stored(
        &self,
        info: &Arc<Info>,
        unit: &UnitInfo,
        pieces: Vec<Piece<Bytes>>,
        left: usize,
    ) -> Result<Stored, Missing> {
        let [piece] = pieces.as_slice() else {
            if pieces.iter().any(|piece| piece.size_in_bits.is_some_and(|bits| bits % 8 != 0)) {
                return self.of_bits(info, unit, &pieces, left);
            }
            let mut parts = Vec::new();
            for piece in &pieces {
                let bits = piece.size_in_bits.unwrap_or(0);
                let len = bits.div_ceil(8);
                if len > MAX_PIECE {
                    return Err(unclear("it lies in pieces that are too large"));
                }
                let what = self.piece(info, unit, piece, left);
                parts.push(Part { len, what });
            }
            if parts.iter().all(|part| part.what.is_err()) {
                return Err(Missing::OptimizedOut("no part of it is kept at this instruction"));
            }
            return Ok(Stored::Parts(parts.into()));
        };
        let stored = self.piece(info, unit, piece, left)?;
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
        unit: &UnitInfo,
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
            let bytes = self
                .piece(info, unit, piece, left)
                .and_then(|found| found.read(0, len, self.space));
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
        unit: &UnitInfo,
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
            Location::ImplicitPointer { value, byte_offset } => {
                let id = unit.id_in_file(*value);
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

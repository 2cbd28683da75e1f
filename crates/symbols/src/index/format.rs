//! An index as bytes. Little-endian; columns, each after its length, so that nothing has to be parsed.
//!
//! ```text
//! magic "retake\0i"   version u32   0 u32   content of the module u128   check u64 (xxh3 of the rest)
//! text of names, their ends; of the code: name, unit, start, end, inlined; units; ranges; silent units;
//! indirect functions; files
//! ```
//!
//! What does not fit together is no index: it is built anew then.

use retake_model::ContentHash;
use xxhash_rust::xxh3::xxh3_64;

use super::{Code, Index, NameTable, UnitRange};

const MAGIC: [u8; 8] = *b"retake\0i";
/// 1: the first one. 2: functions are named by what modules share, too, and with the
/// generic types that they are in.
const VERSION: u32 = 2;
/// Bytes before the columns; the last 8 are the check.
const HEAD: usize = 40;
/// What stands for no unit.
const NO_UNIT: u32 = u32::MAX;

fn put_u32(out: &mut Vec<u8>, list: impl ExactSizeIterator<Item = u32>) {
    put_len(out, list.len());
    list.for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
}

fn put_u64(out: &mut Vec<u8>, list: impl ExactSizeIterator<Item = u64>) {
    put_len(out, list.len());
    list.for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
}

fn put_len(out: &mut Vec<u8>, len: usize) {
    out.extend_from_slice(&u64::try_from(len).unwrap_or(u64::MAX).to_le_bytes());
}

/// Bytes that are taken from the front.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.first_chunk().copied()
    }

    fn column<const N: usize>(&mut self) -> Option<&'a [[u8; N]]> {
        let count = usize::try_from(u64::from_le_bytes(self.array()?)).ok()?;
        Some(self.take(count.checked_mul(N)?)?.as_chunks().0)
    }

    fn u32s(&mut self) -> Option<Vec<u32>> {
        Some(self.column()?.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect())
    }

    fn u64s(&mut self) -> Option<Vec<u64>> {
        Some(self.column()?.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect())
    }
}

impl Index {
    /// As bytes that [`Self::from_bytes`] reads.
    pub(crate) fn to_bytes(&self, content: ContentHash) -> Vec<u8> {
        let (text, ends) = self.names.parts();
        let columns = text.len() + ends.len() * 8 + self.codes.len() * 25;
        let mut out = Vec::with_capacity(HEAD + columns + self.files.len() * 8);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&content.hash().to_le_bytes());
        out.extend_from_slice(&[0; 8]);
        put_len(&mut out, text.len());
        out.extend_from_slice(text.as_bytes());
        put_u64(&mut out, ends.iter().copied());
        put_u32(&mut out, self.codes.iter().map(|code| code.name));
        put_u32(&mut out, self.codes.iter().map(|code| code.unit.unwrap_or(NO_UNIT)));
        put_u64(&mut out, self.codes.iter().map(|code| code.start));
        put_u64(&mut out, self.codes.iter().map(|code| code.end));
        put_len(&mut out, self.codes.len());
        out.extend(self.codes.iter().map(|code| u8::from(code.inlined)));
        put_u64(&mut out, self.units.iter().copied());
        put_u64(&mut out, self.ranges.iter().map(|range| range.start));
        put_u64(&mut out, self.ranges.iter().map(|range| range.end));
        put_u64(&mut out, self.ranges.iter().map(|range| range.unit));
        put_u64(&mut out, self.silent.iter().copied());
        put_u64(&mut out, self.indirect.iter().copied());
        put_u32(&mut out, self.files.iter().map(|(hash, _)| *hash));
        put_u32(&mut out, self.files.iter().map(|(_, unit)| *unit));
        let check = out.get(HEAD..).map_or(0, xxh3_64);
        if let Some(place) = out.get_mut(HEAD - 8..HEAD) {
            place.copy_from_slice(&check.to_le_bytes());
        }
        out
    }

    /// The index in bytes; none if they are damaged, of another version, or of another module.
    pub(crate) fn from_bytes(bytes: &[u8], content: ContentHash) -> Option<Self> {
        let mut input = Input(bytes);
        let head = input.array()? == MAGIC && u32::from_le_bytes(input.array()?) == VERSION;
        let is_own =
            input.array()? == [0; 4] && u128::from_le_bytes(input.array()?) == content.hash();
        let check = u64::from_le_bytes(input.array()?);
        (head && is_own && check == xxh3_64(input.0)).then_some(())?;
        let text = input.column::<1>()?.as_flattened();
        let names = NameTable::from_parts(str::from_utf8(text).ok()?.to_owned(), input.u64s()?)?;
        let codes = codes(&mut input)?;
        let units = input.u64s()?;
        let ranges = ranges(&mut input)?;
        let silent = input.u64s()?;
        let indirect = input.u64s()?;
        let (hashes, owners) = (input.u32s()?, input.u32s()?);
        (hashes.len() == owners.len() && input.0.is_empty()).then_some(())?;
        let files = hashes.into_iter().zip(owners).collect();
        Some(Self { names, codes, units, ranges, silent, indirect, files })
    }
}

fn codes(input: &mut Input<'_>) -> Option<Vec<Code>> {
    let (names, units) = (input.column()?, input.column()?);
    let (starts, ends) = (input.column()?, input.column()?);
    let inlined = input.column::<1>()?;
    let same = [units.len(), starts.len(), ends.len(), inlined.len()];
    same.iter().all(|len| *len == names.len()).then_some(())?;
    let columns = names.iter().zip(units).zip(starts).zip(ends).zip(inlined);
    let codes = columns.map(|((((name, unit), start), end), inlined)| Code {
        name: u32::from_le_bytes(*name),
        unit: Some(u32::from_le_bytes(*unit)).filter(|unit| *unit != NO_UNIT),
        start: u64::from_le_bytes(*start),
        end: u64::from_le_bytes(*end),
        inlined: *inlined != [0],
    });
    Some(codes.collect())
}

fn ranges(input: &mut Input<'_>) -> Option<Vec<UnitRange>> {
    let (starts, ends, units) = (input.u64s()?, input.u64s()?, input.u64s()?);
    (starts.len() == ends.len() && ends.len() == units.len()).then_some(())?;
    let columns = starts.into_iter().zip(ends).zip(units);
    Some(columns.map(|((start, end), unit)| UnitRange { start, end, unit }).collect())
}

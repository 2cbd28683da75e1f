//! Where the bytes of a value are, and what numbers they are.

use std::sync::Arc;

use retake_model::Addr;

use super::{MAX_BYTES, Value};
use crate::Missing;
use crate::space::Space;

/// Where the bytes of a value are.
#[derive(Clone, Debug)]
pub(crate) enum Stored {
    /// In memory.
    Memory(Addr),
    /// Here: a register, a constant, the result of a calculation.
    Bytes(Arc<[u8]>),
    /// In several places, one behind the other.
    Parts(Arc<[Part]>),
    /// Nowhere, but what it points to is known, and so many bytes into that.
    Pointing(Box<Value>, i64),
    /// Nowhere.
    Missing(Missing),
}

/// A part of a value.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) len: u64,
    pub(crate) what: Result<Stored, Missing>,
}

impl Stored {
    /// The same without the first bytes.
    pub(crate) fn skip(&self, skip: u64) -> Self {
        match self {
            Self::Memory(addr) => Self::Memory(Addr::new(addr.get().wrapping_add(skip))),
            Self::Bytes(bytes) => {
                let skip = usize::try_from(skip).unwrap_or(usize::MAX);
                Self::Bytes(bytes.get(skip..).unwrap_or_default().into())
            }
            Self::Parts(parts) => {
                let mut left = skip;
                let mut rest = Vec::new();
                for part in parts.iter() {
                    if left >= part.len {
                        left -= part.len;
                        continue;
                    }
                    let what = match &part.what {
                        Ok(what) if left > 0 => Ok(what.skip(left)),
                        what => what.clone(),
                    };
                    rest.push(Part { len: part.len - left, what });
                    left = 0;
                }
                match rest.as_slice() {
                    [] => Self::Missing(Missing::OptimizedOut("this part is kept nowhere")),
                    // What lies in one place has an address, or says why it has no value.
                    _ => Self::Parts(rest.into()),
                }
            }
            Self::Pointing(..) if skip == 0 => self.clone(),
            Self::Pointing(..) => {
                Self::Missing(Missing::OptimizedOut("what it points to has no address"))
            }
            Self::Missing(why) => Self::Missing(why.clone()),
        }
    }

    /// Some of the bytes.
    pub(crate) fn read(&self, from: u64, len: u64, space: &dyn Space) -> Result<Vec<u8>, Missing> {
        if len > MAX_BYTES {
            return Err(Missing::TooLarge(len));
        }
        let wanted = usize::try_from(len).unwrap_or(0);
        match self {
            Self::Memory(addr) => {
                let mut bytes = vec![0; wanted];
                space.read_all(Addr::new(addr.get().wrapping_add(from)), &mut bytes)?;
                Ok(bytes)
            }
            Self::Bytes(bytes) => {
                let from = usize::try_from(from).unwrap_or(usize::MAX);
                let found = bytes.get(from..).and_then(|bytes| bytes.get(..wanted));
                found.map(<[u8]>::to_vec).ok_or_else(|| {
                    Missing::Unclear("the type is larger than the place of the value".to_owned())
                })
            }
            Self::Parts(parts) => {
                let (mut out, mut start) = (Vec::with_capacity(wanted), 0_u64);
                for part in parts.iter() {
                    let end = start.saturating_add(part.len);
                    let at = from.saturating_add(out.len() as u64);
                    if out.len() < wanted && (start..end).contains(&at) {
                        let left = u64::try_from(wanted - out.len()).unwrap_or(0);
                        let some = left.min(end - at);
                        out.extend(part.what.as_ref().map_err(Clone::clone)?.read(
                            at - start,
                            some,
                            space,
                        )?);
                    }
                    start = end;
                }
                if out.len() < wanted {
                    return Err(Missing::OptimizedOut("a part of it is kept nowhere"));
                }
                Ok(out)
            }
            Self::Pointing(..) => {
                Err(Missing::OptimizedOut("the pointer is not kept, but what it points to is"))
            }
            Self::Missing(why) => Err(why.clone()),
        }
    }

    /// Some bits, as an integer of 16 bytes.
    pub(super) fn bits(
        &self,
        first: u64,
        count: u64,
        signed: bool,
        space: &dyn Space,
    ) -> Result<[u8; 16], Missing> {
        let odd = || Missing::Unclear("a bit field of an odd size".to_owned());
        if count == 0 || count > 64 {
            return Err(odd());
        }
        let end = first.checked_add(count).ok_or_else(odd)?.div_ceil(8);
        let bytes = self.read(first / 8, end - first / 8, space)?;
        let mut wide = [0; 16];
        wide.get_mut(..bytes.len()).ok_or_else(odd)?.copy_from_slice(&bytes);
        let unused = 128 - count;
        let raw = (u128::from_le_bytes(wide) >> (first % 8)) << unused;
        let value =
            if signed { (raw.cast_signed() >> unused).cast_unsigned() } else { raw >> unused };
        Ok(value.to_le_bytes())
    }
}

/// A little-endian integer.
pub(crate) fn integer(bytes: &[u8], signed: bool) -> Option<i128> {
    if bytes.is_empty() || bytes.len() > 16 {
        return None;
    }
    let top = bytes.last().copied().unwrap_or(0);
    let fill = if signed && top & 0x80 != 0 { 0xff } else { 0 };
    let mut wide = [fill; 16];
    wide.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(i128::from_le_bytes(wide))
}

/// A floating-point number of 2, 4, 8 or 10 bytes (in 16, or 12).
pub(super) fn float(bytes: &[u8]) -> Option<f64> {
    match bytes.len() {
        2 => Some(half(u16::from_le_bytes(bytes.try_into().ok()?))),
        4 => Some(f32::from_le_bytes(bytes.try_into().ok()?).into()),
        8 => Some(f64::from_le_bytes(bytes.try_into().ok()?)),
        10..=16 => Some(extended(bytes.get(..10)?)),
        _ => None,
    }
}

/// The format of 16 bits: 10 of the mantissa, 5 of the exponent (IEEE 754-2019, 3.6).
fn half(bits: u16) -> f64 {
    let sign = if bits & 0x8000 != 0 { -1.0 } else { 1.0 };
    let (exponent, mantissa) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff) / 1024.0);
    sign * match exponent {
        0 => mantissa * 2_f64.powi(-14),
        0x1f if mantissa == 0.0 => f64::INFINITY,
        0x1f => f64::NAN,
        _ => (1.0 + mantissa) * 2_f64.powi(exponent - 15),
    }
}

/// The format of 128 bits: 112 of the mantissa, 15 of the exponent (IEEE 754-2019, 3.6), to the nearest `f64` or the
/// one beside it.
#[expect(clippy::cast_precision_loss, reason = "an f64 has 53 of the 113 bits")]
pub(super) fn quad(bytes: &[u8]) -> Option<f64> {
    let bits = u128::from_le_bytes(bytes.try_into().ok()?);
    let sign = if bits >> 127 != 0 { -1.0 } else { 1.0 };
    let exponent = i32::try_from(bits >> 112 & 0x7fff).ok()?;
    let mantissa = (bits & ((1 << 112) - 1)) as f64 * 2_f64.powi(-112);
    Some(
        sign * match exponent {
            // No f64 is that small.
            0 => 0.0,
            0x7fff if mantissa == 0.0 => f64::INFINITY,
            0x7fff => f64::NAN,
            _ => (1.0 + mantissa) * 2_f64.powi(exponent - 16383),
        },
    )
}

/// The x87 format: 64 bits with the leading one, and 15 bits of exponent (Intel SDM vol. 1, 4.2.2).
#[expect(clippy::cast_precision_loss, reason = "an f64 has 53 of the 64 bits")]
fn extended(bytes: &[u8]) -> f64 {
    let mut mantissa = [0; 8];
    mantissa.copy_from_slice(bytes.get(..8).unwrap_or(&[0; 8]));
    let mantissa = u64::from_le_bytes(mantissa);
    let high = |n: usize| u16::from(bytes.get(n).copied().unwrap_or(0));
    let head = high(8) | high(9) << 8;
    let sign = if head & 0x8000 != 0 { -1.0 } else { 1.0 };
    let exponent = i32::from(head & 0x7fff);
    if exponent == 0x7fff {
        return if mantissa << 1 == 0 { sign * f64::INFINITY } else { f64::NAN };
    }
    sign * (mantissa as f64) * 2_f64.powi(exponent - 16383 - 63)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_other_sizes() {
        let halves = [(0x3c00, 1.0), (0xc100, -2.5), (0x7bff, 65504.0), (0x0001, 2_f64.powi(-24))];
        for (bits, number) in halves {
            assert_eq!(float(&u16::to_le_bytes(bits)), Some(number));
        }
        assert_eq!(float(&0x7c00_u16.to_le_bytes()), Some(f64::INFINITY));
        let one = 0x3fff_u128 << 112;
        assert_eq!(quad(&one.to_le_bytes()), Some(1.0));
        assert_eq!(quad(&(1 << 127 | one | 1 << 111).to_le_bytes()), Some(-1.5));
        assert_eq!(quad(&(0x7fff_u128 << 112).to_le_bytes()), Some(f64::INFINITY));
        assert_eq!(quad(&[0; 8]), None);
    }
}

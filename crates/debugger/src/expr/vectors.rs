//! Vector registers, as gdb shows them: the same bytes as numbers of each kind (Intel SDM vol. 1, 10.2.2 and 14.1.1).

use std::fmt;

use retake_model::VectorState;
use retake_values::{Field, Node, Shown, Style};

use super::{Datum, ExprError};

/// Where the lower 16 bytes of a register are in an XSAVE area (Intel SDM vol. 1, table 13-1), and the upper ones of
/// its 32 (the AVX component in the standard format, 13.4.3).
const LOW_AT: usize = 160;
const HIGH_AT: usize = 576;
/// The components of the two (`XSTATE_BV`).
const SSE: u64 = 2;
const AVX: u64 = 4;
/// Registers that have names without AVX-512.
const COUNT: usize = 16;

/// A vector register: `xmm0` with 16 bytes, or `ymm0` with 32.
#[derive(Clone, PartialEq, Eq)]
pub struct Vector(Vec<u8>);

/// What the lanes of a vector are taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    Float,
    Double,
    /// A signed integer of so many bytes.
    Int(usize),
}

/// The lanes of a vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lanes {
    bytes: Vec<u8>,
    lane: Lane,
}

const LANES: [Lane; 7] = [
    Lane::Float,
    Lane::Double,
    Lane::Int(1),
    Lane::Int(2),
    Lane::Int(4),
    Lane::Int(8),
    Lane::Int(16),
];

impl fmt::Debug for Vector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vector({} bytes)", self.0.len())
    }
}

/// The register of a name, and how long it is.
fn register(name: &str) -> Option<(usize, usize)> {
    let len = match name.get(..3)? {
        "xmm" => 16,
        "ymm" => 32,
        _ => return None,
    };
    let number: usize = name.get(3..)?.parse().ok()?;
    (number < COUNT && name == format!("{}{number}", name.get(..3)?)).then_some((number, len))
}

impl Vector {
    /// Its bytes.
    pub(super) fn size(&self) -> usize {
        self.0.len()
    }

    /// Whether a name is that of a vector register.
    pub(crate) fn is_name(name: &str) -> bool {
        register(name).is_some()
    }

    /// The register of a name.
    pub(crate) fn named(name: &str, state: &VectorState) -> Option<Self> {
        let (number, len) = register(name)?;
        let used = state.in_use().unwrap_or(SSE);
        // A component that is not in use is all zero, and its bytes mean nothing.
        let part = |component: u64, at: usize| {
            let start = at + 16 * number;
            match used & component {
                0 => Some(vec![0; 16]),
                _ => state.as_bytes().get(start..start + 16).map(<[u8]>::to_vec),
            }
        };
        let mut bytes = part(SSE, LOW_AT)?;
        if len == 32 {
            bytes.extend(part(AVX, HIGH_AT)?);
        }
        Some(Self(bytes))
    }

    /// The lanes of a name: `v4_float`.
    pub(crate) fn lanes(&self, name: &str) -> Result<Lanes, ExprError> {
        let all = LANES.into_iter().map(|lane| Lanes { bytes: self.0.clone(), lane });
        let mut all = all.filter(|lanes| lanes.name() == name);
        all.next().ok_or_else(|| {
            let names: Vec<String> = LANES
                .into_iter()
                .map(|lane| Lanes { bytes: self.0.clone(), lane }.name())
                .collect();
            ExprError::Value(format!("a vector register has no {name}, but {}", names.join(", ")))
        })
    }

    pub(super) fn shown(&self) -> Shown {
        let lanes = LANES.into_iter().map(|lane| Lanes { bytes: self.0.clone(), lane });
        let field = |lanes: Lanes| Field { name: lanes.name(), value: lanes.shown() };
        let node = Node::Fields(lanes.map(field).collect());
        Shown { ty: format!("vec{}", 8 * self.0.len()), style: Style::C, node }
    }
}

impl Lanes {
    fn width(&self) -> usize {
        match self.lane {
            Lane::Float => 4,
            Lane::Double => 8,
            Lane::Int(bytes) => bytes,
        }
    }

    fn lane_type(&self) -> String {
        match self.lane {
            Lane::Float => "float".to_owned(),
            Lane::Double => "double".to_owned(),
            Lane::Int(bytes) => format!("int{}", 8 * bytes),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len() / self.width()
    }

    fn name(&self) -> String {
        format!("v{}_{}", self.len(), self.lane_type())
    }

    /// The lane of a number, from the lowest.
    pub(super) fn get(&self, index: usize) -> Option<Datum> {
        let start = index.checked_mul(self.width())?;
        let bytes = self.bytes.get(start..start.checked_add(self.width())?)?;
        Some(match self.lane {
            Lane::Float => Datum::Float(f32::from_le_bytes(*bytes.first_chunk()?).into()),
            Lane::Double => Datum::Float(f64::from_le_bytes(*bytes.first_chunk()?)),
            Lane::Int(len) => {
                let mut wide = [0; 16];
                wide.get_mut(..len)?.copy_from_slice(bytes);
                let unused = 128 - 8 * len;
                Datum::Number(
                    i128::from_le_bytes(wide).wrapping_shl(u32::try_from(unused).ok()?) >> unused,
                )
            }
        })
    }

    pub(super) fn shown(&self) -> Shown {
        let item = |index: usize| {
            let text = match (self.get(index)?, self.lane) {
                #[expect(clippy::cast_possible_truncation, reason = "it was one")]
                (Datum::Float(value), Lane::Float) => (value as f32).to_string(),
                (Datum::Float(value), _) => value.to_string(),
                (Datum::Number(value), _) => value.to_string(),
                _ => return None,
            };
            Some(Shown { ty: self.lane_type(), style: Style::C, node: Node::Plain(text) })
        };
        let items: Vec<Shown> = (0..self.len()).filter_map(item).collect();
        let len = u64::try_from(items.len()).unwrap_or(u64::MAX);
        let node = Node::List { label: None, len, cap: None, items };
        Shown { ty: self.name(), style: Style::C, node }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(used: u64) -> VectorState {
        let mut bytes = vec![0_u8; 832];
        bytes[512..520].copy_from_slice(&used.to_le_bytes());
        let (low, high) = (LOW_AT + 16 * 3, HIGH_AT + 16 * 3);
        bytes[low..low + 4].copy_from_slice(&1.5_f32.to_le_bytes());
        bytes[low + 4..low + 8].copy_from_slice(&(-2_i32).to_le_bytes());
        bytes[high + 8..high + 16].copy_from_slice(&0.25_f64.to_le_bytes());
        VectorState::from_bytes(bytes)
    }

    fn lane(name: &str, lanes: &str, index: usize) -> Datum {
        Vector::named(name, &state(SSE | AVX)).unwrap().lanes(lanes).unwrap().get(index).unwrap()
    }

    #[test]
    fn the_same_bytes_as_each_kind() {
        assert!(matches!(lane("xmm3", "v4_float", 0), Datum::Float(1.5)));
        assert!(matches!(lane("xmm3", "v4_int32", 1), Datum::Number(-2)));
        assert!(matches!(lane("ymm3", "v4_double", 3), Datum::Float(0.25)));
        assert!(matches!(lane("xmm3", "v16_int8", 7), Datum::Number(-1)));
        let shown = Vector::named("xmm3", &state(SSE)).unwrap().shown().to_string();
        assert!(shown.starts_with("{v4_float = {1.5, NaN, 0, 0}, v2_double = {"), "{shown}");
    }

    #[test]
    fn what_is_not_in_use_is_zero() {
        let vector = Vector::named("ymm3", &state(SSE)).unwrap();
        assert!(matches!(vector.lanes("v4_double").unwrap().get(3), Some(Datum::Float(0.0))));
        assert_eq!(Vector::named("xmm3", &state(0)).unwrap().0, [0; 16]);
    }

    #[test]
    fn names_of_registers_only() {
        for name in ["xmm", "xmm16", "xmm00", "xmm+1", "zmm0", "ymmx", "é"] {
            assert!(!Vector::is_name(name), "{name}");
        }
        assert!(Vector::is_name("ymm15"));
        let err = Vector::named("xmm0", &state(SSE)).unwrap().lanes("v8_float").unwrap_err();
        assert!(err.to_string().contains("v4_float"), "{err}");
    }
}

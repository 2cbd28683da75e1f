//! Vector and floating-point state.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

/// The extended state of a task (x87, SSE, AVX, AVX-512, PKRU, …) as the kernel gives it through
/// `NT_X86_XSTATE`: a standard-format XSAVE area (Intel SDM vol. 1 §13.4). Bytes 464..512 are
/// software-reserved (the kernel keeps XCR0 there); bytes 512..576 are the XSAVE header.
#[derive(Clone, PartialEq, Eq, Default, Deserialize)]
pub struct VectorState(Vec<u8>);

impl Serialize for VectorState {
    /// As one piece: byte by byte takes several microseconds. What comes out is the same.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl VectorState {
    /// Wraps an XSAVE area.
    pub const fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The XSAVE area.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// `XSTATE_BV`: which components are not in their initial state. `None` if the area is too
    /// short to have an XSAVE header.
    pub fn in_use(&self) -> Option<u64> {
        let bytes = self.0.get(512..520)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    }
}

impl fmt::Debug for VectorState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VectorState({} bytes, in use {:#x})", self.0.len(), self.in_use().unwrap_or(0))
    }
}

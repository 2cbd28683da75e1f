//! Reading the memory of the calling task.

use retake_model::Addr;

/// The memory of a stopped task, readable. The recorder implements it over the live process.
pub trait ReadMemory {
    /// Fills `buf` from `addr`; `false` (and any contents) if a byte of it cannot be read.
    fn read(&self, addr: Addr, buf: &mut [u8]) -> bool;
}

/// The 32-bit word at `addr`.
pub(crate) fn read_u32(mem: &dyn ReadMemory, addr: Addr) -> Option<u32> {
    let mut buf = [0; 4];
    mem.read(addr, &mut buf).then(|| u32::from_le_bytes(buf))
}

/// The 64-bit word at `addr`.
pub(crate) fn read_u64(mem: &dyn ReadMemory, addr: Addr) -> Option<u64> {
    let mut buf = [0; 8];
    mem.read(addr, &mut buf).then(|| u64::from_le_bytes(buf))
}

//! Where the code and what it uses stand in a program.

use retake_model::{Addr, PAGE_SIZE};

use crate::image::SCRATCH_BASE;

/// Where the code stands: one page, and the table of calls behind it.
pub const CODE: Addr = Addr::new(0x7000_2000);
/// Bytes of both.
pub const CODE_LEN: u64 = 2 * PAGE_SIZE;
/// The table: a [`Row`](super::rows::Row) of eight bytes for each number.
pub(super) const ROWS: u64 = CODE.get() + PAGE_SIZE;
/// Numbers that have one.
pub(super) const ROW_COUNT: usize = 512;

/// The buffer's first word says where the next entry goes.
pub const CURSOR: Addr = Addr::new(0x7000_4000);
/// Its second word: how often the cursor went back to the start.
pub(super) const TURNS: u64 = CURSOR.get() + 8;
/// Room for what `fstat` says of a file that was opened. Zeroes otherwise.
pub(super) const LOOKED_AT: u64 = CURSOR.get() + 0x20;
/// Bytes of that (`struct stat`).
pub(super) const LOOKED_AT_LEN: u64 = 144;
/// Devices of file systems whose files never wait, as `fstat` names them. Zeroes are none.
pub const PLAIN_DEVICES: Addr = Addr::new(CURSOR.get() + 0xc0);
/// How many there can be.
pub const PLAIN_DEVICE_COUNT: usize = 4;
/// A byte for each descriptor: what is known of it ([`FdKind`](super::FdKind)).
pub const FD_KINDS: Addr = Addr::new(CURSOR.get() + 0x100);
/// Descriptors that have one.
pub const FD_COUNT: usize = 1024;
/// Bytes of the buffer.
pub const BUFFER_LEN: u64 = 252 * PAGE_SIZE;
// The recorder's own memory begins behind it.
const _: () = assert!(CURSOR.get() + BUFFER_LEN <= SCRATCH_BASE.get());
/// The first entry.
pub const FIRST_ENTRY: Addr = Addr::new(CURSOR.get() + 0x800);
/// No entry goes beyond. The word there is free for the mark behind the last one.
pub const ENTRIES_END: Addr = Addr::new(CURSOR.get() + BUFFER_LEN - 8);
/// Calls with more bytes than this are traced.
pub(super) const MOST_BYTES: u64 = 0x4_0000;
/// Where the cursor may be at most for another entry, as far as calls with a fixed number of bytes go.
pub(super) const LAST_START: u64 = ENTRIES_END.get() - super::entry::HEADER - MOST_FIXED;
/// Bytes that calls with a fixed number of them write at most.
pub(super) const MOST_FIXED: u64 = 0x200;

/// Whether an address lies in the buffer.
pub fn is_buffer(addr: Addr) -> bool {
    (CURSOR.get()..CURSOR.get() + BUFFER_LEN).contains(&addr.get())
}

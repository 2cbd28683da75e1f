//! The page that retake keeps in every recorded and replaying address space.

use retake_model::{Addr, PAGE_SIZE};

/// First scratch slot; see [`SCRATCH_ROOM`].
pub const SCRATCH_BASE: Addr = Addr::new(0x7010_0000);
/// Bytes in one task's scratch slot.
pub const SCRATCH_ROOM: u64 = 1 << 20;
/// Slots in one address space. Further tasks' calls are not redirected.
pub const SCRATCH_SLOTS: u64 = 240;

/// Whether an address lies in memory that is the recorder's, not the program's.
pub fn is_ours(addr: Addr) -> bool {
    let scratch = SCRATCH_BASE.get()..SCRATCH_BASE.get() + SCRATCH_SLOTS * SCRATCH_ROOM;
    addr == InjectPage::ADDR || scratch.contains(&addr.get())
}

/// One page of code at a fixed address that no program uses: low enough for every mmap base, high
/// enough for every non-PIE image. It holds a `syscall` instruction whose calls the recorder's filter
/// lets through, followed by a breakpoint.
#[derive(Clone, Copy, Debug)]
pub struct InjectPage;

impl InjectPage {
    /// The `syscall` instruction.
    pub const ADDR: Addr = Addr::new(0x7000_0000);
    /// Length of that instruction.
    pub const SYSCALL_LEN: u64 = 2;
    /// The address after it, as seccomp sees it.
    pub const AFTER: Addr = Addr::new(0x7000_0002);
    /// Length in bytes.
    pub const LEN: u64 = PAGE_SIZE;
    /// What the page starts with: `syscall; int3`.
    pub const CODE: [u8; 3] = [0x0f, 0x05, 0xcc];
}

//! The page that retake keeps in every recorded and replaying address space.

use retake_model::{Addr, PAGE_SIZE};

use crate::batch;

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
/// lets through, followed by a breakpoint. While recording there is one for calls of the 32-bit table as well.
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
    /// The `int 0x80` instruction, which has the same length.
    pub const OTHER_ADDR: Addr = Addr::new(0x7000_0010);
    /// The address after it.
    pub const OTHER_AFTER: Addr = Addr::new(0x7000_0012);
    /// What is there: `int 0x80; int3`.
    pub const OTHER_CODE: [u8; 3] = [0xcd, 0x80, 0xcc];
    /// Code that makes several calls in a row ([`crate::inject_batch`]), whose list is behind it.
    pub const BATCH_ADDR: Addr = Addr::new(0x7000_0020);
    /// The address after its calls.
    pub const BATCH_AFTER: Addr = Addr::new(Self::BATCH_ADDR.get() + batch::AFTER);
    /// What the recorder puts into the page: the `syscall` instruction, `int 0x80`, and the code for several calls.
    pub fn contents() -> Vec<u8> {
        let mut all = Vec::new();
        let parts: [(Addr, &[u8]); 3] = [
            (Self::ADDR, &Self::CODE),
            (Self::OTHER_ADDR, &Self::OTHER_CODE),
            (Self::BATCH_ADDR, &batch::CODE),
        ];
        for (at, code) in parts {
            let start = at.get() - Self::ADDR.get();
            all.resize(usize::try_from(start).unwrap_or(all.len()), 0);
            all.extend(code);
        }
        all
    }

    /// The descriptor, which the kernel does not look at, of the `mmap` that makes the page: the recorder's filter
    /// lets that call through, wherever it is made.
    pub const MAPPED_WITH: u64 = 0x6b61_7465_722d_7331;
}

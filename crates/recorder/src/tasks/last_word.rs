//! A word that the kernel may write to when a task goes.

use retake_model::{Addr, SharedId};

/// What a robust futex holds once its owner has died, but for `FUTEX_WAITERS` (linux/futex.h).
pub(crate) const OWNER_DIED: u32 = 0x4000_0000;

/// `FUTEX_WAITERS`.
pub(crate) const WAITERS: u32 = 0x8000_0000;

/// A word that the kernel may write to when a task goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LastWord {
    pub(super) addr: Addr,
    pub(super) before: [u8; 4],
    /// Where it is in an object that other processes may map.
    pub(super) shared: Option<(SharedId, u64)>,
}

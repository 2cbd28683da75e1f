//! Signals that are kept from coming again.

/// What a task blocks for the recorder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hidden {
    /// Bit n-1 is signal n.
    pub(super) signals: u64,
    /// How often held signals have come again.
    pub(super) came_again: u32,
}

impl Hidden {
    /// A signal is held, and no other one was.
    pub(crate) fn restart(&mut self) {
        self.came_again = 0;
    }
}

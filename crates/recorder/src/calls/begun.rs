//! What is in the recording of a call that ends.

/// What is in the recording of a call that ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begun {
    /// Nothing: nobody saw it begin.
    Unseen,
    /// Its entry is an event.
    Recorded,
}

impl Begun {
    /// Whether its entry is an event.
    pub(crate) fn is_recorded(self) -> bool {
        self == Self::Recorded
    }
}

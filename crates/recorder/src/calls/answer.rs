//! What a call gets from the recorder instead of from the kernel.

/// What a call gets from the recorder instead of from the kernel.
pub(crate) enum Answer {
    /// The kernel decides.
    Kernel,
    /// This result; effects were added.
    Now(i64),
}

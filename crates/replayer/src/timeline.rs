//! The whole recording as a moment one can move.
use retake_recording::Recording;
/// A recording with a moment in it.
#[derive(Debug)]
pub struct Timeline { _r: Recording }

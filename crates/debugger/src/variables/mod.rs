//! Variables of the program at a moment.

mod arrived;
mod memory;
mod scope;
mod sites;

pub(crate) use arrived::{Arrived, can_be_traced};
pub(crate) use memory::TaskMemory;
pub(crate) use scope::{FrameScope, Seen};

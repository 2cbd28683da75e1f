//! What is recorded, as it stands.

use std::time::Duration;

use retake_model::Tid;
use retake_recording::{ExitStatus, RecordingWriter};

use crate::book::Book;
use crate::checkpoints::copies::Copies;
use crate::ending::leftover::Leftover;
use crate::ending::limits::Limits;
use crate::ending::state::Ending;
use crate::hardware::Hardware;
use crate::turns::Turns;
use crate::world::World;

/// Everything that is being recorded.
#[derive(Debug)]
pub(crate) struct Session {
    /// The tasks, and what they have.
    pub(crate) world: World,
    /// What is written down of them.
    pub(crate) book: Book,
    /// Whose turn it is.
    pub(crate) turns: Turns,
    /// What they run on.
    pub(crate) hardware: Hardware,
    /// What checkpoints are read from.
    pub(crate) copies: Copies,
    /// Code for calls without a stop: for the first task, from which all others have it.
    pub(crate) fast_code: Option<std::rc::Rc<retake_tracee::fast::FastCode>>,
    /// Room for what that code has written down.
    pub(crate) fast_entries: Vec<u8>,
    /// When and how the recording ends.
    pub(crate) ending: Ending,
    /// What the first process ended with.
    pub(crate) status: Option<ExitStatus>,
    pub(crate) audit: Option<crate::calls::violations::Audit>,
}

impl Session {
    pub(crate) fn new(writer: RecordingWriter, root: Tid, interval: Duration) -> Self {
        Self {
            world: World::new(root),
            book: Book::new(writer, interval),
            turns: Turns::new(),
            hardware: Hardware::default(),
            copies: Copies::default(),
            fast_code: None,
            fast_entries: Vec::new(),
            ending: Ending::new(None, Leftover::Wait, Limits::default()),
            status: None,
            audit: None,
        }
    }
}

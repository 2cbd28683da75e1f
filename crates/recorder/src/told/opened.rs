//! Files that tell a program of CPUs and priorities, and who has opened one.

use retake_model::Tid;

/// What is known of such files.
#[derive(Debug, Default)]
pub(crate) struct ToldFiles {
    /// The program may have opened one.
    pub(super) opened: bool,
    /// What it has begun to read, by process and descriptor: it reads on in the same text.
    pub(super) text: Option<(Tid, i32, Vec<u8>)>,
}

impl ToldFiles {
    /// Any file may be one.
    pub(crate) fn expect(&mut self) {
        self.opened = true;
    }
}

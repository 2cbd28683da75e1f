//! Which descriptors are what the recorder was given as standard output and error.

use std::collections::BTreeMap;

use retake_model::Tid;
use retake_ptrace::same_open_file;
use retake_recording::Stream;

/// Knows, per process and descriptor, whether output to it is the program's output.
#[derive(Debug)]
pub(crate) struct Echo {
    own: Tid,
    known: BTreeMap<(Tid, i32), Option<Stream>>,
}

impl Echo {
    pub(crate) fn new() -> Self {
        let own = Tid::new(i32::try_from(std::process::id()).unwrap_or(0));
        Self { own, known: BTreeMap::new() }
    }

    /// Descriptors may mean something else from here on.
    pub(crate) fn forget(&mut self) {
        self.known.clear();
    }

    /// The stream that `fd` of process `pid` is.
    pub(crate) fn stream(&mut self, pid: Tid, fd: i32) -> Option<Stream> {
        let own = self.own;
        *self.known.entry((pid, fd)).or_insert_with(|| {
            let same = |ours| same_open_file((own, ours), (pid, fd));
            match (same(1), same(2)) {
                (Some(true), _) => Some(Stream::Stdout),
                (_, Some(true)) => Some(Stream::Stderr),
                // No kcmp here: the numbers are the best there is.
                (None, None) if fd == 1 => Some(Stream::Stdout),
                (None, None) if fd == 2 => Some(Stream::Stderr),
                _ => None,
            }
        })
    }
}

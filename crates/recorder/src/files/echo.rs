//! Which descriptors are what the recorder was given as standard output and error.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;

use retake_model::Tid;
use retake_ptrace::same_open_file;
use retake_recording::Stream;

use crate::files::descriptors::{FdInfo, Identity, fd_info};

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

    /// The stream that `fd` of the task's process is.
    pub(crate) fn stream(&mut self, (pid, tid): (Tid, Tid), fd: i32) -> Option<Stream> {
        let own = self.own;
        // A leader that ended before its threads has no descriptors any more: the task is asked.
        *self.known.entry((pid, fd)).or_insert_with(|| {
            // Containers allow kcmp only with a capability.
            let same = |ours| {
                same_open_file((own, ours), (tid, fd)).unwrap_or_else(|| {
                    seen(own, ours).is_some_and(|ours| seen(tid, fd) == Some(ours))
                })
            };
            match (same(1), same(2)) {
                (true, _) => Some(Stream::Stdout),
                (_, true) => Some(Stream::Stderr),
                _ => None,
            }
        })
    }
}

/// What procfs shows of an open file: the same for two descriptors of one, and hardly ever for others.
fn seen(tid: Tid, fd: i32) -> Option<(Identity, FdInfo)> {
    let meta = std::fs::metadata(format!("/proc/{tid}/fd/{fd}")).ok()?;
    Some(((meta.dev(), meta.ino()), fd_info(tid, fd)?))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn open_files_are_told_apart_without_kcmp() {
        let own = Tid::new(i32::try_from(std::process::id()).unwrap());
        let open = || std::fs::File::open("/dev/null").unwrap();
        let (a, b) = (open(), std::io::pipe().unwrap());
        let copy = a.try_clone().unwrap();
        let seen = |fd: &dyn AsRawFd| seen(own, fd.as_raw_fd());
        assert!(seen(&a).is_some() && seen(&a) == seen(&copy));
        assert!(seen(&b.0) != seen(&b.1) && seen(&a) != seen(&b.0));
    }
}

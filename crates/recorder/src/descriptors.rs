//! What the descriptors of recorded processes refer to.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use retake_model::Tid;

use crate::task::Task;

/// Device and inode.
pub(crate) type Identity = (u64, u64);

/// What a descriptor refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A regular file.
    File(Identity),
    /// `/proc/PID/mem`.
    Memory(Tid),
    /// Something that changes no memory when it is written to.
    Other,
}

/// Remembers it per process and descriptor.
#[derive(Debug, Default)]
pub(crate) struct Descriptors {
    known: BTreeMap<(Tid, i32), Target>,
}

impl Descriptors {
    /// Descriptors may mean something else from here on.
    pub(crate) fn forget(&mut self) {
        self.known.clear();
    }

    /// What `fd` of the task's process is.
    pub(crate) fn target(&mut self, task: &Task, fd: i32) -> Target {
        // A leader that ended before its threads has no descriptors any more: the task is asked.
        *self.known.entry((task.pid, fd)).or_insert_with(|| look(task.tid, fd))
    }
}

fn look(tid: Tid, fd: i32) -> Target {
    let link = format!("/proc/{tid}/fd/{fd}");
    let Ok(meta) = std::fs::metadata(&link) else {
        return Target::Other;
    };
    if !meta.is_file() {
        return Target::Other;
    }
    match std::fs::read_link(&link).ok().as_deref().and_then(memory_of) {
        Some(pid) => Target::Memory(pid),
        None => Target::File((meta.dev(), meta.ino())),
    }
}

/// The process whose memory `/proc/PID/mem` or `/proc/PID/task/TID/mem` is.
fn memory_of(path: &Path) -> Option<Tid> {
    let rest = path.strip_prefix("/proc").ok()?;
    if rest.file_name()? != "mem" || rest.components().count() < 2 {
        return None;
    }
    let folder = rest.parent()?.file_name()?;
    folder.to_str()?.parse().ok().map(Tid::new)
}

/// Where the next read or write through a descriptor takes place (`/proc/PID/fdinfo`).
pub(crate) fn position(tid: Tid, fd: i32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{tid}/fdinfo/{fd}")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("pos:"))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_files_are_told_by_their_path() {
        let of = |path: &str| memory_of(Path::new(path));
        assert_eq!(of("/proc/17/mem"), Some(Tid::new(17)));
        assert_eq!(of("/proc/17/task/18/mem"), Some(Tid::new(18)));
        assert_eq!(of("/proc/17/maps"), None);
        assert_eq!(of("/home/17/mem"), None);
        assert_eq!(of("/proc/mem"), None);
    }
}

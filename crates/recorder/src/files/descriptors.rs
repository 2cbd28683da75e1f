//! What the descriptors of recorded processes refer to.

use std::collections::BTreeMap;
use std::path::Path;

use retake_model::Tid;

/// Device and inode.
pub(crate) type Identity = (u64, u64);

/// What a descriptor refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A regular file.
    File(Identity),
    /// `/proc/PID/mem`.
    Memory(Tid),
    /// One that tells the program something else than the kernel would.
    Told(crate::told::contents::Content),
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
    pub(crate) fn target(&mut self, (pid, tid): (Tid, Tid), fd: i32) -> Target {
        // A leader that ended before its threads has no descriptors any more: the task is asked.
        *self.known.entry((pid, fd)).or_insert_with(|| look(tid, fd))
    }
}

fn look(tid: Tid, fd: i32) -> Target {
    let link = format!("/proc/{tid}/fd/{fd}");
    let Ok(file) = retake_ptrace::known_file(link.as_ref()) else {
        return Target::Other;
    };
    if !file.is_regular {
        return Target::Other;
    }
    let path = std::fs::read_link(&link).unwrap_or_default();
    match (memory_of(&path), crate::told::contents::Content::at(&path)) {
        (Some(pid), _) => Target::Memory(pid),
        (None, Some(content)) => Target::Told(content),
        (None, None) => Target::File((file.dev, file.ino)),
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

/// The descriptor in an argument of a call.
pub(crate) fn descriptor(arg: u64) -> i32 {
    #[expect(clippy::cast_possible_truncation, reason = "the kernel takes 32 bits too")]
    let fd = arg as i32;
    fd
}

/// What procfs says of an open file (`/proc/PID/fdinfo/FD`, proc_pid_fdinfo(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FdInfo {
    /// Where the next read or write takes place.
    pub(crate) position: u64,
    /// The flags of open(2), without the one that belongs to the descriptor.
    pub(crate) flags: u64,
}

pub(crate) fn fd_info(tid: Tid, fd: i32) -> Option<FdInfo> {
    parse(&std::fs::read_to_string(format!("/proc/{tid}/fdinfo/{fd}")).ok()?)
}

fn parse(info: &str) -> Option<FdInfo> {
    const O_CLOEXEC: u64 = 0o2_000_000;
    let field = |name| info.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let flags = u64::from_str_radix(field("flags:")?, 8).ok()?;
    Some(FdInfo { position: field("pos:")?.parse().ok()?, flags: flags & !O_CLOEXEC })
}

/// Where the next read or write through a descriptor takes place.
pub(crate) fn position(tid: Tid, fd: i32) -> Option<u64> {
    fd_info(tid, fd).map(|info| info.position)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_of_the_descriptor_is_left_out() {
        let info = FdInfo { position: 17, flags: 0o100_001 };
        assert_eq!(parse("pos:\t17\nflags:\t02100001\nmnt_id:\t9\n"), Some(info));
    }

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

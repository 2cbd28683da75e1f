//! Which descriptors are what the recorder was given as standard output and error.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;

use retake_model::Tid;
use retake_ptrace::same_open_file;
use retake_recording::Stream;

use crate::task::Task;

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
    pub(crate) fn stream(&mut self, task: &Task, fd: i32) -> Option<Stream> {
        let (own, tid) = (self.own, task.tid);
        // A leader that ended before its threads has no descriptors any more: the task is asked.
        *self.known.entry((task.pid, fd)).or_insert_with(|| {
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
#[derive(PartialEq, Eq)]
struct Seen {
    device: u64,
    inode: u64,
    position: u64,
    flags: u64,
}

fn seen(tid: Tid, fd: i32) -> Option<Seen> {
    let meta = std::fs::metadata(format!("/proc/{tid}/fd/{fd}")).ok()?;
    let info = std::fs::read_to_string(format!("/proc/{tid}/fdinfo/{fd}")).ok()?;
    let (position, flags) = position_and_flags(&info)?;
    Some(Seen { device: meta.dev(), inode: meta.ino(), position, flags })
}

/// `pos` and `flags` of `/proc/PID/fdinfo/FD` (proc_pid_fdinfo(5)), without the flag that belongs to the
/// descriptor.
fn position_and_flags(info: &str) -> Option<(u64, u64)> {
    const O_CLOEXEC: u64 = 0o2_000_000;
    let field = |name| info.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let flags = u64::from_str_radix(field("flags:")?, 8).ok()?;
    Some((field("pos:")?.parse().ok()?, flags & !O_CLOEXEC))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn open_files_are_told_apart_without_kcmp() {
        assert_eq!(
            position_and_flags("pos:\t17\nflags:\t02100001\nmnt_id:\t9\n"),
            Some((17, 0o100_001))
        );
        let own = Tid::new(i32::try_from(std::process::id()).unwrap());
        let open = || std::fs::File::open("/dev/null").unwrap();
        let (a, b) = (open(), std::io::pipe().unwrap());
        let copy = a.try_clone().unwrap();
        let seen = |fd: &dyn AsRawFd| seen(own, fd.as_raw_fd());
        assert!(seen(&a).is_some() && seen(&a) == seen(&copy));
        assert!(seen(&b.0) != seen(&b.1) && seen(&a) != seen(&b.0));
    }
}

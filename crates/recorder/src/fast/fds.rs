//! What the code is told of descriptors.
//!
//! A call on a descriptor is made without a stop if it is known that it changes no memory and waits for nobody, or
//! how to ask. That is found out at a traced call on it, and forgotten when the descriptor may be something else. The
//! table is the program's memory: what is written to it is an effect of the call.

use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use retake_abi::consts::clone::CLONE_FILES;
use retake_abi::consts::close_range::CLOSE_RANGE_UNSHARE;
use retake_abi::{FdEffect, nr};
use retake_model::{Addr, Registers, SpaceId, SyscallNo, Tid};
use retake_ptrace::ProcessMemory;
use retake_recording::{Effect, Stream};
use retake_tracee::fast::{FdKind, PLAIN_DEVICE_COUNT, PLAIN_DEVICES, needs_descriptor};

use crate::book::Draft;
use crate::error::RecordError;
use crate::fast::known::{Known, KnownFds, place};
use crate::files::descriptors::{Identity, Target, descriptor};
use crate::tasks::new_task::NewTask;
use crate::tasks::{OpenCall, Task};
use crate::world::World;

/// File systems whose files the kernel reads and writes by itself, with nobody to wait for (statfs(2)): ext2 to ext4,
/// xfs, btrfs, tmpfs, overlayfs, f2fs, squashfs, zfs, erofs, isofs.
const PLAIN_FILE_SYSTEMS: [i64; 10] = [
    0xef53,
    0x5846_5342,
    0x9123_683e,
    0x0102_1994,
    0x794c_7630,
    0xf2f5_2010,
    0x7371_7368,
    0x2fc1_2fc1,
    0xe0f5_e1e2,
    0x9660,
];
/// Devices of the kernel's own that never wait: major 1, `null`, `zero`, `full`, `random`, `urandom`.
const MEMORY_DEVICES: u64 = 1;
const NEVER_WAIT: [u64; 5] = [3, 5, 7, 8, 9];

/// How calls on an open file can be made without a stop. Of what a regular file is to the recording, nothing is
/// known here.
fn kind_of(link: &str, meta: &Metadata) -> FdKind {
    let file = meta.file_type();
    let both = FdKind::READ.with(FdKind::WRITE);
    if file.is_fifo() || file.is_socket() {
        return both.with(FdKind::MAY_WAIT);
    }
    if file.is_char_device() {
        let device = meta.rdev();
        let (major, minor) = (device >> 8 & 0xfff, device & 0xff);
        let never_waits = major == MEMORY_DEVICES && NEVER_WAIT.contains(&minor);
        return if never_waits { both } else { FdKind::UNKNOWN };
    }
    let on_plain = || {
        retake_ptrace::file_system(link.as_ref())
            .is_ok_and(|magic| PLAIN_FILE_SYSTEMS.contains(&magic))
    };
    match (file.is_file(), file.is_dir()) {
        (true, _) if on_plain() => both,
        (_, true) if on_plain() => FdKind::READ,
        _ => FdKind::UNKNOWN,
    }
}

/// Whether a pipe holds as much as pipes do (pipe(7)).
fn holds_as_usual(task: &Task, fd: i32) -> bool {
    const USUAL: u64 = 65536;
    let pipe = retake_ptrace::copy_fd(task.tid, task.pid, fd);
    pipe.is_ok_and(|pipe| retake_ptrace::pipe_capacity(&pipe).is_ok_and(|bytes| bytes >= USUAL))
}

/// Which descriptors may be something else after a call.
enum Changed {
    None,
    One(i32),
    Any,
}

/// A descriptor that is new was closed before: nothing is known of it.
fn changed_by(no: SyscallNo, args: &[u64; 6]) -> Changed {
    match no {
        nr::CLOSE => Changed::One(descriptor(args[0])),
        nr::DUP2 | nr::DUP3 => Changed::One(descriptor(args[1])),
        nr::OPEN
        | nr::OPENAT
        | nr::OPENAT2
        | nr::CREAT
        | nr::DUP
        | nr::PIPE
        | nr::PIPE2
        | nr::SOCKET
        | nr::SOCKETPAIR
        | nr::ACCEPT
        | nr::ACCEPT4
        | nr::RECVMSG
        | nr::RECVMMSG
        | nr::FCNTL
        | nr::EPOLL_CREATE1
        | nr::EVENTFD2
        | nr::TIMERFD_CREATE
        | nr::SIGNALFD4
        | nr::INOTIFY_INIT1
        | nr::MEMFD_CREATE
        | nr::PIDFD_OPEN
        | nr::CLONE
        | nr::CLONE3 => Changed::None,
        _ => Changed::Any,
    }
}

impl World {
    /// Descriptors may mean something else from here on.
    pub(crate) fn fds_changed(&mut self) {
        self.echo.forget();
        self.descriptors.forget();
    }

    /// A traced call has come to its end: what is known of descriptors may not be so any more, or may be told.
    pub(crate) fn note_descriptors(
        &mut self,
        draft: &mut Draft,
        task: &mut Task,
        open: &OpenCall,
        result: i64,
    ) -> Result<(), RecordError> {
        if open.call.fds == FdEffect::Changes {
            match changed_by(open.call.no, &open.args) {
                Changed::None => {}
                Changed::One(fd) => {
                    self.forget_fds(draft, task.tid, task.space, |known, _| known == fd)?
                }
                Changed::Any => self.forget_fds(draft, task.tid, task.space, |_, _| true)?,
            }
            if result >= 0 && gets_own(open) && self.shares_memory(task) {
                self.descriptors_part(draft, task.tid, task.space)?;
                task.has_own_fds = true;
            }
            return Ok(());
        }
        let [first, ..] = open.args;
        if result >= 0
            && needs_descriptor(open.call.no)
            && self.came_from_stub(task, &open.entry)?
        {
            self.tell_of_fd(draft, task, descriptor(first))?;
        }
        Ok(())
    }

    /// Whether a call was made by a stub: its site is led to the code.
    fn came_from_stub(&mut self, task: &Task, entry: &Registers) -> Result<bool, RecordError> {
        let fast = &self.space(task.space)?.fast;
        Ok(fast.present && fast.is_in_stub(Addr::new(entry.rip)))
    }

    /// Tells the code what a descriptor is, if it is not told yet.
    fn tell_of_fd(&mut self, draft: &mut Draft, task: &Task, fd: i32) -> Result<(), RecordError> {
        let fds = &self.space(task.space)?.fast.fds;
        let (is_known, are_shared) = (fds.known.contains_key(&fd), fds.are_shared);
        if is_known || are_shared || task.has_own_fds || self.sharers(task).any(|t| t.has_own_fds) {
            return Ok(());
        }
        let Some(place) = place(fd) else { return Ok(()) };
        let link = format!("/proc/{}/fd/{fd}", task.tid);
        let Ok(meta) = std::fs::metadata(&link) else { return Ok(()) };
        let mut kind = kind_of(&link, &meta);
        if meta.file_type().is_fifo() && holds_as_usual(task, fd) {
            kind = kind.with(FdKind::PIPE);
        }
        let mut writes_to = None;
        if (meta.is_file() || meta.is_dir()) && kind.has(FdKind::READ) {
            let place = self.space(task.space)?.fast.fds.place_for_device(meta.dev());
            if let Some(place) = place {
                self.remembered.note_device(meta.dev());
                crate::calls::threads::write_now(draft, task, place, &meta.dev().to_le_bytes());
            }
        }
        if meta.is_file() && kind.has(FdKind::WRITE) {
            // What is written to a file that is mapped changes memory.
            let identity = (meta.dev(), meta.ino());
            let is_mapped = self.files.is_shared(identity) || self.files.is_kept(identity);
            match self.descriptors.target(task.process(), fd) {
                Target::File(_) if !is_mapped => writes_to = Some(identity),
                _ => kind = FdKind::READ,
            }
        }
        if kind.has(FdKind::WRITE) {
            kind = match self.echo.stream(task.process(), fd) {
                Some(Stream::Stdout) => kind.with(FdKind::STDOUT),
                Some(Stream::Stderr) => kind.with(FdKind::STDERR),
                None => kind,
            };
        }
        if kind != FdKind::UNKNOWN {
            crate::calls::threads::write_now(draft, task, place, &[kind.byte()]);
        }
        self.space(task.space)?.fast.fds.known.insert(fd, Known { kind, writes_to });
        Ok(())
    }

    /// Takes descriptors out of the table of an address space, which task `tid` has.
    fn forget_fds(
        &mut self,
        draft: &mut Draft,
        tid: Tid,
        space: SpaceId,
        mut is: impl FnMut(i32, Option<Identity>) -> bool,
    ) -> Result<(), RecordError> {
        let gone = self.space(space)?.fast.fds.take(|fd, known| is(fd, known.writes_to));
        for place in gone.into_iter().filter_map(place) {
            self.put_into(draft, tid, space, place, &[0]);
        }
        Ok(())
    }

    /// Writes to what the code is told. Memory that is gone makes no calls.
    fn put_into(&mut self, draft: &mut Draft, tid: Tid, space: SpaceId, addr: Addr, bytes: &[u8]) {
        if ProcessMemory::new(tid).write(addr, bytes).is_ok() {
            draft.add(&Effect::ForeignWrite { space, addr, bytes: bytes.to_vec() });
        }
    }

    /// A file is mapped: what is written to it changes memory from now on.
    pub(crate) fn file_gets_mapped(
        &mut self,
        draft: &mut Draft,
        task: &Task,
        identity: Identity,
    ) -> Result<(), RecordError> {
        let writes = |fds: &KnownFds| fds.known.values().any(|k| k.writes_to == Some(identity));
        let spaces: Vec<SpaceId> =
            self.spaces.iter().filter(|(_, s)| writes(&s.fast.fds)).map(|(id, _)| *id).collect();
        for space in spaces {
            let mut tasks = std::iter::once(task).chain(self.tasks.values());
            // Memory without tasks makes no calls.
            let Some(tid) = tasks.find(|other| other.space == space).map(|other| other.tid) else {
                continue;
            };
            self.forget_fds(draft, tid, space, |_, writes_to| writes_to == Some(identity))?;
        }
        Ok(())
    }

    /// Nothing is known of descriptors in an address space from here on, and the code looks at none.
    fn descriptors_part(
        &mut self,
        draft: &mut Draft,
        tid: Tid,
        space: SpaceId,
    ) -> Result<(), RecordError> {
        self.forget_fds(draft, tid, space, |_, _| true)?;
        let devices = std::mem::take(&mut self.space(space)?.fast.fds.devices);
        if !devices.is_empty() {
            self.put_into(draft, tid, space, PLAIN_DEVICES, &[0; 8 * PLAIN_DEVICE_COUNT]);
        }
        Ok(())
    }

    /// A task has made another one, in this space. Those that share memory but not descriptors, or descriptors but not
    /// memory, make calls on them that are traced.
    pub(crate) fn descriptors_inherited(
        &mut self,
        draft: &mut Draft,
        parent: &Task,
        (child, space): (Tid, SpaceId),
        new: &NewTask,
    ) -> Result<(), RecordError> {
        if new.shares_memory() == new.shares_descriptors() {
            return Ok(());
        }
        self.descriptors_part(draft, parent.tid, parent.space)?;
        if new.shares_descriptors() {
            // The copy was made before.
            self.descriptors_part(draft, child, space)?;
            for space in [parent.space, space] {
                self.space(space)?.fast.fds.are_shared = true;
            }
        }
        Ok(())
    }
}

/// Whether a call gives the caller descriptors of its own.
fn gets_own(open: &OpenCall) -> bool {
    let [first, _, third, ..] = open.args;
    match open.call.no {
        nr::UNSHARE => first & CLONE_FILES != 0,
        nr::CLOSE_RANGE => third & CLOSE_RANGE_UNSHARE != 0,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(path: &str) -> FdKind {
        kind_of(path, &std::fs::metadata(path).unwrap())
    }

    #[test]
    fn what_never_waits_and_what_may() {
        let both = FdKind::READ.with(FdKind::WRITE);
        assert_eq!(kind("/dev/null"), both);
        assert_eq!(kind("/dev/urandom"), both);
        assert_eq!(kind("/proc/self/status"), FdKind::UNKNOWN, "the kernel makes it up");
        assert_eq!(kind("/proc"), FdKind::UNKNOWN);
        assert_eq!(kind(env!("CARGO_MANIFEST_DIR")), FdKind::READ);
        assert_eq!(kind(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")), both);
    }

    #[test]
    fn descriptors_that_are_closed_are_forgotten() {
        let known = |kind| Known { kind, writes_to: None };
        let mut fds = KnownFds::default();
        fds.known.insert(3, known(FdKind::READ));
        fds.known.insert(4, known(FdKind::UNKNOWN));
        fds.known.insert(5, known(FdKind::WRITE));
        assert_eq!(fds.take(|fd, _| fd < 5), [3], "the table says nothing of 4");
        fds.closed(5);
        assert!(fds.take(|_, _| true).is_empty());
    }
}

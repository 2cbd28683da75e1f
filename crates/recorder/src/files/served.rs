//! Files that the recording serves itself: a file system in user space (fuse(4)) whose server is recorded.
//!
//! The recorder must not touch them: it would wait for a server that waits for the recorder. Mapping them and executing
//! them is refused, as it is by file systems that cannot do either; reading and writing works.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use retake_abi::consts::map::MAP_ANONYMOUS;
use retake_abi::{Errno, nr};
use retake_model::{Addr, SyscallNo, Tid};

use crate::book::Book;
use crate::calls::answer::Answer;
use crate::files::descriptors::descriptor;
use crate::start::exec::path_at;
use crate::tasks::Task;
use crate::world::World;

/// How the types of these file systems begin: `fuse`, `fuseblk`, `fuse.NAME`.
const KIND: &[u8] = b"fuse";

impl World {
    /// A call has ended well: notes whether it made such a file system known.
    pub(crate) fn note_served(&mut self, task: &Task, no: SyscallNo, args: &[u64; 6]) {
        let [first, _, third, ..] = *args;
        let kind = match no {
            nr::MOUNT => third,
            nr::FSOPEN => first,
            _ => return,
        };
        let mut name = [0; KIND.len()];
        self.serves_files |=
            task.memory.read_exact(Addr::new(kind), &mut name).is_ok() && name == KIND;
    }

    /// Refuses to map such a file.
    pub(crate) fn served_mapping(
        &mut self,
        book: &mut Book,
        task: &Task,
        args: &[u64; 6],
    ) -> Option<Answer> {
        let [_, _, _, flags, fd, _] = *args;
        if !self.serves_files || flags & MAP_ANONYMOUS != 0 {
            return None;
        }
        let fd = descriptor(fd);
        let info = fs::read_to_string(format!("/proc/{}/fdinfo/{fd}", task.tid)).ok()?;
        let mount = info.lines().find_map(|line| line.strip_prefix("mnt_id:"))?.trim();
        mounts(task.tid).iter().find(|served| served.id == mount)?;
        book.warn_once(
            "the program mapped a file that it serves itself (fuse), which is refused (ENODEV) while it is recorded"
                .to_owned(),
        );
        Some(Answer::Now(Errno::ENODEV.to_result()))
    }

    /// Refuses to execute such a file.
    pub(crate) fn served_program(
        &mut self,
        book: &mut Book,
        task: &Task,
        path: u64,
    ) -> Option<Answer> {
        if !self.serves_files {
            return None;
        }
        let path = path_at(&task.memory, path)?;
        let folder = fs::read_link(format!("/proc/{}/cwd", task.tid)).unwrap_or_default();
        let whole = folder.join(path);
        mounts(task.tid).iter().find(|served| whole.starts_with(&served.place))?;
        book.warn_once(format!(
            "the program executed {}, which it serves itself (fuse): that is refused (EACCES) while it is recorded",
            whole.display()
        ));
        Some(Answer::Now(Errno::EACCES.to_result()))
    }
}

/// A mounted file system in user space.
#[derive(Debug, PartialEq, Eq)]
struct Served {
    id: String,
    place: PathBuf,
}

fn mounts(tid: Tid) -> Vec<Served> {
    parse(&fs::read(format!("/proc/{tid}/mountinfo")).unwrap_or_default())
}

/// Reads `/proc/PID/mountinfo` (proc_pid_mountinfo(5)): the type comes after a lone `-`.
fn parse(info: &[u8]) -> Vec<Served> {
    let line = |line: &[u8]| {
        let mut words = line.split(|byte| *byte == b' ');
        let id = String::from_utf8_lossy(words.next()?).into_owned();
        let place = Path::new(OsStr::from_bytes(words.nth(3)?)).to_owned();
        words.find(|word| *word == b"-")?;
        words.next()?.starts_with(KIND).then_some(Served { id, place })
    };
    info.split(|byte| *byte == b'\n').filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_in_user_space_are_found() {
        let info = b"22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n\
                     93 22 0:44 / /mnt/a rw,nosuid shared:7 master:2 - fuse.sshfs x rw,user_id=0\n\
                     94 22 0:45 / /mnt/b rw - fuse served rw\n";
        let found = parse(info);
        assert_eq!(found.iter().map(|served| served.id.as_str()).collect::<Vec<_>>(), ["93", "94"]);
        assert_eq!(found[1].place, Path::new("/mnt/b"));
    }
}

//! Files found without opening them: nothing happens to pipes, devices and the like.

use std::fs::File;
use std::io;
use std::path::Path;

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::Mode;

const FOUND: OFlag = OFlag::O_PATH.union(OFlag::O_CLOEXEC);

/// The file at `path`, for looking at what it is (`O_PATH`, open(2)).
///
/// # Errors
/// When there is none.
pub fn find_file(path: &Path) -> io::Result<File> {
    Ok(open(path, FOUND, Mode::empty())?.into())
}

/// The file at `path` for a process whose root folder is `root` (`RESOLVE_IN_ROOT`, openat2(2), since
/// Linux 5.6).
///
/// # Errors
/// When there is none, or the kernel cannot say.
pub fn find_file_in(root: &File, path: &Path) -> io::Result<File> {
    let how = OpenHow::new().flags(FOUND).resolve(ResolveFlag::RESOLVE_IN_ROOT);
    Ok(openat2(root, path, how)?.into())
}

//! What the kernel knows of a file without asking whoever serves it.
#![expect(unsafe_code, reason = "statx(2) has no wrapper")]

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::libc;

/// Which file it is, and of what kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownFile {
    /// Number of the device, as stat(2) gives it.
    pub dev: u64,
    /// Number of the inode on it.
    pub ino: u64,
    /// Whether it is a regular file.
    pub is_regular: bool,
}

/// The file at `path`, by what the kernel has at hand (`AT_STATX_DONT_SYNC`, statx(2)): a file system in user space
/// is not asked, which may be waiting for the caller. Meant for paths below `/proc/PID/fd`.
///
/// # Errors
/// When there is none.
pub fn known_file(path: &Path) -> io::Result<KnownFile> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: all-zero bytes are a valid answer.
    let mut answer: libc::statx = unsafe { std::mem::zeroed() };
    let mask = libc::STATX_TYPE | libc::STATX_INO;
    // SAFETY: the path is a C string, and `answer` is valid for writes.
    let result = unsafe {
        libc::statx(libc::AT_FDCWD, path.as_ptr(), libc::AT_STATX_DONT_SYNC, mask, &raw mut answer)
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(KnownFile {
        dev: libc::makedev(answer.stx_dev_major, answer.stx_dev_minor),
        ino: answer.stx_ino,
        is_regular: u32::from(answer.stx_mode) & libc::S_IFMT == libc::S_IFREG,
    })
}

/// Which kind of file system a file is on: its magic number (statfs(2), linux/magic.h).
///
/// # Errors
/// When there is no such file.
pub fn file_system(path: &Path) -> io::Result<i64> {
    Ok(nix::sys::statfs::statfs(path)?.filesystem_type().0)
}

//! A process that cannot be mistaken for another one, whatever becomes of its number.
#![expect(unsafe_code, reason = "pidfd_send_signal has no wrapper")]

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;

use nix::libc;
use retake_model::{Addr, PAGE_LEN, PageAddr, Tid};

use crate::PtraceError;
use crate::fds::open_pidfd;

/// A process by its pidfd (pidfd_open(2), Linux 5.3) and its memory by an open file (`/proc/PID/mem`, proc(5)).
/// Any thread may use it.
#[derive(Debug)]
pub struct ProcessHandle {
    pidfd: OwnedFd,
    memory: File,
}

impl ProcessHandle {
    /// That of process `pid`, as it is now: its memory is that of the program that it executes.
    ///
    /// # Errors
    /// When there is none, or it may not be looked at.
    pub fn open(pid: Tid) -> Result<Self, PtraceError> {
        let pidfd = open_pidfd(pid, pid)?;
        let memory = File::open(format!("/proc/{pid}/mem"))
            .map_err(|error| PtraceError::io("open /proc/PID/mem", pid, &error))?;
        Ok(Self { pidfd, memory })
    }

    /// Kills it, if it is there.
    pub fn kill(&self) {
        let (fd, none) = (self.pidfd.as_raw_fd(), std::ptr::null::<libc::siginfo_t>());
        // SAFETY: integers, and a null pointer for no description of the signal.
        unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, libc::SIGKILL, none, 0) };
    }

    /// Reads whole pages into `out`, the first ones of `pages` up to the first gap, and says how many.
    ///
    /// # Errors
    /// When not even the first one can be read, or the memory is gone (`UnexpectedEof`).
    pub fn read_pages(&self, pages: &[PageAddr], out: &mut [u8]) -> io::Result<usize> {
        let Some(first) = pages.first().map(|page| page.addr()) else { return Ok(0) };
        let run = (0_u64..).zip(pages).take_while(|(n, page)| follows(first, *n, **page)).count();
        let most = run * PAGE_LEN;
        let out = match out.get_mut(..most) {
            Some(part) => part,
            None => out,
        };
        let whole = out.len() / PAGE_LEN * PAGE_LEN;
        let mut done = 0;
        while let Some(rest) = out.get_mut(done..whole).filter(|rest| !rest.is_empty()) {
            match self.memory.read_at(rest, first.get() + done as u64) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(got) => done += got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) if done >= PAGE_LEN => break,
                Err(error) => return Err(error),
            }
        }
        Ok(done / PAGE_LEN)
    }
}

/// Whether `page` is the `n`th one after `first`.
fn follows(first: Addr, n: u64, page: PageAddr) -> bool {
    first.checked_add(n * PAGE_LEN as u64) == Some(page.addr())
}

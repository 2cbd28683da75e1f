//! Write-tracking of another process through a userfaultfd in asynchronous write-protect mode
//! (kernel 6.7, `UFFD_FEATURE_WP_ASYNC`). The descriptor is made in the process by an injected call
//! and copied out; a process may make one for user-mode faults without privilege.
#![expect(unsafe_code, reason = "userfaultfd ioctls")]

use std::os::fd::{AsRawFd, OwnedFd};

use nix::libc;
use retake_model::{AddrRange, Tid};

use crate::PtraceError;

const UFFDIO_API: libc::c_ulong = 0xc018_aa3f;
const UFFDIO_REGISTER: libc::c_ulong = 0xc020_aa00;
const UFFDIO_UNREGISTER: libc::c_ulong = 0x8010_aa01;
const UFFD_API: u64 = 0xaa;
/// `UFFD_FEATURE_WP_UNPOPULATED | UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_WP_HUGETLBFS_SHMEM`
const FEATURES: u64 = 1 << 13 | 1 << 15 | 1 << 12;
const REGISTER_MODE_WP: u64 = 1 << 1;

/// Tracks writes to ranges of one process; read with [`crate::PageMap::written`].
#[derive(Debug)]
pub struct WriteTracker {
    tid: Tid,
    fd: OwnedFd,
}

impl WriteTracker {
    /// Takes over a userfaultfd that was made in the process.
    ///
    /// # Errors
    /// When the kernel lacks asynchronous write-protection.
    pub fn new(tid: Tid, fd: OwnedFd) -> Result<Self, PtraceError> {
        let tracker = Self { tid, fd };
        let mut api = [UFFD_API, FEATURES, 0];
        tracker.ioctl("UFFDIO_API", UFFDIO_API, &mut api)?;
        Ok(tracker)
    }

    fn ioctl<const N: usize>(
        &self,
        call: &'static str,
        request: libc::c_ulong,
        arg: &mut [u64; N],
    ) -> Result<(), PtraceError> {
        // SAFETY: each request's struct is N u64 words (linux/userfaultfd.h), valid for the call.
        let result = unsafe { libc::ioctl(self.fd.as_raw_fd(), request, arg.as_mut_ptr()) };
        if result == -1 { Err(PtraceError::last(call, self.tid)) } else { Ok(()) }
    }

    /// Makes writes in `range` visible: from here on [`crate::PageMap::written`] with
    /// [`crate::PageScan::Reset`] finds what is written. Its first scan finds every page that was ever
    /// written, and takes as long as there are such pages: nothing is done here for the others, as
    /// runtimes reserve terabytes.
    ///
    /// # Errors
    /// When the range holds a mapping that cannot be tracked.
    pub fn track(&self, range: AddrRange) -> Result<(), PtraceError> {
        let (start, len) = (range.start().get(), range.len());
        self.ioctl("UFFDIO_REGISTER", UFFDIO_REGISTER, &mut [start, len, REGISTER_MODE_WP, 0])
    }

    /// Ends that, where it was begun. Also removes the marks that protected pages of files leave behind
    /// when the kernel takes them out (truncated, discarded, reclaimed): until then such a page
    /// counts as one that was swapped out, and so as the process's own.
    ///
    /// # Errors
    /// When the range holds a mapping that cannot be tracked.
    pub fn untrack(&self, range: AddrRange) -> Result<(), PtraceError> {
        let range = &mut [range.start().get(), range.len()];
        self.ioctl("UFFDIO_UNREGISTER", UFFDIO_UNREGISTER, range)
    }
}

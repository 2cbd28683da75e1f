//! Which pages of a process exist, and which were written.
#![expect(unsafe_code, reason = "the PAGEMAP_SCAN ioctl")]

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use nix::libc;
use retake_model::{Addr, AddrRange, PAGE_SIZE, PageAddr, Tid};

use crate::PtraceError;

/// `PAGEMAP_SCAN` (linux/fs.h, kernel 6.7): `_IOWR('f', 16, struct pm_scan_arg)`.
const PAGEMAP_SCAN: libc::c_ulong = 0xc060_6610;
const PM_SCAN_WP_MATCHING: u64 = 1;
const PAGE_IS_WRITTEN: u64 = 1 << 1;
/// Bits of a `/proc/PID/pagemap` entry (Documentation/admin-guide/mm/pagemap.rst).
const PRESENT: u64 = 1 << 63;
const SWAPPED: u64 = 1 << 62;
const FILE_OR_SHARED: u64 = 1 << 61;

#[repr(C)]
#[derive(Default)]
struct ScanArg {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    vec: u64,
    vec_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Default, Debug)]
struct Region {
    start: u64,
    end: u64,
    categories: u64,
}

/// A run of pages that a scan found.
pub type PageRun = AddrRange;

/// Whether a scan also protects the pages it finds again, so that the next one finds new writes only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageScan {
    /// Only look.
    Look,
    /// Look, and protect what was found.
    Reset,
}

/// `/proc/PID/pagemap` of one process. Must be opened again after `execve`.
#[derive(Debug)]
pub struct PageMap {
    tid: Tid,
    file: File,
}

impl PageMap {
    /// Opens it.
    ///
    /// # Errors
    /// When the process is gone or procfs is not mounted.
    pub fn open(tid: Tid) -> Result<Self, PtraceError> {
        let file = File::open(format!("/proc/{tid}/pagemap"))
            .map_err(|e| PtraceError::io("open /proc/PID/pagemap", tid, &e))?;
        Ok(Self { tid, file })
    }

    /// Every page of a private mapping that has contents of its own (was written at some time), in
    /// ascending order. Pages that are not present and not swapped, and pages of the file itself,
    /// are not given.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn private_pages(
        &self,
        range: AddrRange,
        found: &mut Vec<PageAddr>,
    ) -> Result<(), PtraceError> {
        self.select(range, found, |entry| {
            entry & (PRESENT | SWAPPED) != 0 && entry & FILE_OR_SHARED == 0
        })
    }

    /// Every page that is present or swapped.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn populated_pages(
        &self,
        range: AddrRange,
        found: &mut Vec<PageAddr>,
    ) -> Result<(), PtraceError> {
        self.select(range, found, |entry| entry & (PRESENT | SWAPPED) != 0)
    }

    fn select(
        &self,
        range: AddrRange,
        found: &mut Vec<PageAddr>,
        wanted: impl Fn(u64) -> bool,
    ) -> Result<(), PtraceError> {
        let mut buffer = vec![0_u8; 64 * 1024];
        let mut at = range.start().get() / PAGE_SIZE;
        let end = range.end().get().div_ceil(PAGE_SIZE);
        while at < end {
            let want = usize::try_from((end - at) * 8).unwrap_or(usize::MAX).min(buffer.len());
            let Some(part) = buffer.get_mut(..want) else { break };
            let got = self
                .file
                .read_at(part, at * 8)
                .map_err(|e| PtraceError::io("read /proc/PID/pagemap", self.tid, &e))?;
            if got < 8 {
                break;
            }
            let Some(part) = part.get(..got) else { break };
            for entry in crate::read_words(part) {
                if wanted(entry) {
                    found.push(Addr::new(at * PAGE_SIZE).page());
                }
                at += 1;
            }
        }
        Ok(())
    }

    /// Pages in `range` that were written since they were last protected (`PAGEMAP_SCAN`; the range
    /// must be registered with a [`crate::WriteTracker`]).
    ///
    /// # Errors
    /// `ENOTTY` or `EINVAL` where the kernel has no `PAGEMAP_SCAN`; when the process is gone.
    pub fn written(
        &self,
        range: AddrRange,
        scan: PageScan,
        found: &mut Vec<PageRun>,
    ) -> Result<(), PtraceError> {
        let mut regions = [Region::default(); 512];
        let mut start = range.start().get();
        while start < range.end().get() {
            let mut arg = ScanArg {
                size: size_of::<ScanArg>() as u64,
                flags: match scan {
                    PageScan::Look => 0,
                    PageScan::Reset => PM_SCAN_WP_MATCHING,
                },
                start,
                end: range.end().get(),
                vec: regions.as_mut_ptr().expose_provenance() as u64,
                vec_len: regions.len() as u64,
                category_mask: PAGE_IS_WRITTEN,
                return_mask: PAGE_IS_WRITTEN,
                ..ScanArg::default()
            };
            // SAFETY: `arg` has the kernel's layout and size; `vec` points at `vec_len` regions that
            // stay alive and are not touched during the call.
            let n = unsafe { libc::ioctl(self.file.as_raw_fd(), PAGEMAP_SCAN, &raw mut arg) };
            let n = usize::try_from(n)
                .map_err(|_| PtraceError::last("PAGEMAP_SCAN", self.tid))?;
            for region in regions.iter().take(n) {
                found.extend(AddrRange::new(Addr::new(region.start), Addr::new(region.end)));
            }
            if arg.walk_end <= start {
                break;
            }
            start = arg.walk_end;
        }
        Ok(())
    }
}

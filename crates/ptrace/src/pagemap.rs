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
const PAGE_IS_FILE: u64 = 1 << 2;
const PAGE_IS_PRESENT: u64 = 1 << 3;
const PAGE_IS_SWAPPED: u64 = 1 << 4;
/// Bits of a `/proc/PID/pagemap` entry (Documentation/admin-guide/mm/pagemap.rst).
const PRESENT: u64 = 1 << 63;
const SWAPPED: u64 = 1 << 62;
const FILE_OR_SHARED: u64 = 1 << 61;

#[repr(C)]
#[derive(Clone, Copy, Default)]
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

/// How many pages of its own a process has in memory, roughly (`/proc/PID/statm`).
pub fn private_page_count(tid: Tid) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{tid}/statm")).ok()?;
    let mut numbers = text.split_whitespace().skip(1).map(str::parse::<u64>);
    let (resident, shared) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    Some(resident.saturating_sub(shared))
}

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
        let scan = ScanArg {
            category_inverted: PAGE_IS_FILE,
            category_mask: PAGE_IS_FILE,
            category_anyof_mask: PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
            ..ScanArg::default()
        };
        self.pages(range, found, scan, |entry| {
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
        let scan = ScanArg {
            category_anyof_mask: PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
            ..ScanArg::default()
        };
        self.pages(range, found, scan, |entry| entry & (PRESENT | SWAPPED) != 0)
    }

    /// Scans where the kernel can (6.7), as that skips what is not there: runtimes reserve terabytes.
    /// Otherwise reads every entry.
    fn pages(
        &self,
        range: AddrRange,
        found: &mut Vec<PageAddr>,
        scan: ScanArg,
        wanted: impl Fn(u64) -> bool,
    ) -> Result<(), PtraceError> {
        if self.scan(range, scan, found).is_err() {
            return self.select(range, found, wanted);
        }
        Ok(())
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
            let Some(part) = buffer.get_mut(..want) else {
                break;
            };
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

    /// Like [`Self::private_pages`], but only pages that were written since they were last protected
    /// (`PAGEMAP_SCAN`; the range must be registered with a [`crate::WriteTracker`]).
    ///
    /// # Errors
    /// `ENOTTY` or `EINVAL` where the kernel has no `PAGEMAP_SCAN`; when the process is gone.
    pub fn written(
        &self,
        range: AddrRange,
        scan: PageScan,
        found: &mut Vec<PageAddr>,
    ) -> Result<(), PtraceError> {
        let template = ScanArg {
            flags: match scan {
                PageScan::Look => 0,
                PageScan::Reset => PM_SCAN_WP_MATCHING,
            },
            // A page that was never touched also counts as written for the kernel.
            category_inverted: PAGE_IS_FILE,
            category_mask: PAGE_IS_WRITTEN | PAGE_IS_FILE,
            category_anyof_mask: PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
            ..ScanArg::default()
        };
        self.scan(range, template, found)
    }

    fn scan(
        &self,
        range: AddrRange,
        template: ScanArg,
        found: &mut Vec<PageAddr>,
    ) -> Result<(), PtraceError> {
        let mut regions = [Region::default(); 512];
        let mut start = range.start().get();
        while start < range.end().get() {
            let mut arg = ScanArg {
                size: size_of::<ScanArg>() as u64,
                start,
                end: range.end().get(),
                vec: regions.as_mut_ptr().expose_provenance() as u64,
                vec_len: regions.len() as u64,
                // No category is asked for: runs of pages are broken up where they differ.
                return_mask: 0,
                ..template
            };
            // SAFETY: `arg` has the kernel's layout and size; `vec` points at `vec_len` regions that
            // stay alive and are not touched during the call.
            let n = unsafe { libc::ioctl(self.file.as_raw_fd(), PAGEMAP_SCAN, &raw mut arg) };
            let n = usize::try_from(n).map_err(|_| PtraceError::last("PAGEMAP_SCAN", self.tid))?;
            for region in regions.iter().take(n) {
                let run = AddrRange::new(Addr::new(region.start), Addr::new(region.end));
                found.extend(run.into_iter().flat_map(|run| run.pages()));
            }
            if arg.walk_end <= start {
                break;
            }
            start = arg.walk_end;
        }
        Ok(())
    }
}

//! Reading and writing the memory of another process.
#![expect(unsafe_code, reason = "process_vm_readv and process_vm_writev")]

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;

use nix::libc;
use retake_model::{Addr, PAGE_LEN, PageAddr, Tid};

use crate::PtraceError;

/// Runs of pages that one call reads at most (`IOV_MAX` is 1024).
const MOST_RUNS: usize = 256;
const EMPTY: libc::iovec = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };

/// The memory of one process. Reading needs no open file; forced writes (into read-only or
/// executable pages) go through `/proc/PID/mem`, opened when first needed. After `execve` a new value
/// must be made: the open file would still show the old memory.
#[derive(Debug)]
pub struct ProcessMemory {
    tid: Tid,
    mem: Option<File>,
}

impl ProcessMemory {
    /// The memory that task `tid` sees.
    pub fn new(tid: Tid) -> Self {
        Self { tid, mem: None }
    }

    /// The task whose memory it is.
    pub fn tid(&self) -> Tid {
        self.tid
    }

    /// Reads as much of `out` as is mapped, whatever the protection of the pages, and says how much.
    ///
    /// # Errors
    /// When nothing could be read (`EFAULT`) or the process is gone.
    pub fn read(&self, addr: Addr, out: &mut [u8]) -> Result<usize, PtraceError> {
        let mut done = 0;
        while done < out.len() {
            let Some(rest) = out.get_mut(done..) else {
                break;
            };
            let from = addr.get().wrapping_add(done as u64);
            let local = libc::iovec { iov_base: rest.as_mut_ptr().cast(), iov_len: rest.len() };
            let remote = libc::iovec {
                iov_base: std::ptr::with_exposed_provenance_mut(usize::try_from(from).unwrap_or(0)),
                iov_len: rest.len(),
            };
            // SAFETY: `local` is exactly `rest`, valid for writes; the remote side is only an
            // address in another process.
            let got = unsafe {
                libc::process_vm_readv(self.tid.get(), &raw const local, 1, &raw const remote, 1, 0)
            };
            match usize::try_from(got) {
                Ok(0) => break,
                Ok(n) => done += n,
                // The process may not read it either, as memory that may only be written. The kernel does.
                Err(_) => {
                    let forced = self.read_forced(Addr::new(from), rest);
                    return if done > 0 { Ok(done + forced.unwrap_or(0)) } else { forced };
                }
            }
        }
        Ok(done)
    }

    /// Reads whole pages, and says how many. Stops at the first one that the process itself could not
    /// read all of.
    pub fn read_pages(&self, pages: &[PageAddr], out: &mut [u8]) -> usize {
        let mut done = 0;
        while let Some(rest) = pages.get(done..).filter(|rest| !rest.is_empty()) {
            let Some(out) = out.get_mut(done * PAGE_LEN..).filter(|out| out.len() >= PAGE_LEN)
            else {
                break;
            };
            let most = out.len() / PAGE_LEN;
            let (remote, count) = runs(rest.iter().copied().take(most));
            let local = libc::iovec {
                iov_base: out.as_mut_ptr().cast(),
                iov_len: remote.iter().map(|run| run.iov_len).sum(),
            };
            let n = libc::c_ulong::try_from(count).unwrap_or(0);
            // SAFETY: `local` is the start of `out`, and no longer than it: there are at most `most`
            // pages in `remote`. The remote side is only addresses in another process.
            let got = unsafe {
                libc::process_vm_readv(self.tid.get(), &raw const local, 1, remote.as_ptr(), n, 0)
            };
            let got = usize::try_from(got).unwrap_or(0);
            done += got / PAGE_LEN;
            if got < local.iov_len {
                break;
            }
        }
        done
    }

    /// Reads through `/proc/PID/mem`, which also reaches pages without `PROT_READ`.
    fn read_forced(&self, addr: Addr, out: &mut [u8]) -> Result<usize, PtraceError> {
        let failed = |e| PtraceError::io("read /proc/PID/mem", self.tid, &e);
        let file = File::open(format!("/proc/{}/mem", self.tid)).map_err(failed)?;
        match file.read_at(out, addr.get()) {
            Ok(0) => Err(PtraceError::of("read memory", self.tid, nix::errno::Errno::EFAULT)),
            Ok(n) => Ok(n),
            Err(e) => Err(failed(e)),
        }
    }

    /// Fills all of `out`.
    ///
    /// # Errors
    /// When part of it is not mapped (`EFAULT`) or the process is gone.
    pub fn read_exact(&self, addr: Addr, out: &mut [u8]) -> Result<(), PtraceError> {
        let mut done = 0;
        while done < out.len() {
            let Some(rest) = out.get_mut(done..) else {
                break;
            };
            done += self.read(Addr::new(addr.get().wrapping_add(done as u64)), rest)?;
        }
        Ok(())
    }

    /// Reads one 64-bit word.
    ///
    /// # Errors
    /// When it is not mapped or the process is gone.
    pub fn read_u64(&self, addr: Addr) -> Result<u64, PtraceError> {
        let mut word = [0; 8];
        self.read_exact(addr, &mut word)?;
        Ok(u64::from_le_bytes(word))
    }

    /// Writes all of `bytes`, whatever the protection of the pages.
    ///
    /// # Errors
    /// When part of it is not mapped or the process is gone.
    pub fn write(&mut self, addr: Addr, bytes: &[u8]) -> Result<(), PtraceError> {
        if bytes.is_empty() || self.write_as_allowed(addr, bytes) {
            return Ok(());
        }
        self.write_forced(addr, bytes)
    }

    /// Writes `bytes` if the pages can be written by the process itself; false if they cannot, and part
    /// may be written then.
    pub fn write_as_allowed(&self, addr: Addr, bytes: &[u8]) -> bool {
        let local =
            libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
        let remote = libc::iovec {
            iov_base: std::ptr::with_exposed_provenance_mut(
                usize::try_from(addr.get()).unwrap_or(0),
            ),
            iov_len: bytes.len(),
        };
        // SAFETY: `local` is exactly `bytes`, which is only read; the remote side is only an address
        // in another process, which the caller traces.
        let put = unsafe {
            libc::process_vm_writev(self.tid.get(), &raw const local, 1, &raw const remote, 1, 0)
        };
        usize::try_from(put) == Ok(bytes.len())
    }

    /// Writes whole pages, those that the process itself may write, and gives the others to `refused`.
    /// Several threads may do so at once.
    pub fn write_pages_as_allowed<'a>(
        &self,
        pages: &[(PageAddr, &'a [u8])],
        mut refused: impl FnMut(PageAddr, &'a [u8]),
    ) {
        for part in pages.chunks(MOST_RUNS) {
            let (remote, count) = runs(part.iter().map(|(page, _)| *page));
            let mut local = [EMPTY; MOST_RUNS];
            for (to, (_, bytes)) in local.iter_mut().zip(part) {
                to.iov_base = bytes.as_ptr().cast_mut().cast();
                to.iov_len = bytes.len();
            }
            let total: usize = part.iter().map(|(_, bytes)| bytes.len()).sum();
            let ours = libc::c_ulong::try_from(part.len()).unwrap_or(0);
            let theirs = libc::c_ulong::try_from(count).unwrap_or(0);
            // SAFETY: each of the `ours` entries of `local` is exactly one of the slices, which are
            // only read; the remote side is only addresses in another process.
            let put = unsafe {
                let (local, remote) = (local.as_ptr(), remote.as_ptr());
                libc::process_vm_writev(self.tid.get(), local, ours, remote, theirs, 0)
            };
            if usize::try_from(put) == Ok(total) {
                continue;
            }
            for (page, bytes) in part {
                if !self.write_as_allowed(page.addr(), bytes) {
                    refused(*page, bytes);
                }
            }
        }
    }

    /// The same for pages that the process itself may mostly not write, such as code: spares trying.
    ///
    /// # Errors
    /// When part of it is not mapped or the process is gone.
    pub fn write_forced(&mut self, addr: Addr, bytes: &[u8]) -> Result<(), PtraceError> {
        let file = match self.mem.take() {
            Some(file) => file,
            None => OpenOptions::new()
                .read(true)
                .write(true)
                .open(format!("/proc/{}/mem", self.tid))
                .map_err(|e| PtraceError::io("open /proc/PID/mem", self.tid, &e))?,
        };
        let result = file.write_all_at(bytes, addr.get());
        self.mem = Some(file);
        result.map_err(|e| PtraceError::io("write /proc/PID/mem", self.tid, &e))
    }
}

/// Pages in runs of adjacent ones: as many as one call takes. The second value says how many runs.
fn runs(pages: impl Iterator<Item = PageAddr>) -> ([libc::iovec; MOST_RUNS], usize) {
    let mut list = [EMPTY; MOST_RUNS];
    let mut count = 0;
    let mut end = None;
    for page in pages {
        let at = page.addr();
        if end == Some(at) {
            if let Some(run) = list.get_mut(count - 1) {
                run.iov_len += PAGE_LEN;
            }
        } else {
            let Some(run) = list.get_mut(count) else { break };
            let start = usize::try_from(at.get()).unwrap_or(0);
            run.iov_base = std::ptr::with_exposed_provenance_mut(start);
            run.iov_len = PAGE_LEN;
            count += 1;
        }
        end = at.checked_add(PAGE_LEN as u64);
    }
    (list, count)
}

/// Splits little-endian bytes into 64-bit words; a shorter rest is dropped.
pub fn read_words(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word))
}

//! Reading and writing the memory of another process.
#![expect(unsafe_code, reason = "process_vm_readv and process_vm_writev")]

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;

use nix::libc;
use retake_model::{Addr, Tid};

use crate::PtraceError;

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

    /// Reads as much of `out` as is mapped, and says how much. Stops at the first unreadable page.
    ///
    /// # Errors
    /// When nothing could be read (`EFAULT`) or the process is gone.
    pub fn read(&self, addr: Addr, out: &mut [u8]) -> Result<usize, PtraceError> {
        let mut done = 0;
        while done < out.len() {
            let Some(rest) = out.get_mut(done..) else { break };
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
                Err(_) if done > 0 => break,
                Err(_) => return self.read_forced(addr, out),
            }
        }
        Ok(done)
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
            let Some(rest) = out.get_mut(done..) else { break };
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
        if bytes.is_empty() {
            return Ok(());
        }
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
        if usize::try_from(put) == Ok(bytes.len()) {
            return Ok(());
        }
        self.write_forced(addr, bytes)
    }

    fn write_forced(&mut self, addr: Addr, bytes: &[u8]) -> Result<(), PtraceError> {
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

/// Splits little-endian bytes into 64-bit words; a shorter rest is dropped.
pub fn read_words(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word))
}

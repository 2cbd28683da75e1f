//! The table as a whole, and the path from a row to ranges.

mod outputs;
mod page;
mod redirect;
mod resolve;
mod table;

use std::cell::RefCell;

use retake_model::{Addr, SyscallNo};

use crate::{Before, ReadMemory, capture_before, resolve as row};

/// Memory from 0x1000 on; everything else cannot be read.
struct Memory(RefCell<Vec<u8>>);

const BASE: u64 = 0x1000;

impl Memory {
    fn new() -> Self {
        Self(RefCell::new(vec![0; 0x4000]))
    }

    fn put(&self, at: u64, bytes: &[u8]) {
        let at = usize::try_from(at - BASE).unwrap();
        self.0.borrow_mut()[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn put32(&self, at: u64, value: u32) {
        self.put(at, &value.to_le_bytes());
    }

    fn put64(&self, at: u64, value: u64) {
        self.put(at, &value.to_le_bytes());
    }

    fn get64(&self, at: u64) -> u64 {
        let mut buf = [0; 8];
        assert!(self.read(Addr::new(at), &mut buf));
        u64::from_le_bytes(buf)
    }

    fn put_iovecs(&self, at: u64, buffers: &[(u64, u64)]) {
        for (n, (base, len)) in (0..).zip(buffers) {
            self.put64(at + n * 16, *base);
            self.put64(at + n * 16 + 8, *len);
        }
    }

    /// A msghdr with a name of 28 bytes at 0x3000, one buffer of 100 at 0x3100, and 64 bytes of
    /// control data at 0x3200; its iovec at 0x2800.
    fn put_message(&self, at: u64) {
        self.put64(at, 0x3000);
        self.put32(at + 8, 28);
        self.put64(at + 16, 0x2800);
        self.put64(at + 24, 1);
        self.put64(at + 32, 0x3200);
        self.put64(at + 40, 64);
        self.put_iovecs(0x2800, &[(0x3100, 100)]);
    }
}

impl ReadMemory for Memory {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> bool {
        let Some(start) = addr.get().checked_sub(BASE).and_then(|a| usize::try_from(a).ok()) else {
            return false;
        };
        let memory = self.0.borrow();
        let Some(bytes) = start.checked_add(buf.len()).and_then(|end| memory.get(start..end))
        else {
            return false;
        };
        buf.copy_from_slice(bytes);
        true
    }
}

/// A call between its entry and its exit.
struct Call<'a> {
    no: SyscallNo,
    args: [u64; 6],
    mem: &'a Memory,
    before: Before,
}

impl<'a> Call<'a> {
    fn enter(no: SyscallNo, args: &[u64], mem: &'a Memory) -> Self {
        let mut all = [0; 6];
        all[..args.len()].copy_from_slice(args);
        let before = capture_before(&row(no, &all), &all, mem);
        Self { no, args: all, mem, before }
    }

    fn outputs(&self, result: i64) -> Vec<(u64, u64)> {
        let mut found = Vec::new();
        let call = row(self.no, &self.args);
        crate::outputs(&call, &self.args, &self.before, result, self.mem, &mut |addr, len| {
            found.push((addr.get(), len));
        });
        found
    }
}

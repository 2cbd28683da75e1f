//! From a row, the arguments and the result to the ranges that the kernel wrote.

use retake_model::{Addr, PAGE_SIZE};

use crate::before::Before;
use crate::call::{Class, Count, Output, Size, Special, Syscall};
use crate::memory::{ReadMemory, read_u32, read_u64};
use crate::messages;

/// Gives `sink` every range that the kernel may have written for this call and result, each with
/// its length in bytes (never 0). `call` is a resolved row, `before` what
/// [`crate::capture_before`] took at entry. Ranges are clamped to the caller's buffers.
///
/// For [`Class::Unknown`] there is nothing to say: see [`Syscall::outputs_are_exact`].
pub fn outputs(
    call: &Syscall,
    args: &[u64; 6],
    before: &Before,
    result: i64,
    mem: &dyn ReadMemory,
    sink: &mut impl FnMut(Addr, u64),
) {
    Emit { args, before, result, mem, fields: false, sink }.all(call);
}

/// As [`outputs`], but an array of which only one field is written gives those fields, not the
/// whole array: for copying back from scratch memory, where other tasks may have changed the rest.
pub(crate) fn exact_outputs(
    call: &Syscall,
    args: &[u64; 6],
    before: &Before,
    result: i64,
    mem: &dyn ReadMemory,
    sink: &mut impl FnMut(Addr, u64),
) {
    Emit { args, before, result, mem, fields: true, sink }.all(call);
}

/// An argument that the kernel reads as a signed 32-bit count; negative means nothing.
pub(crate) fn count_of(arg: u64) -> u64 {
    let low = arg & 0xffff_ffff;
    if low > 0x7fff_ffff { 0 } else { low }
}

/// An argument that the kernel reads as an unsigned 32-bit count.
pub(crate) const fn unsigned_count(arg: u64) -> u64 {
    arg & 0xffff_ffff
}

/// Bytes of a bit set of `bits` bits, in whole 64-bit words.
pub(crate) const fn bit_set_bytes(bits: u64) -> u64 {
    bits.div_ceil(64).saturating_mul(8)
}

/// One run over a row's outputs.
struct Emit<'a, F> {
    args: &'a [u64; 6],
    before: &'a Before,
    result: i64,
    mem: &'a dyn ReadMemory,
    fields: bool,
    sink: &'a mut F,
}

impl<F: FnMut(Addr, u64)> Emit<'_, F> {
    fn all(&mut self, call: &Syscall) {
        if matches!(call.class, Class::Refuse(_) | Class::Pretend(_)) {
            return;
        }
        for output in call.outputs {
            if output.when.holds(self.result) {
                self.one(output);
            }
        }
    }

    fn arg(&self, index: u8) -> u64 {
        self.args.get(usize::from(index)).copied().unwrap_or(0)
    }

    /// The result as a length: 0 for an error, also for one of modify_ldt(2), which the kernel
    /// returns as an unsigned 32-bit number. No call gives more than 2 GiB at once.
    fn length(&self) -> u64 {
        i32::try_from(self.result).ok().and_then(|n| u64::try_from(n).ok()).unwrap_or(0)
    }

    fn give(&mut self, start: Addr, len: u64) {
        if len > 0 && start.checked_add(len).is_some() {
            (self.sink)(start, len);
        }
    }

    fn one(&mut self, output: &Output) {
        let pointer = Addr::new(self.arg(output.arg));
        if pointer.is_null() {
            return;
        }
        let Some(start) = pointer.checked_add(u64::from(output.at)) else {
            return;
        };
        let result = self.length();
        let len = match output.size {
            Size::Fixed(bytes) => u64::from(bytes),
            Size::FixedUnlessNull { bytes, arg } => {
                if self.arg(arg) == 0 {
                    0
                } else {
                    u64::from(bytes)
                }
            }
            Size::FixedIfFlag { bytes, arg, mask } => {
                if self.arg(arg) & mask == 0 {
                    0
                } else {
                    u64::from(bytes)
                }
            }
            Size::Result { cap } => result.min(self.arg(cap)),
            Size::ResultTimes { each, cap } => {
                result.min(count_of(self.arg(cap))).saturating_mul(u64::from(each))
            }
            Size::ResultPlus { extra, cap } => result.min(self.arg(cap)) + u64::from(extra),
            Size::ArgBytes(arg) => self.arg(arg).min(PAGE_SIZE),
            Size::ArgTimes { arg, each } => self.arg(arg).saturating_mul(u64::from(each)),
            Size::RequestResult { request } => result.min(self.arg(request) >> 16 & 0x3fff),
            Size::Fields { count, stride, at, len } => {
                return self.array_fields(start, count, stride, at, len);
            }
            Size::PageBytes(arg) => self.arg(arg).div_ceil(PAGE_SIZE),
            Size::FdSet { nfds } => bit_set_bytes(count_of(self.arg(nfds))),
            Size::NodeMask(arg) => bit_set_bytes(self.arg(arg).saturating_sub(1)),
            Size::LenWord { arg } => self.told_length(start, arg),
            Size::OwnPrefix { cap } => {
                read_u32(self.mem, start).map_or(0, |len| u64::from(len).min(self.arg(cap)))
            }
            Size::Iovec { count } => {
                return self.iovecs(start, self.arg(count), result);
            }
            Size::IovecWhole { count } => return self.iovecs(start, self.arg(count), u64::MAX),
            Size::Msghdr => return self.message(start, 0, result),
            Size::Mmsghdr { count } => {
                return self.messages(start, result.min(unsigned_count(self.arg(count))));
            }
            Size::Special(special) => return self.special(special, start),
        };
        self.give(start, len);
    }

    /// What a length word allows: its value now, at most its value before.
    fn length_word(&self, slot: u8, word: Addr) -> u64 {
        match (self.before.word(slot), read_u32(self.mem, word)) {
            (Some(before), Some(after)) => u64::from(before.min(after)),
            _ => 0,
        }
    }

    /// The same for an output at `start`. A word in its middle has been overwritten: then all there was room
    /// for may have been.
    fn told_length(&self, start: Addr, arg: u8) -> u64 {
        let word = Addr::new(self.arg(arg));
        let room = self.before.word(arg).map_or(0, u64::from);
        let apart = word.offset_from(start).is_none_or(|offset| offset >= room)
            && start.offset_from(word).is_none_or(|offset| offset >= 4);
        if apart { self.length_word(arg, word) } else { room }
    }

    fn array_fields(&mut self, start: Addr, count: Count, stride: u32, at: u32, len: u32) {
        let count = match count {
            Count::Arg(arg) => unsigned_count(self.arg(arg)),
            Count::Result { cap } => self.length().min(unsigned_count(self.arg(cap))),
        };
        let stride = u64::from(stride);
        if !self.fields {
            return self.give(start, count.saturating_mul(stride));
        }
        for n in 0..count {
            let Some(field) =
                n.checked_mul(stride).and_then(|o| start.checked_add(o + u64::from(at)))
            else {
                return;
            };
            self.give(field, u64::from(len));
        }
    }

    /// `bytes` bytes over the buffers of an array of `count` iovecs, in order.
    fn iovecs(&mut self, array: Addr, count: u64, bytes: u64) {
        let mut left = bytes;
        for n in 0..count.min(messages::IOV_MAX) {
            if left == 0 {
                return;
            }
            let Some(iovec) = messages::read_iovec(self.mem, array, n) else {
                return;
            };
            let len = iovec.len.min(left);
            left -= len;
            self.give(iovec.base, len);
        }
    }

    /// A received message whose header is at `header`; `nth` is its place in the array.
    fn message(&mut self, header: Addr, nth: usize, bytes: u64) {
        let Some(now) = messages::Header::read(self.mem, header) else {
            return;
        };
        let Some(capacity) = self.before.message(nth) else {
            return;
        };
        if !now.name.is_null() {
            self.give(now.name, u64::from(now.name_len.min(capacity.name)));
            self.give_at(header, messages::NAME_LEN_AT, 4);
        }
        self.iovecs(now.iov, now.iov_count, bytes);
        if !now.control.is_null() {
            self.give(now.control, now.control_len.min(capacity.control));
        }
        self.give_at(header, messages::CONTROL_LEN_AT, 8);
        self.give_at(header, messages::FLAGS_AT, 4);
    }

    fn messages(&mut self, array: Addr, count: u64) {
        for n in 0..count.min(messages::IOV_MAX) {
            let Some(header) = array.checked_add(n * messages::MMSGHDR) else {
                return;
            };
            let Some(len_word) = header.checked_add(messages::MSGHDR) else {
                return;
            };
            let Some(len) = read_u32(self.mem, len_word) else {
                return;
            };
            let Ok(nth) = usize::try_from(n) else { return };
            self.message(header, nth, u64::from(len));
            self.give(len_word, 4);
        }
    }

    fn give_at(&mut self, base: Addr, at: u64, len: u64) {
        if let Some(start) = base.checked_add(at) {
            self.give(start, len);
        }
    }

    fn special(&mut self, special: Special, start: Addr) {
        match special {
            Special::CapData => {
                let version = read_u32(self.mem, Addr::new(self.arg(0)));
                self.give(start, if version == Some(CAP_VERSION_1) { 12 } else { 24 });
            }
            Special::FileHandle => {
                let len = self.length_word(2, Addr::new(self.arg(2)));
                self.give_at(start, FILE_HANDLE_HEADER, len);
            }
            Special::WaitidUsage => {
                let info = Addr::new(self.arg(2));
                let found = info.is_null() || read_u32(self.mem, info) != Some(0);
                self.give(start, if found { RUSAGE } else { 0 });
            }
            Special::XattrArgs => {
                let value = read_u64(self.mem, start);
                let size = start.checked_add(8).and_then(|a| read_u32(self.mem, a));
                if let (Some(value), Some(size)) = (value, size)
                    && value != 0
                {
                    self.give(Addr::new(value), self.length().min(u64::from(size)));
                }
            }
            Special::Fiemap => {
                let mapped = start.checked_add(20).and_then(|a| read_u32(self.mem, a));
                let count = mapped.unwrap_or(0).min(self.before.word(2).unwrap_or(0));
                self.give_at(start, FIEMAP_HEADER, u64::from(count) * FIEMAP_EXTENT);
            }
            Special::IfConf => {
                let len = self.length_word(2, start);
                let buffer = start.checked_add(8).and_then(|a| read_u64(self.mem, a));
                if let Some(buffer) = buffer.filter(|&b| b != 0) {
                    self.give(Addr::new(buffer), len);
                }
            }
        }
    }
}

/// `_LINUX_CAPABILITY_VERSION_1` (capget(2)).
const CAP_VERSION_1: u32 = 0x1998_0330;
/// Bytes of `struct file_handle` before the handle (open_by_handle_at(2)).
pub(crate) const FILE_HANDLE_HEADER: u64 = 8;
/// `struct rusage`, in bytes (getrusage(2)).
pub(crate) const RUSAGE: u64 = 144;
/// `struct fiemap` without extents, in bytes (`linux/fiemap.h`).
pub(crate) const FIEMAP_HEADER: u64 = 32;
/// `struct fiemap_extent`, in bytes.
pub(crate) const FIEMAP_EXTENT: u64 = 56;

//! What has to be read from the task's memory when a call is entered, because the kernel
//! overwrites it: length words and the capacities of messages.

use retake_model::Addr;

use crate::call::{Size, Special, Syscall};
use crate::memory::{ReadMemory, read_u32};
use crate::messages;

/// Values taken at entry. Empty, and without an allocation, for all calls but recvmmsg.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Before {
    /// The length word that each argument points to, if it is one.
    words: [Option<u32>; 6],
    first: Option<Capacity>,
    rest: Vec<Option<Capacity>>,
}

/// What one message has room for, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Capacity {
    pub(crate) name: u32,
    pub(crate) control: u64,
}

impl Before {
    /// The length word behind that argument, as it was at entry.
    pub fn word(&self, arg: u8) -> Option<u32> {
        self.words.get(usize::from(arg)).copied().flatten()
    }

    pub(crate) fn message(&self, nth: usize) -> Option<Capacity> {
        match nth.checked_sub(1) {
            None => self.first,
            Some(n) => self.rest.get(n).copied().flatten(),
        }
    }

    fn keep_word(&mut self, arg: u8, mem: &dyn ReadMemory, at: Option<Addr>) {
        if let (Some(slot), Some(at)) = (self.words.get_mut(usize::from(arg)), at) {
            *slot = read_u32(mem, at);
        }
    }
}

/// Takes what [`crate::outputs`] will need, at the entry of the call.
pub fn capture_before(call: &Syscall, args: &[u64; 6], mem: &dyn ReadMemory) -> Before {
    let mut before = Before::default();
    let pointer = |arg: u8| Addr::new(args.get(usize::from(arg)).copied().unwrap_or(0));
    for output in call.outputs {
        let start = pointer(output.arg);
        if start.is_null() {
            continue;
        }
        match output.size {
            Size::LenWord { arg } => before.keep_word(arg, mem, Some(pointer(arg))),
            Size::Special(Special::FileHandle | Special::IfConf) => {
                before.keep_word(output.arg, mem, Some(start));
            }
            // `fm_extent_count` of `struct fiemap`.
            Size::Special(Special::Fiemap) => {
                before.keep_word(output.arg, mem, start.checked_add(24));
            }
            Size::Msghdr => before.first = capacity(mem, Some(start)),
            Size::Mmsghdr { count } => {
                let count = args.get(usize::from(count)).copied().unwrap_or(0);
                let count = (count & 0xffff_ffff).min(messages::IOV_MAX);
                let nth = |n: u64| start.checked_add(n * messages::MMSGHDR);
                before.first = capacity(mem, (count > 0).then_some(start));
                before.rest = (1..count).map(|n| capacity(mem, nth(n))).collect();
            }
            _ => {}
        }
    }
    before
}

fn capacity(mem: &dyn ReadMemory, header: Option<Addr>) -> Option<Capacity> {
    let header = messages::Header::read(mem, header?)?;
    Some(Capacity { name: header.name_len, control: header.control_len })
}

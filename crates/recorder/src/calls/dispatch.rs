//! Which calls a task handles itself.

use retake_abi::Errno;
use retake_model::{Addr, Signal};

/// First address above user memory (4-level page tables).
pub(super) const USER_END: u64 = 0x7fff_ffff_f000;

pub(super) const ALLOW: u8 = 0;

pub(super) const BLOCK: u8 = 1;

/// Which calls a task handles itself: all but those from a range of code, as long as a byte says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dispatch {
    pub(super) start: u64,
    pub(super) len: u64,
    /// Null: always.
    pub(super) selector: Addr,
}

/// What the task wants done with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Make,
    Handle,
    /// The byte cannot be read, or says neither: this signal ends the process.
    End(Signal),
}

impl Dispatch {
    /// What is set by these arguments; `None` ends it.
    pub(super) fn of(args: &[u64; 6]) -> Result<Option<Self>, Errno> {
        const OFF: u64 = 0;
        const EXCLUSIVE: u64 = 1;
        const INCLUSIVE: u64 = 2;
        let [_, mode, start, len, selector, _] = *args;
        let end = start.wrapping_add(len);
        let (start, len) = match mode {
            OFF if (start, len, selector) == (0, 0, 0) => return Ok(None),
            EXCLUSIVE if start == 0 || end > start => (start, len),
            // Only those from the range: the others are all those outside of it.
            INCLUSIVE if len != 0 && end > start => (end, len.wrapping_neg()),
            _ => return Err(Errno::EINVAL),
        };
        if selector >= USER_END {
            return Err(Errno::EFAULT);
        }
        Ok(Some(Self { start, len, selector: Addr::new(selector) }))
    }

    pub(super) fn wish(&self, pc: u64, selector: Option<u8>) -> Wish {
        if pc.wrapping_sub(self.start) < self.len {
            return Wish::Make;
        }
        match selector {
            _ if self.selector.is_null() => Wish::Handle,
            Some(ALLOW) => Wish::Make,
            Some(BLOCK) => Wish::Handle,
            Some(_) => Wish::End(Signal::SYS),
            None => Wish::End(Signal::SEGV),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(args: [u64; 4]) -> Result<Option<Dispatch>, Errno> {
        let [mode, start, len, selector] = args;
        Dispatch::of(&[59, mode, start, len, selector, 0])
    }

    #[test]
    fn calls_from_the_range_are_made() {
        let dispatch = set([1, 0x1000, 0x100, 0x5000]).unwrap().unwrap();
        assert_eq!(dispatch.wish(0x1000, Some(BLOCK)), Wish::Make);
        assert_eq!(dispatch.wish(0x10ff, Some(BLOCK)), Wish::Make);
        assert_eq!(dispatch.wish(0x1100, Some(BLOCK)), Wish::Handle);
        assert_eq!(dispatch.wish(0xfff, Some(ALLOW)), Wish::Make);
        assert_eq!(dispatch.wish(0xfff, Some(2)), Wish::End(Signal::SYS));
        assert_eq!(dispatch.wish(0xfff, None), Wish::End(Signal::SEGV));
        let always = set([1, 0, 0, 0]).unwrap().unwrap();
        assert_eq!(always.wish(0x1000, None), Wish::Handle);
    }

    #[test]
    fn only_calls_from_the_range_are_handled() {
        let dispatch = set([2, 0x1000, 0x100, 0]).unwrap().unwrap();
        assert_eq!(dispatch.wish(0x1000, None), Wish::Handle);
        assert_eq!(dispatch.wish(0x1100, None), Wish::Make);
        assert_eq!(dispatch.wish(0xfff, None), Wish::Make);
    }

    #[test]
    fn what_the_kernel_refuses_is_refused() {
        for args in [[3, 0, 0, 0], [0, 1, 0, 0], [1, 16, 0, 0], [2, 16, 0, 0], [2, 0, 0, 0]] {
            assert_eq!(set(args), Err(Errno::EINVAL), "{args:?}");
        }
        assert_eq!(set([1, 0, 0, u64::MAX]), Err(Errno::EFAULT));
        assert_eq!(set([0, 0, 0, 0]), Ok(None));
    }
}

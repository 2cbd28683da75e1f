//! Debug registers that a tracer has set.

use retake_abi::Errno;
use retake_model::Addr;
use retake_ptrace::{WATCHPOINTS, WatchLen, Watchpoint};

/// First address above user memory (4-level page tables).
const USER_END: u64 = 0x7fff_ffff_f000;
const STATUS: usize = 6;
const CONTROL: usize = 7;
const COUNT: usize = 8;

/// Where they stand in `struct user`, and how many there are.
const PLACE: std::ops::Range<u64> = 848..912;

/// Which register a word of `struct user` is.
fn index(offset: u64) -> Option<usize> {
    PLACE.contains(&offset).then(|| usize::try_from((offset - PLACE.start) / 8).ok()).flatten()
}

/// The debug registers of a task, as its tracer knows them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct DebugRegisters(pub(super) [u64; COUNT]);

impl DebugRegisters {
    /// The one that stands there.
    pub(super) fn at(&self, offset: u64) -> Option<u64> {
        self.0.get(index(offset)?).copied()
    }

    /// Sets one. Nothing: it is none that stands there.
    pub(super) fn set(&mut self, offset: u64, value: u64) -> Option<Result<(), Errno>> {
        let index = index(offset)?;
        let mut changed = *self;
        *changed.0.get_mut(index)? = value;
        let fits = match index {
            ..WATCHPOINTS => value < USER_END,
            STATUS => true,
            CONTROL => changed.points().len() == changed.enabled().count(),
            _ => return Some(Err(Errno::EIO)),
        };
        if !fits {
            return Some(Err(Errno::EINVAL));
        }
        *self = changed;
        Some(Ok(()))
    }

    pub(super) fn enabled(&self) -> impl Iterator<Item = usize> {
        let [.., control] = self.0;
        (0..WATCHPOINTS).filter(move |index| control >> (2 * index) & 3 != 0)
    }

    /// What they stop at, with the number of each (Intel SDM vol. 3, 19.2.4).
    pub(super) fn points(&self) -> Vec<(usize, Watchpoint)> {
        let [.., control] = self.0;
        let point = |index: usize| {
            let field = control >> (16 + 4 * index) & 0xf;
            let address = Addr::new(*self.0.get(index)?);
            let len = match field >> 2 {
                0b00 => WatchLen::One,
                0b01 => WatchLen::Two,
                0b11 => WatchLen::Four,
                _ => WatchLen::Eight,
            };
            let point = match field & 3 {
                0b00 if len == WatchLen::One => Watchpoint::Execute(address),
                0b01 => Watchpoint::Write(address, len),
                0b11 => Watchpoint::Access(address, len),
                _ => return None,
            };
            Some((index, point))
        };
        self.enabled().filter_map(point).collect()
    }

    /// The nth of those that are set was hit.
    pub(super) fn hit(&mut self, nth: usize) {
        let found = self.enabled().nth(nth);
        if let (Some(index), Some(status)) = (found, self.0.get_mut(STATUS)) {
            *status |= 1 << index;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_become_watchpoints() {
        let mut debug = DebugRegisters::default();
        let first = PLACE.start;
        assert_eq!(debug.set(first + 8, 0x1000), Some(Ok(())));
        // Register 1: writes of 8 bytes.
        assert_eq!(debug.set(first + 56, 0b1001 << 20 | 0b100), Some(Ok(())));
        let write = Watchpoint::Write(Addr::new(0x1000), WatchLen::Eight);
        assert_eq!(debug.points(), [(1, write)]);
        debug.hit(0);
        assert_eq!(debug.at(first + 48), Some(0b10));
        assert_eq!(debug.at(first - 8), None);
    }

    #[test]
    fn what_no_processor_does_is_refused() {
        let mut debug = DebugRegisters::default();
        let first = PLACE.start;
        assert_eq!(debug.set(first, u64::MAX), Some(Err(Errno::EINVAL)), "not a user's address");
        assert_eq!(
            debug.set(first + 56, 0b0010 << 16 | 1),
            Some(Err(Errno::EINVAL)),
            "input and output"
        );
        assert_eq!(debug.set(first + 32, 0), Some(Err(Errno::EIO)), "there is no such register");
        assert_eq!(debug.set(0, 0), None);
    }
}

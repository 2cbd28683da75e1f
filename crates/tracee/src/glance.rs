//! Memory of a task that stands still.

use std::cell::RefCell;
use std::marker::PhantomData;

use retake_model::Addr;
use retake_ptrace::{ProcessMemory, Stopped, WatchLen};

/// Bytes that are read at once, at a multiple of that. Each read is a system call, whatever its length.
const BLOCK: usize = 1024;
/// So many blocks are mostly enough: code, stack, and what is looked at there.
const USUAL: usize = 6;

/// Part of a task's memory; nothing where it cannot be read.
type Block = Option<[u8; BLOCK]>;

/// Memory of a task as it is for as long as the task is stopped. What is looked at again and again is read once.
/// Nothing else may write to it meanwhile.
#[derive(Debug)]
pub struct Glance<'a> {
    memory: &'a ProcessMemory,
    blocks: RefCell<Vec<(u64, Block)>>,
    stopped: PhantomData<&'a Stopped>,
}

impl<'a> Glance<'a> {
    /// Of a stopped task.
    pub fn of(memory: &'a ProcessMemory, _stopped: &'a Stopped) -> Self {
        Self::of_still(memory)
    }

    /// Of a task that the caller knows to stand still.
    pub fn of_still(memory: &'a ProcessMemory) -> Self {
        Self { memory, blocks: RefCell::new(Vec::with_capacity(USUAL)), stopped: PhantomData }
    }

    /// Reads as much of `out` as is mapped, and says how much.
    pub fn read(&self, addr: Addr, out: &mut [u8]) -> usize {
        let mut done = 0;
        while let Some(rest) = out.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let at = addr.get().wrapping_add(done as u64);
            let skip = usize::try_from(at % BLOCK as u64).unwrap_or(0);
            let len = rest.len().min(BLOCK - skip);
            let is_copied = self.with_block(at - skip as u64, |block| {
                let from = block.as_ref()?.get(skip..skip + len)?;
                rest.get_mut(..len)?.copy_from_slice(from);
                Some(())
            });
            if is_copied.is_none() {
                break;
            }
            done += len;
        }
        done
    }

    /// Fills all of `out`; nothing if part of it is not mapped.
    pub fn read_exact(&self, addr: Addr, out: &mut [u8]) -> Option<()> {
        (self.read(addr, out) == out.len()).then_some(())
    }

    /// A word of one to eight bytes.
    pub fn word(&self, addr: Addr, len: WatchLen) -> Option<u64> {
        let mut bytes = [0; 8];
        self.read_exact(addr, bytes.get_mut(..len.bytes())?)?;
        Some(u64::from_le_bytes(bytes))
    }

    fn with_block<T>(&self, start: u64, take: impl FnOnce(&Block) -> T) -> T {
        let mut blocks = self.blocks.borrow_mut();
        if let Some((_, block)) = blocks.iter().find(|(at, _)| *at == start) {
            return take(block);
        }
        let mut bytes = [0; BLOCK];
        // A page can be read as a whole, or it cannot.
        let block = self.memory.read_exact(Addr::new(start), &mut bytes).is_ok().then_some(bytes);
        let taken = take(&block);
        blocks.push((start, block));
        taken
    }
}

#[cfg(test)]
mod tests {
    use retake_model::Tid;

    use super::*;

    #[test]
    fn blocks_are_read_once() {
        let own = ProcessMemory::new(Tid::new(std::process::id().cast_signed()));
        let glance = Glance::of_still(&own);
        let mut words: Vec<u64> = (0..1000).collect();
        let at = Addr::new(words.as_ptr() as u64);
        let mut out = [0; 4000];
        assert_eq!(glance.read(at, &mut out), out.len());
        assert_eq!(out[8..16], 1_u64.to_le_bytes());
        assert_eq!(out[3992..], 499_u64.to_le_bytes());
        words[3] = 7;
        let fourth = at.checked_add(24).unwrap();
        assert_eq!(glance.word(fourth, WatchLen::Eight), Some(3), "as it was");
        assert_eq!(Glance::of_still(&own).word(fourth, WatchLen::Eight), Some(words[3]));
    }

    #[test]
    fn what_is_not_mapped_is_not_read() {
        let own = ProcessMemory::new(Tid::new(std::process::id().cast_signed()));
        let glance = Glance::of_still(&own);
        assert_eq!(glance.read(Addr::NULL, &mut [0; 8]), 0);
        assert_eq!(glance.read(Addr::new(u64::MAX - 3), &mut [0; 8]), 0);
        assert_eq!(glance.word(Addr::NULL, WatchLen::One), None);
    }
}

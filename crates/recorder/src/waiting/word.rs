//! What a task waits for that only waits.

use retake_model::{Addr, SpaceId};
use retake_ptrace::{ProcessMemory, WatchLen};
use retake_tracee::Glance;

/// Words of one wait that are compared.
pub(super) const MOST_WORDS: usize = 8;

/// Memory that a task waits for to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// A multiple of its length.
    pub(super) addr: Addr,
    pub(super) len: WatchLen,
    pub(super) value: u64,
}

impl Word {
    /// The aligned word that holds these bytes, with what it holds now.
    pub(super) fn at(memory: &Glance<'_>, addr: Addr, len: usize) -> Option<Self> {
        let mut watched = WatchLen::holding(len.min(8))?;
        loop {
            let size = watched.bytes() as u64;
            let start = addr.get() & !(size - 1);
            let fits = addr.get() + len.min(8) as u64 <= start + size;
            if fits || watched == WatchLen::Eight {
                let addr = Addr::new(start);
                return Some(Self { addr, len: watched, value: memory.word(addr, watched)? });
            }
            watched = WatchLen::holding(watched.bytes() * 2)?;
        }
    }

    pub(super) fn has_changed(&self, memory: &ProcessMemory) -> bool {
        read(memory, self.addr, self.len) != Some(self.value)
    }
}

fn read(memory: &ProcessMemory, addr: Addr, len: WatchLen) -> Option<u64> {
    let mut bytes = [0; 8];
    memory.read_exact(addr, bytes.get_mut(..len.bytes())?).ok()?;
    Some(u64::from_le_bytes(bytes))
}

/// What a task waits for that only waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// As its own address space has them; none where the loop is too long to tell.
    pub(super) words: Vec<Word>,
    pub(super) space: SpaceId,
}

impl Waiting {
    /// The same words, as they are now.
    pub(super) fn refresh(&mut self, memory: &ProcessMemory) {
        for word in &mut self.words {
            word.value = read(memory, word.addr, word.len).unwrap_or(word.value);
        }
    }

    /// Whether one of the words is another one by now.
    pub(super) fn is_over(&self, memory: &ProcessMemory) -> bool {
        self.words.iter().any(|word| word.has_changed(memory))
    }
}

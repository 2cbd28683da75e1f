//! Tasks that only wait: in a loop that makes no calls, and leaves everything as it was until another
//! task writes to the memory that it looks at.
//!
//! Natively the two run side by side. Here the one that waits keeps the other from running, so it is
//! found soon and gives way. [`examine`] finds it: a task whose registers, vector state and written
//! memory are the same after one turn of its loop only waits, and one that pauses may count as well ([`counting`]). [`code`] decodes what the loop looks at,
//! [`path`] tells whether a turn takes the known way through it, and [`watch`] has a debug register tell when a
//! task that runs next writes there.

mod code;
mod counting;
mod examine;
mod loops;
mod path;
mod watch;

use retake_model::{Addr, SpaceId};
use retake_ptrace::{ProcessMemory, WatchLen};

use crate::tasks::Task;

pub(crate) use code::{Access, Known, LONGEST, Step};
pub(crate) use examine::{Examined, Way};
pub(crate) use loops::Loops;
pub(crate) use watch::{Armed, WaitedAt};

/// Words of one wait that are compared.
const MOST_WORDS: usize = 8;

/// Memory that a task waits for to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Word {
    /// A multiple of its length.
    addr: Addr,
    len: WatchLen,
    value: u64,
}

impl Word {
    /// The aligned word that holds these bytes, with what it holds now.
    fn at(memory: &ProcessMemory, addr: Addr, len: usize) -> Option<Self> {
        let mut watched = WatchLen::holding(len.min(8))?;
        loop {
            let size = watched.bytes() as u64;
            let start = addr.get() & !(size - 1);
            let fits = addr.get() + len.min(8) as u64 <= start + size;
            if fits || watched == WatchLen::Eight {
                let addr = Addr::new(start);
                return Some(Self { addr, len: watched, value: read(memory, addr, watched)? });
            }
            watched = WatchLen::holding(watched.bytes() * 2)?;
        }
    }

    fn has_changed(&self, memory: &ProcessMemory) -> bool {
        read(memory, self.addr, self.len) != Some(self.value)
    }
}

fn read(memory: &ProcessMemory, addr: Addr, len: WatchLen) -> Option<u64> {
    let mut bytes = [0; 8];
    memory.read_exact(addr, bytes.get_mut(..len.bytes())?).ok()?;
    Some(u64::from_le_bytes(bytes))
}

impl Task {
    /// It is about to run.
    pub(crate) fn goes_on(&mut self) {
        if let Some(waiting) = self.waiting.take() {
            self.expects = Some(waiting);
        }
        self.woken = false;
    }
}

/// What a task waits for that only waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// As its own address space has them; none where the loop is too long to tell.
    words: Vec<Word>,
    space: SpaceId,
}

impl Waiting {
    /// The same words, as they are now.
    fn refresh(&mut self, memory: &ProcessMemory) {
        for word in &mut self.words {
            word.value = read(memory, word.addr, word.len).unwrap_or(word.value);
        }
    }

    /// Whether one of the words is another one by now.
    fn is_over(&self, memory: &ProcessMemory) -> bool {
        self.words.iter().any(|word| word.has_changed(memory))
    }
}

//! What the kernel left at the top of a process's stack: arguments and the auxiliary vector (System V ABI for
//! x86-64, 3.4.1 "Initial Stack and Register State").

use retake_model::{Addr, TaskId};

use super::Session;

/// More words than this are no arguments.
const MOST_WORDS: usize = 1 << 17;
const AT_NULL: u64 = 0;

impl Session<'_> {
    /// The auxiliary vector, as it is in memory.
    pub(super) fn auxv(&mut self) -> Option<Vec<u8>> {
        let stack = self.executes()?.stack;
        let task = self.looked_at();
        let argc = self.word(task, stack)?;
        let mut at = behind(stack, argc.checked_add(2)?)?;
        // The environment ends with a null.
        for _ in 0..MOST_WORDS {
            let entry = self.word(task, at)?;
            at = behind(at, 1)?;
            if entry == 0 {
                return self.pairs(task, at);
            }
        }
        None
    }

    fn pairs(&self, task: TaskId, mut at: Addr) -> Option<Vec<u8>> {
        let mut vector = Vec::new();
        for _ in 0..MOST_WORDS {
            let (kind, value) = (self.word(task, at)?, self.word(task, behind(at, 1)?)?);
            vector.extend(kind.to_le_bytes());
            vector.extend(value.to_le_bytes());
            if kind == AT_NULL {
                return Some(vector);
            }
            at = behind(at, 2)?;
        }
        None
    }

    /// The arguments, each with a zero byte behind it, as in `/proc/PID/cmdline`.
    pub(super) fn arguments(&mut self) -> Option<Vec<u8>> {
        /// More bytes than this are not read.
        const MOST: usize = 1 << 20;
        let stack = self.executes()?.stack;
        let task = self.looked_at();
        let argc = usize::try_from(self.word(task, stack)?).ok()?;
        let mut text = Vec::new();
        for n in 1..=argc.min(MOST_WORDS) {
            let mut at = Addr::new(self.word(task, behind(stack, n as u64)?)?);
            loop {
                let mut byte = [0];
                self.state().read_memory(task, at, &mut byte).ok()?;
                text.extend(byte);
                if byte == [0] || text.len() >= MOST {
                    break;
                }
                at = at.checked_add(1)?;
            }
        }
        Some(text)
    }

    pub(super) fn word(&self, task: TaskId, at: Addr) -> Option<u64> {
        let mut word = [0; 8];
        self.state().read_memory(task, at, &mut word).ok()?;
        Some(u64::from_le_bytes(word))
    }
}

fn behind(at: Addr, words: u64) -> Option<Addr> {
    at.checked_add(words.checked_mul(8)?)
}

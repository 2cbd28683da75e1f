//! What the kernel writes when a task leaves its memory, at its end or by `execve`: the word of
//! `set_tid_address`, and robust futexes (linux/futex.h, `struct robust_list_head`).
//!
//! Others may see it: tasks with the same memory, and processes that share the page with the futex. It
//! belongs to the event with which the task leaves.

use retake_model::{Addr, Backing, SharedId};
use retake_ptrace::ProcessMemory;
use retake_recording::Effect;

use crate::book::{Book, Draft};
use crate::tasks::Task;
use crate::tasks::last_word::{LastWord, OWNER_DIED, WAITERS};
use crate::world::World;

/// How many robust futexes are looked at; the kernel's own limit is 2048 (`ROBUST_LIST_LIMIT`).
const ROBUST_LIMIT: usize = 2048;

impl World {
    /// The words that the kernel may write to when the task goes, as far as others can see them then.
    pub(crate) fn last_words(&self, task: &Task) -> Vec<LastWord> {
        let has_sharer = self.shares_memory(task);
        let words = addresses(task, &task.memory).into_iter().filter_map(|addr| {
            let mut before = [0; 4];
            task.memory.read_exact(addr, &mut before).ok()?;
            Some(LastWord { addr, before, shared: self.in_shared_object(task, addr) })
        });
        words.filter(|word| has_sharer || word.shared.is_some()).collect()
    }

    /// Adds what the kernel wrote to these words to the event. The task has left the memory.
    pub(crate) fn add_last_words(&self, draft: &mut Draft, task: &Task, words: &[LastWord]) {
        for word in words {
            let mut now = [0; 4];
            let through_sharer = self
                .sharers(task)
                .any(|other| other.memory.read_exact(word.addr, &mut now).is_ok());
            if through_sharer {
                if now != word.before {
                    draft.add(&Effect::Write { addr: word.addr, bytes: now.to_vec() });
                }
            } else if let Some((shared, offset)) = word.shared
                && self.read_object(shared, offset, &mut now)
                && now != word.before
            {
                draft.add(&Effect::SharedWrite { shared, offset, bytes: now.to_vec() });
            }
        }
    }

    /// Where a word is in an object that a mapping writes through to.
    pub(crate) fn in_shared_object(&self, task: &Task, addr: Addr) -> Option<(SharedId, u64)> {
        let mapping = self.spaces.get(&task.space)?.table.find(addr)?;
        let Backing::Shared { shared, offset } = mapping.backing else { return None };
        let skip = addr.offset_from(mapping.range.start())?;
        Some((shared, offset.get().checked_add(skip)?))
    }

    /// Reads what others see of a shared object: where one of them maps it, or in its file.
    fn read_object(&self, shared: SharedId, offset: u64, out: &mut [u8]) -> bool {
        let mapped = self.tasks.values().filter(|task| !task.ended).any(|task| {
            let Some(space) = self.spaces.get(&task.space) else { return false };
            let mut places = space.table.iter().filter_map(|mapping| match mapping.backing {
                Backing::Shared { shared: own, offset: first } if own == shared => {
                    let skip = offset.checked_sub(first.get())?;
                    mapping.range.start().checked_add(skip).filter(|at| mapping.range.contains(*at))
                }
                _ => None,
            });
            places.any(|at| task.memory.read_exact(at, out).is_ok())
        });
        mapped || {
            use std::os::unix::fs::FileExt;
            let object = self.files.shared().find(|object| object.id == shared);
            let file = object.and_then(|object| object.file.as_ref());
            file.is_some_and(|file| file.read_exact_at(out, offset).is_ok())
        }
    }

    /// The same for a task that nobody saw go. What was there before is not known: all that is there now is
    /// written. Without its list of robust futexes, those are looked for whose owner has died.
    pub(crate) fn add_unseen_last_words(&self, book: &mut Book, draft: &mut Draft, task: &Task) {
        if let Some(sharer) = self.sharer(task) {
            for addr in addresses(task, &sharer.memory) {
                let mut now = [0; 4];
                if sharer.memory.read_exact(addr, &mut now).is_ok() {
                    draft.add(&Effect::Write { addr, bytes: now.to_vec() });
                }
            }
        } else if !task.robust.is_null() {
            let mapped: Vec<SharedId> = self
                .spaces
                .get(&task.space)
                .into_iter()
                .flat_map(|space| space.table.iter())
                .filter_map(|mapping| mapping.backing.shared_object().map(|(id, _)| id))
                .collect();
            for object in self.files.shared().filter(|object| mapped.contains(&object.id)) {
                let pages = self.pages_of_object(book, object);
                for (page, bytes) in pages.pages() {
                    for (n, word) in (0_u64..).zip(bytes.as_chunks::<4>().0) {
                        if u32::from_le_bytes(*word) & !WAITERS == OWNER_DIED {
                            let (shared, offset) = (object.id, page.addr().get() + n * 4);
                            let bytes = word.to_vec();
                            draft.add(&Effect::SharedWrite { shared, offset, bytes });
                        }
                    }
                }
            }
        }
    }
}

/// Addresses of the words. A list that leads nowhere ends there, as in the kernel.
fn addresses(task: &Task, memory: &ProcessMemory) -> Vec<Addr> {
    let mut words = Vec::new();
    if !task.clear_tid.is_null() {
        words.push(task.clear_tid);
    }
    words.extend(robust_futexes(task.robust, memory).unwrap_or_default());
    words
}

/// The futexes of a robust list; none if its head cannot be read, which the kernel then leaves alone.
fn robust_futexes(head: Addr, memory: &ProcessMemory) -> Option<Vec<Addr>> {
    if head.is_null() {
        return None;
    }
    let read = |addr: u64| memory.read_u64(Addr::new(addr)).ok();
    let head = head.get();
    // `struct robust_list_head`: the first entry, where an entry's word is, the one being locked.
    let (first, offset, pending) = (read(head)?, read(head + 8)?, read(head + 16)?);
    let word = |entry: u64| Addr::new((entry & !1).wrapping_add(offset));
    let mut words = Vec::new();
    let mut entry = first;
    // The lowest bit says that it is a priority-inheriting one.
    while entry != 0 && entry & !1 != head && words.len() < ROBUST_LIMIT {
        words.push(word(entry));
        match read(entry & !1) {
            Some(next) => entry = next,
            None => break,
        }
    }
    if pending != 0 {
        words.push(word(pending));
    }
    Some(words)
}

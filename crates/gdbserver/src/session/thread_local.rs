//! Addresses of thread-local variables, as the dynamic linker keeps them (Drepper, "ELF Handling For Thread-Local
//! Storage", 3.4.6; `struct link_map` in glibc's link.h).

use retake_model::{Addr, TaskId};

use super::{REFUSED, Session};
use crate::packet::{ThreadRef, Which};

/// Longer chains of modules are none.
const MOST_MODULES: usize = 10_000;
/// Fields of `struct link_map`.
const DYNAMIC: u64 = 16;
const NEXT: u64 = 24;
const PREVIOUS: u64 = 32;
/// What stands for a block that the thread has not used yet.
const UNALLOCATED: u64 = u64::MAX;
/// Type of a program header.
const PT_TLS: u32 = 7;

impl Session<'_> {
    pub(super) fn thread_local(&self, thread: ThreadRef, offset: u64, map: Addr) -> Vec<u8> {
        let task = match thread.thread {
            Which::One(tid) => self.task_of(tid),
            Which::Any | Which::All => Some(self.stopped.task),
        };
        let addr = task.and_then(|task| self.thread_local_addr(task, offset, map));
        addr.map_or(REFUSED.to_vec(), |addr| format!("{:x}", addr.get()).into_bytes())
    }

    fn thread_local_addr(&self, task: TaskId, offset: u64, map: Addr) -> Option<Addr> {
        let module = self.module_number(task, map)?;
        let thread = Addr::new(self.state().registers(task).ok()?.fs_base);
        // The vector of blocks is the second word; an entry has two, and the first entry is a generation.
        let vector = Addr::new(self.word(task, thread.checked_add(8)?)?);
        let block = self.word(task, vector.checked_add(module.checked_mul(16)?)?)?;
        let is_there = block != UNALLOCATED && block != 0;
        is_there.then(|| Addr::new(block).checked_add(offset)).flatten()
    }

    /// Which one of the modules with thread-local storage this is, from 1, in the order in which they were loaded.
    fn module_number(&self, task: TaskId, map: Addr) -> Option<u64> {
        let field = |map: Addr, offset| self.word(task, map.checked_add(offset)?);
        let mut first = map;
        for _ in 0..MOST_MODULES {
            match field(first, PREVIOUS)? {
                0 => break,
                previous => first = Addr::new(previous),
            }
        }
        let (mut at, mut number) = (first, 0);
        for _ in 0..MOST_MODULES {
            let dynamic = Addr::new(field(at, DYNAMIC)?);
            number += u64::from(self.has_thread_local(dynamic).unwrap_or(false));
            if at == map {
                return (number > 0).then_some(number);
            }
            at = Addr::new(field(at, NEXT)?);
        }
        None
    }

    /// Whether the file that is mapped at an address has thread-local storage.
    fn has_thread_local(&self, addr: Addr) -> Option<bool> {
        let bytes = self.execution.file_bytes(self.file_at(addr)?).ok()?;
        let bytes = (*bytes).as_ref();
        let half = |at: usize| Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let table = u64::from_le_bytes(*bytes.get(32..)?.first_chunk()?);
        let table = usize::try_from(table).ok()?;
        let (size, count) = (usize::from(half(54)?), usize::from(half(56)?));
        let kind = |n: usize| {
            let at = table.checked_add(n.checked_mul(size)?)?;
            Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
        };
        Some((0..count).any(|n| kind(n) == Some(PT_TLS)))
    }
}

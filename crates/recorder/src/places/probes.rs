//! Words of memory that tell a place in the middle of code from most others. Replay has the task itself test
//! them; only where all of them are equal it compares pages.

use std::collections::BTreeSet;

use retake_model::{Addr, PAGE_LEN, PageAddr, Protection, RegisterName, Registers};
use retake_ptrace::{WatchLen, read_words};
use retake_tracee::Glance;

use crate::places::nearby::written_nearby;
use crate::tasks::Space;

/// Words above the stack pointer, and below the frame pointer.
const FRAME_WORDS: usize = 48;
/// Words around an address that a register holds, of which so many before it: a stack machine's pointer to its
/// top has there what it works on.
const BEFORE: u64 = 2;
const AROUND: usize = 8;
/// Words at an address that one of those holds, and at most so many of these addresses.
const BEHIND: usize = 4;
const MOST_BEHIND: usize = 24;
/// Where fewer pages than that were written, so many are looked through, and so many words of them are taken.
const MANY_PAGES: usize = 48;
const MOST_PAGES: usize = 4;
const MOST_WRITTEN: usize = 512;

/// Words above the stack pointer, below the frame pointer, and those that the code around the place writes,
/// which tell one turn of a loop from another.
pub(crate) fn frame_words(
    memory: &Glance<'_>,
    space: Option<&Space>,
    registers: &Registers,
) -> Vec<(Addr, u64)> {
    const LEN: usize = FRAME_WORDS * 8;
    let mut words = Vec::with_capacity(2 * FRAME_WORDS);
    for start in [registers.rsp, registers.rbp.wrapping_sub(LEN as u64)].map(Addr::new) {
        // `rbp` may hold anything, such as an address that the program cannot read.
        let mapping = space.and_then(|space| space.table.find(start));
        if mapping.is_some_and(|mapping| mapping.prot.allows(Protection::READ)) {
            words.extend(read(memory, start, FRAME_WORDS));
        }
    }
    for addr in written_nearby(memory, registers) {
        let is_known = words.iter().any(|(known, _)| *known == addr);
        // On a way that is not taken an address may be anything. Replay has the task itself read the word.
        let is_its_own = space.is_some_and(|space| space.can_write(addr, 8));
        if is_its_own
            && !is_known
            && let Some(word) = memory.word(addr, WatchLen::Eight)
        {
            words.push((addr, word));
        }
    }
    words
}

/// The same, and words of the objects that registers lead to, over one pointer or two. An interpreter comes by
/// with equal registers and an equal stack millions of times: what it counts is in an object.
pub(crate) fn words(
    memory: &Glance<'_>,
    space: Option<&Space>,
    registers: &Registers,
) -> Vec<(Addr, u64)> {
    let mut words = frame_words(memory, space, registers);
    let mut known: BTreeSet<Addr> = words.iter().map(|(addr, _)| *addr).collect();
    let is_its_own = |start: Addr, words: usize| {
        space.is_some_and(|space| space.can_write(start, words as u64 * 8))
    };
    let mut add = |start: Addr, count: usize| -> Vec<u64> {
        if !start.get().is_multiple_of(8) || !is_its_own(start, count) {
            return Vec::new();
        }
        // Parts of it may be known by another register.
        let new: Vec<_> = read(memory, start, count)
            .into_iter()
            .filter(|(addr, _)| known.insert(*addr))
            .collect();
        let values = new.iter().map(|(_, word)| *word).collect();
        words.extend(new);
        values
    };
    let mut leads: Vec<u64> = Vec::new();
    for register in RegisterName::GENERAL {
        let Some(start) = registers.get(register).checked_sub(BEFORE * 8) else { continue };
        leads.extend(add(Addr::new(start), AROUND));
    }
    let mut behind = 0;
    for lead in leads {
        if behind < MOST_BEHIND && !add(Addr::new(lead), BEHIND).is_empty() {
            behind += 1;
        }
    }
    words
}

/// Adds what is in those pages that were written since the task's last event, where these are few: a loop may count in
/// a word that nothing near its code leads to. Not of the task's own stack, and not code: replay may have breakpoints there.
pub(crate) fn add_written(
    words: &mut Vec<(Addr, u64)>,
    memory: &Glance<'_>,
    space: &Space,
    (registers, pages): (&Registers, &[PageAddr]),
) {
    let is_data = |page: &&PageAddr| {
        space.table.find(page.addr()).is_some_and(|mapping| {
            let prot = mapping.prot;
            prot.allows(Protection::READ.union(Protection::WRITE))
                && !prot.allows(Protection::EXEC)
                && !mapping.range.contains(registers.sp())
        })
    };
    let data: Vec<&PageAddr> = pages.iter().filter(is_data).take(MANY_PAGES).collect();
    if data.len() == MANY_PAGES {
        return;
    }
    // The program's own data is mostly below that of its libraries.
    let data = data.into_iter().take(MOST_PAGES);
    let known: BTreeSet<Addr> = words.iter().map(|(addr, _)| *addr).collect();
    let of_page = |page: &PageAddr| read(memory, page.addr(), PAGE_LEN / 8);
    let new = data.flat_map(of_page);
    let tells = |(addr, word): &(Addr, u64)| *word != 0 && !known.contains(addr);
    words.extend(new.filter(tells).take(MOST_WRITTEN));
}

/// So many words from `start` on, as far as they can be read.
fn read(memory: &Glance<'_>, start: Addr, count: usize) -> Vec<(Addr, u64)> {
    let mut bytes = vec![0_u8; count * 8];
    let got = memory.read(start, &mut bytes);
    let words = read_words(bytes.get(..got / 8 * 8).unwrap_or_default());
    (0..).zip(words).filter_map(|(n, word)| Some((start.checked_add(n * 8)?, word))).collect()
}

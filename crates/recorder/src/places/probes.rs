//! Words of memory that tell a place in the middle of code from most others. Replay has the task itself test
//! them; only where all of them are equal it compares pages.

use std::collections::BTreeSet;

use retake_model::{Addr, PAGE_LEN, PageAddr, Protection, RegisterName, Registers};
use retake_ptrace::{WatchLen, read_words};
use retake_tracee::Glance;
use retake_tracee::fast;

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
/// Where as many pages were written, only those that are so near to the code, in bytes, are thought of. So many are looked
/// through, and so many words of them are taken.
const MANY_PAGES: usize = 48;
const NEAR: u64 = 16 << 20;
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
        let readable = mapping.filter(|mapping| mapping.prot.allows(Protection::READ));
        if let Some(room) = readable.and_then(|mapping| mapping.range.end().offset_from(start)) {
            let count = usize::try_from(room / 8).unwrap_or(FRAME_WORDS).min(FRAME_WORDS);
            words.extend(read(memory, start, count));
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

/// Adds what is in those pages that were written since the task's last event, where these are few, and else of those near
/// its code: a loop may count in a word that nothing leads to. Not of the task's own stack, not of the buffer of
/// calls, and not code: replay may have breakpoints there.
pub(crate) fn add_written(
    words: &mut Vec<(Addr, u64)>,
    memory: &Glance<'_>,
    space: &Space,
    (registers, pages): (&Registers, &[PageAddr]),
) {
    let is_data = |page: &PageAddr| {
        space.table.find(page.addr()).is_some_and(|mapping| {
            let prot = mapping.prot;
            prot.allows(Protection::READ.union(Protection::WRITE))
                && !prot.allows(Protection::EXEC)
                && !mapping.range.contains(registers.sp())
                && !fast::is_buffer(page.addr())
        })
    };
    let data: Vec<PageAddr> = pages.iter().copied().filter(is_data).collect();
    let data = likely_counted_in(data, &code_around(words, space, registers));
    let known: BTreeSet<Addr> = words.iter().map(|(addr, _)| *addr).collect();
    let of_page = |page: PageAddr| read(memory, page.addr(), PAGE_LEN / 8);
    let new = data.into_iter().flat_map(of_page);
    let tells = |(addr, word): &(Addr, u64)| *word != 0 && !known.contains(addr);
    words.extend(new.filter(tells).take(MOST_WRITTEN));
}

/// The place, and where it seems to return to, one address for each mapping.
fn code_around(words: &[(Addr, u64)], space: &Space, registers: &Registers) -> Vec<Addr> {
    let mut mappings = BTreeSet::new();
    let mut is_new = |addr: &Addr| {
        let mapping = space.table.find(*addr);
        let code = mapping.filter(|mapping| mapping.prot.allows(Protection::EXEC));
        code.is_some_and(|code| mappings.insert(code.range.start()))
    };
    let values = words.iter().map(|(_, word)| Addr::new(*word));
    [registers.pc()]
        .into_iter()
        .chain(values)
        .filter(|addr| is_new(addr))
        .take(MOST_PAGES)
        .collect()
}

/// The pages of data in which this code counts most likely: a program and each of its libraries have their own behind
/// their code.
fn likely_counted_in(mut pages: Vec<PageAddr>, code: &[Addr]) -> Vec<PageAddr> {
    let only_near = pages.len() >= MANY_PAGES;
    let mut chosen = Vec::new();
    for pc in code.iter().cycle().take(MOST_PAGES) {
        let distance = |page: &PageAddr| page.addr().get().abs_diff(pc.get());
        let nearest = (0..pages.len()).min_by_key(|n| pages.get(*n).map(distance));
        let Some(nearest) = nearest else { break };
        let page = pages.swap_remove(nearest);
        if !only_near || distance(&page) < NEAR {
            chosen.push(page);
        }
    }
    chosen
}

/// So many words from `start` on, as far as they can be read.
fn read(memory: &Glance<'_>, start: Addr, count: usize) -> Vec<(Addr, u64)> {
    let mut bytes = vec![0_u8; count * 8];
    let got = memory.read(start, &mut bytes);
    let words = read_words(bytes.get(..got / 8 * 8).unwrap_or_default());
    (0..).zip(words).filter_map(|(n, word)| Some((start.checked_add(n * 8)?, word))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_near_the_code_comes_first() {
        let page = |addr: u64| Addr::new(addr).page();
        let (code, caller) = (Addr::new(0x7f13_0010_0000), Addr::new(0x5555_0000_1276));
        let (own, heap) = (page(0x5555_0000_4000), page(0x5555_4000_0000));
        let (library, other) = (page(0x7f13_0020_0000), page(0x7f13_4000_0000));
        let all = vec![heap, own, other, library];
        assert_eq!(likely_counted_in(all.clone(), &[code, caller]), [library, own, other, heap]);
        assert_eq!(likely_counted_in(all.clone(), &[caller]), [own, heap, library, other]);
        assert_eq!(likely_counted_in(all.clone(), &[]), []);
        let many = (0..60).map(|n| page(0x7fff_0000_0000 + n * 4096)).chain(all);
        assert_eq!(likely_counted_in(many.collect(), &[code, caller]), [library, own]);
    }
}

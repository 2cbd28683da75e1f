//! `--audit`: after every call, whether the kernel changed only what its event says.
//!
//! Before each call all memory that the program can write is copied, and compared afterwards, byte
//! by byte, with the copy to which the event's effects were applied. After calls that shape the
//! address space the kernel's own list of mappings is compared with ours. Slow, and exact while
//! nothing else runs: a call that other tasks ran during is looked at only where they cannot write.

use retake_model::{Addr, AddrRange, PAGE_LEN, PageAddr, Protection, SharedId, SyscallNo};
use retake_ptrace::PageMap;
use retake_recording::Effect;

use crate::book::Draft;
use crate::calls::memory_before::{MemoryBefore, Pages, pages_of};
use crate::error::RecordError;
use crate::session::Session;
use crate::tasks::{OpenCall, Space, Task};

/// Bytes that an event accounts for, and ranges that it makes anew.
#[derive(Default)]
struct Accounted {
    writes: Vec<(Addr, Vec<u8>)>,
    anew: Vec<AddrRange>,
}

fn accounted(effects: &[Effect], task: &Task, space: &Space) -> Accounted {
    let mut found = Accounted::default();
    for effect in effects {
        match effect {
            Effect::Write { addr, bytes } => found.writes.push((*addr, bytes.clone())),
            Effect::ForeignWrite { space, addr, bytes } if *space == task.space => {
                found.writes.push((*addr, bytes.clone()));
            }
            Effect::Map { mapping } => found.anew.push(mapping.range),
            Effect::Unmap { range } | Effect::Discard { range } | Effect::Protect { range, .. } => {
                found.anew.push(*range);
            }
            Effect::Move { from, to, .. } => found.anew.extend([*from, *to]),
            Effect::SharedWrite { shared, offset, bytes } => {
                for (_, start) in mappings_of(space, *shared) {
                    found.writes.push((Addr::new(start.wrapping_add(*offset)), bytes.clone()));
                }
            }
            Effect::ZeroShared { shared, offset, len } => {
                for (range, start) in mappings_of(space, *shared) {
                    let zeroes = AddrRange::with_len(Addr::new(start.wrapping_add(*offset)), *len);
                    found
                        .anew
                        .extend(zeroes.and_then(|zeroes| zeroes.to_pages().intersection(range)));
                }
            }
            Effect::ResizeShared { shared, .. } => {
                found.anew.extend(mappings_of(space, *shared).map(|(range, _)| range));
            }
            _ => {}
        }
    }
    found
}

/// The mappings of a shared object, each with the address that its first byte would have.
fn mappings_of(space: &Space, shared: SharedId) -> impl Iterator<Item = (AddrRange, u64)> {
    space.table.iter().filter_map(move |mapping| {
        let (own, offset) = mapping.backing.shared_object()?;
        let start = mapping.range.start().get().wrapping_sub(offset.get());
        (own == shared).then_some((mapping.range, start))
    })
}

impl Accounted {
    /// `page` as the event leaves it.
    fn apply(&self, page: PageAddr, bytes: &mut [u8]) {
        let start = page.addr().get();
        for (addr, written) in &self.writes {
            let addr = addr.get();
            let from = addr.max(start);
            let to = (addr + written.len() as u64).min(start + PAGE_LEN as u64);
            if from >= to {
                continue;
            }
            let index = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
            let into = bytes.get_mut(index(from - start)..index(to - start));
            let out = written.get(index(from - addr)..index(to - addr));
            if let (Some(into), Some(out)) = (into, out) {
                into.copy_from_slice(out);
            }
        }
    }
}

impl Session {
    /// Copies memory for the audit of a call that is about to be made.
    pub(crate) fn audit_before(
        &mut self,
        task: &Task,
    ) -> Result<Option<MemoryBefore>, RecordError> {
        if self.audit.is_none() {
            return Ok(None);
        }
        let alone = !self.world.shares_memory(task);
        let space = self.world.space(task.space)?;
        MemoryBefore::take((&space.table, space.foreign_changes), &task.memory, alone).map(Some)
    }

    /// Compares memory with what the effects gathered so far account for.
    pub(crate) fn audit_after(
        &mut self,
        draft: &mut Draft,
        task: &Task,
        open: &OpenCall,
        result: i64,
    ) -> Result<(), RecordError> {
        let (Some(before), Some(space)) = (&open.audit, self.world.spaces.get(&task.space)) else {
            return Ok(());
        };
        let vfork = matches!(open.call.class, retake_abi::Class::Task(_));
        if open.begun.is_recorded() && (vfork || !before.alone || self.world.shares_memory(task)) {
            return Ok(());
        }
        if open.begun.is_recorded() && before.foreign != space.foreign_changes {
            return Ok(());
        }
        let effects = draft.effects().decode();
        let accounted = accounted(&effects, task, space);
        let map = PageMap::open(task.tid)?;
        let list = pages_of(&space.table, &map, open.begun.is_recorded())?;
        let now = Pages::copy(&task.memory, &list.pages);
        let mut wrong: Vec<(Addr, u64)> = Vec::new();
        let zero = [0_u8; PAGE_LEN];
        for (page, bytes) in now.iter() {
            let known = before.pages.page(page);
            if accounted.anew.iter().any(|range| range.contains(page.addr()))
                || known.is_none() && list.unknown.iter().any(|r| r.contains(page.addr()))
                || known == Some(bytes)
            {
                continue;
            }
            let mut expected = known.unwrap_or(&zero).to_vec();
            accounted.apply(page, &mut expected);
            note_differences(page.addr(), &expected, bytes, &mut wrong);
        }
        let call = retake_abi::format_call(open.call.no, &open.args);
        let result = retake_abi::format_result(result);
        let mapped = matches!(open.call.class, retake_abi::Class::Memory(_))
            .then(|| mappings_differ(task, space))
            .flatten();
        let Some(audit) = &mut self.audit else { return Ok(()) };
        let name = key(open);
        if let Some(difference) = mapped {
            audit.add(format!("{name} maps"), format!("{call} = {result}: {difference}"));
        }
        if !wrong.is_empty() {
            let shown: Vec<String> =
                wrong.iter().take(8).map(|(addr, len)| format!("{addr}+{len}")).collect();
            let text = format!(
                "{call} = {result}: the kernel wrote what the table does not say, at {}",
                shown.join(", ")
            );
            audit.add(name, text);
        }
        Ok(())
    }
}

/// What kind of call it is, so that each is told once.
fn key(open: &OpenCall) -> String {
    format!(
        "{} {:?} {:?}",
        open.call.name,
        open.call.command,
        sub_command(open.call.no, &open.args)
    )
}

/// The argument that tells calls apart whose sub-command has no name.
fn sub_command(no: SyscallNo, args: &[u64; 6]) -> u64 {
    use retake_abi::nr;
    match no {
        nr::IOCTL => args[1],
        nr::GETSOCKOPT => args[1] << 32 | args[2] & 0xffff_ffff,
        _ => 0,
    }
}

fn note_differences(start: Addr, expected: &[u8], actual: &[u8], wrong: &mut Vec<(Addr, u64)>) {
    for (n, (a, b)) in (0_u64..).zip(expected.iter().zip(actual)) {
        if a == b {
            continue;
        }
        let addr = Addr::new(start.get() + n);
        match wrong.last_mut() {
            // Bytes that happen to be as they were do not break a piece up.
            Some((first, len)) if addr.get() < first.get() + *len + 8 && addr >= *first => {
                *len = addr.get() - first.get() + 1;
            }
            _ => wrong.push((addr, 1)),
        }
    }
}

/// Ranges and protections, neighbours of equal protection as one.
fn merged(mut list: Vec<(AddrRange, Protection)>) -> Vec<(AddrRange, Protection)> {
    list.sort_by_key(|(range, _)| range.start());
    let mut out: Vec<(AddrRange, Protection)> = Vec::new();
    for (range, prot) in list {
        if let Some((last, last_prot)) = out.last_mut()
            && *last_prot == prot
            && last.end() == range.start()
            && let Some(whole) = AddrRange::new(last.start(), range.end())
        {
            *last = whole;
            continue;
        }
        out.push((range, prot));
    }
    out
}

/// How the kernel's mappings differ from ours.
fn mappings_differ(task: &Task, space: &Space) -> Option<String> {
    let kernels = retake_tracee::read_maps(task.tid).ok()?;
    let kernels = merged(
        kernels
            .into_iter()
            .filter(|entry| {
                entry.path != "[vsyscall]" && !retake_tracee::is_ours(entry.range.start())
            })
            .map(|entry| (entry.range, entry.prot))
            .collect(),
    );
    let ours = merged(space.table.iter().map(|mapping| (mapping.range, mapping.prot)).collect());
    if kernels == ours {
        return None;
    }
    let missing = kernels.iter().find(|entry| !ours.contains(entry));
    let extra = ours.iter().find(|entry| !kernels.contains(entry));
    let show = |entry: Option<&(AddrRange, Protection)>| {
        entry.map_or_else(|| "nothing".to_owned(), |(range, prot)| format!("{range} {prot}"))
    };
    Some(format!("mapped is {}, and not {}", show(missing), show(extra)))
}

//! `cpuid` in the loader, which executes it some 70 times in each new image: answered there without a trap.
//!
//! Only in the loader: it is what makes most of them, its code is known to be code, and none of it has run yet. What is
//! changed is part of the image that replay starts with.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::rc::Rc;

use retake_model::{Addr, AddrRange, Protection, Registers};
use retake_ptrace::{ProcessMemory, Stopped};
use retake_tracee::fast::jump;
use retake_tracee::{ANSWERS_LEN, Answering, MapsEntry, Moved};

use super::reach::{Piece, sites};
use crate::error::RecordError;
use crate::hardware::Hardware;
use crate::tasks::Task;

/// A loader is not larger.
const LARGEST: u64 = 4 << 20;
/// The page with the answers is so far behind the loader, where nothing is for [`GAP`] bytes: programs get memory below
/// it, and the stack grows from far above.
const DISTANCE: u64 = 1 << 16;
const GAP: u64 = 64 << 20;

/// A loader's code, as a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct LoaderId {
    dev: u64,
    ino: u64,
    offset: u64,
}

/// What is known of one.
#[derive(Debug)]
struct Loader {
    /// Where its code was when its sites were looked for.
    start: Addr,
    /// They, there.
    sites: Vec<Moved>,
    /// The page for them, with the distance of that from the code: what it says is then the same wherever both are.
    page: Option<(u64, Rc<Answering>)>,
}

/// The loaders that were seen.
#[derive(Debug, Default)]
pub(crate) struct Loaders {
    /// `None`: once, which is too seldom for looking for sites.
    known: BTreeMap<LoaderId, Option<Loader>>,
}

/// The mappings of a loader.
struct Mapped<'a> {
    id: LoaderId,
    text: &'a MapsEntry,
    entries: Vec<&'a MapsEntry>,
}

impl<'a> Mapped<'a> {
    /// The file in which a fresh image starts, if that is not the program itself.
    fn of(list: &'a [MapsEntry], registers: &Registers, program: &[u8]) -> Option<Self> {
        let text = list.iter().find(|entry| entry.range.contains(registers.pc()))?;
        let is_text = text.prot.allows(Protection::EXEC) && !text.prot.allows(Protection::WRITE);
        if !is_text
            || text.ino == 0
            || text.path.as_bytes() == program
            || text.range.len() > LARGEST
        {
            return None;
        }
        let is_its = |entry: &&MapsEntry| (entry.dev, entry.ino) == (text.dev, text.ino);
        let id = LoaderId { dev: text.dev, ino: text.ino, offset: text.offset.get() };
        Some(Self { id, text, entries: list.iter().filter(is_its).collect() })
    }

    /// Where a page behind it can be.
    fn room(&self, list: &[MapsEntry]) -> Option<Addr> {
        let mut end = self.entries.iter().map(|entry| entry.range.end()).max()?;
        // Zeroed data follows its file.
        while let Some(next) = list.iter().find(|entry| entry.range.start() == end) {
            end = next.range.end();
        }
        let next = list.iter().map(|entry| entry.range.start()).filter(|start| *start >= end).min();
        let is_free = next.is_some_and(|next| next.offset_from(end).is_some_and(|gap| gap >= GAP));
        end.checked_add(DISTANCE).filter(|_| is_free)
    }

    fn find_sites(&self, memory: &ProcessMemory) -> Option<Loader> {
        let read = |range: AddrRange| {
            let mut bytes = vec![0; usize::try_from(range.len()).ok()?];
            memory.read_exact(range.start(), &mut bytes).ok()?;
            Some((range.start(), bytes))
        };
        let is_data = |entry: &&&MapsEntry| {
            entry.prot.allows(Protection::READ) && entry.range.len() <= LARGEST
        };
        let data: Vec<_> = self
            .entries
            .iter()
            .filter(|entry| entry.range != self.text.range)
            .filter(is_data)
            .filter_map(|entry| read(entry.range))
            .collect();
        let data: Vec<_> =
            data.iter().map(|(start, bytes)| Piece { start: *start, bytes }).collect();
        let (start, bytes) = read(self.text.range)?;
        let sites = sites(Piece { start, bytes: &bytes }, &data);
        Some(Loader { start, sites, page: None })
    }
}

impl Loader {
    /// Its sites where the code is at `start`.
    fn sites_at(&self, start: Addr) -> Vec<Moved> {
        let moved_by = start.get().wrapping_sub(self.start.get());
        let moved = |moved: &Moved| Moved {
            site: Addr::new(moved.site.get().wrapping_add(moved_by)),
            code: moved.code.clone(),
        };
        self.sites.iter().map(moved).collect()
    }
}

impl Hardware {
    /// Leads the `cpuid` instructions of a fresh image's loader to code that answers them, from the second time on that a
    /// program is started with it. The image is of the file `program`, and has the mappings `list`.
    pub(crate) fn answer_in_loader(
        &mut self,
        task: &mut Task,
        stopped: &mut Stopped,
        registers: &Registers,
        (program, list): (&[u8], &[MapsEntry]),
    ) -> Result<(), RecordError> {
        // With CPUs that the program is told of, answers depend on the task.
        let is_wanted = self.traps_cpuid
            && task.fast_code.is_some()
            && task.confinement.is_free()
            && task.traced.is_none()
            && self.processors.asked().is_none();
        if !is_wanted {
            return Ok(());
        }
        let Some(mapped) = Mapped::of(list, registers, program) else { return Ok(()) };
        let start = mapped.text.range.start();
        let loader = match self.loaders.known.entry(mapped.id) {
            Entry::Vacant(place) => {
                place.insert(None);
                return Ok(());
            }
            Entry::Occupied(place) => place.into_mut(),
        };
        if loader.is_none() {
            *loader = mapped.find_sites(&task.memory);
        }
        let (Some(loader), Some(room)) = (loader.as_mut(), mapped.room(list)) else {
            return Ok(());
        };
        let sites = loader.sites_at(start);
        let distance = room.get().wrapping_sub(start.get());
        let page = match &loader.page {
            Some((known, page)) if *known == distance => Rc::clone(page),
            _ => {
                // One that is too far away, for example: it is as if there were none.
                let Ok(page) = Answering::assemble(room, &self.processor.answers(), &sites) else {
                    loader.sites.clear();
                    return Ok(());
                };
                let page = Rc::new(page);
                loader.page = Some((distance, Rc::clone(&page)));
                page
            }
        };
        let Some((at, code)) = with_jumps(&task.memory, &sites, room, &page) else {
            return Ok(());
        };
        const READ_EXEC: u64 = 5;
        if crate::fast::map_at(task, stopped, registers, room, ANSWERS_LEN, READ_EXEC)? {
            task.memory.write(room, &page.bytes)?;
            task.memory.write(at, &code)?;
        }
        Ok(())
    }
}

/// The code from the first of the sites to the last, with jumps to the page at `room`, and where it stands. `None` where
/// the sites are not what they were.
fn with_jumps(
    memory: &ProcessMemory,
    sites: &[Moved],
    room: Addr,
    page: &Answering,
) -> Option<(Addr, Vec<u8>)> {
    let (first, last) = (sites.first()?, sites.last()?);
    let len = last.site.offset_from(first.site)?.checked_add(last.code.len() as u64)?;
    let mut code = vec![0; usize::try_from(len).ok()?];
    memory.read_exact(first.site, &mut code).ok()?;
    for (moved, entry) in sites.iter().zip(&page.entries) {
        let from = usize::try_from(moved.site.offset_from(first.site)?).ok()?;
        let place = code.get_mut(from..from + moved.code.len())?;
        if *place != *moved.code {
            return None;
        }
        let jump = jump(moved.site, room.checked_add(*entry)?)?;
        place.get_mut(..jump.len())?.copy_from_slice(&jump);
    }
    Some((first.site, code))
}

//! `cpuid` in the loader, which executes it some 70 times in each new image: answered there without a trap.
//!
//! Only in the loader: it is what makes most of them, its code is known to be code, and none of it has run yet. What is
//! changed is part of the image that replay starts with.

use std::collections::BTreeMap;
use std::rc::Rc;

use retake_model::{Addr, AddrRange, Protection, Registers};
use retake_ptrace::ProcessMemory;
use retake_tracee::{Answering, MapsEntry, Moved};

use super::reach::{Piece, sites};

/// A loader is not larger.
const LARGEST: u64 = 4 << 20;
/// The page with the answers is so far behind the loader, where nothing is for [`GAP`] bytes: programs get memory below
/// it, and the stack grows from far above.
const DISTANCE: u64 = 1 << 16;
const GAP: u64 = 64 << 20;

/// A loader's code, as a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LoaderId {
    pub(super) dev: u64,
    pub(super) ino: u64,
    pub(super) offset: u64,
}

/// What is known of one.
#[derive(Debug)]
pub(super) struct Loader {
    /// Where its code was when its sites were looked for.
    pub(super) start: Addr,
    /// They, there.
    pub(super) sites: Vec<Moved>,
    /// The page for them, with the distance of that from the code: what it says is then the same wherever both are.
    pub(super) page: Option<(u64, Rc<Answering>)>,
}

/// The loaders that were seen.
#[derive(Debug, Default)]
pub(crate) struct Loaders {
    /// `None`: once, which is too seldom for looking for sites.
    pub(super) known: BTreeMap<LoaderId, Option<Loader>>,
}

/// The mappings of a loader.
pub(super) struct Mapped<'a> {
    pub(super) id: LoaderId,
    pub(super) text: &'a MapsEntry,
    pub(super) entries: Vec<&'a MapsEntry>,
}

impl<'a> Mapped<'a> {
    /// The file in which a fresh image starts, if that is not the program itself.
    pub(super) fn of(list: &'a [MapsEntry], registers: &Registers, program: &[u8]) -> Option<Self> {
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
    pub(super) fn room(&self, list: &[MapsEntry]) -> Option<Addr> {
        let mut end = self.entries.iter().map(|entry| entry.range.end()).max()?;
        // Zeroed data follows its file.
        while let Some(next) = list.iter().find(|entry| entry.range.start() == end) {
            end = next.range.end();
        }
        let next = list.iter().map(|entry| entry.range.start()).filter(|start| *start >= end).min();
        let is_free = next.is_some_and(|next| next.offset_from(end).is_some_and(|gap| gap >= GAP));
        end.checked_add(DISTANCE).filter(|_| is_free)
    }

    pub(super) fn find_sites(&self, memory: &ProcessMemory) -> Option<Loader> {
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
    pub(super) fn sites_at(&self, start: Addr) -> Vec<Moved> {
        let moved_by = start.get().wrapping_sub(self.start.get());
        let moved = |moved: &Moved| Moved {
            site: Addr::new(moved.site.get().wrapping_add(moved_by)),
            code: moved.code.clone(),
        };
        self.sites.iter().map(moved).collect()
    }
}

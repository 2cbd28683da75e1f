//! All memory before a call, for the audit.

use retake_model::{AddrRange, Backing, PAGE_LEN, PAGE_SIZE, PageAddr, Protection};
use retake_ptrace::{PageMap, ProcessMemory};
use retake_tracee::MappingTable;

use crate::error::RecordError;

/// Mappings up to this size are copied also where they were never written: their first contents come
/// from a file, or from another process.
pub(super) const WHOLE: u64 = 64 << 20;

/// Pages and what is in them, in ascending order.
#[derive(Debug, Default)]
pub(super) struct Pages {
    pub(super) addrs: Vec<PageAddr>,
    pub(super) bytes: Vec<u8>,
}

impl Pages {
    /// Copies what can be read of them.
    pub(super) fn copy(memory: &ProcessMemory, list: &[PageAddr]) -> Self {
        const RUN: usize = 256;
        let mut copy = Self::default();
        let mut rest = list;
        while let Some(first) = rest.first() {
            let next = |n: usize| first.addr().checked_add(n as u64 * PAGE_SIZE);
            let run = (0..rest.len().min(RUN))
                .find(|&n| rest.get(n).map(|page| page.addr()) != next(n))
                .unwrap_or(rest.len().min(RUN));
            let start = copy.bytes.len();
            copy.bytes.resize(start + run * PAGE_LEN, 0);
            let room = copy.bytes.get_mut(start..).unwrap_or_default();
            let got = memory.read(first.addr(), room).unwrap_or(0) / PAGE_LEN;
            copy.bytes.truncate(start + got * PAGE_LEN);
            copy.addrs.extend(rest.iter().take(got));
            // After a page that could not be read it goes on with the next.
            rest = rest.get(if got < run { got + 1 } else { run }..).unwrap_or_default();
        }
        copy
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (PageAddr, &[u8])> {
        self.addrs.iter().copied().zip(self.bytes.chunks(PAGE_LEN))
    }

    pub(super) fn page(&self, page: PageAddr) -> Option<&[u8]> {
        let at = self.addrs.binary_search(&page).ok()?;
        self.bytes.get(at * PAGE_LEN..(at + 1) * PAGE_LEN)
    }
}

/// Memory before a call.
#[derive(Debug)]
pub(crate) struct MemoryBefore {
    pub(super) pages: Pages,
    /// No other task could write this memory when the call was made.
    pub(super) alone: bool,
    /// How often other processes had changed it.
    pub(super) foreign: u64,
}

pub(super) fn pages_of(
    table: &MappingTable,
    map: &PageMap,
    private_only: bool,
) -> Result<PageList, RecordError> {
    let mut pages = Vec::new();
    let mut unknown = Vec::new();
    for mapping in table.iter().filter(|m| m.prot.allows(Protection::WRITE)) {
        // A private mapping of a shared object shows what others write to that, too.
        let shared = mapping.backing.shared_object().is_some();
        match mapping.backing {
            _ if shared && private_only => {}
            Backing::Anonymous => map.private_pages(mapping.range, &mut pages)?,
            _ if mapping.range.len() <= WHOLE => pages.extend(mapping.range.pages()),
            _ => {
                // What a page held before it was first touched is not known here.
                unknown.push(mapping.range);
                map.populated_pages(mapping.range, &mut pages)?;
            }
        }
    }
    Ok(PageList { pages, unknown })
}

pub(super) struct PageList {
    pub(super) pages: Vec<PageAddr>,
    pub(super) unknown: Vec<AddrRange>,
}

impl MemoryBefore {
    pub(crate) fn take(
        (table, foreign): (&MappingTable, u64),
        memory: &ProcessMemory,
        alone: bool,
    ) -> Result<Self, RecordError> {
        let map = PageMap::open(memory.tid())?;
        let list = pages_of(table, &map, false)?;
        Ok(Self { pages: Pages::copy(memory, &list.pages), alone, foreign })
    }
}

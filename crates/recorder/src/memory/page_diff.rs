//! Outputs of calls that the table does not know: the pages that differ afterwards.

use std::collections::BTreeMap;

use retake_model::{Addr, Backing, PageAddr, Protection};
use retake_ptrace::{PageMap, ProcessMemory, PtraceError};
use retake_recording::EffectBuffer;
use retake_tracee::MappingTable;

/// Every writable private page before a call.
#[derive(Debug)]
pub(crate) struct PagesBefore {
    pages: BTreeMap<PageAddr, Box<[u8]>>,
}

const PAGE: usize = retake_model::PAGE_LEN;

fn writable_pages(
    table: &MappingTable,
    memory: &ProcessMemory,
) -> Result<Vec<PageAddr>, PtraceError> {
    let map = PageMap::open(memory.tid())?;
    let mut found = Vec::new();
    for mapping in table.iter() {
        if !mapping.prot.allows(Protection::WRITE) {
            continue;
        }
        if matches!(mapping.backing, Backing::Shared { .. }) {
            map.populated_pages(mapping.range, &mut found)?;
        } else {
            map.private_pages(mapping.range, &mut found)?;
        }
    }
    Ok(found)
}

impl PagesBefore {
    /// Copies them.
    pub(crate) fn take(table: &MappingTable, memory: &ProcessMemory) -> Result<Self, PtraceError> {
        let mut pages = BTreeMap::new();
        for page in writable_pages(table, memory)? {
            let mut bytes = vec![0; PAGE];
            memory.read_exact(page.addr(), &mut bytes)?;
            pages.insert(page, bytes.into_boxed_slice());
        }
        Ok(Self { pages })
    }

    /// Adds a write effect for every piece that differs now.
    pub(crate) fn changes(
        &self,
        table: &MappingTable,
        memory: &ProcessMemory,
        effects: &mut EffectBuffer,
    ) -> Result<(), PtraceError> {
        let zero = [0_u8; PAGE];
        let mut now = [0_u8; PAGE];
        for page in writable_pages(table, memory)? {
            memory.read_exact(page.addr(), &mut now)?;
            let before = self.pages.get(&page).map_or(&zero[..], |b| b);
            let known = self.pages.contains_key(&page);
            if !known
                && matches!(
                    table.find(page.addr()).map(|m| m.backing),
                    Some(Backing::File { .. } | Backing::Private { .. } | Backing::Copied)
                )
            {
                effects.write_with(page.addr(), PAGE, |out| {
                    out.copy_from_slice(&now);
                    PAGE
                });
                continue;
            }
            let Some(first) = (0..PAGE).find(|&i| now.get(i) != before.get(i)) else {
                continue;
            };
            let last = (0..PAGE).rfind(|&i| now.get(i) != before.get(i)).unwrap_or(first);
            let changed = now.get(first..=last).unwrap_or_default();
            let at = Addr::new(page.addr().get() + first as u64);
            effects.write_with(at, changed.len(), |out| {
                out.copy_from_slice(changed);
                changed.len()
            });
        }
        Ok(())
    }
}

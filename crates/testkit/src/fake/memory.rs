//! Memory of a script, as it is after so many writes.

use retake_execution::SiteTarget;
use retake_model::{Addr, Backing, Protection, SpaceId};

use super::execution::{FakeExecution, index_of};

impl FakeExecution {
    pub(super) fn code_at(&self, space: SpaceId, pc: Addr) -> Option<CodeAt> {
        let mappings = self.script.mappings.get(&space)?;
        let mapping = mappings.iter().find(|m| m.range.contains(pc))?;
        if !mapping.prot.allows(Protection::EXEC) {
            return None;
        }
        mapping.backing_at(pc).map(CodeAt)
    }

    /// Fills `out` with memory as it is after so many writes; says how many bytes are there.
    pub(super) fn fill(&self, space: SpaceId, writes: usize, addr: Addr, out: &mut [u8]) -> usize {
        let mappings = self.script.mappings.get(&space).map_or(&[][..], Vec::as_slice);
        let writes = &self.script.writes[..writes];
        for (n, byte) in out.iter_mut().enumerate() {
            let here = addr.checked_add(n as u64);
            let mapping = here.and_then(|here| mappings.iter().find(|m| m.range.contains(here)));
            let (Some(here), Some(mapping)) = (here, mapping) else { return n };
            let written = writes.iter().rev().filter(|write| write.space == space);
            let mut values = written.filter_map(|write| {
                let at = here.offset_from(write.addr)?;
                write.bytes.get(usize::try_from(at).ok()?).copied()
            });
            *byte = match (values.next(), mapping.backing_at(here)) {
                (Some(value), _) => value,
                (None, Some(Backing::File { file, offset })) => {
                    let bytes = self.script.files.get(index_of(u64::from(file.get())));
                    bytes.and_then(|f| f.bytes.get(index_of(offset.get()))).copied().unwrap_or(0)
                }
                (None, _) => 0,
            };
        }
        out.len()
    }
}

/// What lies behind an executable address.
pub(super) struct CodeAt(Backing);

impl CodeAt {
    pub(super) fn target(&self) -> Option<SiteTarget> {
        match self.0 {
            Backing::File { file, offset } => Some(SiteTarget::Code { file, offset }),
            Backing::Anonymous
            | Backing::Copied
            | Backing::Shared { .. }
            | Backing::Private { .. } => None,
        }
    }
}

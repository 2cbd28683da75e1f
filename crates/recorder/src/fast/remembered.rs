//! Call sites in files that many programs have: each new process would make its first calls traced, and a short one
//! makes no others.
//!
//! What one process of a recording has found is known to those that come later. A new image has the sites of its
//! loader led to the code from the start; in a library a site is led there at its third call.

use std::collections::BTreeMap;

use retake_model::{Addr, Backing, FileId, Mapping, Protection, Registers};
use retake_ptrace::Stopped;
use retake_tracee::MappingTable;
use retake_tracee::fast::{PLAIN_DEVICE_COUNT, stub};

use super::patch::{OFTEN, SYSCALL, map_stubs};
use super::sites::Way;
use super::state::{FastCalls, Site};
use crate::error::RecordError;
use crate::memory::page_patches::PagePatches;
use crate::tasks::Task;

/// Traced calls of a site before it is led to the code, where that is often done: what is called once is not
/// worth it.
const SOON: u32 = 2;

/// Where a call site is in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct InFile {
    file: FileId,
    /// Of the `syscall` instruction, from the start of the file.
    offset: u64,
}

impl InFile {
    pub(super) fn of(site: Addr, mapping: &Mapping) -> Option<Self> {
        let Backing::File { file, offset } = &mapping.backing else { return None };
        let skip = site.offset_from(mapping.range.start())?;
        Some(Self { file: *file, offset: offset.get().checked_add(skip)? })
    }
}

/// What is known of a site.
#[derive(Clone, Debug)]
struct Known {
    /// Traced calls of all processes.
    calls: u32,
    way: KnownWay,
}

/// How a site is led to the code.
#[derive(Clone, Debug)]
enum KnownWay {
    /// Nobody has looked for it.
    Unknown,
    /// There is none.
    Missing,
    /// From a site at this address, with these bytes where the jumps go.
    Found(Addr, Way, Vec<Vec<u8>>),
}

impl KnownWay {
    /// The same from a site at `to`.
    fn from(&self, to: Addr) -> Option<Way> {
        match self {
            Self::Found(from, way, _) => Some(way.moved(*from, to)),
            Self::Unknown | Self::Missing => None,
        }
    }
}

/// The sites of all files.
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    sites: BTreeMap<InFile, Known>,
    /// Devices with files that never wait.
    devices: Vec<u64>,
}

impl Remembered {
    /// A site has made a traced call: so many before it are enough for it in one process.
    pub(super) fn enough(&mut self, site: Option<InFile>) -> u32 {
        let Some(site) = site else { return OFTEN };
        let known = self.sites.entry(site).or_insert(Known { calls: 0, way: KnownWay::Unknown });
        known.calls = known.calls.saturating_add(1);
        match known.way {
            KnownWay::Unknown if known.calls > OFTEN => 0,
            KnownWay::Found(..) => SOON,
            KnownWay::Unknown | KnownWay::Missing => OFTEN,
        }
    }

    /// A way was looked for, from a site at this address, and found with these bytes.
    pub(super) fn looked(&mut self, place: InFile, site: Addr, way: Option<(&Way, Vec<Vec<u8>>)>) {
        // Two processes may have found the same room for different sites.
        let is_taken = |way: &Way| {
            let others =
                self.sites.iter().filter(|(other, _)| other.file == place.file && **other != place);
            let mut ways = others.filter_map(|(other, known)| {
                let skip = other.offset.wrapping_sub(place.offset);
                known.way.from(Addr::new(site.get().wrapping_add(skip)))
            });
            ways.any(|other| other.overlaps(way))
        };
        let known = match way.filter(|(way, _)| !is_taken(way)) {
            Some((way, bytes)) => KnownWay::Found(site, way.clone(), bytes),
            None => KnownWay::Missing,
        };
        if let Some(place) = self.sites.get_mut(&place) {
            place.way = known;
        }
    }

    /// The code was told of a device.
    pub(super) fn note_device(&mut self, device: u64) {
        if self.devices.len() < PLAIN_DEVICE_COUNT && !self.devices.contains(&device) {
            self.devices.push(device);
        }
    }

    /// The sites in a mapping, with their ways and what stands there.
    fn within(&self, mapping: &Mapping) -> Vec<(Addr, Way, &[Vec<u8>])> {
        let Backing::File { file, offset } = &mapping.backing else { return Vec::new() };
        let is_text =
            mapping.prot.allows(Protection::EXEC) && !mapping.prot.allows(Protection::WRITE);
        if !is_text {
            return Vec::new();
        }
        let first = InFile { file: *file, offset: offset.get() };
        let behind =
            InFile { file: *file, offset: offset.get().saturating_add(mapping.range.len()) };
        let sites = self.sites.range(first..behind).filter_map(|(place, known)| {
            let site = mapping.range.start().checked_add(place.offset - offset.get())?;
            let KnownWay::Found(from, way, bytes) = &known.way else { return None };
            let way = way.moved(*from, site);
            way.is_within(mapping.range).then_some((site, way, bytes.as_slice()))
        });
        sites.collect()
    }

    /// Leads the sites of a fresh image to the code: they are a part of that image then. Adds the page of
    /// stubs to its mappings. The task's registers are whoever's afterwards.
    pub(crate) fn lead_all(
        &self,
        task: &mut Task,
        stopped: &mut Stopped,
        registers: &Registers,
        fast: &mut FastCalls,
        (mappings, patches): (&mut Vec<Mapping>, &mut PagePatches),
    ) -> Result<(), RecordError> {
        if !fast.present {
            return Ok(());
        }
        let all: Vec<_> = mappings.iter().flat_map(|mapping| self.within(mapping)).collect();
        let Some((first, ..)) = all.first() else { return Ok(()) };
        let table = MappingTable::new(mappings.iter().cloned());
        let mapped = map_stubs(task, stopped, registers, &table, *first)?;
        let Some((mut stubs, mapping)) = mapped else { return Ok(()) };
        for (site, way, bytes) in all {
            // Something else may have changed the code.
            if way.bytes(patches).as_deref() != Some(bytes) {
                continue;
            }
            let behind = site.checked_add(SYSCALL.len() as u64);
            let (Some(slot), Some(behind)) = (stubs.take(site), behind) else { continue };
            let (Some(stub), Some(ways)) = (stub(slot, behind), way.patches(slot)) else {
                continue;
            };
            // The site comes last: what is no memory leaves it as it was.
            let mut all = [(slot, stub.to_vec())].into_iter().chain(ways);
            if all.all(|(at, bytes)| patches.put(at, &bytes)) {
                fast.sites.insert(site, Site::Settled);
                fast.in_use = true;
            }
        }
        fast.stubs.push(stubs);
        let start = mapping.range.start();
        let behind = mappings.partition_point(|other| other.range.start() < start);
        mappings.insert(behind, mapping);
        for device in &self.devices {
            if let Some(place) = fast.fds.place_for_device(*device) {
                task.memory.write(place, &device.to_le_bytes())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use retake_model::{AddrRange, FileOffset};

    use super::*;
    use crate::fast::sites::Around;

    const START: u64 = 0x40_0000;

    fn text(start: u64, offset: u64) -> Mapping {
        Mapping {
            range: AddrRange::with_len(Addr::new(start), 0x2000).unwrap(),
            prot: Protection::READ.union(Protection::EXEC),
            backing: Backing::File { file: FileId::new(3), offset: FileOffset::new(offset) },
            grows_down: false,
        }
    }

    /// To room behind a return six bytes on.
    fn way(site: Addr) -> Way {
        let mut behind = vec![0x50; 6];
        behind.extend([0xc3, 0x0f, 0x1f, 0x44, 0, 0, 0x90]);
        behind.extend([0x50; 40]);
        Way::find(&Around { site, before: &[], behind: &behind }).unwrap()
    }

    #[test]
    fn what_one_process_has_found_is_known_to_the_next() {
        let mut remembered = Remembered::default();
        let (mapping, site) = (text(START, 0x1000), Addr::new(START + 0x123));
        let place = InFile::of(site, &mapping);
        let enough = (0..=OFTEN).map(|_| remembered.enough(place)).collect::<Vec<_>>();
        assert_eq!(enough.iter().filter(|enough| **enough == OFTEN).count(), OFTEN as usize);
        assert_eq!(enough.last(), Some(&0));
        assert!(remembered.within(&mapping).is_empty(), "no way is known yet");
        remembered.looked(place.unwrap(), site, Some((&way(site), vec![vec![0x0f, 5]])));
        assert_eq!(remembered.enough(place), SOON);
        let elsewhere = text(0x7f00_0000_0000, 0x1000);
        let found = remembered.within(&elsewhere);
        let there = Addr::new(0x7f00_0000_0123);
        let stub = Addr::new(0x7f00_0000_8000);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0, there);
        assert_eq!(found[0].1.patches(stub), way(there).patches(stub));
        assert_eq!(found[0].2, [[0x0f, 5]]);
        // Another part of the file, and memory of no file.
        assert!(remembered.within(&text(START, 0x8000)).is_empty());
        let copied = Mapping { backing: Backing::Copied, ..mapping };
        assert!(remembered.within(&copied).is_empty());
        assert_eq!(remembered.enough(InFile::of(site, &copied)), OFTEN);
    }

    #[test]
    fn room_is_given_once() {
        let mut remembered = Remembered::default();
        let mapping = text(START, 0);
        // The second site finds the same padding, five bytes nearer.
        let (one, other) = (Addr::new(START + 0x100), Addr::new(START + 0x105));
        for (site, way) in [(one, way(one)), (other, way(one))] {
            let place = InFile::of(site, &mapping).unwrap();
            remembered.enough(Some(place));
            remembered.looked(place, site, Some((&way, Vec::new())));
        }
        let found: Vec<Addr> = remembered.within(&mapping).iter().map(|(at, ..)| *at).collect();
        assert_eq!(found, [one]);
        // Where there is none, the usual number of calls is waited for.
        let place = InFile::of(other, &mapping);
        assert!((0..2 * OFTEN).all(|_| remembered.enough(place) == OFTEN));
    }
}

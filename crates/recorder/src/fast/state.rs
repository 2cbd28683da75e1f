//! What is known of the calls without a stop in an address space.

use std::collections::BTreeMap;

use retake_model::{Addr, AddrRange, PAGE_SIZE};
use retake_tracee::fast::{FIRST_ENTRY, STUB_LEN};

use super::known::KnownFds;

/// A call site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Site {
    /// It has made so many traced calls that could be fast.
    Seen(u32),
    /// It is led to the code, or cannot be.
    Settled,
}

/// A page of stubs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stubs {
    pub(super) page: Addr,
    pub(super) used: u64,
}

/// How far a stub may be from its site: jumps reach 2 GiB.
pub(super) const FARTHEST: u64 = 1 << 30;

impl Stubs {
    pub(super) fn at(page: Addr) -> Self {
        Self { page, used: 0 }
    }

    /// Room for the stub of a site, if there is some and it is near.
    pub(super) fn take(&mut self, site: Addr) -> Option<Addr> {
        let is_near = self.page.get().abs_diff(site.get()) < FARTHEST;
        let has_room = (self.used + 1) * STUB_LEN <= PAGE_SIZE;
        let slot = self.page.checked_add(self.used * STUB_LEN).filter(|_| is_near && has_room)?;
        self.used += 1;
        Some(slot)
    }
}

/// How far the buffer was filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    /// Where the next entry goes.
    pub(super) cursor: Addr,
    /// How often it started from the beginning.
    pub(super) turns: u64,
}

impl Progress {
    pub(super) const START: Self = Self { cursor: FIRST_ENTRY, turns: 0 };
}

/// The code and its buffer in one address space.
#[derive(Clone, Debug)]
pub(crate) struct FastCalls {
    /// The code is there.
    pub(super) present: bool,
    /// A call site is led to it.
    pub(super) in_use: bool,
    /// Up to here the entries of the buffer are events.
    pub(super) taken: Progress,
    /// Up to here they were seen.
    pub(super) seen: Progress,
    pub(super) sites: BTreeMap<Addr, Site>,
    pub(super) stubs: Vec<Stubs>,
    /// What the code knows of descriptors.
    pub(super) fds: KnownFds,
}

impl FastCalls {
    /// Without the code.
    pub(crate) fn absent() -> Self {
        Self {
            present: false,
            in_use: false,
            taken: Progress::START,
            seen: Progress::START,
            sites: BTreeMap::new(),
            stubs: Vec::new(),
            fds: KnownFds::default(),
        }
    }

    /// No call site is led to the code from here on. Whether there was any code.
    pub(crate) fn give_up(&mut self) -> bool {
        std::mem::take(&mut self.present)
    }

    /// Whether an instruction is one of a stub.
    pub(super) fn is_in_stub(&self, pc: Addr) -> bool {
        self.stubs.iter().any(|stubs| stubs.page.page() == pc.page())
    }

    /// What was mapped here is gone.
    pub(crate) fn forget(&mut self, range: AddrRange) {
        self.stubs.retain(|stubs| !range.contains(stubs.page));
        let gone: Vec<Addr> =
            self.sites.range(range.start()..range.end()).map(|(at, _)| *at).collect();
        for site in gone {
            self.sites.remove(&site);
        }
    }
}

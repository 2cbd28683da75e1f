//! Breakpoints: what was asked for, and the places it stands for.

use std::collections::BTreeMap;
use std::fmt;

use retake_execution::{Site, SiteId, SiteTarget};
use retake_model::{Addr, FileId, FileOffset};
use serde::{Deserialize, Serialize};

use crate::DebugError;
use crate::location::Location;

/// The number of a breakpoint, from 1; never used twice in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BreakpointId(u32);

impl BreakpointId {
    /// Wraps a number.
    pub const fn new(raw: u32) -> Self {
        Self(raw)
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for BreakpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A breakpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breakpoint {
    /// Its number.
    pub id: BreakpointId,
    /// As it was asked for.
    #[serde(with = "crate::location::as_written")]
    pub location: Location,
    /// Where it stops.
    pub places: Vec<Place>,
}

/// One place of a breakpoint, as it is kept in a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// A byte of a file.
    Code {
        /// The file.
        file: FileId,
        /// The byte.
        offset: FileOffset,
    },
    /// An address.
    Absolute(Addr),
}

impl Place {
    pub(crate) const fn target(self) -> SiteTarget {
        match self {
            Self::Code { file, offset } => SiteTarget::Code { file, offset },
            Self::Absolute(addr) => SiteTarget::Absolute(addr),
        }
    }
}

/// All breakpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Breakpoints {
    /// The highest number given so far.
    last: u32,
    all: Vec<Breakpoint>,
}

impl Breakpoints {
    pub(crate) fn add(&mut self, location: &Location, places: Vec<Place>) -> &Breakpoint {
        self.last += 1;
        let at = self.all.len();
        let id = BreakpointId(self.last);
        self.all.push(Breakpoint { id, location: location.clone(), places });
        &self.all[at]
    }

    pub(crate) fn all(&self) -> &[Breakpoint] {
        &self.all
    }

    pub(crate) fn get(&self, id: BreakpointId) -> Result<&Breakpoint, DebugError> {
        let found = self.all.iter().find(|breakpoint| breakpoint.id == id);
        found.ok_or_else(|| DebugError::NotFound(format!("there is no breakpoint {id}")))
    }

    /// Removes these, or none of them if one does not exist.
    pub(crate) fn remove(&mut self, ids: &[BreakpointId]) -> Result<Vec<Breakpoint>, DebugError> {
        let found = ids.iter().map(|&id| self.get(id).cloned()).collect::<Result<_, _>>()?;
        self.all.retain(|breakpoint| !ids.contains(&breakpoint.id));
        Ok(found)
    }

    pub(crate) fn remove_all(&mut self) -> Vec<Breakpoint> {
        std::mem::take(&mut self.all)
    }
}

/// Breakpoints as the execution wants them: each place once.
#[derive(Clone, Debug, Default)]
pub(crate) struct SiteTable {
    sites: Vec<Site>,
    owners: BTreeMap<SiteTarget, Vec<BreakpointId>>,
}

impl SiteTable {
    pub(crate) fn new<'a>(breakpoints: impl IntoIterator<Item = &'a Breakpoint>) -> Self {
        let mut table = Self::default();
        for breakpoint in breakpoints {
            for place in &breakpoint.places {
                let owners = table.owners.entry(place.target()).or_default();
                if owners.is_empty() {
                    let id = u32::try_from(table.sites.len()).unwrap_or(u32::MAX);
                    table.sites.push(Site::new(SiteId::new(id), place.target()));
                }
                if !owners.contains(&breakpoint.id) {
                    owners.push(breakpoint.id);
                }
            }
        }
        table
    }

    pub(crate) fn sites(&self) -> &[Site] {
        &self.sites
    }

    pub(crate) fn target(&self, id: SiteId) -> Option<SiteTarget> {
        self.sites.iter().find(|site| site.id == id).map(|site| site.target)
    }

    /// The breakpoints that stop at an address, which executes `code`. An address and a byte of a
    /// file can be the same place, and the execution names only one of them.
    pub(crate) fn breakpoints(
        &self,
        pc: Addr,
        code: Option<(FileId, FileOffset)>,
    ) -> Vec<BreakpointId> {
        let code = code.map(|(file, offset)| SiteTarget::Code { file, offset });
        let targets = [Some(SiteTarget::Absolute(pc)), code];
        let owners = targets.into_iter().flatten().filter_map(|target| self.owners.get(&target));
        let mut all: Vec<BreakpointId> = owners.flatten().copied().collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

//! Breakpoints: what was asked for, and the places it stands for.

use std::collections::BTreeMap;
use std::fmt;

use retake_execution::{Site, SiteId, SiteTarget, State};
use retake_model::{Addr, FileId, FileOffset, Judged, Predicate, Registers, TaskId};
use serde::{Deserialize, Serialize};

use crate::DebugError;
use crate::expr::{Expression, predicate};
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
    /// It stops only where this holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Expression>,
}

impl Breakpoint {
    /// The condition as the recorded program judges it.
    fn predicate(&self) -> Option<Predicate> {
        self.condition.as_ref().and_then(|condition| predicate(condition.expr()))
    }
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
        let location = location.clone();
        self.all.push(Breakpoint { id, location, places, condition: None });
        &self.all[at]
    }

    /// Gives a breakpoint a condition, or takes it away.
    pub(crate) fn set_condition(
        &mut self,
        id: BreakpointId,
        condition: Option<Expression>,
    ) -> Result<Breakpoint, DebugError> {
        self.get(id)?;
        let found = self.all.iter_mut().find(|breakpoint| breakpoint.id == id);
        let found =
            found.ok_or_else(|| DebugError::NotFound(format!("there is no breakpoint {id}")))?;
        found.condition = condition;
        Ok(found.clone())
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
    conditions: BTreeMap<BreakpointId, Predicate>,
}

impl SiteTable {
    pub(crate) fn new<'a>(breakpoints: impl IntoIterator<Item = &'a Breakpoint>) -> Self {
        let mut table = Self::default();
        let mut predicates: BTreeMap<SiteTarget, Vec<Option<Predicate>>> = BTreeMap::new();
        for breakpoint in breakpoints {
            let predicate = breakpoint.predicate();
            for place in &breakpoint.places {
                let owners = table.owners.entry(place.target()).or_default();
                if owners.is_empty() {
                    let id = u32::try_from(table.sites.len()).unwrap_or(u32::MAX);
                    table.sites.push(Site::new(SiteId::new(id), place.target()));
                }
                if !owners.contains(&breakpoint.id) {
                    owners.push(breakpoint.id);
                    predicates.entry(place.target()).or_default().push(predicate.clone());
                }
            }
            table.conditions.extend(predicate.map(|predicate| (breakpoint.id, predicate)));
        }
        for site in &mut table.sites {
            // Where one breakpoint has no condition, every arrival is a hit.
            let all = predicates.remove(&site.target).unwrap_or_default();
            site.when = all.into_iter().collect::<Option<Vec<_>>>().map(Predicate::Any);
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

    /// Those of some breakpoints whose conditions hold for a task at the current moment.
    pub(crate) fn holding(
        &self,
        of: Vec<BreakpointId>,
        state: &dyn State,
        task: TaskId,
    ) -> Vec<BreakpointId> {
        let Ok(registers) = state.registers(task) else { return of };
        let now = Now { state, task, registers };
        let holds = |id: &BreakpointId| {
            let condition = self.conditions.get(id);
            condition.is_none_or(|condition| condition.evaluate(&now).unwrap_or(true))
        };
        of.into_iter().filter(holds).collect()
    }
}

/// A task at the current moment, as predicates see it.
struct Now<'a> {
    state: &'a dyn State,
    task: TaskId,
    registers: Registers,
}

impl Judged for Now<'_> {
    fn task(&self) -> TaskId {
        self.task
    }

    fn registers(&self) -> &Registers {
        &self.registers
    }

    fn read(&self, addr: Addr, out: &mut [u8]) -> bool {
        self.state.read_memory(self.task, addr, out).is_ok()
    }
}

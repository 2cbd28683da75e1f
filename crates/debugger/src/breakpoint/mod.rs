//! Breakpoints: what was asked for, and the places it stands for.

mod catches;
mod hit_condition;
mod sites;

use std::fmt;

use retake_execution::SiteTarget;
use retake_model::{Addr, FileId, FileOffset, Predicate, TaskId};
use serde::{Deserialize, Serialize};

use crate::DebugError;
use crate::expr::{Expression, NoPlaces, predicate};
use crate::location::Location;

pub(crate) use catches::Catch;
pub use catches::CatchKind;
pub use hit_condition::{Counted, HitCondition, HitNumbers};
pub(crate) use sites::{Owner, SiteTable};

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
    /// Its name, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// As it was asked for.
    #[serde(with = "crate::location::as_written")]
    pub location: Location,
    /// Where it stops.
    pub places: Vec<Place>,
    /// It stops only where this holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Expression>,
    /// The condition as the recorded program judges it at each place, in their order: a variable is somewhere else
    /// at each of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) judged: Vec<Predicate>,
    /// It stops only this thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<TaskId>,
    /// It stops only at these of its hits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hits: Option<HitCondition>,
    /// How long it stays.
    #[serde(default, skip_serializing_if = "Lifetime::is_until_cleared")]
    pub lifetime: Lifetime,
    /// What front ends run at its stops.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
}

/// How long a breakpoint stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lifetime {
    /// Until somebody removes it.
    #[default]
    UntilCleared,
    /// Until a run stops at it.
    UntilHit,
}

impl Lifetime {
    pub(crate) fn is_until_cleared(&self) -> bool {
        *self == Self::UntilCleared
    }
}

impl Breakpoint {
    /// Whether the recorded program cannot judge the condition: each arrival is looked at.
    pub(crate) fn is_judged_here(&self) -> bool {
        let needs_values = |condition: &Expression| condition.expr().needs_values();
        self.judged.is_empty() && self.condition.as_ref().is_some_and(needs_values)
    }

    /// Condition and thread, as the recorded program judges them at one of the places.
    fn predicate(&self, place: usize) -> Option<Predicate> {
        let condition = self.judged.get(place).cloned().or_else(|| {
            // A session of an older version has the text only, and no variables in it.
            predicate(self.condition.as_ref()?.expr(), &NoPlaces)
        });
        match (self.thread.map(Predicate::Task), condition) {
            (Some(thread), Some(condition)) => Some(Predicate::All(vec![thread, condition])),
            (thread, condition) => thread.or(condition),
        }
    }
}

/// What a breakpoint is made of, before it has a number.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) name: Option<String>,
    pub(crate) location: Location,
    pub(crate) places: Vec<Place>,
    pub(crate) condition: Option<Expression>,
    /// The condition at each place.
    pub(crate) judged: Vec<Predicate>,
    pub(crate) thread: Option<TaskId>,
    pub(crate) lifetime: Lifetime,
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
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    catches: Vec<Catch>,
}

/// Those that were removed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Removed {
    pub(crate) breakpoints: Vec<Breakpoint>,
    pub(crate) catches: Vec<Catch>,
}

impl Breakpoints {
    pub(crate) fn add(&mut self, draft: Draft) -> &Breakpoint {
        self.last += 1;
        let at = self.all.len();
        let Draft { name, location, places, condition, judged, thread, lifetime } = draft;
        self.all.push(Breakpoint {
            id: BreakpointId(self.last),
            name,
            location,
            places,
            condition,
            judged,
            thread,
            hits: None,
            lifetime,
            commands: Vec::new(),
        });
        &self.all[at]
    }

    pub(crate) fn add_catch(&mut self, what: CatchKind, places: Vec<Place>) -> &Catch {
        self.last += 1;
        let at = self.catches.len();
        self.catches.push(Catch { id: BreakpointId(self.last), what, places });
        &self.catches[at]
    }

    pub(crate) fn catches(&self) -> &[Catch] {
        &self.catches
    }

    /// Changes a breakpoint.
    pub(crate) fn change(
        &mut self,
        id: BreakpointId,
        change: impl FnOnce(&mut Breakpoint),
    ) -> Result<Breakpoint, DebugError> {
        let found = self.all.iter_mut().find(|breakpoint| breakpoint.id == id);
        let found = found.ok_or_else(|| missing(id))?;
        change(found);
        Ok(found.clone())
    }

    pub(crate) fn all(&self) -> &[Breakpoint] {
        &self.all
    }

    pub(crate) fn get(&self, id: BreakpointId) -> Result<&Breakpoint, DebugError> {
        let found = self.all.iter().find(|breakpoint| breakpoint.id == id);
        found.ok_or_else(|| missing(id))
    }

    /// Removes these, or none of them if one does not exist.
    pub(crate) fn remove(&mut self, ids: &[BreakpointId]) -> Result<Removed, DebugError> {
        let mut removed = Removed::default();
        for &id in ids {
            match self.catches.iter().find(|catch| catch.id == id) {
                Some(catch) => removed.catches.push(catch.clone()),
                None => removed.breakpoints.push(self.get(id)?.clone()),
            }
        }
        self.all.retain(|breakpoint| !ids.contains(&breakpoint.id));
        self.catches.retain(|catch| !ids.contains(&catch.id));
        Ok(removed)
    }

    /// Removes those of these that stay only until they are hit.
    pub(crate) fn remove_hit(&mut self, ids: &[BreakpointId]) {
        self.all.retain(|breakpoint| {
            breakpoint.lifetime.is_until_cleared() || !ids.contains(&breakpoint.id)
        });
    }

    pub(crate) fn remove_all(&mut self) -> Removed {
        let (all, catches) = (&mut self.all, &mut self.catches);
        Removed { breakpoints: std::mem::take(all), catches: std::mem::take(catches) }
    }
}

fn missing(id: BreakpointId) -> DebugError {
    DebugError::NotFound(format!("there is no breakpoint {id}"))
}

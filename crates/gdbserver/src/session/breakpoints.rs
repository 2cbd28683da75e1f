//! Breakpoints and watchpoints that are set.

use std::collections::BTreeMap;

use retake_execution::{Access, Site, SiteId, SiteTarget, Watch, WatchId};
use retake_model::{Addr, AddrRange, Predicate, TaskId};

use super::{REFUSED, Session, ok};
use crate::packet::{Point, PointKind};

/// More of them than this are refused.
const MOST: usize = 10_000;
/// Processes with more tasks than this are told apart at each stop.
const FEW_TASKS: usize = 32;

/// What a point is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PointKey {
    pub(super) kind: PointKind,
    pub(super) addr: Addr,
    pub(super) len: u64,
}

/// All that are set, with a number each.
#[derive(Debug, Default)]
pub(super) struct Points {
    all: BTreeMap<PointKey, u32>,
    next: u32,
}

impl Points {
    pub(super) fn by_id(&self, id: u32) -> Option<&PointKey> {
        self.all.iter().find(|(_, known)| **known == id).map(|(key, _)| key)
    }

    pub(super) fn clear(&mut self) {
        self.all.clear();
    }

    fn of<'a>(&'a self, wanted: impl Fn(PointKind) -> bool + 'a) -> impl Iterator<Item = (&'a PointKey, u32)> {
        self.all.iter().filter(move |(key, _)| wanted(key.kind)).map(|(key, id)| (key, *id))
    }

    /// Watchpoints, as `task` sees memory.
    pub(super) fn watches(&self, task: TaskId) -> Vec<Watch> {
        let watch = |(key, id): (&PointKey, u32)| {
            let range = AddrRange::with_len(key.addr, key.len)?;
            let access = access(key.kind)?;
            Some(Watch { id: WatchId::new(id), range, task, access })
        };
        self.of(|kind| access(kind).is_some()).filter_map(watch).collect()
    }

    /// Breakpoints, each counting where `when` holds.
    pub(super) fn sites(&self, when: Option<&Predicate>) -> Vec<Site> {
        let site = |(key, id): (&PointKey, u32)| Site {
            when: when.cloned(),
            ..Site::new(SiteId::new(id), SiteTarget::Absolute(key.addr))
        };
        self.of(|kind| access(kind).is_none()).map(site).collect()
    }
}

const fn access(kind: PointKind) -> Option<Access> {
    match kind {
        PointKind::Software | PointKind::Hardware => None,
        PointKind::Write => Some(Access::Write),
        PointKind::Read => Some(Access::Read),
        PointKind::Access => Some(Access::Any),
    }
}

/// What is stopped at, and who has to be asked besides.
pub(super) struct Wanted {
    pub(super) sites: Vec<Site>,
    pub(super) watches: Vec<Watch>,
    /// Arrivals are to be judged, because other processes come there too.
    pub(super) judged: bool,
}

impl Session<'_> {
    pub(super) fn insert(&mut self, point: &Point) -> Vec<u8> {
        let key = PointKey { kind: point.kind, addr: point.addr, len: point.len };
        let watchable = access(key.kind).is_none()
            || key.len > 0 && AddrRange::with_len(key.addr, key.len).is_some();
        if !watchable || self.points.all.len() >= MOST || !point.conditions.is_empty() {
            return REFUSED.to_vec();
        }
        self.points.all.entry(key).or_insert(self.points.next);
        self.points.next = self.points.next.wrapping_add(1) % (u32::MAX - 1);
        ok()
    }

    pub(super) fn remove(&mut self, point: &Point) -> Vec<u8> {
        let key = PointKey { kind: point.kind, addr: point.addr, len: point.len };
        self.points.all.remove(&key);
        ok()
    }

    /// What a run is to stop at.
    pub(super) fn wanted(&mut self) -> Wanted {
        let watches = self.points.watches(self.any_task());
        let foreign = self.foreign_tasks();
        let judged = foreign.len() > FEW_TASKS;
        let is_foreign = || Predicate::Any(foreign.iter().copied().map(Predicate::Task).collect());
        let when = (!foreign.is_empty() && !judged).then(|| Predicate::Not(Box::new(is_foreign())));
        Wanted { sites: self.points.sites(when.as_ref()), watches, judged }
    }

    /// A task that sees the memory of the process.
    fn any_task(&self) -> TaskId {
        self.threads().first().map_or(self.stopped.task, |info| info.task)
    }
}

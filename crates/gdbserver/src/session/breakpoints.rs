//! Breakpoints and watchpoints that are set.

use std::collections::BTreeMap;

use retake_execution::{
    Access, DEBUG_REGISTERS, Hit, SignalSet, Site, SiteId, SiteTarget, State, Verdict, Watch,
    WatchId, register_pieces,
};
use retake_model::{Addr, AddrRange, Predicate, TaskId, Tid};

use super::{REFUSED, Session, ok};
use crate::agent::Condition;
use crate::packet::{Point, PointKind};
use crate::registers::Layout;
use crate::signals;

/// More of them than this are refused.
const MOST: usize = 10_000;
/// A watchpoint has so many bytes at most.
const LONGEST: u64 = 1 << 20;
/// Processes with more tasks than this are told apart at each stop.
const FEW_TASKS: usize = 32;

/// What a point is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PointKey {
    pub(super) kind: PointKind,
    pub(super) addr: Addr,
    pub(super) len: u64,
}

impl PointKey {
    fn range(&self) -> Option<AddrRange> {
        AddrRange::with_len(self.addr, self.len).filter(|_| self.len > 0)
    }

    /// How many debug registers it takes, as far as there are any.
    fn registers(&self) -> usize {
        let watched = access(self.kind).zip(self.range());
        watched.map_or(0, |(access, range)| {
            register_pieces(range, access).take(DEBUG_REGISTERS + 1).count()
        })
    }
}

/// One that is set.
#[derive(Clone, Debug)]
struct Set {
    id: u32,
    condition: Option<Condition>,
}

/// All that are set, with a number each.
#[derive(Clone, Debug, Default)]
pub(super) struct Points {
    all: BTreeMap<PointKey, Set>,
    next: u32,
}

impl Points {
    pub(super) fn by_id(&self, id: u32) -> Option<&PointKey> {
        self.all.iter().find(|(_, set)| set.id == id).map(|(key, _)| key)
    }

    /// Whether the condition of the one with this number holds.
    fn holds(&self, id: u32, task: TaskId, state: &dyn State, layout: &Layout) -> bool {
        let set = self.all.values().find(|set| set.id == id);
        let condition = set.and_then(|set| set.condition.as_ref());
        condition.is_none_or(|condition| condition.holds(task, state, layout))
    }

    /// Whether there are conditions that no predicate says.
    fn are_judged(&self) -> bool {
        let judged = |condition: &Condition| condition.predicate().is_none();
        self.all.values().any(|set| set.condition.as_ref().is_some_and(judged))
    }

    pub(super) fn clear(&mut self) {
        self.all.clear();
    }

    fn of(&self, watched: Watched) -> impl Iterator<Item = (&PointKey, &Set)> {
        self.all
            .iter()
            .filter(move |(key, _)| access(key.kind).is_some() == (watched == Watched::Yes))
    }

    /// Watchpoints, as `task` sees memory.
    pub(super) fn watches(&self, task: TaskId) -> Vec<Watch> {
        let watch = |(key, set): (&PointKey, &Set)| {
            let range = key.range()?;
            Some(Watch { id: WatchId::new(set.id), range, task, access: access(key.kind)? })
        };
        self.of(Watched::Yes).filter_map(watch).collect()
    }

    /// Where breakpoints are.
    pub(super) fn places(&self) -> Vec<Addr> {
        self.of(Watched::No).map(|(key, _)| key.addr).collect()
    }

    /// Breakpoints, each counting where `when` holds too.
    fn sites(&self, when: Option<&Predicate>) -> Vec<Site> {
        let site = |(key, set): (&PointKey, &Set)| {
            let own = set.condition.as_ref().and_then(Condition::predicate);
            let both = when.into_iter().chain(own);
            let when = both.cloned().reduce(|one, other| Predicate::All(vec![one, other]));
            Site { when, ..Site::new(SiteId::new(set.id), SiteTarget::Absolute(key.addr)) }
        };
        self.of(Watched::No).map(site).collect()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watched {
    Yes,
    No,
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
    pub(super) signals: SignalSet,
    /// Who judges arrivals, where predicates do not say which count.
    pub(super) judge: Option<ArrivalJudge>,
}

/// Judges arrivals: those of other processes do not count, nor those at which a condition does not hold.
pub(super) struct ArrivalJudge {
    pid: Tid,
    points: Points,
    layout: Layout,
}

impl ArrivalJudge {
    pub(super) fn judge(&self, hit: &Hit, state: &dyn State) -> Verdict {
        let tasks = state.tasks();
        let ours = tasks.iter().any(|info| info.task == hit.task && info.pid == self.pid);
        match ours && self.points.holds(hit.site.get(), hit.task, state, &self.layout) {
            true => Verdict::Counts,
            false => Verdict::Passes,
        }
    }
}

impl Session<'_> {
    pub(super) fn insert(&mut self, point: &Point) -> Vec<u8> {
        let key = PointKey { kind: point.kind, addr: point.addr, len: point.len };
        let watched = self.points.of(Watched::Yes).map(|(key, _)| key);
        let others = watched.filter(|other| **other != key).chain([&key]);
        let all: Vec<&PointKey> = others.collect();
        let registers: usize = all.iter().map(|point| point.registers()).sum();
        // Where they are too few, pages are protected, which shows writes alone.
        let reads = all.iter().any(|point| access(point.kind).is_some_and(|a| a != Access::Write));
        let too_many = registers > DEBUG_REGISTERS && reads || key.len > LONGEST;
        let no_range = access(key.kind).is_some() && key.range().is_none();
        if no_range || too_many || self.points.all.len() >= MOST {
            return REFUSED.to_vec();
        }
        let condition = Condition::new(&point.conditions, &self.layout);
        // What is set again has another condition.
        self.points.all.insert(key, Set { id: self.points.next, condition });
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
        let many = foreign.len() > FEW_TASKS;
        let is_foreign = || Predicate::Any(foreign.iter().copied().map(Predicate::Task).collect());
        let when = (!foreign.is_empty() && !many).then(|| Predicate::Not(Box::new(is_foreign())));
        let judge = (many || self.points.are_judged()).then(|| ArrivalJudge {
            pid: self.life.pid,
            points: self.points.clone(),
            layout: self.layout.clone(),
        });
        let signals = self.signals();
        Wanted { sites: self.points.sites(when.as_ref()), watches, signals, judge }
    }

    /// Signals to stop at: without a word of the client none.
    fn signals(&self) -> SignalSet {
        let Some(passed) = &self.passed else { return SignalSet::NONE };
        SignalSet::of(|signal| !passed.contains(&signals::number(signal)))
    }

    /// A task that sees the memory of the process.
    fn any_task(&self) -> TaskId {
        self.threads().first().map_or(self.stopped.task, |info| info.task)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watchpoints_take_registers() {
        let registers = |kind, addr, len| PointKey { kind, addr: Addr::new(addr), len }.registers();
        let write = |addr, len| registers(PointKind::Write, addr, len);
        assert_eq!([write(8, 8), write(9, 8), write(8, 16), write(12, 8)], [1, 4, 2, 2]);
        assert_eq!(registers(PointKind::Access, 9, 8), 4);
        assert_eq!(registers(PointKind::Software, 9, 1), 0);
        assert!(write(0, u64::MAX) > DEBUG_REGISTERS);
        let no_range = |addr, len| {
            PointKey { kind: PointKind::Write, addr: Addr::new(addr), len }.range().is_none()
        };
        assert!(no_range(u64::MAX, 8) && no_range(8, 0));
    }
}

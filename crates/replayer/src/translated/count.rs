//! The branches that a task has executed since the last event.

use retake_model::{Addr, EventIndex, Exact, Place, TaskId};

use crate::failure::Failure;
use crate::machine::Machine;

/// Why branches are counted although no site is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum CountFor {
    /// They are not.
    #[default]
    Nothing,
    /// The place right before the next event is asked for.
    NextEvent,
    /// The task is to stop at each of these places, at no two of which it has the same program counter.
    Places(Vec<Exact>),
}

/// What is known of the clock.
#[derive(Clone, Debug, Default)]
pub(crate) struct Count {
    pub(crate) wanted: CountFor,
    /// The event since which the cache's clock counts the running task.
    since: Option<EventIndex>,
    /// Of a copy of a machine in the middle of code: branches that the task had executed since the last event when
    /// it was made. The clock counts from there.
    begin: Option<u64>,
    /// The task has executed something since the last event that was not counted.
    uncounted: bool,
    /// Branches between the last two events, if they were counted.
    at_last_event: Option<u64>,
}

impl Count {
    /// Of a copy whose running task has executed so many branches since the last event, if they were counted.
    pub(crate) fn of_copy(branches: Option<u64>) -> Self {
        Self { begin: branches, uncounted: branches.is_none(), ..Self::default() }
    }

    /// The task has run outside the cache.
    pub(crate) fn ran_natively(&mut self) {
        self.uncounted = true;
        self.since = None;
    }

    /// Whether the running task has executed nothing since the last event.
    pub(super) fn is_at_event(&self) -> bool {
        !self.uncounted && self.since.is_none() && self.begin.is_none()
    }

    /// The cache's clock was set to zero when `event` events had taken effect.
    pub(super) fn starts_at_zero(&mut self, event: EventIndex) {
        self.uncounted = false;
        self.since = Some(event);
        self.begin = None;
    }

    /// Branches up to the last event, if they were counted.
    pub(crate) fn at_last_event(&self) -> Option<u64> {
        self.at_last_event
    }
}

impl Machine {
    /// The task is about to run from its cache.
    pub(super) fn start_count(&mut self, id: TaskId) -> Result<(), Failure> {
        if self.count.uncounted || self.count.since == Some(self.done) {
            return Ok(());
        }
        let space = self.task(id)?.space;
        if let Some(translator) = self.caches.get(space) {
            translator.reset_clock()?;
            self.count.since = Some(self.done);
        }
        Ok(())
    }

    /// Branches that the task has executed since the last event, if it ran from its cache all the time.
    pub(crate) fn branches(&mut self, id: TaskId) -> Result<Option<u64>, Failure> {
        let begin = self.count.begin;
        let Some(since) = self.count.since.filter(|_| !self.count.uncounted) else {
            // A copy that has not run yet.
            return Ok(begin.filter(|_| !self.count.uncounted));
        };
        let space = self.task(id)?.space;
        match self.caches.get(space).filter(|_| since == self.done) {
            Some(translator) => Ok(Some(begin.unwrap_or(0) + translator.branches()?)),
            None => Ok(None),
        }
    }

    /// The place at which a task stands that arrived at `pc` for the nth time.
    pub(crate) fn place_of(&mut self, id: TaskId, pc: Addr, nth: u64) -> Result<Place, Failure> {
        Ok(match self.branches(id)? {
            Some(branches) => Place::Exact(Exact { branches, pc }),
            None => Place::Arrival(retake_model::Arrival { pc, nth }),
        })
    }

    /// The next event is about to take effect: its task stands right before it.
    pub(crate) fn end_count(&mut self, id: TaskId) -> Result<(), Failure> {
        self.count.at_last_event = match self.tasks.contains_key(&id) {
            true => self.branches(id)?,
            false => None,
        };
        self.count.since = None;
        self.count.uncounted = false;
        self.count.begin = None;
        Ok(())
    }

    /// The task is about to execute something that is counted exactly.
    pub(crate) fn start_exact_count(&mut self, id: TaskId) -> Result<(), Failure> {
        self.start_count(id)?;
        match self.count.uncounted {
            false => Ok(()),
            true => Err(Failure::Refused("the task's branches were not counted".to_owned())),
        }
    }

    /// The branch that a task has executed last, where each is noted.
    pub(crate) fn last_branch(&mut self, id: TaskId) -> Result<Option<Addr>, Failure> {
        let space = self.task(id)?.space;
        match self.caches.get(space) {
            Some(translator) => Ok(translator.last_branch()?),
            None => Ok(None),
        }
    }

    /// The places that the task is to stop at, as tests have them.
    pub(super) fn places_wanted(&mut self, id: TaskId) -> Result<Vec<(Addr, u64)>, Failure> {
        let CountFor::Places(places) = &self.count.wanted else { return Ok(Vec::new()) };
        let places = places.clone();
        self.start_count(id)?;
        let space = self.task(id)?.space;
        let Some(translator) = self.caches.get(space) else { return Ok(Vec::new()) };
        let begin = self.count.begin.unwrap_or(0);
        let as_tested = |place: &Exact| {
            // What lies before that is not come to any more.
            let branches = place.branches.checked_sub(begin)?;
            Some((place.pc, translator.branches_from(branches)))
        };
        Ok(places.iter().filter_map(as_tested).collect())
    }

    /// Whether a task that stands at `at` is where it is to stop.
    pub(super) fn is_wanted(&mut self, id: TaskId, at: Addr) -> Result<bool, Failure> {
        let CountFor::Places(places) = &self.count.wanted else { return Ok(false) };
        if !places.iter().any(|place| place.pc == at) {
            return Ok(false);
        }
        let branches = self.branches(id)?;
        let CountFor::Places(places) = &self.count.wanted else { return Ok(false) };
        Ok(places.iter().any(|place| place.pc == at && branches == Some(place.branches)))
    }
}

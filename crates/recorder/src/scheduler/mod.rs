//! Whose turn it is: one task runs at a time.
//!
//! [`Scheduler`] decides and does nothing else: it knows the candidates by their numbers, what each has
//! the CPU for ([`Claim`]), and since when it waits for it. It sees no process and reads no clock. The
//! session asks it at each event of the running task ([`Scheduler::next`]) and now and then in between
//! ([`Scheduler::look`]).
//!
//! A turn ends at an event as soon as another task has waited for a little, for a time that is drawn
//! anew for each turn: turns that end in a regular pattern keep a task for ever from a lock that another
//! one holds at just those moments. In the middle of code a turn ends only where no event comes.

mod budget;
mod chaos;
mod priority;
mod random;
mod slices;
#[cfg(test)]
mod tests;

use std::time::Duration;

use retake_model::Tid;

use budget::{Budget, Terms};
use chaos::Steps;
pub(crate) use chaos::{Chaos, Nearby, SearchResult, Soon};
pub(crate) use priority::Priority;
use random::Random;
use slices::{Others, SHORTEST_SLICE};

/// Time between two looks at a task that runs alone.
pub(crate) const TICK: Duration = Duration::from_millis(5);
/// The shortest time between two of them.
const SHORTEST_LOOK: Duration = Duration::from_micros(10);
/// A task that makes no calls for so long, while another one could run, may be one that only waits.
pub(crate) const WAITS_AFTER: Duration = Duration::from_micros(50);
/// The same of one that was just waited for: that is likely to do something, and a look costs as much as
/// a hand-over does.
const WOKEN_WAITS_AFTER: Duration = Duration::from_micros(200);
/// The same of one that a debug register stops where it has waited before: it is as if it had been seen to compute
/// so often.
const WATCHED_WAITS_AFTER: Duration = Duration::from_micros(500);
const WATCHED: u32 = 3;
/// A task that was seen to compute each time it was looked at is looked at later and later in its next turns, up to
/// as if it had been seen so often in them already.
const COMPUTES_ON: u32 = 5;
/// At random, one turn in so many of a task that computed when it was last looked at.
const LOOKS_FIRST: u64 = 8;
/// How long the others wait at least and at most, until the turn ends at an event.
const SHORTEST_TURN: Duration = Duration::from_micros(100);
const LONGEST_TURN: Duration = Duration::from_micros(600);
/// Two of three turns in such code end sooner, between these: a loop of some milliseconds is cut as well. Not
/// before the task was seen so often to compute, or a machine that is busy would end turns in which nothing
/// ran.
const SHORTEST_CUT: Duration = Duration::from_millis(1);
const LONGEST_CUT: Duration = Duration::from_millis(5);
const SEEN_TO_COMPUTE: u32 = 2;
/// How long a task goes on from a place that replay finds fast, at most: loops are not always left where
/// they end.
const LONGEST_ASIDE: Duration = Duration::from_micros(40);
/// An event in the middle of code that takes so long is expensive.
const EXPENSIVE: Duration = Duration::from_millis(2);
/// What a step through an instruction costs, about.
const STEP: Duration = Duration::from_micros(20);
/// Who looks at a clock again and again looks at it again after so long.
const POLL: Duration = Duration::from_millis(1);
/// A task that only waits gets the CPU after so long, at an event of the task that runs.
const WAITS_AT_EVENT: Duration = Duration::from_millis(10);
/// And after so long in the middle of code: what it waits for may have changed in a way that is not seen.
const WAITS_AT_MOST: Duration = Duration::from_millis(70);

/// What a task that could run has the CPU for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// It was waited for: what it waits for has just happened.
    Woken,
    /// To go on.
    Runs,
    /// It gave the CPU away (sched_yield(2)).
    Yielded,
    /// To look at a clock.
    Polls,
    /// To look at memory that has not changed since it last looked.
    Waits,
}

/// A task that could run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) tid: Tid,
    pub(crate) claim: Claim,
    /// Since when it waits for the CPU, on the monotonic clock.
    pub(crate) since: Duration,
    /// It was left in the middle of code.
    pub(crate) is_in_code: bool,
    /// How urgent it is.
    pub(crate) priority: Priority,
    /// How long its last turn has lasted.
    pub(crate) last_turn: Duration,
    /// It was looked at so often, one time after the other, and did not only wait.
    pub(crate) seen_to_compute: u32,
}

impl Candidate {
    fn waited(&self, now: Duration) -> Duration {
        now.saturating_sub(self.since)
    }

    /// Whether it is worth a change of tasks at an event.
    fn is_due(&self, now: Duration) -> bool {
        self.claim != Claim::Waits || self.waited(now) >= WAITS_AT_EVENT
    }

    /// Whether `own`, which runs, may lose the CPU to it at an event.
    fn is_due_to(&self, own: Candidate, gives_way: bool, now: Duration) -> bool {
        self.is_due(now) && (gives_way || !self.lets_go_first(own.priority, now))
    }

    /// Whether it lets a task with this priority go first.
    fn lets_go_first(&self, first: Priority, now: Duration) -> bool {
        self.waited(now) < self.patience(first)
    }

    fn patience(&self, first: Priority) -> Duration {
        self.priority.patience(first, self.last_turn)
    }

    /// Whether it leaves the CPU to whoever wants it, whatever their priorities: it may wait for one that has a
    /// low one.
    fn gives_way(&self) -> bool {
        matches!(self.claim, Claim::Yielded | Claim::Polls | Claim::Waits)
    }
}

/// Who runs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The task whose turn it is.
    GoesOn(Tid),
    /// This one, whose turn begins.
    Begins(Tid),
    /// There is nobody.
    Nobody,
}

/// What to do about a task that makes no calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// It may go on.
    GoOn,
    /// Find out whether it only waits.
    Examine,
    /// Its turn ends, near where it stands by then.
    Leave,
}

/// The turn of the task that runs.
#[derive(Clone, Copy, Debug)]
struct Turn {
    start: Duration,
    /// Of the task.
    priority: Priority,
    /// Since when others could run as well.
    contended: Option<Duration>,
    /// How long it may last from then on, at events.
    length: Duration,
    /// It ends at the next event.
    over: bool,
    /// When to look at it next.
    next_look: Duration,
    /// When it ends in code without events.
    ends: Duration,
    /// It was found to compute so often, for the pace of the looks.
    examined: u32,
    /// And so often by a look.
    seen_to_compute: u32,
    /// How long it may last in code without events, if less than usual.
    short: Option<Duration>,
    /// Whether its task only waits is found out before it ends in code without events.
    looks_first: bool,
}

/// Decides whose turn it is.
#[derive(Debug)]
pub(crate) struct Scheduler {
    chaos: Option<Chaos>,
    random: Random,
    current: Option<Tid>,
    turn: Turn,
    budget: Budget,
    /// For steps after events.
    steps: Budget,
    /// For comparisons of pages.
    comparisons: Budget,
}

impl Scheduler {
    /// One whose turns are drawn from `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        let turn = Turn {
            start: Duration::ZERO,
            priority: Priority::default(),
            contended: None,
            length: LONGEST_TURN,
            over: false,
            next_look: Duration::ZERO,
            ends: Duration::ZERO,
            examined: 0,
            seen_to_compute: 0,
            short: None,
            looks_first: false,
        };
        Self {
            chaos: None,
            random: Random::new(seed),
            current: None,
            turn,
            budget: Budget::default(),
            steps: Budget::default(),
            comparisons: Budget::default(),
        }
    }

    /// Schedules at random from here on.
    pub(crate) fn at_random(&mut self, chaos: Chaos) {
        self.chaos = Some(chaos);
    }

    pub(crate) fn chaos(&mut self) -> Option<&mut Chaos> {
        self.chaos.as_mut()
    }

    /// The task whose turn it is.
    pub(crate) fn current(&self) -> Option<Tid> {
        self.current
    }

    /// The first task.
    pub(crate) fn start_with(&mut self, tid: Tid, now: Duration) {
        self.begin(Some(tid), now);
    }

    /// The running task goes on under another number (`execve` by a thread).
    pub(crate) fn renamed(&mut self, from: Tid, to: Tid) {
        if self.current == Some(from) {
            self.current = Some(to);
        }
    }

    /// How long the turn has lasted.
    pub(crate) fn ran(&self, now: Duration) -> Duration {
        now.saturating_sub(self.turn.start)
    }

    /// Whether the turn ends at this event whoever else there is.
    pub(crate) fn turn_is_over(&self) -> bool {
        self.turn.over
    }

    /// The turn ends at this event.
    pub(crate) fn end_turn(&mut self) {
        self.turn.over = true;
    }

    fn terms(&self) -> Terms {
        if self.chaos.is_some() { Terms::AtRandom } else { Terms::Usual }
    }

    /// The end of a turn in the middle of code has taken so much CPU time: on a busy machine much less than time.
    pub(crate) fn spent(&mut self, now: Duration, cost: Duration) {
        let terms = self.terms();
        self.budget.spend(now, cost, terms);
    }

    /// The running task was stepped through so many instructions after an event.
    pub(crate) fn stepped(&mut self, now: Duration, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.steps.spend(now, STEP.saturating_mul(count), Terms::Steps);
    }

    /// Whether an event in the middle of code is too expensive to make two of them.
    pub(crate) fn ends_are_expensive(&self) -> bool {
        self.budget.last() >= EXPENSIVE
    }

    /// Whether the pages of a process may be compared to find out what a task does.
    pub(crate) fn may_compare_pages(&self, now: Duration) -> bool {
        now >= self.comparisons.free_from(Terms::Comparisons)
    }

    /// The pages of a process were compared for nothing: the task computes.
    pub(crate) fn compared_pages(&mut self, now: Duration, cost: Duration) {
        self.comparisons.spend(now, cost, Terms::Comparisons);
    }

    /// How soon after its last event `task`, the current one, loses the CPU, if it does not go on until something
    /// else ends its turn. Others could run.
    pub(crate) fn ends_soon(&mut self, now: Duration, task: Candidate) -> Option<Soon> {
        let is_free = now >= self.budget.free_from(self.terms());
        let is_paid = now >= self.steps.free_from(Terms::Steps);
        let steps = match task.is_in_code {
            _ if !is_paid => Steps::None,
            true => Steps::Few,
            false => Steps::Many,
        };
        self.chaos.as_mut().filter(|_| is_free)?.ends_soon(steps)
    }

    /// How long the current task may still run in code without events, at random.
    pub(crate) fn rest_at_random(&self, now: Duration) -> Option<Duration> {
        let slice = self.chaos.as_ref()?.slice_in_code();
        Some(slice.saturating_sub(self.ran(now)).clamp(SHORTEST_LOOK, TICK))
    }

    /// A draw: true once in `n` times.
    pub(crate) fn once_in(&mut self, n: u64) -> bool {
        self.random.below(n) == 0
    }

    fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let nanos = u64::try_from(most.saturating_sub(least).as_nanos()).unwrap_or(1);
        least + Duration::from_nanos(self.random.below(nanos))
    }

    /// Whether a task that is in the middle of code after so long is left wherever it stands.
    pub(crate) fn stays_here(&mut self, ran: Duration) -> bool {
        self.chaos.as_mut().is_some_and(|chaos| chaos.stays_here(ran))
    }

    /// A search for a cold place, at the end of a turn, has ended.
    pub(crate) fn searched(&mut self, result: SearchResult) {
        if let Some(chaos) = &mut self.chaos {
            chaos.searched(result);
        }
    }

    /// Where a task is left that may be left where it stands.
    pub(crate) fn nearby(&mut self) -> Nearby {
        match &mut self.chaos {
            Some(chaos) => chaos.nearby(),
            None if self.random.below(4) == 0 => Nearby::Here,
            None => Nearby::Write,
        }
    }

    /// How long a task that has come to a cold place goes on from there before it is left.
    pub(crate) fn step_aside(&mut self) -> Option<Duration> {
        if let Some(chaos) = &mut self.chaos {
            return chaos.step_aside();
        }
        self.once_in(4).then(|| self.between(Duration::from_micros(1), LONGEST_ASIDE))
    }

    /// The running task has made another one. Natively mostly the maker goes on first.
    pub(crate) fn made_a_task(&mut self) {
        if self.chaos.is_some() && self.once_in(2) {
            self.turn.over = true;
        }
    }

    /// The task to run, at an event of the current one or when that cannot go on.
    pub(crate) fn next(&mut self, now: Duration, candidates: &[Candidate]) -> Decision {
        let current = self.current;
        let is_current = |candidate: &&Candidate| Some(candidate.tid) == current;
        let own = candidates.iter().find(is_current).copied();
        if let Some(own) = own {
            self.turn.priority = own.priority;
            let others = candidates.iter().filter(|candidate| !is_current(candidate)).copied();
            let gives_way = self.turn.over || own.gives_way() || self.chaos.is_some();
            let mut due = others.filter(|other| other.is_due_to(own, gives_way, now)).peekable();
            if due.peek().is_none() {
                // Nobody is kept from anything; but who only waits leaves the CPU to others like it.
                let alone = candidates.len() == 1 || own.claim != Claim::Waits;
                if alone || self.ran(now) < WAITS_AT_EVENT {
                    self.turn.over = false;
                    return Decision::GoesOn(own.tid);
                }
            } else if !self.ends_at_event(now, own, due) {
                return Decision::GoesOn(own.tid);
            }
        }
        let next = self.pick(now, candidates, own);
        self.begin(next, now);
        let is_next = |candidate: &&Candidate| Some(candidate.tid) == next;
        let next_one = candidates.iter().find(is_next);
        self.turn.priority = next_one.map_or(Priority::default(), |candidate| candidate.priority);
        let claim = next_one.map(|candidate| candidate.claim);
        if claim == Some(Claim::Woken) {
            self.turn.next_look = now + self.in_slice(WOKEN_WAITS_AFTER);
        }
        let seen_to_compute = next_one.map_or(0, |candidate| candidate.seen_to_compute);
        self.is_known_to_compute(seen_to_compute);
        let looks_first = seen_to_compute == 0 || self.once_in(LOOKS_FIRST);
        self.turn.looks_first = self.chaos.is_some() && looks_first;
        next.map_or(Decision::Nobody, Decision::Begins)
    }

    /// Whether the turn of `own` ends at this event for one of `due`.
    fn ends_at_event(
        &mut self,
        now: Duration,
        own: Candidate,
        mut due: impl Iterator<Item = Candidate>,
    ) -> bool {
        let contended = *self.turn.contended.get_or_insert(now);
        if self.turn.over || own.claim == Claim::Waits {
            return true;
        }
        if let Some(chaos) = &mut self.chaos {
            let woken = due.any(|other| other.claim == Claim::Woken);
            return chaos.changes_now(woken)
                || now.saturating_sub(self.turn.start) >= chaos.slice();
        }
        let length = match own.claim {
            Claim::Polls => WAITS_AFTER,
            _ => self.turn.length,
        };
        let lasted = now.saturating_sub(contended);
        due.any(|other| {
            let length = own.priority.turn(length, other.priority);
            // Who is nicer is due once it has waited for long enough.
            other.claim == Claim::Woken
                || other.priority > own.priority
                || lasted >= length && other.waited(now) >= SHORTEST_TURN.min(length)
        })
    }

    fn pick(
        &mut self,
        now: Duration,
        candidates: &[Candidate],
        own: Option<Candidate>,
    ) -> Option<Tid> {
        let gave_way = self.turn.over || self.chaos.is_none();
        let is_own = |candidate: &&Candidate| own.is_some_and(|own| own.tid == candidate.tid);
        let others = || candidates.iter().filter(|candidate| !(gave_way && is_own(candidate)));
        let due = || others().filter(|candidate| candidate.is_due(now));
        if let Some(chaos) = &mut self.chaos {
            let mut ready: Vec<Tid> = due().map(|candidate| candidate.tid).collect();
            if ready.is_empty() {
                ready = others().map(|candidate| candidate.tid).collect();
            }
            return chaos.pick(now, &ready, own.map(|own| own.tid));
        }
        // Nobody waits for ever for those that are more urgent: each comes after what it lets them have.
        let most_urgent = due().map(|candidate| candidate.priority).min().unwrap_or_default();
        let rank = |candidate: &&Candidate| {
            let patience = candidate.patience(most_urgent);
            let lets_others = candidate.waited(now) < patience;
            (lets_others, candidate.claim != Claim::Woken, candidate.since + patience)
        };
        let first = due().min_by_key(rank).or_else(|| others().min_by_key(rank));
        first.or(candidates.first()).map(|candidate| candidate.tid)
    }

    fn begin(&mut self, tid: Option<Tid>, now: Duration) {
        let length = self.between(SHORTEST_TURN, LONGEST_TURN);
        let short = self.between(SHORTEST_CUT, LONGEST_CUT);
        let short = (!self.once_in(3)).then_some(short);
        if let Some(chaos) = &mut self.chaos {
            chaos.draw_slice();
        }
        self.current = tid;
        self.turn = Turn {
            start: now,
            priority: Priority::default(),
            contended: None,
            length,
            over: false,
            next_look: now + self.first_look(),
            ends: Duration::ZERO,
            examined: 0,
            seen_to_compute: 0,
            short,
            looks_first: false,
        };
    }

    fn first_look(&self) -> Duration {
        self.in_slice(WAITS_AFTER)
    }

    /// So long, but no longer than a task may run in code that was drawn at random.
    fn in_slice(&self, time: Duration) -> Duration {
        self.chaos.as_ref().map_or(time, |chaos| chaos.slice_in_code().min(time))
    }

    /// When the running task is to be looked at next, from `now` on.
    pub(crate) fn next_look(&self, now: Duration) -> Duration {
        self.turn.next_look.saturating_sub(now).max(SHORTEST_LOOK)
    }

    /// Whether the turn of `own`, which makes calls without a stop, ends at its next one. At random, no task does.
    pub(crate) fn ends_at_call(
        &mut self,
        now: Duration,
        own: Candidate,
        others: impl Iterator<Item = Candidate>,
    ) -> bool {
        let gives_way = self.turn.over || own.gives_way();
        let mut due = others.filter(|other| other.is_due_to(own, gives_way, now)).peekable();
        due.peek().is_some() && self.ends_at_event(now, own, due)
    }

    /// What to do about the running task, whose last event was at `last_event`. `others` are the tasks
    /// that could run, or, of those that have just stopped, that there are any.
    pub(crate) fn look(
        &mut self,
        now: Duration,
        last_event: Duration,
        others: impl Iterator<Item = Candidate>,
        unseen: bool,
    ) -> Look {
        let others = Others::count(now, others, unseen);
        let Others { runnable, polls, waits, .. } = others;
        if runnable == 0 && !waits {
            self.turn.next_look = now + TICK;
            return Look::GoOn;
        }
        let contended = *self.turn.contended.get_or_insert(now);
        let lasted = now.saturating_sub(contended);
        let short = self.turn.short.filter(|_| self.turn.seen_to_compute >= SEEN_TO_COMPUTE);
        let slice = short.map_or(others.slice(), |short| short.min(others.slice()));
        let slice =
            self.turn.priority.share(slice, others.most_urgent.unwrap_or(self.turn.priority));
        let free = self.budget.free_from(self.terms());
        let dear = others.dear_end(self.turn.start, contended, self.budget.last());
        let can_end = now >= free.min(dear);
        self.turn.ends = (contended + slice).max(free.min(dear));
        let is_over = match &self.chaos {
            Some(chaos) => self.ran(now) >= chaos.slice_in_code(),
            None => lasted >= slice,
        };
        if runnable > 0 && is_over && can_end {
            // Slices that are drawn short end before any look: a task that waits would be found anew each time.
            let looks_first = self.turn.looks_first && self.turn.examined == 0;
            return if looks_first { Look::Examine } else { Look::Leave };
        }
        if waits && lasted >= SHORTEST_SLICE && can_end {
            return Look::Leave;
        }
        if self.chaos.is_none() && polls && lasted >= POLL && can_end {
            return Look::Leave;
        }
        let quiet = now.saturating_sub(last_event);
        if now >= self.turn.next_look && quiet >= WAITS_AFTER && self.turn.examined < 8 {
            return Look::Examine;
        }
        self.look_after(now, WAITS_AFTER.saturating_mul(2 << self.turn.examined));
        if polls {
            self.turn.next_look = self.turn.next_look.min(now + POLL);
        }
        Look::GoOn
    }

    /// The running task stops by itself where it is likely to wait.
    pub(crate) fn is_watched(&mut self) {
        if self.turn.examined == 0 {
            self.is_likely_to_compute(WATCHED, WATCHED_WAITS_AFTER);
        }
    }

    /// The running task was seen to compute in a row of looks before this turn.
    fn is_known_to_compute(&mut self, looks: u32) {
        let looks = looks.min(COMPUTES_ON);
        if looks >= SEEN_TO_COMPUTE {
            self.is_likely_to_compute(looks, WAITS_AFTER.saturating_mul(1 << looks));
        }
    }

    /// The running task is looked at after so long, as if it had been seen so often in this turn to compute.
    fn is_likely_to_compute(&mut self, looks: u32, first_look: Duration) {
        if self.chaos.is_none() {
            self.turn.examined = looks;
            self.turn.seen_to_compute = SEEN_TO_COMPUTE - 1;
        }
        let first_look = self.turn.start + self.in_slice(first_look);
        self.turn.next_look = self.turn.next_look.max(first_look);
    }

    /// The running task was just looked at: it does something.
    pub(crate) fn looked(&mut self, now: Duration) {
        self.turn.next_look = now + WAITS_AFTER;
    }

    /// The running task was examined: it computes.
    pub(crate) fn computes(&mut self, now: Duration) {
        self.turn.examined += 1;
        self.turn.seen_to_compute += 1;
        self.look_after(now, WAITS_AFTER.saturating_mul(2 << self.turn.examined));
    }

    fn look_after(&mut self, now: Duration, time: Duration) {
        let slice = self.chaos.as_ref().map(Chaos::slice_in_code);
        let most = slice.map_or(TICK, |slice| slice.min(TICK));
        self.turn.next_look = (now + time.min(most)).min(self.turn.ends);
    }
}

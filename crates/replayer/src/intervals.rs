//! Going through several stretches of a recording at the same time.
//!
//! Each thread has its own processes, as only the thread that has started a process may ask anything of it. What
//! the threads find comes to the caller in the order of the stretches. Where the CPU may show in what
//! is replayed ([`ReplayThread`]), nothing is given out before the state at the end of the stretch was found to
//! be that of the checkpoint there; a stretch that differs is gone through again on the recorded CPU. What differs may
//! also never end: a stretch that takes much longer than others is taken over there.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use retake_model::{CheckpointIndex, EventIndex, Position};
use retake_ptrace::monotonic;
use retake_recording::Recording;

use crate::failure::Failure;
use crate::search::Control;
use crate::thread::ReplayThread;

/// What was found is handed over once it is so much, or once the last time is so long ago.
const MOST_AT_ONCE: usize = 512;
const AT_LEAST_EVERY: Duration = Duration::from_millis(50);
/// Stretches that are gone through before the caller has come to them, for each thread.
const AHEAD: usize = 2;
/// A stretch that is gone through elsewhere is taken over after so long at the soonest, and after so many times what
/// the longest one has taken.
const TAKEN_OVER_AFTER: Duration = Duration::from_secs(1);
const TIMES_THE_LONGEST: u32 = 3;
/// How often somebody looks whether the whole was interrupted.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A stretch of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interval {
    /// The checkpoint that it begins at; none at the start of the recording.
    pub(crate) from: Option<CheckpointIndex>,
    /// The event that it begins at.
    pub(crate) first: EventIndex,
    /// Where it ends.
    pub(crate) until: Position,
    /// The checkpoint that lies there, if one does.
    pub(crate) check: Option<CheckpointIndex>,
}

/// The stretches between checkpoints up to `until`, in order of time.
pub(crate) fn intervals(recording: &Recording, until: Position) -> Vec<Interval> {
    let mut list = Vec::new();
    let (mut from, mut first) = (None, EventIndex::ZERO);
    for checkpoint in recording.checkpoints() {
        let here = Position::at_event(checkpoint.event);
        if here >= until {
            break;
        }
        list.push(Interval { from, first, until: here, check: Some(checkpoint.index) });
        (from, first) = (Some(checkpoint.index), checkpoint.event);
    }
    let at_end = recording.checkpoints().iter().find(|c| Position::at_event(c.event) == until);
    list.push(Interval { from, first, until, check: at_end.map(|checkpoint| checkpoint.index) });
    list
}

/// What is done in each stretch.
pub(crate) trait Work: Sync {
    /// What a thread keeps between stretches.
    type Hand;
    /// What is found.
    type Found: Send;

    /// A thread begins.
    fn begin(&self, thread: ReplayThread, control: &Control) -> Self::Hand;

    /// Goes through one stretch. Where the thread is not as recorded, this compares the state at the end.
    fn go_through(
        &self,
        hand: &mut Self::Hand,
        interval: &Interval,
        found: &mut dyn FnMut(Self::Found),
    ) -> Result<(), Failure>;
}

/// How stretches are gone through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crew<'a> {
    pub(crate) recording: &'a Recording,
    pub(crate) control: &'a Control,
    /// So many at once.
    pub(crate) threads: usize,
    /// Nothing is begun before this has passed: what is over sooner costs nothing.
    pub(crate) after: Duration,
    /// Whether the recorded CPU is used from the start, or once [`Results::use_recorded_cpu`] says so.
    pub(crate) recorded_cpu: RecordedCpu,
}

impl<'a> Crew<'a> {
    /// So many threads, which begin at once.
    pub(crate) fn of(recording: &'a Recording, control: &'a Control, threads: usize) -> Self {
        let (after, recorded_cpu) = (Duration::ZERO, RecordedCpu::Free);
        Self { recording, control, threads, after, recorded_cpu }
    }

    /// The same for a caller that replays itself, on the recorded CPU, and may be done soon.
    pub(crate) fn waiting(self, after: Duration) -> Self {
        Self { after, recorded_cpu: RecordedCpu::Busy, ..self }
    }
}

/// Whether the recorded CPU is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordedCpu {
    Free,
    /// The caller replays there.
    Busy,
}

/// What is found in a stretch.
#[derive(Debug)]
pub(crate) enum Part<F> {
    /// More of it, in order.
    Found(Vec<F>),
    /// That was all.
    Done,
}

/// What a thread says of stretch `n`.
struct Message<F> {
    n: usize,
    part: Result<Part<F>, Failure>,
}

/// What threads share.
#[derive(Debug)]
struct Board {
    state: Mutex<Plan>,
    changed: Condvar,
    /// Nobody wants more results.
    cancelled: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Plan {
    /// Not begun.
    waiting: BTreeSet<usize>,
    /// To be gone through again, on the recorded CPU.
    again: BTreeSet<usize>,
    /// Gone through elsewhere.
    elsewhere: BTreeMap<usize, Elsewhere>,
    /// One that was gone through elsewhere did not end: the program goes by its CPU.
    goes_by_cpu: bool,
    /// How long the longest stretch has taken.
    longest: Duration,
    /// How many the caller is through with.
    taken: usize,
    recorded_cpu: RecordedCpu,
    /// On the monotonic clock.
    begins: Duration,
}

/// A stretch that is gone through on another CPU than the recorded one.
#[derive(Debug)]
struct Elsewhere {
    /// On the monotonic clock.
    since: Duration,
    /// Set to have its thread leave it.
    leave: Arc<AtomicBool>,
}

impl Plan {
    /// The first stretch elsewhere that seems not to end is to be gone through here.
    fn take_over(&mut self) -> Option<usize> {
        let patience = TAKEN_OVER_AFTER.max(self.longest * TIMES_THE_LONGEST);
        let now = monotonic();
        let is_late = |of: &Elsewhere| now.saturating_sub(of.since) >= patience;
        let n = self.elsewhere.iter().find_map(|(n, of)| is_late(of).then_some(*n))?;
        self.elsewhere.remove(&n)?.leave.store(true, Ordering::Relaxed);
        self.goes_by_cpu = true;
        Some(n)
    }
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, Plan> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Plan)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
        // A thread that is about to wait has the lock.
        self.change(|_| ());
    }

    /// The next stretch for a thread; none if there will be no more.
    fn next(&self, seat: &Seat, intervals: &[Interval]) -> Option<usize> {
        let role = seat.role();
        let mut plan = self.lock();
        loop {
            if self.is_cancelled() || role == Role::Checked && plan.goes_by_cpu {
                return None;
            }
            let left = plan.begins.saturating_sub(monotonic());
            let held = role == Role::First && plan.recorded_cpu == RecordedCpu::Busy;
            let last = plan.taken + seat.ahead;
            if left.is_zero() && !held {
                let again = if role == Role::First { plan.again.pop_first() } else { None };
                let suits = |n: &usize| {
                    *n < last && intervals.get(*n).is_some_and(|interval| role.can_do(interval))
                };
                let mut next = again.or_else(|| plan.waiting.iter().copied().find(suits));
                if next.is_none() && role == Role::First {
                    next = plan.take_over();
                }
                if let Some(n) = next {
                    plan.waiting.remove(&n);
                    if role == Role::Checked {
                        seat.leave.store(false, Ordering::Relaxed);
                        let (since, leave) = (monotonic(), Arc::clone(&seat.leave));
                        plan.elsewhere.insert(n, Elsewhere { since, leave });
                    }
                    return Some(n);
                }
            }
            let can_do = |n: &usize| intervals.get(*n).is_some_and(|i| role.can_do(i));
            if role != Role::First && !plan.waiting.iter().any(can_do) {
                return None;
            }
            let patience = match (left.is_zero(), plan.elsewhere.is_empty()) {
                (false, _) => left,
                (true, false) => LOOK_EVERY,
                (true, true) => Duration::from_secs(1),
            };
            let woken = self.changed.wait_timeout(plan, patience);
            plan = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// What a thread is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// On the recorded CPU: also for what differs elsewhere.
    First,
    /// Anywhere, and as good.
    Equal,
    /// Anywhere; what it finds is to be checked.
    Checked,
}

impl Role {
    fn of(n: usize, thread: &ReplayThread) -> Self {
        match (n, thread.is_as_recorded()) {
            (0, _) => Self::First,
            (_, true) => Self::Equal,
            (_, false) => Self::Checked,
        }
    }

    /// Programs ask for their CPU while they start, and an end without a checkpoint cannot be checked.
    fn can_do(self, interval: &Interval) -> bool {
        self != Self::Checked || (interval.from.is_some() && interval.check.is_some())
    }
}

/// Ends the others if a thread panics.
struct OnPanic<'a>(&'a Board);

impl Drop for OnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.cancel();
        }
    }
}

/// What is found comes from here, in the order of the stretches.
pub(crate) struct Results<'a, F> {
    board: &'a Board,
    control: &'a Control,
    receiver: Receiver<Message<F>>,
    early: BTreeMap<usize, VecDeque<Result<Part<F>, Failure>>>,
    count: usize,
    now: usize,
}

impl<F> Results<'_, F> {
    /// The caller no longer replays on the recorded CPU.
    pub(crate) fn use_recorded_cpu(&self) {
        self.board.change(|plan| plan.recorded_cpu = RecordedCpu::Free);
    }

    /// The next part, and of which stretch it is; none after the last one. Says now and then that it
    /// still waits.
    pub(crate) fn next(&mut self) -> Result<Option<(usize, Part<F>)>, Failure> {
        while self.now < self.count {
            if self.control.is_interrupted() {
                return Err(Failure::Interrupted);
            }
            let early = self.early.get_mut(&self.now).and_then(VecDeque::pop_front);
            let Some(part) = early else {
                match self.receiver.recv_timeout(LOOK_EVERY) {
                    Ok(Message { n, part }) => self.early.entry(n).or_default().push_back(part),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => {
                        return Err(Failure::Refused("a thread that replays has ended".to_owned()));
                    }
                }
                continue;
            };
            let (n, part) = (self.now, part?);
            if matches!(part, Part::Done) {
                self.early.remove(&n);
                self.now += 1;
                let taken = self.now;
                self.board.change(|plan| plan.taken = taken);
            }
            return Ok(Some((n, part)));
        }
        Ok(None)
    }
}

/// Has a crew go through `intervals`, while `take` takes what they find. They end when it returns.
pub(crate) fn side_by_side<W: Work, R>(
    work: &W,
    crew: Crew<'_>,
    intervals: &[Interval],
    take: impl FnOnce(&mut Results<'_, W::Found>) -> Result<R, Failure>,
) -> Result<R, Failure> {
    let threads = crew.threads.clamp(1, intervals.len().max(1));
    let plan = Plan {
        waiting: (0..intervals.len()).collect(),
        again: BTreeSet::new(),
        elsewhere: BTreeMap::new(),
        goes_by_cpu: false,
        longest: Duration::ZERO,
        taken: 0,
        recorded_cpu: crew.recorded_cpu,
        begins: monotonic() + crew.after,
    };
    let cancelled = Arc::new(AtomicBool::new(false));
    let board = Board { state: Mutex::new(plan), changed: Condvar::new(), cancelled };
    let (sender, receiver) = channel();
    std::thread::scope(|scope| {
        for n in 0..threads {
            let (sender, board) = (sender.clone(), &board);
            let hand = move || {
                let thread = ReplayThread::beside(crew.recording, n);
                let leave = Arc::new(AtomicBool::new(false));
                let cancel = vec![Arc::clone(&board.cancelled), Arc::clone(&leave)];
                let control = crew.control.beside(cancel);
                let ahead = threads * AHEAD;
                labour(
                    work,
                    &Seat { n, thread, ahead, leave },
                    board,
                    &control,
                    intervals,
                    &sender,
                );
            };
            let started = std::thread::Builder::new()
                .name(format!("retake-replay-{n}"))
                .spawn_scoped(scope, hand);
            // With the first one all of it can be done.
            if let (0, Err(error)) = (n, started) {
                return Err(Failure::System(error));
            }
        }
        drop(sender);
        let (early, count) = (BTreeMap::new(), intervals.len());
        let mut results =
            Results { board: &board, control: crew.control, receiver, early, count, now: 0 };
        let taken = take(&mut results);
        board.cancel();
        taken
    })
}

/// A thread of a crew.
struct Seat {
    n: usize,
    thread: ReplayThread,
    ahead: usize,
    /// Set to have it leave its stretch.
    leave: Arc<AtomicBool>,
}

impl Seat {
    fn role(&self) -> Role {
        Role::of(self.n, &self.thread)
    }
}

fn labour<W: Work>(
    work: &W,
    seat: &Seat,
    board: &Board,
    control: &Control,
    intervals: &[Interval],
    sender: &Sender<Message<W::Found>>,
) {
    let _others_end_too = OnPanic(board);
    let role = seat.role();
    let mut hand = None;
    while let Some(n) = board.next(seat, intervals) {
        let began = monotonic();
        let Some(interval) = intervals.get(n) else { return };
        // Waiting takes the time from the counter, which lifts the trap.
        let _as_in_the_program = seat.thread.traps();
        let hand = hand.get_or_insert_with(|| work.begin(seat.thread.clone(), control));
        let mut found = Vec::new();
        let mut given = monotonic();
        let result = work.go_through(hand, interval, &mut |one| {
            found.push(one);
            let due = || found.len() >= MOST_AT_ONCE || monotonic() - given >= AT_LEAST_EVERY;
            if role != Role::Checked && due() {
                given = monotonic();
                let part = Ok(Part::Found(std::mem::take(&mut found)));
                let _ = sender.send(Message { n, part });
            }
        });
        if board.is_cancelled() {
            return;
        }
        if role == Role::Checked && board.lock().elsewhere.remove(&n).is_none() {
            // It was taken over.
            continue;
        }
        if result.is_ok() {
            let took = monotonic().saturating_sub(began);
            board.change(|plan| plan.longest = plan.longest.max(took));
        }
        let part = match result {
            Ok(()) => {
                if !found.is_empty() {
                    let _ = sender.send(Message { n, part: Ok(Part::Found(found)) });
                }
                Ok(Part::Done)
            }
            Err(failure) if role == Role::Checked && may_be_the_cpu(&failure) => {
                board.change(|plan| {
                    plan.again.insert(n);
                });
                continue;
            }
            Err(failure) => Err(failure),
        };
        let _ = sender.send(Message { n, part });
    }
}

fn may_be_the_cpu(failure: &Failure) -> bool {
    !matches!(failure, Failure::Interrupted | Failure::Killed(_) | Failure::BusyPage)
}

//! When a recording ends, other than by the end of its last task; and what the front has to do with it.
//!
//! [`Session::is_over`] is asked between any two turns, and [`Session::should_end`] at each tick while
//! a task runs or waits.

mod deadlock;
mod finish;
mod holders;
mod job;
mod leftover;
mod limits;
mod passing;
mod requests;
mod rest;

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use retake_model::Tid;
use retake_ptrace::{FromFront, Link, monotonic, was_asked_to_end};

use crate::error::RecordError;
use crate::places::midcode::IDLE_TICK;
use crate::session::Session;
use crate::tasks::{Run, Task};

pub use leftover::{LeftProcess, Leftover};
pub use limits::{AtDeadlock, Limits};
pub use rest::Rest;

/// How the recording came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    /// The program ended: its first process, or with [`Leftover::Wait`] its last one.
    Program,
    /// The first process ended, and others did not when they were asked to.
    Leftover,
    /// Three times SIGINT within a second.
    Interrupts,
    /// A second SIGTERM, or SIGHUP because the terminal is gone.
    SecondRequest,
    /// SIGTERM or SIGHUP, and the program has not ended in time.
    Deadline,
    /// [`retake_ptrace::ask_to_end`].
    Command,
    /// The front was killed.
    FrontGone,
    /// [`Limits::time`].
    TimeLimit,
    /// Every task waited for another one ([`AtDeadlock::End`]).
    Deadlock,
}

/// What is known about the end of the recording.
#[derive(Debug)]
pub(crate) struct Ending {
    link: Option<Link>,
    leftover: Leftover,
    pub(crate) limits: Limits,
    deadline: limits::Deadline,
    /// A call was made that has a signal sent later.
    signals_may_come: bool,
    by: Option<EndedBy>,
    requests: requests::Requests,
    given: VecDeque<passing::Given>,
    /// Processes recorded so far.
    recorded: BTreeSet<i32>,
    /// The front was told that the first process is stopped.
    job_stopped: bool,
    phase: leftover::Phase,
    left: Vec<LeftProcess>,
    output: holders::Output,
}

impl Ending {
    pub(crate) fn new(link: Option<Link>, leftover: Leftover, limits: Limits) -> Self {
        Self {
            link,
            leftover,
            limits,
            deadline: limits::Deadline::after(limits.time),
            signals_may_come: false,
            by: None,
            requests: requests::Requests::default(),
            given: VecDeque::new(),
            recorded: BTreeSet::new(),
            job_stopped: false,
            phase: leftover::Phase::FirstLives,
            left: Vec::new(),
            output: holders::Output::of_this_process(),
        }
    }

    /// A process belongs to the recording.
    pub(crate) fn add_process(&mut self, pid: Tid) {
        self.recorded.insert(pid.get());
    }

    /// How often a wait that may take for ever is looked at.
    pub(crate) fn idle_tick(&self) -> Duration {
        match self.phase {
            leftover::Phase::FirstLives => IDLE_TICK,
            _ => leftover::LOOK,
        }
    }
}

impl Session {
    /// Whether the recording ends here, with the ends of all tasks recorded if so.
    pub(crate) fn is_over(&mut self) -> Result<bool, RecordError> {
        if !self.should_end() && (self.status.is_none() || !self.only_leftovers_wait()) {
            return Ok(false);
        }
        self.end_all()?;
        Ok(true)
    }

    /// Does what the front asks for. True if the recording is to end.
    pub(crate) fn should_end(&mut self) -> bool {
        if self.ending.by.is_some() {
            return true;
        }
        if self.ending.link.as_ref().is_some_and(Link::has_news) {
            self.read_front();
        }
        if was_asked_to_end() {
            self.asked_to_end();
        }
        if self.ending.requests.is_overdue(self.ending.limits.patience) {
            self.ending.by.get_or_insert(EndedBy::Deadline);
        }
        if self.ending.deadline.has_passed() {
            self.ending.by.get_or_insert(EndedBy::TimeLimit);
        }
        if self.status.is_some() {
            self.look_at_leftovers(monotonic());
        }
        self.ending.by.is_some()
    }

    /// The same for a task that runs or waits, and is not in the list meanwhile. None: the recording
    /// ends, and the task is in the list again.
    pub(crate) fn should_go_on(&mut self, mut task: Task) -> Option<Task> {
        let tid = task.tid;
        task.run = Run::Kernel;
        self.world.tasks.insert(tid, task);
        if self.should_end() { None } else { self.world.tasks.remove(&tid) }
    }

    fn read_front(&mut self) {
        loop {
            match self.ending.link.as_ref().map_or(FromFront::Nothing, Link::next) {
                FromFront::Nothing => return,
                FromFront::Signal(passed) => self.front_was_sent(&passed),
                FromFront::Gone => {
                    self.ending.by.get_or_insert(EndedBy::FrontGone);
                    return;
                }
            }
        }
    }

    /// Nobody could run for a while: ends the recording where that stays so for ever.
    pub(crate) fn look_for_deadlock(&mut self) {
        if self.is_deadlocked() {
            self.ending.by.get_or_insert(EndedBy::Deadlock);
        }
    }

    fn asked_to_end(&mut self) {
        match self.ending.link {
            Some(_) => {
                self.ending.by.get_or_insert(EndedBy::Command);
            }
            None => self.ask_leftovers_to_end(monotonic()),
        }
    }
}

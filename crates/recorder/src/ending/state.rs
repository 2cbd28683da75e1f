//! When and how the recording ends.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use retake_model::Tid;
use retake_ptrace::Link;

use super::leftover::{self, LeftProcess, Leftover};
use super::limits::{self, Limits};
use super::{given, holders, requests};
use crate::turns::IDLE_TICK;

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
    pub(super) link: Option<Link>,
    pub(super) leftover: Leftover,
    pub(crate) limits: Limits,
    pub(super) deadline: limits::Deadline,
    /// A call was made that has a signal sent later.
    pub(super) signals_may_come: bool,
    pub(super) by: Option<EndedBy>,
    pub(super) requests: requests::Requests,
    pub(super) given: VecDeque<given::Given>,
    /// Processes recorded so far.
    pub(super) recorded: BTreeSet<i32>,
    /// The front was told that the first process is stopped.
    pub(super) job_stopped: bool,
    pub(super) phase: leftover::Phase,
    pub(super) left: Vec<LeftProcess>,
    pub(super) output: holders::Output,
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

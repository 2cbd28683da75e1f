//! When a recording ends, other than by the end of its last task; and what the front has to do with it.
//!
//! [`Session::is_over`] is asked between any two turns, and [`Session::should_end`] at each tick while
//! a task runs or waits.

mod deadlock;
mod finish;
mod given;
mod holders;
mod job;
pub(crate) mod leftover;
pub(crate) mod limits;
mod parting;
mod passing;
mod requests;
mod rest;
pub(crate) mod state;

use retake_ptrace::{FromFront, Link, monotonic, was_asked_to_end};

use crate::error::RecordError;
use crate::session::Session;
use crate::tasks::{Run, Task};

pub use leftover::{LeftProcess, Leftover};
pub use limits::{AtDeadlock, Limits};
pub use rest::Rest;
pub use state::EndedBy;

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

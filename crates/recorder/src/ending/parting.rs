//! Parting from processes that live when the first one has ended.

use std::time::Duration;

use retake_model::{Signal, Tid};
use retake_ptrace::{monotonic, send_signal};

use super::leftover::{LeftProcess, Leftover, Phase};
use super::state::EndedBy;
use crate::session::Session;

/// How long what is left is recorded on, if it runs or holds the recording's output.
pub(super) const GRACE: Duration = Duration::from_secs(2);

/// How long it has to end after SIGTERM.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// Nothing has happened for so long: everybody waits. (The end of a process wakes others.)
pub(super) const QUIET: Duration = Duration::from_millis(20);

impl Session {
    /// Whether the first process, with all its threads, is gone.
    pub(super) fn first_is_gone(&self) -> bool {
        self.status.is_some() && !self.world.tasks.values().any(|task| task.pid == self.world.root)
    }

    /// Times that are over.
    pub(super) fn look_at_leftovers(&mut self, now: Duration) {
        let over = |since: Duration, limit| now.saturating_sub(since) >= limit;
        match self.ending.phase {
            Phase::FirstLives if self.ending.leftover != Leftover::Wait && self.first_is_gone() => {
                let events = self.book.event_count();
                self.ending.phase = Phase::Settling { since: now, events, quiet_since: now };
            }
            Phase::Settling { since, .. } if over(since, GRACE) => self.part_from_leftovers(now),
            Phase::Asked { since } if over(since, PATIENCE) => {
                self.ending.by.get_or_insert(EndedBy::Leftover);
            }
            _ => {}
        }
    }

    /// Between two turns: parts from those that are left as soon as all of them only wait. True if the
    /// recording ends with that.
    pub(super) fn only_leftovers_wait(&mut self) -> bool {
        let Phase::Settling { since, events, quiet_since } = self.ending.phase else {
            return false;
        };
        let now = monotonic();
        let happened = self.book.event_count();
        if events != happened || self.world.tasks.values().any(|task| task.can_run()) {
            self.ending.phase = Phase::Settling { since, events: happened, quiet_since: now };
            return false;
        }
        if now.saturating_sub(quiet_since) < QUIET {
            return false;
        }
        let held =
            |task: &crate::tasks::Task| !task.ended && self.ending.output.is_held_by(task.tid);
        if self.world.tasks.values().any(held) {
            self.ending.phase = Phase::Settling { since, events, quiet_since: now };
            return false;
        }
        self.part_from_leftovers(now);
        self.ending.by.is_some()
    }

    pub(super) fn part_from_leftovers(&mut self, now: Duration) {
        for task in self.world.tasks.values().filter(|task| !task.ended) {
            if self.ending.left.iter().all(|left| left.pid != task.pid) {
                let comm = std::fs::read(format!("/proc/{}/comm", task.pid)).unwrap_or_default();
                let name = comm.trim_ascii_end().to_vec();
                self.ending.left.push(LeftProcess { pid: task.pid, name });
            }
        }
        if self.ending.leftover == Leftover::LeaveRunning {
            self.ending.by.get_or_insert(EndedBy::Program);
        } else {
            self.ask_leftovers_to_end(now);
        }
    }

    /// SIGTERM to every process there is, once.
    pub(super) fn ask_leftovers_to_end(&mut self, now: Duration) {
        if matches!(self.ending.phase, Phase::Asked { .. }) {
            return;
        }
        self.ending.phase = Phase::Asked { since: now };
        let mut pids: Vec<Tid> = self.world.tasks.values().map(|task| task.pid).collect();
        pids.dedup();
        for pid in pids {
            send_signal(pid, Signal::TERM);
            // One that is stopped does not act on it.
            send_signal(pid, Signal::CONT);
        }
    }
}

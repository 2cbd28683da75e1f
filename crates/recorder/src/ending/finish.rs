//! Ending everything at once.

use std::time::Duration;

use retake_model::Signal;
use retake_ptrace::{PtraceStop, Resume, StopEvent, WaitFlags, kill_process, monotonic, wait_any};
use retake_recording::ExitStatus;

use super::leftover::Leftover;
use super::{EndedBy, LeftProcess};
use crate::error::RecordError;
use crate::session::Session;

/// How long killed tasks are waited for. One that sleeps in the kernel where no signal wakes it ends when
/// it can; it is not waited for.
const LONGEST_WAIT: Duration = Duration::from_millis(500);
/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(1);

impl Session {
    /// Records the end of every task, and ends them unless they are to go on without being recorded.
    ///
    /// Each task ends where its last event has left it: what it has done since is seen by nobody.
    pub(super) fn end_all(&mut self) -> Result<(), RecordError> {
        let goes_on = self.leaves_rest();
        if !goes_on {
            for tid in self.world.early.keys() {
                kill_process(*tid);
            }
            for task in self.world.tasks.values() {
                kill_process(task.pid);
            }
        }
        let killed = ExitStatus::Killed(Signal::KILL);
        if !goes_on && (self.status.is_none() || !self.first_is_gone()) {
            self.status = Some(killed);
        }
        let status = self.status;
        let tids: Vec<_> = self.world.tasks.keys().copied().collect();
        for tid in tids {
            let Some(mut task) = self.world.tasks.remove(&tid) else { continue };
            let (registers, mid_code, ended) = (task.registers, task.mid_code, task.ended);
            self.record_end(&mut task, killed, None)?;
            (task.registers, task.mid_code, task.ended) = (registers, mid_code, ended);
            self.world.tasks.insert(tid, task);
        }
        self.status = status;
        if !goes_on {
            self.world.tasks.clear();
            self.world.early.clear();
            reap_all();
            // A job that is stopped ends all the same.
            self.ending.continue_job();
        }
        Ok(())
    }

    /// Whether tasks go on without being recorded.
    pub(crate) fn leaves_rest(&self) -> bool {
        self.ending.leftover == Leftover::LeaveRunning
            && self.ending.by == Some(EndedBy::Program)
            && !self.world.tasks.is_empty()
    }

    /// How the recording came to its end, and what the program left behind.
    pub(crate) fn ended_by(&self) -> (EndedBy, Vec<LeftProcess>) {
        (self.ending.by.unwrap_or(EndedBy::Program), self.ending.left.clone())
    }
}

/// Lets tasks that were killed come to their end, and collects them.
fn reap_all() {
    let started = monotonic();
    while monotonic().saturating_sub(started) < LONGEST_WAIT {
        match wait_any(WaitFlags::Poll) {
            Ok(Some((tid, PtraceStop::Stopped(stopped, event)))) => {
                if event != StopEvent::Exit {
                    // Perhaps one that is so new that nobody knew of it.
                    kill_process(tid);
                }
                let _running = stopped.resume(Resume::Continue, None);
            }
            Ok(Some(_)) => {}
            Ok(None) => std::thread::sleep(LOOK),
            Err(_) => return,
        }
    }
}

//! The job that a shell sees: it is stopped while the program's first process is.

use retake_model::Signal;
use retake_ptrace::StopEvent;

use crate::ending::state::Ending;
use crate::session::Session;
use crate::tasks::Task;

impl Ending {
    /// Lets the front go on if it is stopped.
    pub(super) fn continue_job(&mut self) {
        if std::mem::replace(&mut self.job_stopped, false)
            && let Some(link) = &self.link
        {
            link.program_continued();
        }
    }
}

impl Session {
    /// A task has stopped. The front does as the first process: stopped by a job-control signal, and
    /// going on.
    pub(crate) fn note_job_state(&mut self, task: &Task, event: StopEvent) {
        let ending = &mut self.ending;
        let speaks = task.tid == self.world.root
            || (task.pid == self.world.root
                && self.world.tasks.get(&self.world.root).is_none_or(|t| t.ended));
        if !speaks {
            return;
        }
        let stopped_by = match event {
            StopEvent::Stop(
                signal @ (Signal::STOP | Signal::TSTP | Signal::TTIN | Signal::TTOU),
            ) => Some(signal),
            _ => None,
        };
        let Some(signal) = stopped_by else { return self.ending.continue_job() };
        if !std::mem::replace(&mut ending.job_stopped, true)
            && let Some(link) = &ending.link
        {
            link.program_stopped(signal);
        }
    }
}

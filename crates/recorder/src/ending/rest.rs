//! Processes that go on after their recording is closed.

use retake_ptrace::{Cpuid, SameTraps, kill_process, let_go_of};

use super::leftover::{Leftover, Phase};
use crate::session::Session;

/// What is left of the program after its first process has ended. It stays traced: its system-call
/// filter cannot be taken back, so that somebody must answer.
#[derive(Debug)]
#[must_use = "the processes are ended when nobody serves them"]
pub struct Rest {
    session: Session,
}

impl Rest {
    pub(crate) fn new(session: Session) -> Self {
        Self { session }
    }

    /// Lets the front exit with this code, and serves the processes until the last one ends. SIGTERM to
    /// this process ends them.
    pub fn serve(mut self, code: u8) {
        let session = &mut self.session;
        let_go_of(0..=2);
        session.ending.by = None;
        session.ending.leftover = Leftover::Wait;
        session.ending.phase = Phase::FirstLives;
        session.book.schedule.stop();
        if let Some(link) = session.ending.link.take() {
            link.done(code);
            link.leave();
        }
        let traps = if session.hardware.traps_cpuid { Cpuid::Trapped } else { Cpuid::Executed };
        let _as_in_the_program = SameTraps::start(traps);
        if session.run().is_err() {
            for task in session.world.tasks.values() {
                kill_process(task.pid);
            }
        }
    }
}

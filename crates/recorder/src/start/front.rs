//! The process that a shell sees as its job, while another one records.

use retake_model::Signal;
use retake_ptrace::{Front, FrontEvent, Passed, let_go_of};

/// How a front ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrontEnd {
    /// With this code.
    Exit(u8),
    /// Its tracer was killed, and the program with it; `None`: it is not known by which signal.
    TracerKilled(Option<Signal>),
}

/// Does the front's work until the tracer has ended, or has said that the recording is over: tells the
/// tracer of signals, and is stopped while the program's first process is.
///
/// # Errors
/// When the system does not let it wait.
pub fn attend(mut front: Front) -> std::io::Result<FrontEnd> {
    let_go_of(0..=1);
    loop {
        match front.next_event()? {
            FrontEvent::Signal(passed) => pass(&front, &passed),
            FrontEvent::ProgramStopped(signal) => front.stop_by(signal),
            FrontEvent::Done(code) | FrontEvent::TracerExited(code) => {
                return Ok(FrontEnd::Exit(code));
            }
            FrontEvent::TracerKilled(signal) => return Ok(FrontEnd::TracerKilled(signal)),
        }
    }
}

fn pass(front: &Front, passed: &Passed) {
    let is_about_a_child = passed.signal == Signal::CHLD.number();
    // A blocked signal is kept also where it is ignored, as it is by the program.
    let is_ignored = front.inherited().ignores(passed.signal);
    let continues_us = passed.sender == front.tracer().get();
    if is_about_a_child || is_ignored || continues_us {
        return;
    }
    front.let_signals_arrive();
    front.pass(passed);
}

//! Trying something out: calls of functions, and writes. The recording stays what it is.
//!
//! A diversion begins at the first write that changes something. Whoever calls a function asks for the signal's
//! information first, sets registers, and writes the information back afterwards: in between the client's
//! `vCont` is for the diversion. Any other movement ends it.

use retake_execution::{Company, Diversion, Diverted, ExecutionError, Go, StandardStream, State};
use retake_model::{Addr, TaskId, VectorState};

use super::stops::{Report, Why};
use super::{Outcome, REFUSED, Session, ok};
use crate::link::{Link, Run};
use crate::packet::{PointKind, Resume};

/// What a client tries out.
#[derive(Default)]
pub(super) struct Tried {
    copy: Option<Box<dyn Diversion>>,
    /// It has asked for the information of the signal: it may be about to call a function.
    asked: bool,
    /// It has set registers.
    prepared: bool,
}

impl Tried {
    pub(super) fn state(&self) -> Option<&dyn State> {
        self.copy.as_deref().map(|copy| copy as &dyn State)
    }

    /// The client may be about to call a function.
    pub(super) fn ask(&mut self) {
        self.asked = true;
    }
}

impl Session<'_> {
    /// Whether the client's `vCont` is for a diversion.
    pub(super) fn calls_a_function(&self) -> bool {
        self.tried.copy.is_some() && self.tried.asked && self.tried.prepared
    }

    /// Says who runs besides the thread that calls a function, or sets it.
    pub(super) fn calls_run(&mut self, who: &str) -> String {
        self.company = match who {
            "" => self.company,
            "alone" => Company::Alone,
            "all" => Company::Others,
            other => return format!("{other} is neither alone nor all: say who runs in a call."),
        };
        if let Some(copy) = self.tried.copy.as_deref_mut() {
            copy.keep_company(self.company);
        }
        match self.company {
            Company::Alone => "A thread that calls a function runs alone.".to_owned(),
            Company::Others => "All threads run while one calls a function.".to_owned(),
        }
    }

    /// What was tried is over.
    pub(super) fn end_call(&mut self) -> Vec<u8> {
        self.tried = Tried::default();
        ok()
    }

    /// The client moves through the recording.
    pub(super) fn end_diversion(&mut self) {
        if std::mem::take(&mut self.tried).copy.is_some() {
            self.options.notice("a recording does not change: what was set is dropped");
        }
    }

    /// The diversion that goes on, or a new one. Delve writes outside of calls where it takes the program for a
    /// live one, and copes with a refusal.
    fn diversion(&mut self) -> Option<&mut dyn Diversion> {
        if self.tried.copy.is_none() {
            if !self.client.is_gdb && !self.tried.asked {
                return None;
            }
            match self.execution.divert() {
                Ok(mut copy) => {
                    copy.keep_company(self.company);
                    self.tried.copy = Some(copy);
                }
                Err(error) => {
                    self.options.notice(&error.to_string());
                    return None;
                }
            }
        }
        self.tried.copy.as_deref_mut().map(|copy| copy as &mut dyn Diversion)
    }

    pub(super) fn set_memory(&mut self, addr: Addr, bytes: &[u8]) -> Vec<u8> {
        let task = self.looked_at();
        let mut now = vec![0; bytes.len()];
        if !matches!(self.state().read_some(task, addr, &mut now), Ok(got) if got == bytes.len()) {
            return REFUSED.to_vec();
        }
        if now == bytes {
            return ok();
        }
        let written = self.diversion().map(|copy| copy.write_memory(task, addr, bytes));
        match written {
            Some(Ok(())) => ok(),
            Some(Err(_)) | None => REFUSED.to_vec(),
        }
    }

    pub(super) fn set_register(&mut self, number: usize, value: &[u8]) -> Vec<u8> {
        let task = self.looked_at();
        let set = self.change_registers(task, |session, general, area| {
            session.layout.set(number, value, general, area)
        });
        if set == Some(()) { ok() } else { REFUSED.to_vec() }
    }

    pub(super) fn set_registers(&mut self, values: &[u8]) -> Vec<u8> {
        let task = self.looked_at();
        let set = self.change_registers(task, |session, general, area| {
            session.layout.set_all(values, general, area)
        });
        if set == Some(()) { ok() } else { REFUSED.to_vec() }
    }

    /// Changes registers of a task, if they are to hold something else.
    fn change_registers(
        &mut self,
        task: TaskId,
        change: impl FnOnce(&Self, &mut retake_model::Registers, &mut Vec<u8>) -> Option<()>,
    ) -> Option<()> {
        let before = self.state().program_registers(task).ok()?;
        let vector = self.state().vector_registers(task).ok()?;
        let (mut general, mut area) = (before, vector.as_bytes().to_vec());
        change(self, &mut general, &mut area)?;
        let area = VectorState::from_bytes(area);
        if general == before && area == vector {
            return Some(());
        }
        let copy = self.diversion()?;
        if general != before {
            copy.set_registers(task, &general).ok()?;
        }
        if area != vector {
            copy.set_vector_registers(task, &area).ok()?;
        }
        self.tried.prepared = true;
        Some(())
    }

    /// Lets the diverted program run.
    pub(super) fn run_diverted(&mut self, resume: Resume, link: &Link) -> Outcome {
        let (go, task) = match resume {
            Resume::Continue => (Go::On, self.stepper(None)),
            Resume::Step(thread) => (Go::OneInstruction, self.stepper(thread)),
        };
        let breakpoints = self.points.places();
        link.running().begin(self.reply(&Report { task, why: Why::Interrupted }));
        let ran = match self.tried.copy.as_deref_mut() {
            Some(copy) => copy.run(task, go, &breakpoints),
            None => Ok(Diverted::Over("the diversion has ended".to_owned())),
        };
        let ended = link.running().end();
        self.show_output(link);
        let why = self.why_diverted(ran, link);
        match ended {
            Run::Answered => Outcome::Answered,
            Run::Over | Run::Interrupted => Outcome::Reply(self.reply(&Report { task, why })),
        }
    }

    fn why_diverted(&mut self, ran: Result<Diverted, ExecutionError>, link: &Link) -> Why {
        match ran {
            Ok(Diverted::Breakpoint(_)) => Why::Breakpoint(PointKind::Software),
            Ok(Diverted::Stepped) => Why::Trap,
            Ok(Diverted::Signal(signal)) => {
                // A trap of its own is how a call of a Go function goes on.
                self.tried.asked = signal == retake_model::Signal::TRAP;
                Why::Signal(signal)
            }
            Ok(Diverted::Over(why)) => {
                self.tried.asked = false;
                self.say(link, &format!("the call cannot go on: {why}"));
                Why::Trap
            }
            Err(error) => {
                self.tried.asked = false;
                self.say(link, &error.to_string());
                Why::Trap
            }
        }
    }

    /// What the program has printed there.
    fn show_output(&mut self, link: &Link) {
        let output = self.tried.copy.as_deref_mut().map(|copy| copy.take_output());
        for (stream, text) in output.unwrap_or_default() {
            let to = match stream {
                StandardStream::Output => "output",
                StandardStream::Error => "error",
            };
            self.say(link, &format!("[{to} of the call] {}", String::from_utf8_lossy(&text)));
        }
    }
}

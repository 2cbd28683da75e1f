//! Making a recording, whoever asked for it: [`Request`]. [`Place`] is the folder it goes to.

mod beside;
mod closing;
mod place;

use std::process::ExitCode;

use retake_recorder::{
    Front, FrontEnd, Link, RecordError, RecordOptions, Side, attend, record, split,
};
use retake_recording::is_recording;

use crate::failure::{Failure, OURS, chain};
use crate::home::Home;
use crate::store;
use closing::{failed_audit, summarize, warn};

pub(crate) use beside::{FilesBeside, Sources};
pub(crate) use place::{Place, Target};

/// What is said on standard error when the recording is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Summary {
    /// Warnings, and what was recorded to where.
    Said,
    /// Warnings.
    Warnings,
    /// Nothing.
    Silent,
}

/// A recording to be made.
pub(crate) struct Request {
    /// What to record, and how.
    pub(crate) options: RecordOptions,
    /// The folder of the recording, which [`Request::options`] names too.
    pub(crate) place: Place,
    /// Where recordings live.
    pub(crate) home: Home,
    /// What is said at the end.
    pub(crate) summary: Summary,
    /// The exit code where the program cannot be recorded.
    pub(crate) code_of: fn(&RecordError) -> u8,
}

impl Request {
    /// Makes it, and gives the exit code: the program's.
    pub(crate) fn make(self) -> Result<ExitCode, Failure> {
        // What this process is to the shell, it stays; its child records.
        match split() {
            Ok(Side::Front(front)) => stand_in(front, self.place, &self.home),
            Ok(Side::Tracer(link)) => self.trace(link),
            Err(err) => {
                self.place.give_back(&self.home);
                let text = format!("failed to start the recorder: {err}");
                Err(Failure::text(text).with_code(OURS))
            }
        }
    }

    /// In the process that records.
    fn trace(self, link: Link) -> Result<ExitCode, Failure> {
        let using = store::use_store(&self.options.store);
        let result = record(&self.options, link);
        drop(using);
        match result {
            Ok(recorded) => {
                match self.summary {
                    Summary::Said => summarize(&recorded, &self.home),
                    Summary::Warnings => warn(&recorded),
                    Summary::Silent => {}
                }
                failed_audit(&recorded)?;
                let code = recorded.status.shell_code();
                if let Some(rest) = recorded.rest {
                    rest.serve(code);
                }
                Ok(ExitCode::from(code))
            }
            Err(err) => {
                let mut text = chain(&err);
                if is_recording(self.place.dir()) {
                    let dir = self.place.dir().display();
                    text.push_str(&format!("\n  what was recorded until then is in {dir}"));
                } else {
                    self.place.give_back(&self.home);
                }
                Err(Failure::text(text).with_code((self.code_of)(&err)))
            }
        }
    }
}

/// In the process that the shell started.
fn stand_in(front: Front, place: Place, home: &Home) -> Result<ExitCode, Failure> {
    let mut text = match attend(front) {
        Ok(FrontEnd::Exit(code)) => return Ok(ExitCode::from(code)),
        Ok(FrontEnd::TracerKilled(signal)) => {
            let by = signal.map_or("a signal".to_owned(), |signal| signal.to_string());
            format!("the recorder was killed by {by}, and the program with it")
        }
        Err(err) => format!("failed to wait for the recorder: {err}"),
    };
    if is_recording(place.dir()) {
        text.push_str(&format!("; what was recorded until then is in {}", place.dir().display()));
    } else {
        place.give_back(home);
    }
    Err(Failure::text(text).with_code(OURS))
}

/// Another number each time, for `--chaos`.
pub(crate) fn seed() -> u64 {
    use std::hash::BuildHasher;
    std::collections::hash_map::RandomState::new().hash_one(std::process::id()) >> 32
}

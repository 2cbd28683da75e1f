//! Sessions: what brings a debugger back after a crash.
//!
//! A session is a folder `sessions/NUMBER` of a recording with a `lock` and a `journal`. A request
//! is in the journal before it is done, and what it led to afterwards; see [`record`] for the lines.
//! [`Session::create`] starts one, [`Session::resume`] goes on with the last one.

mod journal;
mod lock;
pub mod record;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use journal::Journal;
use lock::Lock;
pub use record::SavedState;
use record::{Begin, End, Record};

use crate::{Answer, DebugError, Request};

/// A session could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The system refused.
    #[error("failed to {attempt} {path}: {source}")]
    Io {
        /// What was attempted.
        attempt: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A request or its answer has no form in the journal.
    #[error("failed to write a request as JSON: {0}")]
    Json(serde_json::Error),
    /// Another debugger is in it.
    #[error("session {name} is in use by another debugger{}", holder(*.pid))]
    InUse {
        /// The session.
        name: String,
        /// The other debugger's process, if it wrote that down.
        pid: Option<u32>,
    },
    /// There is nothing to resume.
    #[error("there is no session to resume in {}", .0.display())]
    None(PathBuf),
    /// A line of the journal, and not its end, is damaged.
    #[error("line {line} of {} is damaged", path.display())]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// The journal was written by another version.
    #[error("{} was written by a version of retake with journal format {found}", path.display())]
    Version {
        /// The journal.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (process {pid})"))
}

/// An open session.
#[derive(Debug)]
pub struct Session {
    name: String,
    journal: Journal,
    next: u64,
    chain: String,
    _lock: Lock,
}

/// What a resumed session was at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resumed {
    /// After the last request that completed; nothing if none did.
    pub state: Option<SavedState>,
    /// How many requests completed.
    pub completed: u64,
    /// Requests that had begun and did not complete, in order, as they were written. They are not
    /// applied.
    pub interrupted: Vec<String>,
}

/// A request that is in the journal and has not completed.
#[derive(Debug)]
#[must_use]
pub struct Begun {
    seq: u64,
    /// Its JSON.
    request: String,
}

impl Session {
    /// Starts a new session in a recording's folder.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn create(recording: &Path) -> Result<Self, SessionError> {
        let sessions = recording.join("sessions");
        fs::create_dir_all(&sessions).map_err(at("create", &sessions))?;
        let mut number = numbers(&sessions)?.last().copied().unwrap_or(0);
        loop {
            number += 1;
            let folder = sessions.join(number.to_string());
            match fs::create_dir(&folder) {
                Ok(()) => return Ok(Self::open(&folder, number)?.0),
                Err(err) if err.kind() == io::ErrorKind::AlreadyExists => {}
                Err(err) => return Err(at("create", &folder)(err)),
            }
        }
    }

    /// Goes on with the last session of a recording.
    ///
    /// # Errors
    /// When there is none, another debugger is in it, or its journal is damaged before its end.
    pub fn resume(recording: &Path) -> Result<(Self, Resumed), SessionError> {
        let sessions = recording.join("sessions");
        let last = numbers(&sessions)?.last().copied();
        let number = last.ok_or_else(|| SessionError::None(sessions.clone()))?;
        let (mut session, resumed) = Self::open(&sessions.join(number.to_string()), number)?;
        session.journal.append(&Record::Resume)?;
        Ok((session, resumed))
    }

    fn open(folder: &Path, number: u64) -> Result<(Self, Resumed), SessionError> {
        let name = number.to_string();
        let lock = Lock::take(&folder.join("lock"), &name)?;
        let (journal, records) = Journal::open(&folder.join("journal"))?;
        let mut session = Self { name, journal, next: 1, chain: String::new(), _lock: lock };
        let resumed = session.replay(records);
        Ok((session, resumed))
    }

    /// What the records say.
    fn replay(&mut self, records: Vec<Record>) -> Resumed {
        let mut resumed = Resumed { state: None, completed: 0, interrupted: Vec::new() };
        let mut open: Vec<Begin> = Vec::new();
        for record in records {
            match record {
                Record::Open { .. } => {}
                Record::Resume => open.clear(),
                Record::Begin(begin) => {
                    self.next = self.next.max(begin.seq.saturating_add(1));
                    open.push(begin);
                }
                Record::End(end) => {
                    open.retain(|begin| begin.seq != end.seq);
                    self.chain = end.chain;
                    resumed.completed += 1;
                    resumed.state = Some(end.state);
                }
            }
        }
        resumed.interrupted = open.into_iter().map(|begin| begin.command).collect();
        resumed
    }

    /// The session's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The hash chain over every request, position and answer so far.
    pub fn chain(&self) -> &str {
        &self.chain
    }

    /// Journals a request that is about to be done, and the line that somebody wrote for it.
    ///
    /// # Errors
    /// When it cannot be written; the request must not be done then.
    pub fn begin(&mut self, request: &Request, line: Option<&str>) -> Result<Begun, SessionError> {
        let value = serde_json::to_value(request).map_err(SessionError::Json)?;
        let begun = Begun { seq: self.next, request: value.to_string() };
        let command = line.unwrap_or(&begun.request).to_owned();
        self.journal.append(&Record::Begin(Begin {
            seq: begun.seq,
            command,
            request: Some(value),
        }))?;
        self.next += 1;
        Ok(begun)
    }

    /// Journals what a request led to.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn end(
        &mut self,
        begun: Begun,
        state: &SavedState,
        result: &Result<Answer, DebugError>,
    ) -> Result<(), SessionError> {
        let answer = match result {
            Ok(answer) => record::hash_of(answer),
            Err(err) => record::hash_of(&err.to_string()),
        };
        let answer = answer.map_err(SessionError::Json)?;
        let chain = record::chain(&self.chain, &begun.request, state.position, answer);
        let end = End { seq: begun.seq, state: state.clone(), chain: chain.clone() };
        self.journal.append(&Record::End(end))?;
        self.chain = chain;
        Ok(())
    }
}

/// The numbers of all sessions, ascending.
fn numbers(sessions: &Path) -> Result<Vec<u64>, SessionError> {
    let entries = match fs::read_dir(sessions) {
        Ok(entries) => entries,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(err) => return Err(at("list", sessions)(err)),
    };
    let mut all = Vec::new();
    for entry in entries {
        let name = entry.map_err(at("list", sessions))?.file_name();
        all.extend(name.to_str().and_then(|name| name.parse::<u64>().ok()));
    }
    all.sort_unstable();
    Ok(all)
}

/// Makes an error of an attempt with a file.
fn at<'a>(attempt: &'static str, path: &'a Path) -> impl Fn(io::Error) -> SessionError + 'a {
    move |source| SessionError::Io { attempt, path: path.to_owned(), source }
}

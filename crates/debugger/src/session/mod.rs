//! Sessions: what brings a debugger back after a crash.
//!
//! A session is a folder `sessions/NAME` of a recording with a `lock` and a `journal`. A request
//! is in the journal before it is done, and what it led to afterwards; see [`record`] for the lines.
//! [`Session::create`] starts one, [`Session::resume`] goes on with the one that was used last,
//! [`Session::named`] with one of a name. [`strict`] does everything again and compares.

#[cfg(test)]
mod hostile;
mod journal;
mod lock;
pub mod record;
pub mod strict;
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
    /// A name that a folder cannot have.
    #[error("{0:?} is no name for a session: use letters, digits, '-', '_' and '.'")]
    Name(String),
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
    trouble: Option<SessionError>,
    /// The recording's folder for what can be had again.
    index: PathBuf,
    /// Which of the two files the next place is kept in.
    next_place: usize,
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
    /// Requests that completed, in order.
    pub(crate) done: Vec<Done>,
}

/// A request that completed, as the journal tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) begin: Begin,
    pub(crate) end: End,
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
    /// Starts a new session in a recording's folder; its name is a number.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn create(recording: &Path) -> Result<Self, SessionError> {
        let sessions = recording.join("sessions");
        fs::create_dir_all(&sessions).map_err(at("create", &sessions))?;
        let numbers = names(&sessions)?.into_iter().filter_map(|name| name.parse::<u64>().ok());
        let mut number = numbers.max().unwrap_or(0);
        loop {
            number = number.saturating_add(1);
            let folder = sessions.join(number.to_string());
            match fs::create_dir(&folder) {
                Ok(()) => return Ok(Self::open(&folder, &number.to_string())?.0),
                Err(err) if err.kind() == io::ErrorKind::AlreadyExists => {}
                Err(err) => return Err(at("create", &folder)(err)),
            }
        }
    }

    /// Goes on with the session of a recording that was used last.
    ///
    /// # Errors
    /// When there is none, another debugger is in it, or its journal is damaged before its end.
    pub fn resume(recording: &Path) -> Result<(Self, Resumed), SessionError> {
        let sessions = recording.join("sessions");
        let used = |name: &String| {
            let journal = fs::metadata(sessions.join(name).join("journal"));
            let at = journal.and_then(|data| data.modified()).ok();
            // Sessions that were used within the same tick of the clock: the one that began later.
            (at, name.parse::<u64>().ok())
        };
        let last = names(&sessions)?.into_iter().max_by_key(used);
        let name = last.ok_or_else(|| SessionError::None(sessions.clone()))?;
        Self::go_on(&sessions, &name)
    }

    /// Goes on with the session of a name; starts it if there is none.
    ///
    /// # Errors
    /// As [`Self::resume`], and when it cannot be a name of a folder.
    pub fn named(recording: &Path, name: &str) -> Result<(Self, Resumed), SessionError> {
        let is_name = name.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c));
        if !is_name || name.is_empty() || name.starts_with('.') || name == "history" {
            return Err(SessionError::Name(name.to_owned()));
        }
        let sessions = recording.join("sessions");
        let folder = sessions.join(name);
        fs::create_dir_all(&folder).map_err(at("create", &folder))?;
        Self::go_on(&sessions, name)
    }

    fn go_on(sessions: &Path, name: &str) -> Result<(Self, Resumed), SessionError> {
        let (mut session, resumed) = Self::open(&sessions.join(name), name)?;
        if resumed.completed > 0 || !resumed.interrupted.is_empty() {
            session.write(&Record::Resume);
        }
        Ok((session, resumed))
    }

    fn open(folder: &Path, name: &str) -> Result<(Self, Resumed), SessionError> {
        let lock = Lock::take(&folder.join("lock"), name)?;
        let (journal, records) = Journal::open(&folder.join("journal"))?;
        let name = name.to_owned();
        // A session lies in `sessions/NAME` of the recording.
        let recording = folder.parent().and_then(Path::parent).unwrap_or(folder);
        let mut session = Self {
            name,
            journal,
            next: 1,
            chain: String::new(),
            trouble: None,
            index: recording.join("index"),
            next_place: 0,
            _lock: lock,
        };
        session.next_place = session.older_place();
        let resumed = session.replay(records);
        Ok((session, resumed))
    }

    /// What the records say.
    fn replay(&mut self, records: Vec<Record>) -> Resumed {
        let (interrupted, done) = (Vec::new(), Vec::new());
        let mut resumed = Resumed { state: None, completed: 0, interrupted, done };
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
                    let begun = open.iter().position(|begin| begin.seq == end.seq);
                    let begin = begun.map(|begun| open.remove(begun));
                    self.chain.clone_from(&end.chain);
                    resumed.completed += 1;
                    resumed.state = Some(end.state.clone());
                    resumed.done.extend(begin.map(|begin| Done { begin, end: *end }));
                }
            }
        }
        resumed.interrupted = open.into_iter().map(|begin| begin.command).collect();
        resumed
    }

    /// The files in which it keeps places: two, so that the one that brings it back is not the one that is
    /// written.
    pub fn places(&self) -> Vec<PathBuf> {
        (0..2).map(|n| self.index.join(format!("place-{}-{n}", self.name))).collect()
    }

    /// Which of them is not the last one that was written.
    fn older_place(&self) -> usize {
        let written = |path: &PathBuf| fs::metadata(path).and_then(|data| data.modified()).ok();
        let times: Vec<_> = self.places().iter().map(written).collect();
        usize::from(times.first() > times.get(1))
    }

    pub(crate) fn next_place(&self) -> PathBuf {
        self.index.join(format!("place-{}-{}", self.name, self.next_place))
    }

    pub(crate) fn place_kept(&mut self) {
        self.next_place = 1 - self.next_place;
    }

    /// The session's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The hash chain over every request, position and answer so far.
    pub fn chain(&self) -> &str {
        &self.chain
    }

    /// Journals a request that is about to be done, and the line that somebody wrote for it. A record that
    /// cannot be written now is written with the next one: [`Self::trouble`] says why.
    ///
    /// # Errors
    /// When it has no form in a journal.
    pub fn begin(&mut self, request: &Request, line: Option<&str>) -> Result<Begun, SessionError> {
        let value = serde_json::to_value(request).map_err(SessionError::Json)?;
        let begun = Begun { seq: self.next, request: value.to_string() };
        let command = line.unwrap_or(&begun.request).to_owned();
        let begin = Begin { seq: begun.seq, command, request: Some(value) };
        self.write(&Record::Begin(begin));
        self.next += 1;
        Ok(begun)
    }

    /// Why the journal is not written at this time, if it is not: what was done since then is lost if the
    /// debugger is killed before it can be written again.
    pub fn trouble(&self) -> Option<&SessionError> {
        self.trouble.as_ref()
    }

    fn write(&mut self, record: &Record) {
        self.trouble = self.journal.append(record).err();
    }

    /// Journals what a request led to, as [`Self::begin`] does.
    ///
    /// # Errors
    /// When it has no form in a journal.
    pub fn end(
        &mut self,
        begun: Begun,
        state: &SavedState,
        result: &Result<Answer, DebugError>,
    ) -> Result<(), SessionError> {
        let chain = next_in_chain(&self.chain, &begun.request, state, result)?;
        let cancelled = result.as_ref().is_err_and(DebugError::is_interrupted);
        let end = End { seq: begun.seq, state: state.clone(), chain: chain.clone(), cancelled };
        self.write(&Record::End(Box::new(end)));
        self.chain = chain;
        Ok(())
    }
}

/// The hash chain after a request.
pub(crate) fn next_in_chain(
    before: &str,
    request: &str,
    state: &SavedState,
    result: &Result<Answer, DebugError>,
) -> Result<String, SessionError> {
    let answer = match result {
        Ok(answer) => record::hash_of(answer.of_recording().as_ref()),
        Err(err) => record::hash_of(&err.to_string()),
    };
    let answer = answer.map_err(SessionError::Json)?;
    Ok(record::chain(before, request, state.position, answer))
}

/// The names of all sessions.
fn names(sessions: &Path) -> Result<Vec<String>, SessionError> {
    let entries = match fs::read_dir(sessions) {
        Ok(entries) => entries,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(err) => return Err(at("list", sessions)(err)),
    };
    let mut all = Vec::new();
    for entry in entries {
        let entry = entry.map_err(at("list", sessions))?;
        // The history of the prompt is a file beside them.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            all.extend(entry.file_name().into_string().ok());
        }
    }
    Ok(all)
}

/// Makes an error of an attempt with a file.
fn at<'a>(attempt: &'static str, path: &'a Path) -> impl Fn(io::Error) -> SessionError + 'a {
    move |source| SessionError::Io { attempt, path: path.to_owned(), source }
}

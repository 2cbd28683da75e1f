//! Waiting for clients, and serving them one at a time.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

use retake_execution::{Company, Execution};
use retake_model::{EventIndex, Position, SigInfo, Tid};
use retake_recording::{EventKind, Recording, RecordingError};

use crate::error::ServeError;
use crate::facts::{ProcessInfo, processes};
use crate::link::Link;
use crate::packet::{Request, parse};
use crate::session::{Outcome, Session};

/// How many clients are served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clients {
    /// One, until it leaves. Whoever connects and never says anything is none.
    #[default]
    One,
    /// One after the other, for ever.
    Many,
}

/// How a client left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It killed the program, as it believes.
    Killed,
    /// It detached.
    Detached,
    /// It was gone.
    Closed,
}

/// Who is told what clients cannot be told: a sentence each time.
pub type Notices = Box<dyn Fn(&str) + Send + Sync>;

/// How to serve.
#[derive(Default)]
pub struct ServeOptions {
    /// Whose threads are shown, by its recorded number; the first process otherwise.
    pub process: Option<Tid>,
    /// Where clients find the program; at its start otherwise.
    pub start: Option<Position>,
    /// How many are served.
    pub clients: Clients,
    /// Who runs besides the thread that calls a function, until the client says otherwise.
    pub company: Company,
    /// Who is told what clients cannot be told.
    pub notices: Option<Notices>,
}

impl std::fmt::Debug for ServeOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = f.debug_struct("ServeOptions");
        out.field("process", &self.process).field("start", &self.start);
        out.field("clients", &self.clients).field("company", &self.company).finish_non_exhaustive()
    }
}

impl ServeOptions {
    pub(crate) fn notice(&self, text: &str) {
        if let Some(notices) = &self.notices {
            notices(text);
        }
    }
}

/// What is known of the processes of a recording, once somebody asks.
pub(crate) struct Facts {
    gathering: Option<JoinHandle<Result<Vec<ProcessInfo>, RecordingError>>>,
    processes: Vec<ProcessInfo>,
    /// Answers of cpuid that the program got.
    pub(crate) cpuid: Vec<[u32; 6]>,
    recording: Option<Recording>,
}

impl Facts {
    fn of(recording: &Recording) -> Self {
        let read = recording.clone();
        // A recording whose processes are not known is served as if it had one.
        let gathering = thread::Builder::new().spawn(move || processes(&read)).ok();
        let cpuid = recording.manifest().machine.cpuid.clone();
        let recording = Some(recording.clone());
        Self { gathering, processes: Vec::new(), cpuid, recording }
    }

    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self { gathering: None, processes: Vec::new(), cpuid: Vec::new(), recording: None }
    }

    /// The signal that an event is, if it is one.
    pub(crate) fn signal_at(&self, event: EventIndex) -> Option<SigInfo> {
        match self.recording.as_ref()?.event(event).ok()?.kind {
            EventKind::Signal { info, .. } => Some(info),
            _ => None,
        }
    }

    /// All processes. Waits until the recording is read once.
    pub(crate) fn processes(&mut self) -> &[ProcessInfo] {
        if let Some(gathering) = self.gathering.take() {
            self.processes = gathering.join().ok().and_then(Result::ok).unwrap_or_default();
        }
        &self.processes
    }
}

/// Waits for a client on `listener` and serves it, until it leaves.
///
/// # Errors
/// When no client can be waited for, or the recording cannot be brought to where it is to be found.
pub fn serve(
    listener: &TcpListener,
    execution: &mut dyn Execution,
    recording: &Recording,
    options: &ServeOptions,
) -> Result<Ended, ServeError> {
    let facts = Facts::of(recording);
    Server { execution, facts, options }.run(listener)
}

struct Server<'a> {
    execution: &'a mut dyn Execution,
    facts: Facts,
    options: &'a ServeOptions,
}

impl Server<'_> {
    fn run(&mut self, listener: &TcpListener) -> Result<Ended, ServeError> {
        let mut session = Session::new(self.execution, &mut self.facts, self.options)?;
        loop {
            let (stream, _) = listener.accept().map_err(ServeError::Accept)?;
            let served = serve_client(stream, &mut session);
            match (served, self.options.clients) {
                (Ok(Some(ended)), Clients::One) => return Ok(ended),
                (Ok(_), _) => {}
                // That connection is broken; others need not be.
                (Err(error), _) => {
                    self.options.notice(&format!("a connection could not be served: {error}"));
                }
            }
            session.renew()?;
        }
    }
}

/// `None`: it was no client.
fn serve_client(stream: TcpStream, session: &mut Session<'_>) -> io::Result<Option<Ended>> {
    let link = Link::new(stream, session.interrupter())?;
    let mut is_client = false;
    while let Some(packet) = link.next() {
        let request = parse(&packet);
        is_client |= !matches!(request, Request::Unknown | Request::Malformed);
        if request == Request::NoAcks {
            // Before the answer: what comes behind it is not acknowledged.
            link.stop_acks();
        }
        match session.answer(&request, &link) {
            Outcome::Reply(reply) => link.send(&reply),
            Outcome::Answered => {}
            Outcome::Left(reply, ended) => {
                if let Some(reply) = reply {
                    link.send(&reply);
                }
                return Ok(Some(ended));
            }
        }
        link.running().dealt_with();
    }
    Ok(is_client.then_some(Ended::Closed))
}

#[cfg(test)]
mod tests;

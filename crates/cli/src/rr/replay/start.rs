//! Which process of a recording is shown, and from which moment on.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use retake_gdbserver::{ExecInfo, ProcessInfo, processes};
use retake_model::{Backing, EventIndex, Position, Tid};
use retake_recording::{Effect, FileEntry, Recording};

use crate::commands::have_same_rest;
use crate::failure::Failure;

/// Which process is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// The first one.
    First,
    /// The process of this number, from its first exec on.
    Number(i32),
    /// The first process that executes a program of this name.
    Named(OsString),
    /// The process of this number, from its fork on.
    Forked(i32),
}

impl Shown {
    /// A number or the name of a program.
    pub(super) fn executing(text: &OsStr) -> Self {
        let number = text.to_str().and_then(|text| text.parse().ok());
        number.map_or_else(|| Self::Named(text.to_owned()), Self::Number)
    }
}

/// The process that is shown, and where it is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Start {
    /// None: the first one.
    pub(super) process: Option<Tid>,
    /// None: at the start of the recording.
    pub(super) position: Option<Position>,
    /// The event by which it executed its program. None: the recording begins with that.
    executed: Option<EventIndex>,
}

/// The first program that a process executed itself.
fn own_exec(process: &ProcessInfo) -> Option<&ExecInfo> {
    process.executed.iter().find(|exec| exec.event >= process.born)
}

fn is_named(exec: &ExecInfo, name: &OsStr) -> bool {
    let path = Path::new(OsStr::from_bytes(&exec.path));
    path == Path::new(name) || path.file_name() == Some(name)
}

fn after(event: EventIndex) -> Position {
    Position::at_event(event.next())
}

impl Start {
    /// Finds it, at event `goto` if that is given.
    pub(super) fn find(
        recording: &Recording,
        shown: &Shown,
        goto: Option<u64>,
    ) -> Result<Self, Failure> {
        let mut start = match shown {
            Shown::First => Self { process: None, position: None, executed: None },
            shown => Self::among(&processes(recording)?, shown)?,
        };
        if let Some(event) = goto {
            let (event, last) = (EventIndex::new(event), recording.event_count());
            if event > last {
                return Err(Failure::text(format!(
                    "there is no event {event}: the recording has {last}"
                )));
            }
            start.position = Some(Position::at_event(event));
        }
        Ok(start)
    }

    fn among(all: &[ProcessInfo], shown: &Shown) -> Result<Self, Failure> {
        let of_number = |pid: i32| all.iter().find(|process| process.pid == Tid::new(pid));
        let found = match shown {
            Shown::First => all.first().map(|process| (process, own_exec(process), None)),
            Shown::Number(pid) => of_number(*pid).map(|process| {
                let exec = own_exec(process);
                (process, exec, exec.map(|exec| after(exec.event)))
            }),
            Shown::Named(name) => all.iter().find_map(|process| {
                let mut own = process.executed.iter().filter(|exec| exec.event >= process.born);
                let exec = own.find(|exec| is_named(exec, name))?;
                Some((process, Some(exec), Some(after(exec.event))))
            }),
            Shown::Forked(pid) => of_number(*pid).map(|process| {
                (process, process.executed.first(), Some(Position::at_event(process.born)))
            }),
        };
        match (found, shown) {
            (Some((process, None, _)), _) => Err(Failure::text(format!(
                "process {pid} executes no program: show it from its fork on, with -f {pid}",
                pid = process.pid
            ))),
            (Some((process, Some(exec), position)), _) => {
                // The recording begins with the first process, right after its exec.
                let is_first = all.first() == Some(process) && own_exec(process) == Some(exec);
                Ok(Self {
                    process: Some(process.pid),
                    position: position.filter(|_| !is_first),
                    executed: Some(exec.event),
                })
            }
            (None, Shown::Named(name)) => Err(Failure::text(format!(
                "no process executes {}: `rr ps` shows what they execute",
                name.display()
            ))),
            (None, _) => Err(Failure::text(
                "there is no such process in the recording: `rr ps` shows those that there are",
            )),
        }
    }

    /// A file with what the process executes: that at the recorded path, or the one that the recording keeps
    /// where that has been changed.
    pub(super) fn executable(&self, recording: &Recording) -> Result<PathBuf, Failure> {
        let program = || Path::new(OsStr::from_bytes(&recording.manifest().program)).to_owned();
        let Some(entry) = executed_file(recording, self.executed.unwrap_or(EventIndex::ZERO))
        else {
            return Ok(program());
        };
        let path = Path::new(OsStr::from_bytes(&entry.path));
        let kept = recording.open_file(entry.id)?;
        let is_unchanged = File::open(path).is_ok_and(|file| have_same_rest(file, kept));
        Ok(if is_unchanged { path.to_owned() } else { recording.file_path(entry) })
    }
}

/// The file that an exec mapped as the program: an interpreter is mapped above it.
fn executed_file(recording: &Recording, event: EventIndex) -> Option<&FileEntry> {
    let (_, event) = recording.events(event).next()?.ok()?;
    let image = event.effects.iter().find_map(|effect| match effect {
        Effect::Exec { image } => Some(image),
        _ => None,
    })?;
    let file = image.mappings.iter().find_map(|mapping| match mapping.backing {
        Backing::File { file, .. } => Some(file),
        _ => None,
    })?;
    recording.files().iter().find(|entry| entry.id == file)
}

#[cfg(test)]
mod tests {
    use retake_model::Addr;

    use super::*;

    fn exec(event: u64, path: &str) -> ExecInfo {
        ExecInfo { event: EventIndex::new(event), path: path.into(), stack: Addr::new(0) }
    }

    fn process(pid: i32, born: u64, executed: &[ExecInfo]) -> ProcessInfo {
        ProcessInfo {
            pid: Tid::new(pid),
            parent: None,
            born: EventIndex::new(born),
            ends: None,
            executed: executed.to_vec(),
            tasks: Vec::new(),
        }
    }

    /// A shell that executes ls in a child, and forks another one.
    fn family() -> Vec<ProcessInfo> {
        let shell = exec(0, "/bin/sh");
        vec![
            process(10, 0, std::slice::from_ref(&shell)),
            process(11, 20, &[shell.clone(), exec(25, "/bin/ls")]),
            process(12, 30, &[shell]),
        ]
    }

    fn found(shown: &str) -> Result<(i32, Option<String>), String> {
        let shown = match shown.strip_prefix("fork ") {
            Some(pid) => Shown::Forked(pid.parse().unwrap()),
            None => Shown::executing(OsStr::new(shown)),
        };
        match Start::among(&family(), &shown) {
            Ok(start) => {
                Ok((start.process.unwrap().get(), start.position.map(|at| at.to_string())))
            }
            Err(Failure::Error { text, .. }) => Err(text),
            Err(Failure::Closed) => Err("closed".into()),
        }
    }

    #[test]
    fn processes_are_named_by_number_and_program() {
        assert_eq!(found("10"), Ok((10, None)));
        assert_eq!(found("sh"), Ok((10, None)));
        assert_eq!(found("11"), Ok((11, Some("26".into()))));
        assert_eq!(found("ls"), Ok((11, Some("26".into()))));
        assert_eq!(found("/bin/ls"), Ok((11, Some("26".into()))));
        assert_eq!(found("fork 12"), Ok((12, Some("30".into()))));
    }

    #[test]
    fn what_there_is_not_is_said() {
        assert!(found("12").unwrap_err().contains("-f 12"));
        assert!(found("99").unwrap_err().contains("rr ps"));
        assert!(found("cat").unwrap_err().contains("executes cat"));
    }
}

//! Recordings that stay after a hunt.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::Schedule;
use super::attempt::{Process, Ran};
use crate::failure::Failure;
use crate::home::{Home, claim};

/// A recording that was kept.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) dir: PathBuf,
    pub(crate) command: Vec<Vec<u8>>,
    pub(crate) run: u32,
    pub(crate) schedule: Schedule,
    /// What the run wrote.
    pub(crate) output: Vec<u8>,
}

/// Keeps a process of a run as the latest recording.
pub(super) fn keep(home: &Home, ran: &Ran, at: usize) -> Result<Kept, Failure> {
    let Some(process) = ran.processes.get(at) else {
        return Err(Failure::text("the failing process has no recording"));
    };
    let kept = move_out(home, ran, process, program(&process.command))?;
    home.set_latest(&kept.dir)?;
    Ok(kept)
}

/// Keeps the process of a passing run that is the same program as `failing`, if there is one.
pub(super) fn keep_passing(
    home: &Home,
    ran: &Ran,
    failing: &Kept,
) -> Result<Option<Kept>, Failure> {
    let same = |process: &&Process| process.command == failing.command;
    let alike = |process: &&Process| program(&process.command) == program(&failing.command);
    let found = ran.processes.iter().find(same).or_else(|| ran.processes.iter().find(alike));
    let Some(process) = found else { return Ok(None) };
    let mut name = program(&process.command).to_owned();
    name.push("-passing");
    move_out(home, ran, process, &name).map(Some)
}

/// The name of the program, without folders.
fn program(command: &[Vec<u8>]) -> &OsStr {
    let program = command.first().map_or(OsStr::new("program"), |word| OsStr::from_bytes(word));
    Path::new(program).file_name().unwrap_or(program)
}

fn move_out(home: &Home, ran: &Ran, process: &Process, name: &OsStr) -> Result<Kept, Failure> {
    let dir = claim(&home.recordings(), name)?;
    // A folder may be renamed to an empty one (rename(2)).
    fs::rename(&process.dir, &dir).map_err(|err| {
        let (from, to) = (process.dir.display(), dir.display());
        Failure::text(format!("failed to move the recording {from} to {to}: {err}"))
    })?;
    Ok(Kept {
        dir,
        command: process.command.clone(),
        run: ran.number,
        schedule: ran.schedule,
        output: ran.output.clone(),
    })
}

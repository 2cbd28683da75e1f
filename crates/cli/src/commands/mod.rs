//! The commands, a file each.

mod checkpoints;
mod completions;
mod debug;
mod demo;
mod events;
mod follow;
mod gdb;
mod gdbserver;
mod hunt;
mod info;
mod ls;
mod man;
mod record;
mod replay;
mod rm;
mod stop;
mod verify;

use std::ffi::OsString;
use std::process::ExitCode;

use retake_recording::{Cut, End, ExitStatus, Recording, disk_usage};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::home::Home;
use crate::text;

pub(crate) use gdb::{Client, GLUE, have_same_rest};
pub(crate) use gdbserver::{Calls, bind};
pub(crate) use info::everything;
pub(crate) use ls::print as print_list;
pub(crate) use replay::{replay as replay_with_output, write as write_output};

/// What to do.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Record(record::RecordArgs),
    Stop(stop::StopArgs),
    Replay(replay::ReplayArgs),
    Debug(debug::DebugCommand),
    Gdb(gdb::GdbArgs),
    Gdbserver(gdbserver::GdbserverArgs),
    Verify(verify::VerifyArgs),
    Ls(ls::LsArgs),
    Info(info::InfoArgs),
    Events(events::EventsArgs),
    Checkpoints(checkpoints::CheckpointsArgs),
    Rm(rm::RmArgs),
    Hunt(hunt::HuntArgs),
    Follow(follow::FollowArgs),
    Demo(demo::DemoArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
}

impl Command {
    /// Does it.
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        match self {
            Self::Record(args) => args.run(),
            Self::Stop(args) => args.run(),
            Self::Replay(args) => args.run(),
            Self::Debug(args) => args.run(),
            Self::Gdb(args) => args.run(),
            Self::Gdbserver(args) => args.run(),
            Self::Verify(args) => args.run(),
            Self::Ls(args) => args.run(),
            Self::Info(args) => args.run(),
            Self::Events(args) => args.run(),
            Self::Checkpoints(args) => args.run(),
            Self::Rm(args) => args.run(),
            Self::Hunt(args) => args.run(),
            Self::Follow(args) => args.run(),
            Self::Demo(args) => args.run(),
            Self::Completions(args) => args.run(),
            Self::Man(args) => args.run(),
        }
    }
}

/// Whether the command of this name says with another code than others that it failed itself.
pub(crate) fn exits_as_program(command: Option<OsString>) -> bool {
    command.is_some_and(|name| ["record", "replay", "hunt"].iter().any(|own| name == *own))
}

/// Which recording a command is about.
#[derive(Debug, clap::Args)]
struct Which {
    /// Folder or name of the recording [default: the latest]
    recording: Option<OsString>,
}

impl Which {
    fn open(&self) -> Result<Recording, Failure> {
        Home::find()?.open(self.recording.as_deref())
    }
}

/// How a recorded program ended, in words.
fn how_it_ended(recording: &Recording) -> String {
    match &recording.manifest().end {
        Some(end) if missing(recording).is_some() => {
            format!("{} (damaged)", text::ended(end.status))
        }
        Some(end) => ended(end),
        None if recording.recorder().is_some() => "recording".to_owned(),
        None => "interrupted".to_owned(),
    }
}

/// How a recording ended.
fn ended(end: &End) -> String {
    match end.cut {
        Some(Cut::Deadlock) => "deadlock".to_owned(),
        Some(Cut::TimeLimit) => "time limit".to_owned(),
        Some(Cut::Request) | None => text::ended(end.status),
    }
}

/// What a recording is in: being made, finished, or left by its recorder.
fn state(recording: &Recording) -> &'static str {
    match (&recording.manifest().end, recording.recorder()) {
        (Some(_), _) => "finished",
        (None, Some(_)) => "recording",
        (None, None) => "interrupted",
    }
}

/// What a finished recording lacks. One whose recorder was killed ends early, which is no damage:
/// [`Recording::loss`] says so.
fn missing(recording: &Recording) -> Option<String> {
    let end = recording.manifest().end.as_ref()?;
    if let Some(loss) = recording.loss() {
        return Some(loss.to_owned());
    }
    let less = |what, found: u64, written: u64| {
        (found < written).then(|| format!("{written} {what} were written, {found} can be read"))
    };
    let checkpoints = u64::try_from(recording.checkpoints().len()).unwrap_or(u64::MAX);
    less("events", recording.event_count().get(), end.events)
        .or_else(|| less("checkpoints", checkpoints, end.checkpoints.into()))
}

/// How a program or a task ended, for machines.
fn status_object(status: ExitStatus) -> Value {
    match status {
        ExitStatus::Exited(code) => json!({ "exit": code }),
        ExitStatus::Killed(signal) => json!({ "signal": signal.to_string() }),
    }
}

/// What a recording is, in short, for machines.
fn facts(recording: &Recording) -> Value {
    let manifest = recording.manifest();
    let lossy = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
    json!({
        "path": recording.dir().to_string_lossy(),
        "program": lossy(&manifest.program),
        "command": manifest.command.iter().map(lossy).collect::<Vec<_>>(),
        "started_ns": manifest.started_ns,
        "started": text::time(manifest.started_ns).replacen(' ', "T", 1),
        "wall_ns": manifest.end.as_ref().map(|end| end.wall_ns),
        "events": recording.event_count(),
        "checkpoints": recording.checkpoints().len(),
        "size": disk_usage(recording.dir()),
        "finished": recording.is_finished(),
        "state": state(recording),
        "recorder": recording.recorder(),
        "end": manifest.end.as_ref().map(|end| status_object(end.status)),
        "loss": recording.loss(),
    })
}

//! `rr ps`: the processes of a recording.

use std::collections::BTreeMap;
use std::process::ExitCode;

use retake_model::Tid;
use retake_recording::ExitStatus;

use super::traces::Which;
use crate::failure::Failure;
use crate::output::Out;
use crate::tasks::{Task, tasks};
use crate::text;

/// Print the processes of a trace
#[derive(Debug, clap::Args)]
pub(super) struct PsArgs {
    #[command(flatten)]
    which: Which,
}

impl PsArgs {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let recording = self.which.open()?;
        let all = tasks(&recording);
        let command = text::command(&recording.manifest().command);
        let root = recording.manifest().root_tid.map(Tid::new);
        let mut out = Out::new();
        out.line("PID\tPPID\tEXIT\tCMD")?;
        for (pid, process) in processes(all.into_values()) {
            let parent = process.parent.map_or_else(|| "--".to_owned(), |pid| pid.to_string());
            let exit = exit(process.status);
            let command = match &process.executed {
                _ if Some(pid) == root => command.clone(),
                Some(path) => text::command(std::slice::from_ref(path)),
                None => "(forked without exec)".to_owned(),
            };
            out.line(format_args!("{pid}\t{parent}\t{exit}\t{command}"))?;
        }
        out.finish()?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The first task of each process, by its number.
fn processes(tasks: impl Iterator<Item = Task>) -> BTreeMap<Tid, Task> {
    tasks.filter(|task| task.tid == task.pid).filter_map(|task| Some((task.pid?, task))).collect()
}

/// The exit code, or a signal as a negative number.
fn exit(status: Option<ExitStatus>) -> String {
    match status {
        Some(ExitStatus::Exited(code)) => code.to_string(),
        Some(ExitStatus::Killed(signal)) => format!("-{}", signal.number()),
        None => "--".to_owned(),
    }
}

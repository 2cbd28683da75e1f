//! `retake info`: what is known about one recording.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use retake_model::{TaskId, Tid};
use retake_recording::{Recording, disk_usage};
use serde_json::{Value, json};

use super::Which;
use crate::failure::Failure;
use crate::output::Out;
use crate::tasks::{Task, tasks};
use crate::text;

/// Show what is known about a recording: program, machine, tasks, files, losses
#[derive(Debug, clap::Args)]
pub(crate) struct InfoArgs {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    which: Which,
}

impl InfoArgs {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let recording = self.which.open()?;
        let mut out = Out::new();
        if self.json {
            out.json(&everything(&recording))?;
        } else {
            print(&mut out, &recording, &tasks(&recording))?;
        }
        out.finish()?;
        Ok(ExitCode::SUCCESS)
    }
}

fn print(
    out: &mut Out,
    recording: &Recording,
    tasks: &BTreeMap<TaskId, Task>,
) -> Result<(), Failure> {
    let manifest = recording.manifest();
    let machine = &manifest.machine;
    let cpu = machine.cpu.map(|cpu| format!(", CPU {cpu}")).unwrap_or_default();
    let mut fact = |name: &str, value: &str| out.line(format_args!("{name:<12} {value}"));
    fact("recording", &recording.dir().display().to_string())?;
    fact("command", &text::command(&manifest.command))?;
    fact("program", &String::from_utf8_lossy(&manifest.program))?;
    fact("folder", &String::from_utf8_lossy(&manifest.cwd))?;
    fact("started", &text::time(manifest.started_ns))?;
    match recording.recorder() {
        Some(pid) => fact("ended", &format!("not yet: recording, by process {pid}"))?,
        None => fact("ended", &super::how_it_ended(recording))?,
    }
    if let Some(end) = &manifest.end {
        fact("time", &text::duration(Duration::from_nanos(end.wall_ns)))?;
    }
    fact("events", &recording.event_count().to_string())?;
    fact("checkpoints", &recording.checkpoints().len().to_string())?;
    fact("pages", &recording.page_count().to_string())?;
    fact("size", &text::size(disk_usage(recording.dir())))?;
    fact("machine", &format!("Linux {}{cpu}", machine.kernel))?;
    fact("written by", &format!("retake {}, format {}", manifest.tool, manifest.format))?;
    if let Some(seed) = manifest.chaos_seed {
        fact("chaos", &format!("seed {seed}"))?;
    }
    if let Some(count) = manifest.cpus {
        fact("told CPUs", &count.to_string())?;
    }
    for (call, errno) in &manifest.refused {
        fact("refused", &format!("{call}: {errno}"))?;
    }
    for warning in &manifest.warnings {
        fact("warning", warning)?;
    }
    if let Some(loss) = recording.loss() {
        fact("loss", loss)?;
    }
    let number = |n: Option<Tid>| n.map_or_else(|| "?".to_owned(), |n| n.to_string());
    let row = |(id, task): (&TaskId, &Task)| {
        let ended = task.status.map_or_else(|| "-".to_owned(), text::ended);
        vec![
            id.to_string(),
            number(task.tid),
            number(task.pid),
            task.first.to_string(),
            ended,
            task.name.clone(),
        ]
    };
    let rows: Vec<Vec<String>> = tasks.iter().map(row).collect();
    out.line("")?;
    out.table(&["TASK", "TID", "PID", "EVENT", "ENDED", "NAME"], &rows)?;
    let row = |file: &retake_recording::FileEntry| {
        vec![text::size(file.len), String::from_utf8_lossy(&file.path).into_owned()]
    };
    let rows: Vec<Vec<String>> = recording.files().iter().map(row).collect();
    out.line("")?;
    out.table(&["SIZE", "KEPT FILE"], &rows)
}

/// What is known about a recording, for machines.
pub(crate) fn everything(recording: &Recording) -> Value {
    let (manifest, tasks) = (recording.manifest(), tasks(recording));
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let task = |(id, task): (&TaskId, &Task)| {
        json!({
            "task": id, "tid": task.tid, "pid": task.pid, "name": task.name,
            "first_event": task.first, "end": task.status.map(super::status_object),
        })
    };
    let file = |file: &retake_recording::FileEntry| json!({ "file": file.id, "path": lossy(&file.path), "size": file.len });
    let mut value = super::facts(recording);
    value["cwd"] = lossy(&manifest.cwd).into();
    value["env"] = manifest.env.iter().map(|var| lossy(var)).collect();
    value["pages"] = recording.page_count().into();
    value["warnings"] = manifest.warnings.clone().into();
    value["refused"] = json!(manifest.refused);
    value["chaos_seed"] = manifest.chaos_seed.into();
    value["cpus"] = manifest.cpus.into();
    value["kernel"] = manifest.machine.kernel.clone().into();
    value["cpu"] = manifest.machine.cpu.into();
    value["tool"] = manifest.tool.clone().into();
    value["format"] = manifest.format.clone().into();
    value["tasks"] = tasks.iter().map(task).collect();
    value["files"] = recording.files().iter().map(file).collect();
    value
}

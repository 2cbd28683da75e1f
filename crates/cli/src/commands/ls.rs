//! `retake ls`: the recordings there are.

use std::path::PathBuf;
use std::process::ExitCode;

use retake_recording::{Recording, RecordingError, disk_usage};
use serde_json::{Value, json};

use crate::failure::{Failure, chain};
use crate::home::Home;
use crate::output::{Out, notice};
use crate::text;

/// List recordings, the newest last
#[derive(Debug, clap::Args)]
pub(crate) struct LsArgs {
    /// Print one JSON object per recording
    #[arg(long)]
    json: bool,
}

type Entry = (PathBuf, Result<Recording, RecordingError>);

impl LsArgs {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let home = Home::find()?;
        let mut all = retake_recording::list(&home.recordings());
        // One that was put elsewhere can be left out by name, so it is shown while it is the latest.
        let latest = home.resolve(None).ok();
        if let Some(dir) = &latest
            && !home.is_ours(dir)
        {
            all.push((dir.clone(), Recording::open(dir)));
        }
        all.sort_by_key(|(_, recording)| recording.as_ref().map_or(0, |r| r.manifest().started_ns));
        let mut out = Out::new();
        if self.json {
            for entry in &all {
                let mut value = object(&home, entry);
                value["latest"] = (Some(&entry.0) == latest.as_ref()).into();
                out.json(&value)?;
            }
        } else if all.is_empty() {
            notice(format_args!(
                "no recordings in {}: make one with `retake record PROGRAM`",
                home.recordings().display()
            ));
        } else {
            print(&mut out, &home, &all)?;
        }
        out.finish()?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Prints recordings in columns.
pub(crate) fn print(out: &mut Out, home: &Home, all: &[Entry]) -> Result<(), Failure> {
    let heading = ["NAME", "STARTED", "EVENTS", "CHECKPOINTS", "SIZE", "ENDED", "COMMAND"];
    let mut rows = Vec::new();
    for (dir, recording) in all {
        let Ok(recording) = recording else { continue };
        let manifest = recording.manifest();
        rows.push(vec![
            home.name_of(dir),
            text::time(manifest.started_ns),
            recording.event_count().to_string(),
            recording.checkpoints().len().to_string(),
            text::size(disk_usage(dir)),
            super::how_it_ended(recording),
            text::shortened(&text::command(&manifest.command), 50),
        ]);
    }
    if !rows.is_empty() {
        out.table(&heading, &rows)?;
    }
    for (dir, recording) in all {
        if let Err(err) = recording {
            out.line(format_args!("{}: {}", home.name_of(dir), chain(err)))?;
        }
    }
    Ok(())
}

fn object(home: &Home, (dir, recording): &Entry) -> Value {
    let name = home.name_of(dir);
    let path = dir.to_string_lossy();
    match recording {
        Err(err) => json!({ "name": name, "path": path, "error": chain(err) }),
        Ok(recording) => {
            let mut value = super::facts(recording);
            value["name"] = name.into();
            value
        }
    }
}

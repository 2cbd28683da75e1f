//! One run of the command: a child process, and the recordings that come out of it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use retake_recorder::ask_to_end;
use retake_recording::live::recorder_of;
use retake_recording::{Recording, is_recording};

use super::Options;
use super::plan::Schedule;
use super::rewrite::{How, started};
use super::verdict::{Failing, failing, says};
use crate::failure::Failure;
use crate::home::create_private;
use crate::text;

/// How much of the output of a run that could not be recorded is shown.
const LINES: usize = 10;
/// How long recordings may go on after their command has ended.
const GRACE: Duration = Duration::from_secs(3);
/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// A run that goes on.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) number: u32,
    pub(super) schedule: Schedule,
    pub(super) cpu: Option<usize>,
    dir: PathBuf,
    child: Child,
    since: Instant,
}

/// A run that has ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) number: u32,
    pub(crate) schedule: Schedule,
    pub(crate) took: Duration,
    /// Its recordings are in here.
    pub(super) dir: PathBuf,
    /// What it wrote.
    pub(crate) output: Vec<u8>,
    pub(super) processes: Vec<Process>,
    /// How it failed, and which of the processes did.
    pub(crate) failed: Option<(Failing, usize)>,
}

/// A recorded process of a run.
#[derive(Debug)]
pub(crate) struct Process {
    pub(super) dir: PathBuf,
    pub(super) command: Vec<Vec<u8>>,
    failing: Option<Failing>,
}

/// `retake record …`, up to `--`.
fn recorder(
    dir: &Path,
    schedule: Schedule,
    cpu: Option<usize>,
    limit: Option<Duration>,
) -> Result<Vec<OsString>, Failure> {
    let this = std::env::current_exe();
    let this = this.map_err(|err| Failure::text(format!("failed to find retake itself: {err}")))?;
    let mut words: Vec<OsString> =
        vec![this.into(), "record".into(), "-q".into(), "--end-deadlock".into()];
    words.extend(["--among".into(), dir.into()]);
    if let Schedule::Chaos(seed) = schedule {
        words.extend(["--chaos".into(), "--seed".into(), seed.to_string().into()]);
    }
    if let Some(limit) = limit {
        words.extend(["--time-limit".into(), format!("{}ms", limit.as_millis().max(1)).into()]);
    }
    if let Some(cpu) = cpu {
        words.extend(["--cpu".into(), cpu.to_string().into()]);
    }
    words.push("--".into());
    Ok(words)
}

impl Attempt {
    /// Starts run `number`, in a folder of its own in `parent`.
    pub(super) fn start(
        options: &Options,
        how: How,
        parent: &Path,
        (number, schedule): (u32, Schedule),
        cpu: Option<usize>,
        limit: Option<Duration>,
    ) -> Result<Self, Failure> {
        let dir = parent.join(number.to_string());
        let failed = |err| Failure::text(format!("failed to create {}: {err}", dir.display()));
        create_private(&dir).map_err(failed)?;
        let output = File::create(dir.join("output")).map_err(failed)?;
        let errors = output.try_clone().map_err(failed)?;
        let record = recorder(&dir, schedule, cpu, limit)?;
        let mut started = started(&options.command, how, &record).map_err(Failure::text)?;
        if matches!(how, How::Matching | How::Ctest) {
            started.args = followed(options.only.as_deref(), record, started.args);
        }
        let mut words = started.args.iter();
        let Some(program) = words.next() else {
            return Err(Failure::text("no command was given"));
        };
        let mut command = Command::new(program);
        command.args(words).envs(started.env).process_group(0);
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        if how == How::Ctest {
            command.env("CTEST_OUTPUT_ON_FAILURE", "1");
        }
        if let Some(name) = options.without {
            command.env_remove(name);
        }
        let child = command.spawn().map_err(|err| {
            Failure::text(format!("failed to start {}: {err}", Path::new(program).display()))
        })?;
        Ok(Self { number, schedule, cpu, dir, child, since: Instant::now() })
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> Result<Option<ExitStatus>, Failure> {
        let ended = self.child.try_wait();
        ended.map_err(|err| Failure::text(format!("failed to wait for a run: {err}")))
    }

    /// Ends it, with all that it records.
    pub(super) fn end(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        close(&self.dir, Duration::ZERO);
        let _ = fs::remove_dir_all(&self.dir);
    }

    /// What it came to.
    pub(super) fn judge(self, options: &Options, status: ExitStatus) -> Result<Ran, Failure> {
        let took = self.since.elapsed();
        close(&self.dir, GRACE);
        let output = fs::read(self.dir.join("output")).unwrap_or_default();
        let mut processes = Vec::new();
        for dir in recordings(&self.dir) {
            let recording = Recording::open(&dir)?;
            let manifest = recording.manifest();
            let command = manifest.command.clone();
            let Some(end) = &manifest.end else {
                return Err(Failure::text(format!(
                    "run {}: the recording of {} has no end{}",
                    self.number,
                    text::command(&command),
                    last_lines(&output)
                )));
            };
            processes.push(Process { dir, failing: failing(end.status, end.cut), command });
        }
        if processes.is_empty() {
            let what = if status.success() {
                "no process of the command was recorded: does --only match?".to_owned()
            } else {
                format!("the command failed before anything was recorded ({status})")
            };
            return Err(Failure::text(format!("{what}{}", last_lines(&output))));
        }
        let last = processes.len() - 1;
        let own = processes.iter().position(|process| process.failing.is_some());
        let said = options.wanted.as_deref().is_some_and(|wanted| says(&output, wanted));
        let failed = match own {
            Some(at) => processes.get(at).and_then(|p| p.failing.clone()).map(|f| (f, at)),
            None if said => Some((Failing::Said, last)),
            None if !status.success() => Some((Failing::Elsewhere(status.to_string()), last)),
            None => None,
        };
        let Self { number, schedule, dir, .. } = self;
        Ok(Ran { number, schedule, took, dir, output, processes, failed })
    }
}

/// `retake follow …`: runs a command and records what it starts.
fn followed(only: Option<&str>, record: Vec<OsString>, command: Vec<OsString>) -> Vec<OsString> {
    let mut words: Vec<OsString> = record.iter().take(1).cloned().collect();
    words.push("follow".into());
    if let Some(only) = only {
        words.extend(["--only".into(), only.into()]);
    }
    for word in record {
        let mut option = OsString::from("--word=");
        option.push(word);
        words.push(option);
    }
    words.push("--".into());
    words.extend(command);
    words
}

/// Waits for the recordings of a command that has ended to be closed; ends those that go on.
fn close(dir: &Path, wait: Duration) {
    let started = Instant::now();
    for dir in recordings(dir) {
        while let Some(recorder) = recorder_of(&dir) {
            if started.elapsed() >= wait && ask_to_end(recorder).is_err() {
                break;
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// The recordings in a run's folder, in the order in which they were begun.
fn recordings(dir: &Path) -> Vec<PathBuf> {
    (1..)
        .map(|number: u32| dir.join(number.to_string()))
        .take_while(|dir| dir.is_dir())
        .filter(|dir| is_recording(dir))
        .collect()
}

/// The end of the output, to be shown below a sentence.
pub(crate) fn last_lines(output: &[u8]) -> String {
    let output = String::from_utf8_lossy(output);
    let lines: Vec<&str> = output.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines.iter().skip(lines.len().saturating_sub(LINES));
    last.map(|line| format!("\n    {}", OsString::from_vec(line.as_bytes().to_vec()).display()))
        .collect()
}

//! Timing of whole programs, and tables of it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use retake_recording::{Recording, disk_usage};
use retake_testkit::Retake;

/// How often each program is timed, unless `RETAKE_BENCH_ROUNDS` says otherwise.
const ROUNDS: usize = 5;

/// Whether this bench was started to measure. (`cargo test --all-targets` runs benches too.)
pub(crate) fn wanted() -> bool {
    std::env::args().any(|arg| arg == "--bench")
}

/// How many rounds to make.
pub(crate) fn rounds() -> usize {
    let text = std::env::var("RETAKE_BENCH_ROUNDS").ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(ROUNDS).max(1)
}

/// One timed run.
pub(crate) struct Run {
    pub(crate) took: Duration,
    pub(crate) recording: Option<Made>,
}

/// What a recorded run left behind.
pub(crate) struct Made {
    pub(crate) events: u64,
    pub(crate) checkpoints: u64,
    pub(crate) bytes: u64,
}

fn time(mut command: Command) -> Duration {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let started = Instant::now();
    let status = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let took = started.elapsed();
    assert!(status.success(), "{command:?}: {status}");
    took
}

/// Runs a program by itself.
pub(crate) fn native(retake: &Retake, program: &[String]) -> Run {
    let [name, args @ ..] = program else { panic!("no program") };
    let mut command = Command::new(name);
    command.args(args).current_dir(retake.path("."));
    Run { took: time(command), recording: None }
}

/// Records a program. The recording is in the folder that comes back, until the next one is made.
pub(crate) fn recorded(retake: &Retake, program: &[String], options: &[&str]) -> (Run, PathBuf) {
    let dir = retake.path("recording");
    if dir.exists() {
        std::fs::remove_dir_all(&dir).expect("the recording before can be removed");
    }
    let mut command = retake.command(["record", "-q", "-o"]);
    command.arg(&dir).args(options).arg("--").args(program);
    let took = time(command);
    (Run { took, recording: Some(made(&dir)) }, dir)
}

fn made(dir: &Path) -> Made {
    let recording = Recording::open(dir).expect("what was recorded can be read");
    let (events, checkpoints) =
        (recording.event_count().get(), recording.checkpoints().len() as u64);
    Made { events, checkpoints, bytes: disk_usage(dir) }
}

/// The middle one.
pub(crate) fn median<T: Copy + Ord>(values: impl IntoIterator<Item = T>) -> T {
    let mut values: Vec<T> = values.into_iter().collect();
    values.sort_unstable();
    values[values.len() / 2]
}

/// `1.23 s` or `45 ms`.
pub(crate) fn duration(time: Duration) -> String {
    if time < Duration::from_millis(200) {
        format!("{:.1} ms", time.as_secs_f64() * 1e3)
    } else {
        format!("{:.2} s", time.as_secs_f64())
    }
}

/// `12.3 MB`.
pub(crate) fn megabytes(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown with one digit after the point")]
    let bytes = bytes as f64;
    format!("{:.1} MB", bytes / 1e6)
}

//! A debugger that is asked for one thing after the other.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use retake_testkit::Retake;
use serde_json::Value;

/// `retake debug --json`, asked line by line.
pub(crate) struct Debugger {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Debugger {
    /// Begins at the start of a recording.
    pub(crate) fn start(retake: &Retake, dir: &Path) -> Self {
        let mut command = retake.command(["debug", "--json"]);
        command.arg(dir).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("retake starts");
        let to = child.stdin.take().expect("a pipe");
        let from = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, to, from }
    }

    /// The answer to a command, and how long it took.
    pub(crate) fn ask(&mut self, command: &str) -> (Value, Duration) {
        let started = Instant::now();
        writeln!(self.to, "{command}").expect("it reads");
        let mut line = String::new();
        self.from.read_line(&mut line).expect("it answers");
        let took = started.elapsed();
        let answer = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{command}: {line}"));
        (answer, took)
    }
}

impl Drop for Debugger {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

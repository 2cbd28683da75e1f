//! A `retake debug` as a child: fed over a pipe, and killed when the demo wants that.

use std::io::{BufRead, BufReader, PipeReader, Write, pipe};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};

use retake_console::{Output, render};

use super::{command, say};
use crate::failure::Failure;

/// The child. It does not outlive this.
#[derive(Debug)]
pub(super) struct DebugChild {
    child: Child,
    input: ChildStdin,
    /// Answers, a JSON object each, and notices, in the order they were written.
    output: BufReader<PipeReader>,
}

impl DebugChild {
    /// Opens a recording.
    pub(super) fn start(recording: &Path, name: &str, options: &[&str]) -> Result<Self, Failure> {
        let shown: String = options.iter().map(|option| format!(" {option}")).collect();
        say(format_args!("$ retake debug {name}{shown}"))?;
        let failed = |err| Failure::text(format!("failed to start retake debug: {err}"));
        let (reader, writer) = pipe().map_err(failed)?;
        let mut debug = command()?;
        debug.arg("debug").arg("--json").args(options).arg(recording).stdin(Stdio::piped());
        debug.stdout(writer.try_clone().map_err(failed)?).stderr(writer);
        let mut child = debug.spawn().map_err(failed)?;
        let Some(input) = child.stdin.take() else {
            return Err(Failure::text("retake debug has no standard input"));
        };
        Ok(Self { child, input, output: BufReader::new(reader) })
    }

    /// Has a command run; prints it and its answer as a prompt would, and gives the answer.
    pub(super) fn run(&mut self, command: &str) -> Result<Output, Failure> {
        writeln!(self.input, "{command}")
            .map_err(|err| Failure::text(format!("failed to write to retake debug: {err}")))?;
        let answer = self.answer(command)?;
        say(format_args!("(retake) {command}"))?;
        let text = render::text(&answer);
        if !text.is_empty() {
            say(&text)?;
        }
        Ok(answer)
    }

    fn answer(&mut self, command: &str) -> Result<Output, Failure> {
        loop {
            let mut line = String::new();
            let read = self.output.read_line(&mut line);
            read.map_err(|err| Failure::text(format!("failed to read from retake debug: {err}")))?;
            if line.is_empty() {
                let status = self.child.wait().map(|status| status.to_string());
                let status = status.unwrap_or_else(|err| err.to_string());
                return Err(Failure::text(format!("retake debug ended at {command}: {status}")));
            }
            if !line.starts_with('{') {
                say(line.trim_end())?;
                continue;
            }
            return serde_json::from_str(&line).map_err(|_| {
                Failure::text(format!("{command} was answered with {}", line.trim_end()))
            });
        }
    }

    /// Kills it with SIGKILL, as a crash or the kernel's out-of-memory killer would.
    pub(super) fn kill(mut self) -> Result<(), Failure> {
        let failed = |err| Failure::text(format!("failed to kill retake debug: {err}"));
        say(format_args!("$ kill -KILL {}", self.child.id()))?;
        self.child.kill().map_err(failed)?;
        let status = self.child.wait().map_err(failed)?;
        say(format_args!("{status}"))?;
        if status.signal().is_none() {
            return Err(Failure::text(format!("retake debug was to be killed: {status}")));
        }
        Ok(())
    }

    /// Leaves it.
    pub(super) fn exit(mut self) -> Result<(), Failure> {
        self.run("exit")?;
        let status = self.child.wait();
        let status =
            status.map_err(|err| Failure::text(format!("failed to wait for retake: {err}")))?;
        if !status.success() {
            return Err(Failure::text(format!("retake debug failed: {status}")));
        }
        Ok(())
    }
}

impl Drop for DebugChild {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! `retake replay`: re-executes a recording.

use std::io::{self, Write};
use std::process::ExitCode;

use retake_recording::{Recording, Stream};

use super::{Which, missing};
use crate::failure::{Failure, OURS};
use crate::output::notice;
use crate::progress;

const EXAMPLES: &str = "\
Examples:
  retake replay | less                      what the latest recording printed
  retake replay run1";

/// Re-execute a recording, with the program's output and exit status
///
/// Every event is checked against the recording; exits with 125 where the replay differs, and where the
/// recording has no end because its recorder was killed. One that is still being recorded is replayed
/// as far as it is on disk, with exit code 0.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ReplayArgs {
    #[command(flatten)]
    which: Which,
}

impl ReplayArgs {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let replayed = self.which.open().and_then(|recording| replay(&recording));
        replayed.map_err(|failure| failure.with_code(OURS))
    }
}

/// Replays a recording to its end, with the program's output, and gives its exit code.
pub(crate) fn replay(recording: &Recording) -> Result<ExitCode, Failure> {
    let mut unwritten = None;
    let status = retake_replayer::replay(
        recording,
        &progress::control_beside_output(),
        &mut |stream, bytes| {
            if let (Err(err), None) = (write(stream, bytes), &unwritten) {
                if err.kind() == io::ErrorKind::BrokenPipe && stream == Stream::Stdout {
                    // Nobody reads on. The replayed processes end with their tracer.
                    std::process::exit(0);
                }
                unwritten = Some(err);
            }
        },
    )?;
    if let Some(err) = unwritten {
        return Err(Failure::text(format!("failed to write the program's output: {err}")));
    }
    if let (Some(what), None) = (missing(recording), status) {
        return Err(Failure::text(format!("the recording is damaged: {what}")));
    }
    if status.is_none() && recording.recorder().is_none() {
        let loss = recording.loss().unwrap_or("the recording has no end");
        return Err(Failure::text(loss));
    }
    if let Some(loss) = recording.loss() {
        notice(loss);
    }
    Ok(status.map_or(ExitCode::SUCCESS, |status| ExitCode::from(status.shell_code())))
}

/// Writes at once: the two streams stay in the order they had.
pub(crate) fn write(stream: Stream, bytes: &[u8]) -> io::Result<()> {
    match stream {
        Stream::Stdout => {
            let mut out = io::stdout().lock();
            out.write_all(bytes)?;
            out.flush()
        }
        Stream::Stderr => io::stderr().write_all(bytes),
    }
}

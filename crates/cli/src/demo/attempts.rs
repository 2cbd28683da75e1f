//! Recording run after run until one fails.

use std::ffi::OsStr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::Output;

use super::{Home, command, say};
use crate::failure::Failure;
use crate::store;

/// How a Rust program exits that panicked.
const PANICKED: i32 = 101;

/// Records runs until one panics, and gives that recording; those of the other runs are deleted.
pub(super) fn until_panic(
    home: &Home,
    program: &Path,
    most: NonZeroU32,
) -> Result<PathBuf, Failure> {
    for run in 1..=most.get() {
        let dir = home.claim(OsStr::new("booths"))?;
        let output = record(&dir, program)?;
        match output.status.code() {
            Some(0) => {
                let last = String::from_utf8_lossy(&output.stdout);
                say(format_args!("   run {run}: {}", last.lines().last().unwrap_or("exit 0")))?;
                retake_recording::remove(&dir)?;
            }
            Some(PANICKED) => {
                say(format_args!("   run {run}: panics"))?;
                for text in [&output.stdout, &output.stderr] {
                    for line in String::from_utf8_lossy(text).lines().filter(|l| !l.is_empty()) {
                        say(format_args!("      {line}"))?;
                    }
                }
                return Ok(dir);
            }
            _ => {
                let said = String::from_utf8_lossy(&output.stderr);
                let status = output.status;
                return Err(Failure::text(format!(
                    "recording run {run} failed ({status}): {said}"
                )));
            }
        }
    }
    store::tidy(home)?;
    Err(Failure::text(format!(
        "no run of {most} panicked, which is possible but unlikely: run the demo again, or raise --attempts"
    )))
}

fn record(dir: &Path, program: &Path) -> Result<Output, Failure> {
    let mut record = command()?;
    record.arg("record").arg("-q").arg("-o").arg(dir).arg("--").arg(program);
    record.env_remove("RUST_BACKTRACE");
    record.output().map_err(|err| Failure::text(format!("failed to start retake: {err}")))
}

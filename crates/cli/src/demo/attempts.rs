//! Hunting the failure, as `retake hunt` does.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use super::{Home, say};
use crate::failure::Failure;
use crate::hunt::{Goal, Options, Ran, hunt};

/// Records runs until one panics, and gives that recording; those of the other runs are deleted.
pub(super) fn until_panic(
    home: &Home,
    program: &Path,
    most: NonZeroU32,
) -> Result<PathBuf, Failure> {
    let options = Options {
        command: vec![program.as_os_str().to_owned()],
        runs: Some(most.get()),
        time: None,
        jobs: 1,
        wanted: None,
        timeout: None,
        only: None,
        goal: Goal::FirstAlone,
        without: Some("RUST_BACKTRACE"),
    };
    let tally = hunt(&options, home, &mut |ran, _| tell(ran))?;
    match tally.groups.into_iter().next() {
        Some(group) => Ok(group.kept.dir),
        None => Err(Failure::text(format!(
            "no run of {most} panicked, which is possible but unlikely: run the demo again, or raise \
             --attempts"
        ))),
    }
}

fn tell(ran: &Ran) -> Result<(), Failure> {
    let text = String::from_utf8_lossy(&ran.output);
    let mut lines = text.lines().filter(|line| !line.is_empty());
    if ran.failed.is_none() {
        let last = lines.next_back().unwrap_or("exit 0");
        return say(format_args!("   run {}: {last}", ran.number));
    }
    say(format_args!("   run {}: fails", ran.number))?;
    lines.try_for_each(|line| say(format_args!("      {line}")))
}

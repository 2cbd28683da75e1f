//! What this program is under the name `rr`: the commands, options, output and exit codes of rr that
//! Delve, gdb's users and their scripts rely on.
//!
//! [`arguments`] tells whether it was called so. [`cli`] has the options that every command takes;
//! each command is a file. [`traces`] knows where rr's users look for recordings.

mod cli;
mod dump;
mod gdbinit;
mod list;
mod pack;
mod ps;
mod record;
mod replay;
mod traceinfo;
mod traces;

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use crate::failure::Failure;

/// The name.
const NAME: &str = "rr";

/// The arguments of rr, where this process was called so: by a link of that name, or as `retake rr`.
pub(crate) fn arguments(all: impl IntoIterator<Item = OsString>) -> Option<Vec<OsString>> {
    let mut all = all.into_iter();
    let by_link = Path::new(&all.next()?).file_name() == Some(OsStr::new(NAME));
    let is_rr = by_link || all.next().is_some_and(|first| first == NAME);
    is_rr.then(|| cli::with_command(all.collect()))
}

/// Does what they ask for.
pub(crate) fn run(args: Vec<OsString>) -> ExitCode {
    match cli::Cli::try_parse_from(args) {
        Ok(cli) => cli.command.run().unwrap_or_else(Failure::report),
        Err(err) => {
            // Where nobody reads it there is nothing left to do.
            let _ = err.print();
            if err.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &[&str]) -> Option<Vec<OsString>> {
        arguments(words.iter().map(OsString::from))
    }

    #[test]
    fn the_name_of_the_link_or_the_first_word() {
        let expected = Some(["rr", "ps", "x"].map(OsString::from).to_vec());
        assert_eq!(of(&["rr", "ps", "x"]), expected);
        assert_eq!(of(&["/usr/bin/rr", "ps", "x"]), expected);
        assert_eq!(of(&["/usr/bin/retake", "rr", "ps", "x"]), expected);
        assert_eq!(of(&["retake", "ps", "rr"]), None);
        assert_eq!(of(&["retake"]), None);
        assert_eq!(of(&[]), None);
    }
}

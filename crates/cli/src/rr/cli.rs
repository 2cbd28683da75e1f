//! The command line of rr.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::{ArgAction, CommandFactory, Parser};

use super::{NAME, dump, gdbinit, list, pack, ps, record, replay, traceinfo};
use crate::failure::Failure;

/// What Delve reads to choose its form of rr's gdb commands (5.8.0 and later: the modern one). It takes
/// three numbers and nothing behind them.
const VERSION: &str = "version 5.8.0";

/// retake under the name rr: record and replay programs with the commands of rr
#[derive(Debug, Parser)]
#[command(name = NAME, version = VERSION, disable_version_flag = true, after_help = AFTER_HELP)]
pub(super) struct Cli {
    /// Print the version of rr that this stands in for
    #[arg(short = 'N', long = "version", action = ArgAction::Version)]
    version: Option<bool>,
    #[command(flatten)]
    accepted: Accepted,
    #[command(subcommand)]
    pub(super) command: Command,
}

const AFTER_HELP: &str = "\
TRACE is a folder, or a name in the folder of traces; without it the latest one is meant.
Traces are in $_RR_TRACE_DIR, or else where `retake ls` finds them.
`rr PROGRAM` records a program, `rr TRACE` replays a trace.";

/// Options of rr for matters that are settled another way here, or do not come up.
#[derive(Debug, clap::Args)]
struct Accepted {
    #[arg(short = 'A', long, value_name = "NAME", global = true, hide = true)]
    microarch: Option<String>,
    #[arg(short = 'C', long, value_name = "WHEN", global = true, hide = true)]
    checksum: Option<String>,
    #[arg(short = 'E', long, global = true, hide = true)]
    fatal_errors: bool,
    #[arg(short = 'F', long, global = true, hide = true)]
    force_things: bool,
    #[arg(short = 'M', long, global = true, hide = true)]
    mark_stdio: bool,
    #[arg(short = 'S', long, global = true, hide = true)]
    suppress_environment_warnings: bool,
    #[arg(long, value_name = "PATH", global = true, hide = true)]
    resource_path: Option<OsString>,
    #[arg(long, value_name = "SPEC", global = true, hide = true)]
    log: Option<String>,
}

/// What to do.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    Record(record::RecordArgs),
    Replay(Box<replay::ReplayArgs>),
    Ps(ps::PsArgs),
    Traceinfo(traceinfo::TraceinfoArgs),
    Dump(dump::DumpArgs),
    Ls(list::LsArgs),
    Pack(pack::PackArgs),
    Gdbinit(gdbinit::GdbinitArgs),
}

impl Command {
    /// Does it.
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        match self {
            Self::Record(args) => args.run(),
            Self::Replay(args) => args.run(),
            Self::Ps(args) => args.run(),
            Self::Traceinfo(args) => args.run(),
            Self::Dump(args) => args.run(),
            Self::Ls(args) => args.run(),
            Self::Pack(args) => args.run(),
            Self::Gdbinit(args) => args.run(),
        }
    }
}

/// The arguments, with a command before those that name none: `rr FOLDER` replays, `rr PROGRAM` records.
pub(super) fn with_command(mut args: Vec<OsString>) -> Vec<OsString> {
    let named = |first: &OsString| {
        let is_option = first.as_encoded_bytes().starts_with(b"-");
        let commands = Cli::command();
        let mut names = commands.get_subcommands().map(clap::Command::get_name);
        is_option || first == "help" || names.any(|name| first == name)
    };
    if let Some(first) = args.first().filter(|first| !named(first)) {
        let command = if Path::new(first).is_dir() { "replay" } else { "record" };
        args.insert(0, command.into());
    }
    args.insert(0, NAME.into());
    args
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_version_is_one_line_of_three_numbers() {
        for flag in ["--version", "-N"] {
            let err = Cli::try_parse_from(["rr", flag]).expect_err("it is printed");
            assert_eq!(err.kind(), clap::error::ErrorKind::DisplayVersion);
            assert_eq!(err.to_string(), "rr version 5.8.0\n");
        }
    }

    #[test]
    fn without_a_command_a_folder_is_replayed_and_a_program_recorded() {
        let of = |first: &str| with_command(vec![first.into()]);
        assert_eq!(of("/"), ["rr", "replay", "/"]);
        assert_eq!(of("ls"), ["rr", "ls"]);
        assert_eq!(of("/bin/ls"), ["rr", "record", "/bin/ls"]);
        assert_eq!(of("--version"), ["rr", "--version"]);
        assert_eq!(with_command(Vec::new()), ["rr"]);
    }

    #[test]
    fn options_that_change_nothing_are_taken_anywhere() {
        for line in ["rr -S -F record /bin/true", "rr record -M /bin/true", "rr --log=all:debug ps"]
        {
            let parsed = Cli::try_parse_from(line.split(' '));
            assert!(parsed.is_ok(), "{line}: {parsed:?}");
        }
    }
}

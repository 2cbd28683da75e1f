//! `retake`: records programs, replays them, and debugs what was recorded.
//!
//! This crate is the only one that prints. [`commands`] has a file per command; [`home`] knows where
//! recordings live, [`store`] about the files they keep; [`failure`] is how a command ends early;
//! [`demo`] tells a story with the other commands; [`rr`] is what this program is under that name.

mod commands;
mod debug;
mod demo;
mod failure;
mod freed;
mod home;
mod hunt;
mod output;
mod progress;
mod record;
mod rr;
mod store;
mod tasks;
mod text;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

/// A record-and-replay debugger: run a program once, look at that run as often as you like.
#[derive(Debug, Parser)]
#[command(name = "retake", version, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: commands::Command,
}

const AFTER_HELP: &str = "\
RECORDING is a folder, or a name that `retake ls` shows; without it the latest recording is meant.
Recordings live in $RETAKE_DIR, else $XDG_DATA_HOME/retake, else ~/.local/share/retake.
`retake rr` takes the commands of rr, as Delve calls them; so does a link to retake whose name is rr.";

fn main() -> ExitCode {
    if let Some(args) = rr::arguments(std::env::args_os()) {
        return rr::run(args);
    }
    match Cli::try_parse() {
        Ok(cli) => cli.command.run().unwrap_or_else(failure::Failure::report),
        Err(err) => usage(&err),
    }
}

/// Prints help, the version, or what is wrong with the arguments.
fn usage(err: &clap::Error) -> ExitCode {
    // Where nobody reads it there is nothing left to do.
    let _ = err.print();
    match err.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
        // Other codes say how the program did: what is our own failure must be told apart.
        _ if commands::exits_as_program(std::env::args_os().nth(1)) => {
            ExitCode::from(failure::OURS)
        }
        _ => ExitCode::from(2),
    }
}

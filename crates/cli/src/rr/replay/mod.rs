//! `rr replay`: a recording for a debugger that speaks gdb's remote protocol.
//!
//! `start` finds the process and the moment that are asked for, `line` writes the line on standard error that
//! tells a debugger where to connect.

mod line;
mod start;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use retake_gdbserver::{Clients, ServeOptions, serve};
use retake_recording::{Recording, Stream};
use retake_replayer::{Audience, Timeline};

use super::traces::Traces;
use crate::commands::{Calls, Client, bind, replay_with_output, write_output};
use crate::failure::Failure;
use crate::output::notice;
use crate::progress;
use line::Line;
use start::{Shown, Start};

/// Debug a trace with gdb, or with a debugger that connects itself
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
#[command(override_usage = "rr replay [OPTIONS] [TRACE] [-- GDB OPTIONS]")]
pub(super) struct ReplayArgs {
    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
    /// No debugger: replay to the end, with the program's output and exit status
    #[arg(short, long)]
    autopilot: bool,
    /// Start no debugger: wait for one at this port (0: a free one) and say so on standard error
    #[arg(short = 's', long, value_name = "PORT")]
    dbgport: Option<u16>,
    /// Wait at this address
    #[arg(short = 'h', long, value_name = "HOST", default_value = "127.0.0.1")]
    dbghost: String,
    /// Wait for the next debugger when one leaves
    #[arg(short, long)]
    keep_listening: bool,
    /// Show this process from its first exec on: a number, or the name of a program
    #[arg(short = 'p', long, value_name = "PID|NAME")]
    onprocess: Option<OsString>,
    /// Show this process from its fork on
    #[arg(short = 'f', long, value_name = "PID", conflicts_with = "onprocess")]
    onfork: Option<i32>,
    /// Begin after this many events
    #[arg(short = 'g', long, value_name = "EVENT")]
    goto: Option<u64>,
    /// The debugger to start
    #[arg(short = 'd', long, value_name = "FILE", default_value = "gdb")]
    debugger: PathBuf,
    /// Have the debugger read commands from this file; may be given again
    #[arg(short = 'x', long, value_name = "FILE")]
    gdb_x: Vec<PathBuf>,
    /// Give the debugger this option
    #[arg(short = 'o', long, value_name = "OPTION", allow_hyphen_values = true)]
    debugger_option: Vec<OsString>,
    /// The debugger's interpreter, such as mi
    #[arg(short = 'i', long, value_name = "NAME")]
    interpreter: Option<String>,
    /// Do not write again what the program wrote
    #[arg(short = 'q', long)]
    no_redirect_output: bool,
    #[command(flatten)]
    calls: Calls,
    #[command(flatten)]
    accepted: Accepted,
    /// Folder or name of the trace [default: the latest]
    #[arg(value_name = "TRACE")]
    trace: Option<OsString>,
    /// More options of the debugger
    #[arg(last = true, value_name = "GDB OPTIONS")]
    last: Vec<OsString>,
}

/// Options of rr for matters that are settled another way here, or do not come up.
#[derive(Debug, clap::Args)]
struct Accepted {
    #[arg(short = 'u', long, hide = true)]
    cpu_unbound: bool,
    #[arg(long, hide = true)]
    fullname: bool,
    #[arg(long, value_name = "FILE", hide = true)]
    tty: Option<PathBuf>,
}

/// Writes what the program wrote, as it is replayed.
struct Again;

impl Audience for Again {
    fn wrote(&self, stream: Stream, bytes: &[u8]) {
        // Whoever debugs goes on where nobody reads this.
        let _ = write_output(stream, bytes);
    }
}

impl ReplayArgs {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let recording = Traces::find()?.open(self.trace.as_deref())?;
        if self.autopilot {
            return replay_with_output(&recording);
        }
        let start = self.start(&recording)?;
        let options = ServeOptions {
            process: start.process,
            start: start.position,
            company: self.calls.company(),
            clients: if self.keep_listening { Clients::Many } else { Clients::One },
            notices: Some(Box::new(|text| notice(text))),
        };
        match self.dbgport {
            Some(port) => self.wait(port, &recording, &start, &options),
            None => self.client().debug(&recording, options),
        }
    }

    /// Waits for a debugger that somebody else starts.
    fn wait(
        &self,
        port: u16,
        recording: &Recording,
        start: &Start,
        options: &ServeOptions,
    ) -> Result<ExitCode, Failure> {
        let listener = bind(&match self.dbghost.contains(':') {
            true => format!("[{}]:{port}", self.dbghost),
            false => format!("{}:{port}", self.dbghost),
        })?;
        let line = Line::new(listener.local_addr()?, start.executable(recording)?);
        let mut control = progress::control_beside_output();
        if !self.no_redirect_output {
            control.audience = Some(Arc::new(Again));
        }
        let mut timeline = Timeline::open(recording.clone(), control)?;
        line.print();
        serve(&listener, &mut timeline, recording, options)?;
        Ok(ExitCode::SUCCESS)
    }

    /// The debugger to start.
    fn client(&self) -> Client {
        let mut options = Vec::new();
        if let Some(interpreter) = &self.interpreter {
            options.push(format!("--interpreter={interpreter}").into());
        }
        for file in &self.gdb_x {
            options.extend(["-x".into(), file.clone().into_os_string()]);
        }
        options.extend(self.debugger_option.iter().cloned());
        let debugger = self.debugger.clone().into_os_string();
        Client { debugger, options, arguments: self.last.clone() }
    }

    fn start(&self, recording: &Recording) -> Result<Start, Failure> {
        let shown = match (&self.onprocess, self.onfork) {
            (Some(process), _) => Shown::executing(process),
            (None, Some(pid)) => Shown::Forked(pid),
            (None, None) => Shown::First,
        };
        Start::find(recording, &shown, self.goto)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::cli::{Cli, Command};
    use super::*;

    fn parse(line: &str) -> ReplayArgs {
        match Cli::try_parse_from(line.split(' ')).map(|cli| cli.command) {
            Ok(Command::Replay(args)) => *args,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn what_delve_calls() {
        let args = parse("rr replay --dbgport=0 --onprocess=17 /tmp/trace");
        assert_eq!((args.dbgport, args.dbghost.as_str()), (Some(0), "127.0.0.1"));
        assert_eq!(args.onprocess, Some("17".into()));
        assert_eq!(args.trace, Some("/tmp/trace".into()));
        assert!(!args.keep_listening);
    }

    #[test]
    fn what_people_and_editors_call() {
        let args = parse("rr replay -s 5000 -h 0.0.0.0 -k -f 9 -g 100");
        assert_eq!((args.dbgport, args.dbghost.as_str()), (Some(5000), "0.0.0.0"));
        assert_eq!((args.onfork, args.goto), (Some(9), Some(100)));
        assert!(args.keep_listening && args.trace.is_none());
        let args = parse("rr replay -d rust-gdb -x cmds -o -q -i mi x-1 -- -ex bt");
        assert_eq!(args.debugger, PathBuf::from("rust-gdb"));
        assert_eq!(args.gdb_x, [PathBuf::from("cmds")]);
        assert_eq!(args.debugger_option, ["-q"]);
        assert_eq!(args.interpreter.as_deref(), Some("mi"));
        assert_eq!(args.trace, Some("x-1".into()));
        assert_eq!(args.last, ["-ex", "bt"]);
    }

    #[test]
    fn what_is_wrong_is_refused() {
        for line in ["rr replay -s 70000", "rr replay -g x", "rr replay -p 1 -f 1", "rr replay a b"]
        {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}

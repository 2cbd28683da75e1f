//! `rr record`: records a program.

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use retake_recorder::{Calls, Leftover, Limits, RecordError, RecordOptions, take_inherited};

use super::traces::Traces;
use crate::failure::{Failure, OURS};
use crate::record::{FilesBeside, Place, Request, Sources, Summary, seed};

/// Exit code where the program cannot be executed (`EX_UNAVAILABLE` of sysexits.h).
const NOT_EXECUTED: u8 = 69;

/// How long the program has to end by itself after the SIGTERM with which Delve ends a recording.
const PATIENCE: Duration = Duration::from_secs(1);

/// Record a program
///
/// Exits as the program does (128+n where signal n ended it), or with 69 where it cannot be executed.
/// SIGTERM goes to the program, and one second later the recording ends with all that still runs.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
#[command(override_usage = "rr record [OPTIONS] PROGRAM [ARGS]...")]
pub(super) struct RecordArgs {
    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
    /// Put the recording into this folder, which must be new or empty
    #[arg(short, long, value_name = "DIR")]
    output_trace_dir: Option<PathBuf>,
    /// Write the folder of the recording and a line feed to this descriptor, and close it
    #[arg(short, long, value_name = "FD")]
    print_trace_dir: Option<i32>,
    /// Take the CPU from tasks at random moments, so that a race shows sooner
    #[arg(short = 'h', long)]
    chaos: bool,
    /// Record until the last process has ended, not only the first
    #[arg(short, long)]
    wait: bool,
    /// Stop the program at each system call, and leave its code as it is
    #[arg(short = 'n', long)]
    no_syscall_buffer: bool,
    /// A variable that the program gets
    #[arg(short = 'v', long = "env", value_name = "NAME=VALUE", value_parser = variable)]
    env: Vec<OsString>,
    /// Bind the program to this CPU
    #[arg(long, value_name = "N")]
    bind_to_cpu: Option<usize>,
    /// Tell the program of so many CPUs
    #[arg(long, value_name = "N", value_parser = crate::text::parse_cpus)]
    num_cores: Option<usize>,
    #[command(flatten)]
    accepted: Accepted,
    /// The program and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "PROGRAM")]
    command: Vec<OsString>,
}

/// Options of rr for matters that are settled another way here, or do not come up.
#[derive(Debug, clap::Args)]
struct Accepted {
    #[arg(short = 'c', long, value_name = "N", hide = true)]
    num_cpu_ticks: Option<u64>,
    #[arg(short = 's', long, hide = true)]
    always_switch: bool,
    #[arg(short = 'u', long, hide = true)]
    cpu_unbound: bool,
    #[arg(long, value_name = "KIND", hide = true)]
    nested: Option<String>,
    #[arg(long, value_name = "ID", hide = true)]
    trace_id: Option<String>,
    #[arg(long, value_name = "N", hide = true)]
    syscall_buffer_sig: Option<u32>,
    #[arg(long, value_name = "KIB", hide = true)]
    syscall_buffer_size: Option<u64>,
    #[arg(long, hide = true)]
    no_file_cloning: bool,
    #[arg(long, hide = true)]
    no_read_cloning: bool,
    #[arg(long, hide = true)]
    scarce_fds: bool,
    #[arg(long, hide = true)]
    stap_sdt: bool,
    #[arg(long, hide = true)]
    unmap_vdso: bool,
    #[arg(long, hide = true)]
    asan: bool,
    #[arg(long, hide = true)]
    tsan: bool,
    #[arg(long, hide = true)]
    disable_avx_512: bool,
    #[arg(long, hide = true)]
    check_cached_mmaps: bool,
}

fn variable(text: &str) -> Result<OsString, &'static str> {
    match text.split_once('=') {
        Some((name, _)) if !name.is_empty() => Ok(text.into()),
        _ => Err("write NAME=VALUE"),
    }
}

fn code_of(err: &RecordError) -> u8 {
    match err {
        RecordError::Program(_) => NOT_EXECUTED,
        other => other.exit_code(),
    }
}

impl RecordArgs {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        self.make().map_err(|failure| match failure {
            Failure::Error { text, code: 1 } => Failure::Error { text, code: OURS },
            other => other,
        })
    }

    fn make(self) -> Result<ExitCode, Failure> {
        // Before anything else is opened.
        let wants_folder = self.print_trace_dir.map(Reader::of).transpose()?;
        let program = self.command.first().ok_or_else(|| Failure::text("no program was given"))?;
        let traces = Traces::find()?;
        let place = traces.claim(self.output_trace_dir.as_deref(), program)?;
        if let Some(reader) = wants_folder {
            reader.tell(place.dir())?;
        }
        say(format_args!("Saving execution to trace directory `{}'.", place.dir().display()));
        let options = self.options(&place, &traces);
        let home = traces.home().clone();
        Request { options, place, home, summary: Summary::Warnings, code_of }.make()
    }

    fn options(&self, place: &Place, traces: &Traces) -> RecordOptions {
        let store = traces.home().store();
        RecordOptions {
            env: [&["RUNNING_UNDER_RR=1".into()], &self.env[..]].concat(),
            chaos: self.chaos.then(seed),
            calls: if self.no_syscall_buffer { Calls::Traced } else { Calls::MayBeFast },
            leftover: if self.wait { Leftover::Wait } else { Leftover::End },
            limits: Limits { patience: PATIENCE, ..Limits::default() },
            cpu: self.bind_to_cpu,
            cpus: self.num_cores,
            beside: Some(Arc::new(FilesBeside { sources: Sources::Left })),
            ..RecordOptions::new(place.dir().to_owned(), store, self.command.clone())
        }
    }
}

/// Says something on standard error as rr does. Nothing can be done where that fails.
fn say(text: impl Display) {
    let _ = writeln!(io::stderr(), "rr: {text}");
}

/// Who wants to know where the recording is.
struct Reader {
    fd: i32,
    to: std::fs::File,
}

impl Reader {
    fn of(fd: i32) -> Result<Self, Failure> {
        match take_inherited(fd) {
            Ok(to) => Ok(Self { fd, to }),
            Err(err) => Err(Failure::text(format!(
                "failed to write the trace folder to descriptor {fd}: {err}: open it for rr, as in `rr record -p 3 PROGRAM 3>FILE`"
            ))),
        }
    }

    /// Tells, and lets go of the descriptor: whoever reads waits for its end.
    fn tell(mut self, dir: &Path) -> Result<(), Failure> {
        let line = [dir.as_os_str().as_bytes(), b"\n"].concat();
        self.to.write_all(&line).map_err(|err| {
            let fd = self.fd;
            Failure::text(format!("failed to write the trace folder to descriptor {fd}: {err}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::cli::{Cli, Command};
    use super::*;

    fn parse(line: &str) -> RecordArgs {
        match Cli::try_parse_from(line.split(' ')).map(|cli| cli.command) {
            Ok(Command::Record(args)) => args,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn what_delve_calls() {
        let args = parse("rr record --print-trace-dir=3 /tmp/x -h -w --chaos 1");
        assert_eq!(args.print_trace_dir, Some(3));
        assert_eq!(parse("rr record -p3 x").print_trace_dir, Some(3));
        assert_eq!(args.command, ["/tmp/x", "-h", "-w", "--chaos", "1"]);
        assert!(!args.wait && !args.chaos);
    }

    #[test]
    fn what_people_call() {
        let args = parse("rr record -w -o out --num-cores 4 -h -v A=1 --env=B=2 -n -- prog -x");
        assert!(args.wait && args.chaos && args.no_syscall_buffer);
        assert_eq!(args.output_trace_dir, Some("out".into()));
        assert_eq!(args.num_cores, Some(4));
        assert_eq!(args.env, ["A=1", "B=2"]);
        assert_eq!(args.command, ["prog", "-x"]);
    }

    #[test]
    fn what_is_wrong_is_refused() {
        for line in ["rr record", "rr record -v A /bin/true", "rr record --print-trace-dir=x true"]
        {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}

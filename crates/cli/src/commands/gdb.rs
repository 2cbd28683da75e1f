//! `retake gdb`: gdb on a recording.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use retake_gdbserver::{Notices, ServeOptions, serve};
use retake_recording::{FileEntry, Recording};
use retake_replayer::{Control, Timeline};
use tempfile::NamedTempFile;

use super::{Calls, Which};
use crate::failure::{Failure, chain};
use crate::output::notice;

/// Commands that gdb has on a recording besides its own.
pub(crate) const GLUE: &str = include_str!("gdb/glue.py");

const EXAMPLES: &str = "\
Examples:
  retake gdb run1
  retake gdb --debugger rust-gdb run1 -- -ex 'break main' -ex continue";

/// Debug a recording with gdb
///
/// gdb has all its commands, those that go backwards too, and when, goto, restart, checkpoint, back and
/// forward. It reads the program and its libraries from the recording.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct GdbArgs {
    #[command(flatten)]
    which: Which,
    /// The debugger to start: gdb, one with gdb's options, as rust-gdb, or lldb
    #[arg(long, value_name = "PROGRAM", default_value = "gdb")]
    debugger: OsString,
    #[command(flatten)]
    calls: Calls,
    /// Arguments for the debugger
    #[arg(last = true, value_name = "ARGUMENT")]
    arguments: Vec<OsString>,
}

impl GdbArgs {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let recording = self.which.open()?;
        if let Some(loss) = recording.loss() {
            notice(loss);
        }
        let client = Client {
            debugger: self.debugger.clone(),
            options: Vec::new(),
            arguments: self.arguments.clone(),
        };
        let company = self.calls.company();
        client.debug(&recording, ServeOptions { company, ..ServeOptions::default() })
    }
}

/// A debugger with gdb's options, to be started on a recording.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    /// The program.
    pub(crate) debugger: OsString,
    /// Its options before it connects.
    pub(crate) options: Vec<OsString>,
    /// Its arguments after that.
    pub(crate) arguments: Vec<OsString>,
}

impl Client {
    /// Starts it, serves it until it leaves, and gives its exit code.
    pub(crate) fn debug(
        &self,
        recording: &Recording,
        options: ServeOptions,
    ) -> Result<ExitCode, Failure> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let glue = glue()?;
        // Ctrl-C is for the debugger, which is in the same process group.
        signal_hook::flag::register(signal_hook::consts::SIGINT, Arc::new(AtomicBool::new(false)))?;
        // Before the replay, which binds this process, and all that it starts, to one CPU.
        let mut debugger = self.start(recording, &listener, &glue)?;
        // It need not come to connect.
        let ended = std::thread::spawn(move || {
            let status = debugger.wait();
            drop(glue);
            let code = status.ok().and_then(|status| status.code());
            // The replayed processes end with their tracer.
            std::process::exit(code.unwrap_or(1))
        });
        let served = Timeline::open(recording.clone(), Control::default())
            .map_err(|err| chain(&err))
            .and_then(|mut timeline| {
                let notices = Some(Box::new(|text: &str| notice(text)) as Notices);
                let options = ServeOptions { notices, ..options };
                let served = serve(&listener, &mut timeline, recording, &options);
                served.map_err(|err| chain(&err))
            });
        if let Err(text) = served {
            notice(text);
        }
        // It sees that nobody is there any more.
        drop(listener);
        let _ = ended.join();
        Ok(ExitCode::FAILURE)
    }

    fn start(
        &self,
        recording: &Recording,
        listener: &TcpListener,
        glue: &NamedTempFile,
    ) -> Result<Child, Failure> {
        let address = listener.local_addr()?;
        let mut command = Command::new(&self.debugger);
        if is_lldb(&self.debugger) {
            command.args(&self.options).arg(OsStr::from_bytes(&recording.manifest().program));
            // A run may take long.
            command.args(["-O", "settings set plugin.process.gdb-remote.packet-timeout 10000"]);
            command.arg("-o").arg(format!("gdb-remote {address}"));
        } else {
            // Files that are what they were are read faster from here.
            let root = if is_as_recorded(recording) { "/" } else { "target:" };
            // A restart may take long.
            command.args(["-l", "10000"]).args(&self.options);
            command.arg("-iex").arg(format!("set sysroot {root}"));
            command.arg("-x").arg(glue.path());
            command.arg("-ex").arg(format!("target extended-remote {address}"));
        }
        command.args(&self.arguments);
        command.spawn().map_err(|err| {
            let name = self.debugger.display();
            Failure::text(format!("failed to start {name}: {err}; name another with --debugger"))
        })
    }
}

/// Whether a debugger has the options of lldb: `lldb`, `lldb-14`, `rust-lldb`.
fn is_lldb(debugger: &OsStr) -> bool {
    let name = Path::new(debugger).file_name().unwrap_or_default();
    name.to_string_lossy().split('-').any(|part| part == "lldb")
}

/// Whether every program and library of a recording is still what it was when it was recorded.
fn is_as_recorded(recording: &Recording) -> bool {
    let same = |entry: &FileEntry| {
        let Ok(mut kept) = recording.open_file(entry.id) else { return false };
        // What is no program may have changed, and need not be read.
        if !is_elf(&mut kept) {
            return true;
        }
        let here = File::open(Path::new(OsStr::from_bytes(&entry.path)));
        here.is_ok_and(|mut here| is_elf(&mut here) && have_same_rest(here, kept))
    };
    recording.files().iter().all(same)
}

fn is_elf(file: &mut File) -> bool {
    let mut start = [0; 4];
    file.read_exact(&mut start).is_ok() && start == *b"\x7fELF"
}

/// Whether two files hold the same from where they are.
pub(crate) fn have_same_rest(one: File, other: File) -> bool {
    let (mut one, mut other) = (BufReader::new(one), BufReader::new(other));
    loop {
        let same = match (one.fill_buf(), other.fill_buf()) {
            (Ok([]), Ok([])) => return true,
            (Ok(one), Ok(other)) => {
                let len = one.len().min(other.len());
                (len > 0 && one.get(..len) == other.get(..len)).then_some(len)
            }
            _ => None,
        };
        let Some(len) = same else { return false };
        one.consume(len);
        other.consume(len);
    }
}

fn glue() -> io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new().prefix("retake-gdb").suffix(".py").tempfile()?;
    file.write_all(GLUE.as_bytes())?;
    Ok(file)
}

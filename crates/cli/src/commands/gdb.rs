//! `retake gdb`: gdb on a recording.

use std::ffi::OsString;
use std::io::{self, Write};
use std::net::TcpListener;
use std::process::{Child, Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use retake_gdbserver::{ServeOptions, serve};
use retake_recording::Recording;
use retake_replayer::{Control, Timeline};
use tempfile::NamedTempFile;

use super::Which;
use crate::failure::{Failure, chain};
use crate::output::notice;

/// Commands that gdb has on a recording besides its own.
pub(crate) const GLUE: &str = include_str!("gdb/glue.py");

/// Debug a recording with gdb
///
/// gdb has all its commands, those that go backwards too, and when, goto, restart, checkpoint, back and
/// forward. It reads the program and its libraries from the recording.
#[derive(Debug, clap::Args)]
pub(crate) struct GdbArgs {
    #[command(flatten)]
    which: Which,
    /// The debugger to start: gdb, or one with gdb's options, as rust-gdb
    #[arg(long, value_name = "PROGRAM", default_value = "gdb")]
    debugger: OsString,
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
        client.debug(&recording, ServeOptions::default())
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
        let mut debugger = self.start(&listener, &glue)?;
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
                let notices: Box<dyn Fn(&str)> = Box::new(|text| notice(text));
                let options = ServeOptions { notices: Some(notices), ..options };
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

    fn start(&self, listener: &TcpListener, glue: &NamedTempFile) -> Result<Child, Failure> {
        let address = listener.local_addr()?;
        let mut command = Command::new(&self.debugger);
        // A restart may take long.
        command.args(["-l", "10000"]).args(&self.options);
        command.arg("-x").arg(glue.path());
        command.arg("-ex").arg(format!("target extended-remote {address}"));
        command.args(&self.arguments);
        command.spawn().map_err(|err| {
            let name = self.debugger.display();
            Failure::text(format!("failed to start {name}: {err}; name another with --debugger"))
        })
    }
}

fn glue() -> io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new().prefix("retake-gdb").suffix(".py").tempfile()?;
    file.write_all(GLUE.as_bytes())?;
    Ok(file)
}

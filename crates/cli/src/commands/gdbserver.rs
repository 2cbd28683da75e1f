//! `retake gdbserver`: serves a recording to gdb and to whatever else speaks its protocol.

use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::process::ExitCode;

use retake_execution::Company;
use retake_gdbserver::{Clients, ServeOptions, serve};
use retake_model::{Position, Tid};
use retake_replayer::Timeline;

use super::Which;
use crate::failure::Failure;
use crate::output::notice;
use crate::progress;

/// Serve a recording to gdb
///
/// Waits for one debugger and ends when that leaves. Whoever can connect can read what the program had in its
/// memory: other machines can only where --listen names an address that they reach.
#[derive(Debug, clap::Args)]
pub(crate) struct GdbserverArgs {
    #[command(flatten)]
    which: Which,
    /// Where to wait: ADDRESS:PORT, or a port of this machine; 0 for any that is free
    #[arg(long, value_name = "ADDRESS", default_value = "0")]
    listen: String,
    /// Show this process, by its recorded number [default: the first one]
    #[arg(long, value_name = "PID")]
    process: Option<i32>,
    /// Begin here: an event, or any other position
    #[arg(long, value_name = "POSITION")]
    at: Option<Position>,
    /// Serve one debugger after the other, for ever
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    calls: Calls,
}

/// Who runs while a debugger calls a function.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Calls {
    /// While the debugger calls a function, let the program's other threads run too
    #[arg(long)]
    calls_run_all: bool,
}

impl Calls {
    pub(crate) fn company(self) -> Company {
        if self.calls_run_all { Company::Others } else { Company::Alone }
    }
}

impl GdbserverArgs {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let recording = self.which.open()?;
        if let Some(loss) = recording.loss() {
            notice(loss);
        }
        let listener = bind(&self.listen)?;
        let timeline = Timeline::open(recording.clone(), progress::control());
        let mut timeline = timeline?;
        let address = listener.local_addr()?;
        notice(format_args!("connect with: gdb -l 10000 -ex 'target extended-remote {address}'"));
        let options = ServeOptions {
            process: self.process.map(Tid::new),
            start: self.at,
            company: self.calls.company(),
            clients: if self.keep { Clients::Many } else { Clients::One },
            notices: Some(Box::new(|text| notice(text))),
        };
        serve(&listener, &mut timeline, &recording, &options)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A socket that waits at `text`: an address with a port, or a port of this machine.
pub(crate) fn bind(text: &str) -> Result<TcpListener, Failure> {
    let bad = |why: String| {
        Failure::text(format!("failed to listen at {text}: {why}; write ADDRESS:PORT or PORT"))
    };
    let addresses: Vec<SocketAddr> = match text.parse::<u16>() {
        Ok(port) => vec![SocketAddr::from(([127, 0, 0, 1], port))],
        Err(_) => text.to_socket_addrs().map_err(|err| bad(err.to_string()))?.collect(),
    };
    TcpListener::bind(&*addresses).map_err(|err| bad(err.to_string()))
}

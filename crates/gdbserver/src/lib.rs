//! A server of gdb's remote protocol over a recording: gdb, Delve and whatever else speaks to rr drive
//! retake unchanged.
//!
//! [`serve`] waits for a client and answers it until it leaves. `framing` and `packet` make requests of bytes,
//! `session` answers them, a file per subject; `agent` makes predicates of the conditions of breakpoints; `link` is the connection, whose own thread sees an interrupt
//! while something runs; `facts` knows the processes of a recording.
//!
//! The `gdbstub` crate is not used. It has no place for what a recording needs: `vRun` as a restart, `qRRCmd`,
//! answers before a run has ended, watchpoints of any size, a target description with includes and an
//! undeclared prefix (Delve insists), stop replies with `replaylog` and `T00`, conditions of breakpoints that are
//! translated and not interpreted. What it does have is framing and the parsing of packets, a few hundred lines.
//!
//! Nothing a client sends makes a server fail or grow: packets have a longest length, those that wait are
//! few, and what is not understood is answered as the protocol says. A client cannot write to the
//! recording, nor read files other than those that the recording keeps.

mod agent;
mod error;
mod facts;
mod framing;
mod hex;
mod link;
mod packet;
mod registers;
mod server;
mod session;
mod signals;

pub use error::ServeError;
pub use facts::{ExecInfo, ProcessInfo, processes};
pub use server::{Clients, Ended, Notices, ServeOptions, serve};

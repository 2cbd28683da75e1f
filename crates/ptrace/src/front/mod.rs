//! One command, two processes: a *front*, which stays in the job that a shell started, and its child,
//! the tracer, which the signals of that job do not reach.
//!
//! The front keeps all signals blocked and takes them with a descriptor (signalfd(2)). Front and
//! tracer talk over a socket of packets; the front also sends the tracer a signal, whose handler only
//! notes that there is something to read, as the tracer mostly sits in waitpid(2).
#![expect(unsafe_code, reason = "fork, prctl, and handlers that set flags")]

mod inherited;
mod job;
mod link;
mod message;

use std::os::unix::net::UnixDatagram;

use nix::libc;
use retake_model::Tid;

pub use inherited::Inherited;
pub use job::{Front, FrontEvent};
pub use link::{FromFront, Link, ask_to_end, was_asked_to_end};
pub use message::Passed;

/// Which of the two processes this is.
#[derive(Debug)]
pub enum Side {
    /// The one that was started.
    Front(Front),
    /// Its child.
    Tracer(Link),
}

/// Makes the tracer, as a child of this process. Must be called while there is one thread only.
///
/// In both processes all signals are blocked from here on, but in the tracer those that it needs.
///
/// # Errors
/// When the system has no process or descriptor left; then nothing has changed.
pub fn split() -> std::io::Result<Side> {
    let inherited = Inherited::now();
    let front = Tid::new(i32::try_from(std::process::id()).unwrap_or(0));
    let (ours, theirs) = pair()?;
    let signals = job::signals()?;
    inherited::set_mask(u64::MAX);
    // Where it is ignored, nobody learns how a child ended.
    inherited::reset(libc::SIGCHLD);
    // SAFETY: there is one thread, so that the child may do everything that this process may.
    match unsafe { libc::fork() } {
        -1 => {
            let error = std::io::Error::last_os_error();
            inherited::set_mask(inherited.blocked);
            Err(error)
        }
        0 => {
            drop((ours, signals));
            Ok(Side::Tracer(Link::new(theirs, front, inherited)))
        }
        tracer => {
            drop(theirs);
            Ok(Side::Front(Front::new(ours, signals, Tid::new(tracer), inherited)))
        }
    }
}

fn pair() -> std::io::Result<(UnixDatagram, UnixDatagram)> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
    // Packets, and the end of the other side shows, which it does not with datagrams.
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let (a, b) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?;
    Ok((UnixDatagram::from(a), UnixDatagram::from(b)))
}

/// The signal that says that there is something to read.
fn news_signal() -> libc::c_int {
    // The one before is the ticker's.
    libc::SIGRTMIN() + 8
}

/// The signal that asks a tracer to end the recording.
fn end_signal() -> libc::c_int {
    libc::SIGRTMIN() + 9
}

//! The tracer's side.
#![expect(unsafe_code, reason = "prctl, kill, setpgid, and handlers that set flags")]

use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::libc;
use retake_model::{Signal, Tid};

use super::inherited::{Inherited, bit, unblock};
use super::message::{self, Passed, ToFront};
use super::{end_signal, news_signal};

/// Something may have come from the front.
static NEWS: AtomicBool = AtomicBool::new(false);
/// Somebody asked for the recording's end.
static END: AtomicBool = AtomicBool::new(false);

extern "C" fn on_news(_signal: libc::c_int) {
    NEWS.store(true, Ordering::Relaxed);
}

extern "C" fn on_end(_signal: libc::c_int) {
    END.store(true, Ordering::Relaxed);
    NEWS.store(true, Ordering::Relaxed);
}

fn handle(signal: libc::c_int, handler: extern "C" fn(libc::c_int)) {
    // SAFETY: all-zero bytes are a valid sigaction: no flags, so that waits end, and an empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as *const () as libc::sighandler_t;
    // SAFETY: `action` is valid; the handlers only store to atomics.
    unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
}

/// What came from the front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FromFront {
    /// Nothing more for now.
    Nothing,
    /// The front was sent a signal.
    Signal(Passed),
    /// The front is gone.
    Gone,
}

/// The tracer's connection to the front.
#[derive(Debug)]
pub struct Link {
    socket: UnixDatagram,
    front: Tid,
    inherited: Inherited,
}

impl Link {
    /// In the tracer, right after the fork.
    pub(super) fn new(socket: UnixDatagram, front: Tid, inherited: Inherited) -> Self {
        handle(news_signal(), on_news);
        handle(end_signal(), on_end);
        // The front may have ended before the next line takes effect.
        NEWS.store(true, Ordering::Relaxed);
        // SAFETY: prctl with integer arguments.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, news_signal(), 0, 0, 0) };
        let faults = [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGTRAP];
        let ours = [news_signal(), end_signal(), crate::ticker::signal()];
        // Everything else stays blocked, SIGTTOU as well: a process in the background may write to the
        // terminal then, whatever `stty tostop` says.
        unblock(faults.into_iter().chain(ours).fold(0, |mask, signal| mask | bit(signal)));
        Self { socket, front, inherited }
    }

    /// What the program is to take over.
    pub fn inherited(&self) -> &Inherited {
        &self.inherited
    }

    /// Leaves the front's process group, to which the program belongs: signals to that group are not
    /// for the tracer.
    pub fn leave_group(&self) {
        // SAFETY: setpgid takes two integers. A child that leads nothing may always do this.
        unsafe { libc::setpgid(0, 0) };
    }

    /// Whether there may be something new, since the last time this was asked.
    pub fn has_news(&self) -> bool {
        NEWS.load(Ordering::Relaxed) && NEWS.swap(false, Ordering::Relaxed)
    }

    /// The next message.
    pub fn next(&self) -> FromFront {
        let mut bytes = [0; message::LEN];
        match self.socket.recv(&mut bytes) {
            Ok(0) => FromFront::Gone,
            Ok(got) => bytes
                .get(..got)
                .and_then(Passed::from_bytes)
                .map_or(FromFront::Nothing, FromFront::Signal),
            Err(error) => match error.kind() {
                std::io::ErrorKind::WouldBlock => FromFront::Nothing,
                std::io::ErrorKind::Interrupted => self.next(),
                _ => FromFront::Gone,
            },
        }
    }

    fn tell(&self, what: ToFront) {
        // Where the front is gone there is nobody to tell.
        let _ = self.socket.send(&what.to_bytes());
    }

    /// Tells the front that the program's first process was stopped by this signal.
    pub fn program_stopped(&self, signal: Signal) {
        self.tell(ToFront::Stopped(u8::try_from(signal.number()).unwrap_or(0)));
    }

    /// Lets a stopped front go on, as the program does.
    pub fn program_continued(&self) {
        // SAFETY: kill takes two integers; the worst outcome is ESRCH.
        unsafe { libc::kill(self.front.get(), libc::SIGCONT) };
    }

    /// Lets the front exit with this code, while this process lives on.
    pub fn done(&self, code: u8) {
        self.tell(ToFront::Done(code));
    }
}

/// Whether somebody has called [`ask_to_end`] for this process.
pub fn was_asked_to_end() -> bool {
    END.load(Ordering::Relaxed)
}

impl Link {
    /// The front exits, and this process goes on without it: SIGTERM asks it to end from here on, as
    /// [`ask_to_end`] does.
    pub fn leave(self) {
        END.store(false, Ordering::Relaxed);
        handle(libc::SIGTERM, on_end);
        unblock(bit(libc::SIGTERM));
    }
}

/// Asks the tracer with this number to end its recording.
///
/// # Errors
/// When it is gone or may not be signalled.
pub fn ask_to_end(tracer: Tid) -> std::io::Result<()> {
    // SAFETY: kill takes two integers.
    let sent = unsafe { libc::kill(tracer.get(), end_signal()) };
    if sent == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

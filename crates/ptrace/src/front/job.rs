//! The front's side.
#![expect(unsafe_code, reason = "kill, sigpending")]

use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::SigSet;
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use retake_model::{Signal, Tid};

use super::inherited::{Inherited, bit, reset, set_mask, unblock};
use super::message::{Passed, ToFront};
use super::news_signal;
use crate::monotonic;

/// What the front has to do something about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrontEvent {
    /// It was sent a signal.
    Signal(Passed),
    /// The program's first process was stopped by this signal.
    ProgramStopped(Signal),
    /// The recording is over: exit with this code. The tracer lives on.
    Done(u8),
    /// The tracer exited with this code.
    TracerExited(u8),
    /// A signal ended the tracer; `None`: it is not known which.
    TracerKilled(Option<Signal>),
}

/// The process that stands in a shell's job for the program.
#[derive(Debug)]
pub struct Front {
    socket: UnixDatagram,
    /// The tracer has not closed its end.
    connected: bool,
    signals: SignalFd,
    tracer: Tid,
    inherited: Inherited,
}

/// A descriptor for all signals of this process.
pub(super) fn signals() -> std::io::Result<SignalFd> {
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    Ok(SignalFd::with_flags(&SigSet::all(), flags)?)
}

impl Front {
    pub(super) fn new(
        socket: UnixDatagram,
        signals: SignalFd,
        tracer: Tid,
        inherited: Inherited,
    ) -> Self {
        Self { socket, connected: true, signals, tracer, inherited }
    }

    /// The tracer.
    pub fn tracer(&self) -> Tid {
        self.tracer
    }

    /// What this process was started with.
    pub fn inherited(&self) -> &Inherited {
        &self.inherited
    }

    /// Waits for the next event.
    ///
    /// # Errors
    /// When waiting fails, which leaves nothing to do but to exit.
    pub fn next_event(&mut self) -> std::io::Result<FrontEvent> {
        loop {
            // What the tracer told comes before its end.
            if let Some(event) = self.told() {
                return Ok(event);
            }
            if let Some(event) = self.tracer_ended()? {
                return Ok(event);
            }
            if let Some(passed) = self.signal()? {
                return Ok(FrontEvent::Signal(passed));
            }
            let mut fds = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
            if self.connected {
                fds.push(PollFd::new(self.socket.as_fd(), PollFlags::POLLIN));
            }
            match poll(&mut fds, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    fn told(&mut self) -> Option<FrontEvent> {
        let mut bytes = [0; 2];
        while self.connected {
            match self.socket.recv(&mut bytes) {
                Ok(0) => self.connected = false,
                Ok(got) => match bytes.get(..got).and_then(ToFront::from_bytes) {
                    Some(ToFront::Stopped(signal)) => {
                        let signal = Signal::from_number(signal.into()).ok()?;
                        return Some(FrontEvent::ProgramStopped(signal));
                    }
                    Some(ToFront::Done(code)) => return Some(FrontEvent::Done(code)),
                    None => {}
                },
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return None,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => self.connected = false,
            }
        }
        None
    }

    /// Collects children: as the first process of a PID namespace this one also gets orphans.
    fn tracer_ended(&self) -> std::io::Result<Option<FrontEvent>> {
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) if pid.as_raw() == self.tracer.get() => {
                    let code = u8::try_from(code & 0xff).unwrap_or(u8::MAX);
                    return Ok(Some(FrontEvent::TracerExited(code)));
                }
                Ok(WaitStatus::Signaled(pid, signal, _)) if pid.as_raw() == self.tracer.get() => {
                    let signal = Signal::from_number(i64::from(signal as i32)).ok();
                    return Ok(Some(FrontEvent::TracerKilled(signal)));
                }
                Ok(WaitStatus::StillAlive) => return Ok(None),
                Ok(_) | Err(Errno::EINTR) => {}
                // A real-time signal ended it: nix knows no such.
                Err(Errno::EINVAL | Errno::ECHILD) => {
                    return Ok(Some(FrontEvent::TracerKilled(None)));
                }
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    fn signal(&self) -> std::io::Result<Option<Passed>> {
        let info = self.signals.read_signal()?;
        Ok(info.map(|info| Passed {
            signal: i32::try_from(info.ssi_signo).unwrap_or(0),
            code: info.ssi_code,
            sender: i32::try_from(info.ssi_pid).unwrap_or(0),
            at: monotonic(),
        }))
    }

    /// Tells the tracer of a signal.
    pub fn pass(&self, passed: &Passed) {
        // Where the tracer is gone there is nobody to tell, and its end comes next.
        let _ = self.socket.send(&passed.to_bytes());
        // SAFETY: kill takes two integers; the tracer is a child that was not waited for.
        unsafe { libc::kill(self.tracer.get(), news_signal()) };
    }

    /// Waits a moment, so that a signal which was sent to a whole process group has reached all of it.
    pub fn let_signals_arrive(&self) {
        std::thread::sleep(Duration::from_millis(1));
    }

    /// Stops this process by a job-control signal, so that the shell sees its job stopped by that, until
    /// SIGCONT.
    pub fn stop_by(&self, signal: Signal) {
        let number = signal.number();
        if number != libc::SIGSTOP {
            reset(number);
        }
        if is_pending(libc::SIGCONT) {
            // It was to go on before it was stopped.
            return;
        }
        let own = i32::try_from(std::process::id()).unwrap_or(0);
        // SAFETY: kill takes two integers.
        unsafe { libc::kill(own, number) };
        unblock(bit(number));
        set_mask(u64::MAX);
    }
}

fn is_pending(signal: libc::c_int) -> bool {
    let mut pending = 0_u64;
    // SAFETY: the mask is eight live bytes, as the size says.
    unsafe { libc::syscall(libc::SYS_rt_sigpending, &raw mut pending, 8_usize) };
    pending & bit(signal) != 0
}

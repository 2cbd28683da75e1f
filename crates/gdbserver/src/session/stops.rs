//! Stops, as they are told.

use retake_execution::{Stop, StopReason};
use retake_model::{Addr, SigInfo, Signal, TaskId, Tid};

use super::Session;
use super::breakpoints::PointKey;
use crate::hex;
use crate::packet::PointKind;
use crate::signals;

/// Why a program stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// It was asked to: a step, a restart.
    Trap,
    /// A breakpoint.
    Breakpoint(PointKind),
    /// Memory at this address was accessed.
    Watch(Addr),
    /// A signal comes next.
    Signal(Signal),
    /// A signal ends the process next.
    Fatal(Signal),
    /// The process executes another program, from this file.
    Exec(Vec<u8>),
    /// Somebody interrupted it.
    Interrupted,
    /// There is nothing before this.
    Beginning,
    /// There is nothing after this.
    End,
}

/// A stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) task: TaskId,
    pub(super) why: Why,
}

impl Session<'_> {
    /// Why a run stopped, for a client. A stop at which nothing happens that a client would know is none.
    pub(super) fn why(&self, stop: &Stop, moved: Moved) -> Option<Why> {
        let mut why = None;
        for reason in &stop.reasons {
            let found = match reason {
                StopReason::Watch(id) => {
                    self.points.by_id(id.get()).map(|key| Why::Watch(key.addr))
                }
                StopReason::Site(id) => {
                    self.points.by_id(id.get()).map(|PointKey { kind, .. }| Why::Breakpoint(*kind))
                }
                // Told once; whoever goes on from it comes to the end.
                StopReason::Fatal(signal) if moved == Moved::Yes => Some(Why::Fatal(*signal)),
                StopReason::Signal(signal) => Some(Why::Signal(*signal)),
                StopReason::Stepped => Some(Why::Trap),
                StopReason::Start => Some(Why::Beginning),
                StopReason::End => Some(Why::End),
                StopReason::Fatal(_) | StopReason::Reached => None,
            };
            why = why.or(found);
        }
        why
    }

    /// The stop reply for a stop.
    pub(super) fn reply(&self, report: &Report) -> Vec<u8> {
        let signal = match report.why {
            Why::Trap | Why::Breakpoint(_) | Why::Watch(_) | Why::Exec(_) => signals::TRAP,
            Why::Signal(signal) | Why::Fatal(signal) => signals::number(signal),
            Why::Interrupted | Why::Beginning => signals::NONE,
            Why::End => signals::KILL,
        };
        let more = match &report.why {
            Why::Watch(addr) => format!("watch:{addr:x};", addr = addr.get()),
            Why::Breakpoint(PointKind::Hardware) if self.client.hwbreak => "hwbreak:;".to_owned(),
            Why::Breakpoint(_) if self.client.swbreak => "swbreak:;".to_owned(),
            Why::Beginning => "replaylog:begin;".to_owned(),
            Why::Exec(path) => format!("exec:{};", hex::encode(path)),
            _ => String::new(),
        };
        let thread = self.id(self.tid_of(report.task));
        format!("T{signal:02x}thread:{thread};{more}").into_bytes()
    }

    /// The stop reply for the last stop.
    pub(super) fn told(&self) -> Vec<u8> {
        self.reply(&self.stopped)
    }

    /// The number of a task; of a living one if that one is gone.
    pub(super) fn tid_of(&self, task: TaskId) -> Tid {
        let threads = self.threads();
        let found = threads.iter().find(|info| info.task == task).or(threads.first());
        found.map_or(self.life.pid, |info| info.tid)
    }

    pub(super) fn tid_of_stop(&self) -> Tid {
        self.tid_of(self.stopped.task)
    }

    /// The `siginfo_t` of the last stop.
    pub(super) fn signal_info(&self) -> [u8; SigInfo::SIZE] {
        let signal = match &self.stopped.why {
            Why::Signal(signal) | Why::Fatal(signal) => *signal,
            Why::Trap | Why::Breakpoint(_) | Why::Watch(_) | Why::Exec(_) => Signal::TRAP,
            Why::Interrupted | Why::Beginning | Why::End => return [0; SigInfo::SIZE],
        };
        let recorded = self.facts.signal_at(self.position().event());
        if let Some(info) = recorded.filter(|info| info.signal() == Ok(signal)) {
            return info.to_bytes();
        }
        let mut info = [0; SigInfo::SIZE];
        for (to, from) in info.iter_mut().zip(signal.number().to_le_bytes()) {
            *to = from;
        }
        info
    }
}

/// Whether a run has left the place where it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moved {
    Yes,
    No,
}

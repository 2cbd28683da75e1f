//! Signals to the front that are for the program.

use std::path::PathBuf;
use std::time::Duration;

use retake_abi::nr;
use retake_model::{Addr, SigInfo, Signal, Tid};
use retake_ptrace::{Passed, PtraceError, TaskStatus, monotonic, send_signal};

use super::requests::asks_to_end;
use crate::ending::given::Given;
use crate::ending::state::Ending;
use crate::session::Session;
use crate::tasks::{OpenCall, Task};

/// A signal that the program was given so short ago, by the same sender, is the one that the front got:
/// it was sent to the whole process group.
const SAME: Duration = Duration::from_millis(100);
/// So many signals are remembered for that.
const REMEMBERED: usize = 32;

impl Ending {
    fn remember(&mut self, signal: Signal, sender: Option<i32>) {
        let given = &mut self.given;
        if given.len() == REMEMBERED {
            given.pop_front();
        }
        given.push_back(Given { signal, sender, at: monotonic() });
    }
}

impl Session {
    /// A signal has arrived at a task.
    pub(crate) fn note_given(&mut self, task: &Task, info: &SigInfo) {
        let Ok(signal) = info.signal() else { return };
        if task.pid != self.world.root {
            return;
        }
        self.ending.remember(signal, Some(info.sender()));
    }

    /// A call has completed: perhaps one that takes signals without their delivery, which are
    /// sigtimedwait(2) and reading from a signalfd(2).
    pub(crate) fn note_taken(&mut self, task: &Task, open: &OpenCall, result: i64) {
        /// Size of `struct signalfd_siginfo`; `ssi_pid` and `si_pid` within their structs.
        const ENTRY: i64 = 128;
        const SSI_PID: u64 = 12;
        const SI_PID: u64 = 16;
        self.ending.note_signal_source(open, result);
        if task.pid != self.world.root || result <= 0 {
            return;
        }
        let word = |addr: u64| {
            let mut bytes = [0; 4];
            let read = task.memory.read_exact(Addr::new(addr), &mut bytes);
            read.is_ok().then(|| i32::from_le_bytes(bytes))
        };
        let [fd, buffer, ..] = open.args;
        let (signal, sender) = match open.call.no {
            nr::RT_SIGTIMEDWAIT => (result, word(buffer.wrapping_add(SI_PID))),
            nr::READ if result % ENTRY == 0 => {
                let first = i64::from(word(buffer).unwrap_or(0));
                let link = || std::fs::read_link(format!("/proc/{}/fd/{fd}", task.tid));
                let is_signal = |path: PathBuf| path.as_os_str() == "anon_inode:[signalfd]";
                if !(1..=64).contains(&first) || !link().is_ok_and(is_signal) {
                    return;
                }
                (first, word(buffer.wrapping_add(SSI_PID)))
            }
            _ => return,
        };
        if let Ok(signal) = Signal::from_number(signal) {
            self.ending.remember(signal, sender);
        }
    }

    /// The front was sent a signal: the recording may end, and the program gets what it has not got.
    pub(super) fn front_was_sent(&mut self, passed: &Passed) {
        let Ok(signal) = Signal::from_number(i64::from(passed.signal)) else { return };
        let own = i32::try_from(std::process::id()).unwrap_or(0);
        let from_within = self.ending.recorded.contains(&passed.sender) || passed.sender == own;
        if !passed.is_from_kernel() && from_within {
            return;
        }
        if self.first_is_gone() {
            if asks_to_end(signal) {
                self.ending.by.get_or_insert(super::EndedBy::SecondRequest);
            }
            return;
        }
        let ends = match signal {
            Signal::INT => self.ending.requests.interrupt(passed),
            Signal::TERM => self.ending.requests.end(passed),
            // The terminal is gone. (Servers take a SIGHUP that somebody sends as "read your
            // configuration again".)
            Signal::HUP if passed.is_from_kernel() => self.ending.requests.end(passed),
            _ => None,
        };
        self.ending.by = self.ending.by.or(ends);
        if passed.is_from_kernel() && comes_from_terminals(signal) {
            return;
        }
        if !self.has_got(signal, passed) {
            send_signal(self.world.root, signal);
        }
    }

    /// Whether the first process got this signal too, or would not notice that it is sent once more.
    fn has_got(&self, signal: Signal, passed: &Passed) -> bool {
        let same = |given: &Given| {
            given.signal == signal
                && given.sender.is_none_or(|sender| sender == passed.sender)
                && passed.at.saturating_sub(given.at) < SAME
        };
        if self.ending.given.iter().any(same) {
            return true;
        }
        let held = |task: &Task| {
            task.pid == self.world.root && task.held.iter().any(|info| info.signal() == Ok(signal))
        };
        // Where that cannot be known it is sent: it may come twice, and is not lost.
        !signal.is_realtime()
            && (is_pending(self.world.root, signal).unwrap_or(false)
                || self.world.tasks.values().any(held))
    }
}

fn is_pending(pid: Tid, signal: Signal) -> Result<bool, PtraceError> {
    let status = TaskStatus::of(pid)?;
    Ok((status.mask("ShdPnd:")? | status.mask("SigPnd:")?) & signal.mask_bit() != 0)
}

/// Whether the kernel sends this signal for a terminal, and then always to a whole process group (SIGHUP
/// and SIGCONT for a terminal that is gone may be for the leader of the session alone).
fn comes_from_terminals(signal: Signal) -> bool {
    matches!(
        signal,
        Signal::INT | Signal::QUIT | Signal::TSTP | Signal::TTIN | Signal::TTOU | Signal::WINCH
    )
}

//! Requests to end the recording, which come as signals to the front.

use std::collections::VecDeque;
use std::time::Duration;

use retake_model::Signal;
use retake_ptrace::{Passed, monotonic};

use super::state::EndedBy;

/// So many SIGINT end the recording, when they come within [`CLOSE`]. (One is for the program: prompts
/// and pagers live on it.)
const INTERRUPTS: usize = 3;
const CLOSE: Duration = Duration::from_secs(1);
/// What one sender sends twice within this time is one request: timeout(1) sends SIGTERM to its child
/// and then to the child's process group.
const TWICE: Duration = Duration::from_millis(30);

/// What was asked so far.
#[derive(Debug, Default)]
pub(super) struct Requests {
    interrupts: VecDeque<Duration>,
    first: Option<(Duration, i32)>,
}

impl Requests {
    /// SIGINT.
    pub(super) fn interrupt(&mut self, passed: &Passed) -> Option<EndedBy> {
        self.interrupts.push_back(passed.at);
        if self.interrupts.len() > INTERRUPTS {
            self.interrupts.pop_front();
        }
        let first = self.interrupts.front().copied().unwrap_or_default();
        let all = self.interrupts.len() == INTERRUPTS;
        (all && passed.at.saturating_sub(first) <= CLOSE).then_some(EndedBy::Interrupts)
    }

    /// SIGTERM or SIGHUP.
    pub(super) fn end(&mut self, passed: &Passed) -> Option<EndedBy> {
        match self.first {
            None => {
                self.first = Some((passed.at, passed.sender));
                None
            }
            Some((at, sender))
                if sender == passed.sender && passed.at.saturating_sub(at) < TWICE =>
            {
                None
            }
            Some(_) => Some(EndedBy::SecondRequest),
        }
    }

    /// Whether the program has had its time to end.
    pub(super) fn is_overdue(&self, patience: Duration) -> bool {
        self.first.is_some_and(|(at, _)| monotonic().saturating_sub(at) >= patience)
    }
}

/// Whether nobody is left to do what these signals ask for once the first process is gone.
pub(super) fn asks_to_end(signal: Signal) -> bool {
    matches!(signal, Signal::INT | Signal::QUIT | Signal::TERM | Signal::HUP)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64, sender: i32) -> Passed {
        Passed { signal: 15, code: 0, sender, at: Duration::from_millis(ms) }
    }

    #[test]
    fn three_interrupts_within_a_second() {
        let mut requests = Requests::default();
        for ms in [0, 600, 1200, 1800, 2700] {
            assert_eq!(requests.interrupt(&at(ms, 0)), None, "{ms}");
        }
        assert_eq!(requests.interrupt(&at(2750, 0)), Some(EndedBy::Interrupts));
    }

    #[test]
    fn the_second_request_of_another_or_later() {
        let mut requests = Requests::default();
        assert_eq!(requests.end(&at(10, 7)), None);
        assert_eq!(requests.end(&at(11, 7)), None);
        assert_eq!(requests.end(&at(12, 8)), Some(EndedBy::SecondRequest));
        assert_eq!(requests.end(&at(200, 7)), Some(EndedBy::SecondRequest));
    }
}

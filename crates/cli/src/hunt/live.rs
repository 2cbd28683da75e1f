//! The line that tells how far a hunt is.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use super::Tally;
use crate::output::notice;
use crate::text;

/// Time between two lines where they stay.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// On a terminal a line that changes, elsewhere one now and then.
#[derive(Debug)]
pub(crate) struct Live {
    terminal: bool,
    shown: Instant,
}

impl Live {
    pub(crate) fn new() -> Self {
        Self { terminal: io::stderr().is_terminal(), shown: Instant::now() }
    }

    pub(crate) fn show(&mut self, tally: &Tally) {
        if self.terminal {
            let _ = write!(io::stderr(), "\r\x1b[K{}", line(tally));
        } else if self.shown.elapsed() >= BETWEEN_LINES {
            self.shown = Instant::now();
            notice(line(tally));
        }
    }

    pub(crate) fn clear(&self) {
        if self.terminal {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

fn line(tally: &Tally) -> String {
    format!(
        "{}, {}, {} a run",
        text::count(tally.runs().into(), "run"),
        text::count(tally.failed().into(), "failure"),
        text::duration(tally.each())
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hunt::Schedule;

    #[test]
    fn runs_failures_and_time() {
        let mut tally = Tally::default();
        tally.count(Schedule::Plain, Duration::from_millis(500), false);
        tally.count(Schedule::Chaos(1), Duration::from_millis(1000), false);
        assert_eq!(line(&tally), "2 runs, 0 failures, 0.75 s a run");
    }
}

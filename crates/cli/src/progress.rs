//! Says how far a long search is: on a terminal in a line of its own that goes again, elsewhere in a
//! line now and then.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use retake_debugger::{Progress, ProgressSink};
use retake_replayer::{Control, Observer, SearchProgress};

use crate::output::notice;
use crate::text;

/// Whether a line says at this time how far something is.
static SHOWN: AtomicBool = AtomicBool::new(false);

/// Whether a line says at this time how far something is.
pub(crate) fn is_shown() -> bool {
    SHOWN.load(Ordering::Relaxed)
}

/// Searches that are over sooner are not spoken of.
const FIRST: Duration = Duration::from_millis(500);
/// Time between two changes of a line that does not stay.
const BETWEEN_CHANGES: Duration = Duration::from_millis(100);
/// Time between two lines where they stay.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// For a replay that reports its long searches on standard error.
pub(crate) fn control() -> Control {
    let reporter = Reporter { line: Line::new() };
    Control::observed_by(Arc::new(reporter))
}

/// For a replay whose standard error is the program's: only a terminal shows more than that.
pub(crate) fn control_beside_output() -> Control {
    if io::stderr().is_terminal() { control() } else { Control::default() }
}

/// For requests of the debugger.
pub(crate) fn of_requests() -> Arc<dyn ProgressSink> {
    Arc::new(Requests { line: Line::new(), began: Mutex::default() })
}

/// The line that says how far something is.
#[derive(Debug)]
struct Line {
    terminal: bool,
    /// How long it had taken when the line was printed last.
    shown: Mutex<Option<Duration>>,
}

impl Line {
    fn new() -> Self {
        Self { terminal: io::stderr().is_terminal(), shown: Mutex::default() }
    }

    /// Prints it if that is due.
    fn show(&self, elapsed: Duration, text: impl FnOnce() -> String) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let due = match *shown {
            _ if elapsed < FIRST => false,
            Some(last) if self.terminal => elapsed >= last + BETWEEN_CHANGES,
            Some(last) => elapsed >= last + BETWEEN_LINES,
            None => true,
        };
        if !due {
            return;
        }
        *shown = Some(elapsed);
        SHOWN.store(true, Ordering::Relaxed);
        if self.terminal {
            // Back to the start of the line, and clear it.
            let _ = write!(io::stderr(), "\r\x1b[K{}", text());
        } else {
            notice(text());
        }
    }

    fn clear(&self) {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner).take();
        SHOWN.store(false, Ordering::Relaxed);
        if self.terminal && shown.is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

#[derive(Debug)]
struct Reporter {
    line: Line,
}

impl Observer for Reporter {
    fn searching(&self, progress: &SearchProgress) {
        self.line.show(progress.elapsed, || describe(progress));
    }

    fn over(&self) {
        self.line.clear();
    }
}

#[derive(Debug)]
struct Requests {
    line: Line,
    /// When the request that runs said something first.
    began: Mutex<Option<Instant>>,
}

impl ProgressSink for Requests {
    fn progress(&self, progress: &Progress) {
        let mut began = self.began.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed = began.get_or_insert_with(Instant::now).elapsed();
        self.line.show(elapsed, || describe_request(progress));
    }

    fn over(&self) {
        self.began.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.line.clear();
    }
}

fn describe_request(progress: &Progress) -> String {
    let Progress { event, events, hits } = *progress;
    format!("event {event} of {events}: {} so far; Ctrl-C stops", text::count(hits, "hit"))
}

fn describe(progress: &SearchProgress) -> String {
    let SearchProgress { event, passes, expected, elapsed } = *progress;
    if passes == 0 {
        let took = text::duration(elapsed);
        return format!("event {event} is in the middle of code: {took} so far; Ctrl-C stops");
    }
    let so_far = format!(
        "event {event} is in a hot loop: passed {} in {}",
        text::count(passes, "time"),
        text::duration(elapsed)
    );
    match expected.zip(progress.left()) {
        Some((expected, left)) => {
            let percent = passes.saturating_mul(100) / expected.max(1);
            format!(
                "{so_far}, {percent} % of about {expected}, about {} left",
                text::duration(left)
            )
        }
        None => format!("{so_far}, no estimate of how many more; Ctrl-C stops"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use retake_model::EventIndex;

    #[test]
    fn a_line_says_how_far_it_is() {
        let (event, elapsed) = (EventIndex::new(7), Duration::from_secs(20));
        let line =
            |expected| describe(&SearchProgress { event, passes: 500_000, expected, elapsed });
        assert!(
            line(Some(2_000_000)).contains("25 % of about 2000000"),
            "{}",
            line(Some(2_000_000))
        );
        assert!(line(Some(2_000_000)).contains("left"));
        assert!(line(None).contains("no estimate"));
        let hits = Progress { event, events: EventIndex::new(40), hits: 12_345 };
        let line = describe_request(&hits);
        assert!(line.starts_with("event 7 of 40: ") && line.contains("hits so far"), "{line}");
        let looking = SearchProgress { event, passes: 0, expected: None, elapsed };
        assert!(describe(&looking).contains("middle of code: 20"), "{}", describe(&looking));
    }
}

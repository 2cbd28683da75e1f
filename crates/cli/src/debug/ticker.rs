//! Says that a command still runs, where nothing else says how far it is.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::progress;

/// Commands that are over sooner are not spoken of.
const FIRST: Duration = Duration::from_millis(500);
/// Time between two changes of the line.
const BETWEEN: Duration = Duration::from_millis(100);

/// What runs, and since when.
#[derive(Debug, Default)]
struct Running(Mutex<Option<(String, Instant)>>, Condvar);

impl Running {
    fn lock(&self) -> MutexGuard<'_, Option<(String, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A line on the terminal while commands run.
#[derive(Debug)]
pub(super) struct Ticker(Option<Arc<Running>>);

impl Ticker {
    /// One for this process; none where standard error is no terminal.
    pub(super) fn start() -> Self {
        if !io::stderr().is_terminal() {
            return Self(None);
        }
        let running = Arc::new(Running::default());
        let shown = Arc::clone(&running);
        // Without the thread nothing is said, and all else works.
        let started = thread::Builder::new().name("ticker".to_owned()).spawn(move || tick(&shown));
        Self(started.ok().map(|_| running))
    }

    /// Runs a command.
    pub(super) fn during<T>(&self, command: &str, run: impl FnOnce() -> T) -> T {
        let Some(running) = &self.0 else { return run() };
        *running.lock() = Some((command.to_owned(), Instant::now()));
        running.1.notify_one();
        let result = run();
        // The thread clears its line while it holds the lock, so that is not in what is printed next.
        let since = running.lock().take().map(|(_, since)| since.elapsed());
        if since.is_some_and(|since| since >= FIRST) {
            clear();
        }
        result
    }
}

fn clear() {
    let _ = write!(io::stderr(), "\r\x1b[K");
}

fn tick(running: &Running) {
    loop {
        let now = running.lock();
        let waited = match &*now {
            None => running.1.wait(now),
            Some((command, since)) => {
                let elapsed = since.elapsed();
                if elapsed >= FIRST && !progress::is_shown() {
                    let (command, seconds) = (short(command), elapsed.as_secs_f64());
                    let _ = write!(
                        io::stderr(),
                        "\r\x1b[K{command}: {seconds:.1} s so far; Ctrl-C stops"
                    );
                }
                running.1.wait_timeout(now, BETWEEN).map(|(now, _)| now).map_err(|err| {
                    let (now, _) = err.into_inner();
                    PoisonError::new(now)
                })
            }
        };
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

/// The beginning of a command: the line is to stay one.
fn short(command: &str) -> String {
    const WIDEST: usize = 24;
    crate::text::shortened(command, WIDEST)
}

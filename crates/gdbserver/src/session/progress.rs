//! Says how far a long run is, while it runs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::Session;
use crate::hex;
use crate::link::{Link, Voice};
use crate::server::ServeOptions;

/// Runs that are over sooner are not spoken of.
const FIRST: Duration = Duration::from_secs(1);
/// Time between two lines.
const BETWEEN: Duration = Duration::from_secs(5);

/// Who is told, and of what.
pub(super) struct Teller<'a> {
    voice: Voice,
    /// Where the client shows no text: who else is told.
    besides: Option<&'a ServeOptions>,
    /// The event that the run has come to.
    reached: Arc<AtomicU64>,
    events: u64,
}

impl Teller<'_> {
    /// Runs something; says how far it is, if it takes long.
    pub(super) fn during<T>(self, run: impl FnOnce() -> T) -> T {
        let over = Over::default();
        thread::scope(|scope| {
            let began = Instant::now();
            let (teller, over) = (&self, &over);
            // Without a thread nothing is said.
            let told = thread::Builder::new()
                .name("progress".to_owned())
                .spawn_scoped(scope, move || teller.tell_until(over, began));
            let _ends = told.map(|_| Ends(over));
            run()
        })
    }

    fn tell_until(&self, over: &Over, began: Instant) {
        let mut patience = FIRST;
        while !over.comes_within(patience) {
            patience = BETWEEN;
            let event = self.reached.load(Ordering::Relaxed);
            let (events, seconds) = (self.events, began.elapsed().as_secs());
            self.tell(&format!("at event {event} of {events} after {seconds} s; Ctrl-C stops"));
        }
    }

    fn tell(&self, text: &str) {
        match self.besides {
            Some(options) => options.notice(text),
            None => {
                let text = hex::encode(format!("retake: {text}\n").as_bytes());
                self.voice.send_while_running(format!("O{text}").as_bytes());
            }
        }
    }
}

/// Whether a run is over.
#[derive(Default)]
struct Over {
    is_over: Mutex<bool>,
    changed: Condvar,
}

impl Over {
    fn lock(&self) -> MutexGuard<'_, bool> {
        self.is_over.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn comes_within(&self, patience: Duration) -> bool {
        let goes_on = |is_over: &mut bool| !*is_over;
        let waited = self.changed.wait_timeout_while(self.lock(), patience, goes_on);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Says so, also where the run panics.
struct Ends<'a>(&'a Over);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        *self.0.lock() = true;
        self.0.changed.notify_all();
    }
}

impl<'a> Session<'a> {
    /// Who says how far a run is.
    pub(super) fn teller(&self, link: &Link) -> Teller<'a> {
        Teller {
            voice: link.voice(),
            besides: (!self.client.is_gdb).then_some(self.options),
            reached: self.execution.reached(),
            events: self.execution.event_count().get(),
        }
    }
}

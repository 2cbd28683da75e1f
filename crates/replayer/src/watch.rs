//! Ends a run that was interrupted, or that does not come to its next event, and says how long a search takes.

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use retake_model::{EventIndex, Signal, Tid};
use retake_ptrace::{kill_task, monotonic};

use crate::search::{Control, SearchProgress};

/// How often it looks.
const TICK: Duration = Duration::from_millis(25);
/// Shorter searches are not worth a word.
const REPORT_AFTER: Duration = Duration::from_millis(500);
/// After so many ticks in one run the replay is taken to be lost.
const PATIENCE: u64 = 12_000;

#[derive(Debug, Default)]
struct Shared {
    running: AtomicI32,
    /// When the running task is to pause, in nanoseconds of the monotonic clock; never if that is 0.
    pause_at: AtomicU64,
    ticks: AtomicU64,
    overdue: AtomicBool,
    search: Mutex<Option<Looking>>,
    stop: Mutex<bool>,
    wake: Condvar,
}

/// A search that goes on.
#[derive(Clone, Copy, Debug)]
struct Looking {
    event: EventIndex,
    /// On the monotonic clock.
    began: Duration,
    reported: bool,
}

/// A search goes on while this lives.
pub(crate) struct Searching {
    shared: Arc<Shared>,
    control: Control,
}

impl Drop for Searching {
    fn drop(&mut self) {
        let search = self.shared.search.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let (Some(observer), Some(true)) =
            (&self.control.observer, search.map(|search| search.reported))
        {
            observer.over();
        }
    }
}

/// Watches the task that runs. It stops it (with a SIGSTOP that is never delivered) when asked to.
#[derive(Debug)]
pub(crate) struct Watch {
    shared: Arc<Shared>,
    control: Control,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    pub(crate) fn new(control: Control) -> Self {
        let shared = Arc::new(Shared::default());
        let (for_thread, its_control) = (Arc::clone(&shared), control.clone());
        let thread = std::thread::Builder::new()
            .name("retake-watch".to_owned())
            .spawn(move || watch(&for_thread, &its_control))
            .ok();
        Self { shared, control, thread }
    }

    /// A search for the place of `event` begins, in which no pass is seen.
    pub(crate) fn search(&self, event: EventIndex) -> Searching {
        let looking = Looking { event, began: monotonic(), reported: false };
        *self.shared.search.lock().unwrap_or_else(PoisonError::into_inner) = Some(looking);
        Searching { shared: Arc::clone(&self.shared), control: self.control.clone() }
    }

    /// A task runs; at `pause_at` on the monotonic clock, or soon after, it is to pause.
    pub(crate) fn start(&self, tid: Tid, pause_at: Option<Duration>) {
        self.shared.ticks.store(0, Ordering::Relaxed);
        self.shared.overdue.store(false, Ordering::Relaxed);
        let nanos = pause_at.map_or(0, |at| u64::try_from(at.as_nanos()).unwrap_or(u64::MAX));
        self.shared.pause_at.store(nanos, Ordering::Relaxed);
        self.shared.running.store(tid.get(), Ordering::Release);
    }

    pub(crate) fn end(&self) {
        self.shared.running.store(0, Ordering::Release);
    }

    pub(crate) fn is_interrupted(&self) -> bool {
        self.control.is_interrupted()
    }

    pub(crate) fn is_overdue(&self) -> bool {
        self.shared.overdue.load(Ordering::Relaxed)
    }
}

fn report(shared: &Shared, control: &Control) {
    let mut search = shared.search.lock().unwrap_or_else(PoisonError::into_inner);
    let (Some(search), Some(observer)) = (search.as_mut(), &control.observer) else { return };
    let elapsed = monotonic().saturating_sub(search.began);
    if elapsed >= REPORT_AFTER {
        search.reported = true;
        let (event, passes, expected) = (search.event, 0, None);
        observer.searching(&SearchProgress { event, passes, expected, elapsed });
    }
}

fn watch(shared: &Shared, control: &Control) {
    let mut stop = shared.stop.lock().unwrap_or_else(PoisonError::into_inner);
    while !*stop {
        let (again, _) =
            shared.wake.wait_timeout(stop, TICK).unwrap_or_else(PoisonError::into_inner);
        stop = again;
        let running = Tid::new(shared.running.load(Ordering::Acquire));
        if running.get() == 0 {
            continue;
        }
        report(shared, control);
        let ticks = shared.ticks.fetch_add(1, Ordering::Relaxed);
        if ticks >= PATIENCE {
            shared.overdue.store(true, Ordering::Relaxed);
        }
        let pause_at = Duration::from_nanos(shared.pause_at.load(Ordering::Relaxed));
        let pauses = !pause_at.is_zero() && monotonic() >= pause_at;
        if ticks >= PATIENCE || pauses || control.is_interrupted() {
            // It may have stopped by itself just now; the signal is dropped then.
            let _ = kill_task(running, running, Signal::STOP);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        *self.shared.stop.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.shared.wake.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

//! Ends a run that was interrupted, or that does not come to its next event.

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use retake_model::{Signal, Tid};
use retake_ptrace::kill_task;

/// How often it looks.
const TICK: Duration = Duration::from_millis(100);
/// After so many ticks in one run the replay is taken to be lost.
const PATIENCE: u64 = 3000;

#[derive(Debug, Default)]
struct Shared {
    running: AtomicI32,
    ticks: AtomicU64,
    overdue: AtomicBool,
    stop: Mutex<bool>,
    wake: Condvar,
}

/// Watches the task that runs. It stops it (with a SIGSTOP that is never delivered) when asked to.
#[derive(Debug)]
pub(crate) struct Watch {
    shared: Arc<Shared>,
    interrupt: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    pub(crate) fn new(interrupt: Arc<AtomicBool>) -> Self {
        let shared = Arc::new(Shared::default());
        let (for_thread, flag) = (Arc::clone(&shared), Arc::clone(&interrupt));
        let thread = std::thread::Builder::new()
            .name("retake-watch".to_owned())
            .spawn(move || watch(&for_thread, &flag))
            .ok();
        Self { shared, interrupt, thread }
    }

    pub(crate) fn start(&self, tid: Tid) {
        self.shared.ticks.store(0, Ordering::Relaxed);
        self.shared.running.store(tid.get(), Ordering::Release);
    }

    pub(crate) fn end(&self) {
        self.shared.running.store(0, Ordering::Release);
    }

    pub(crate) fn is_interrupted(&self) -> bool {
        self.interrupt.load(Ordering::Relaxed)
    }

    pub(crate) fn is_overdue(&self) -> bool {
        self.shared.overdue.load(Ordering::Relaxed)
    }
}

fn watch(shared: &Shared, interrupt: &AtomicBool) {
    let mut stop = shared.stop.lock().unwrap_or_else(PoisonError::into_inner);
    while !*stop {
        let (again, _) =
            shared.wake.wait_timeout(stop, TICK).unwrap_or_else(PoisonError::into_inner);
        stop = again;
        let running = Tid::new(shared.running.load(Ordering::Acquire));
        if running.get() == 0 {
            continue;
        }
        let ticks = shared.ticks.fetch_add(1, Ordering::Relaxed);
        if ticks >= PATIENCE {
            shared.overdue.store(true, Ordering::Relaxed);
        }
        if ticks >= PATIENCE || interrupt.load(Ordering::Relaxed) {
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

//! What runs, as the thread that reads sees it: how to end it, and what to answer where its end takes longer
//! than a client waits.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What runs has so long to end by itself when it is interrupted.
const GRACE: Duration = Duration::from_millis(200);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Idle,
    /// The stop to tell of where it is interrupted.
    Going(Vec<u8>),
    /// It is to end.
    Asked(Vec<u8>),
    /// The client was told already.
    Answered,
}

/// How a run ended, for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    /// By itself.
    Over,
    /// It was interrupted.
    Interrupted,
    /// It was interrupted, and the client has had its answer.
    Answered,
}

/// Shared by what runs and by who reads.
#[derive(Debug)]
pub(crate) struct Running {
    interrupt: Arc<AtomicBool>,
    state: Mutex<State>,
    changed: Condvar,
    /// The client has left.
    gone: AtomicBool,
}

impl Running {
    pub(super) fn new(interrupt: Arc<AtomicBool>) -> Self {
        let gone = AtomicBool::new(false);
        Self { interrupt, state: Mutex::default(), changed: Condvar::new(), gone }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something begins. `reply` is what an interrupt is answered with.
    pub(crate) fn begin(&self, reply: Vec<u8>) {
        let mut state = self.lock();
        // An interrupt that came too late for what ran before.
        self.interrupt.store(self.gone.load(Ordering::SeqCst), Ordering::SeqCst);
        *state = State::Going(reply);
    }

    /// It has come to another place. False if it is to end there.
    pub(crate) fn advance(&self, reply: Vec<u8>) -> bool {
        let mut state = self.lock();
        match *state {
            State::Going(_) => {
                *state = State::Going(reply);
                true
            }
            State::Asked(_) => {
                *state = State::Asked(reply);
                false
            }
            State::Idle | State::Answered => false,
        }
    }

    /// It is over.
    pub(crate) fn end(&self) -> Run {
        let mut state = self.lock();
        let run = match std::mem::take(&mut *state) {
            State::Idle | State::Going(_) => Run::Over,
            State::Asked(_) => Run::Interrupted,
            State::Answered => Run::Answered,
        };
        self.interrupt.store(false, Ordering::SeqCst);
        self.changed.notify_all();
        run
    }

    /// Ends what runs. Gives what is to be sent now, where that takes too long.
    pub(super) fn interrupt(&self) -> Option<Vec<u8>> {
        let mut state = self.lock();
        let State::Going(reply) = &*state else { return None };
        *state = State::Asked(reply.clone());
        self.interrupt.store(true, Ordering::SeqCst);
        let asked = |state: &mut State| matches!(state, State::Asked(_));
        let waited = self.changed.wait_timeout_while(state, GRACE, asked);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match std::mem::take(&mut *state) {
            State::Asked(reply) => {
                *state = State::Answered;
                Some(reply)
            }
            other => {
                *state = other;
                None
            }
        }
    }

    /// Nobody is left to wait for it.
    pub(super) fn abandon(&self) {
        let _state = self.lock();
        self.gone.store(true, Ordering::SeqCst);
        self.interrupt.store(true, Ordering::SeqCst);
    }

    /// Nothing is left of it.
    pub(super) fn clear(&self) {
        *self.lock() = State::Idle;
        self.interrupt.store(false, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running() -> (Running, Arc<AtomicBool>) {
        let interrupt = Arc::new(AtomicBool::new(false));
        (Running::new(Arc::clone(&interrupt)), interrupt)
    }

    #[test]
    fn what_does_not_end_in_time_is_answered_for() {
        let (running, interrupt) = running();
        assert_eq!(running.interrupt(), None, "nothing runs");
        running.begin(b"first".to_vec());
        assert!(running.advance(b"second".to_vec()));
        assert_eq!(running.interrupt(), Some(b"second".to_vec()));
        assert!(interrupt.load(Ordering::SeqCst));
        assert!(!running.advance(b"third".to_vec()));
        assert_eq!(running.end(), Run::Answered);
        assert!(!interrupt.load(Ordering::SeqCst));
    }

    #[test]
    fn what_ends_in_time_is_not() {
        let (running, interrupt) = running();
        running.begin(b"stop".to_vec());
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| running.interrupt());
            while !interrupt.load(Ordering::SeqCst) {
                std::thread::yield_now();
            }
            assert_eq!(running.end(), Run::Interrupted);
            assert_eq!(waiting.join().expect("it ends"), None);
        });
    }
}

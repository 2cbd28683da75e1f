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

#[derive(Debug, Default)]
struct Seen {
    state: State,
    /// Packets that have no answer yet.
    waiting: usize,
    /// An interrupt came behind one of those: it is for what that begins.
    early: bool,
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
    seen: Mutex<Seen>,
    changed: Condvar,
    /// The client has left.
    gone: AtomicBool,
}

impl Running {
    pub(super) fn new(interrupt: Arc<AtomicBool>) -> Self {
        let gone = AtomicBool::new(false);
        Self { interrupt, seen: Mutex::default(), changed: Condvar::new(), gone }
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A packet has come.
    pub(super) fn expect(&self) {
        self.lock().waiting += 1;
    }

    /// A packet is dealt with.
    pub(crate) fn dealt_with(&self) {
        let mut seen = self.lock();
        seen.waiting = seen.waiting.saturating_sub(1);
        seen.early &= seen.waiting > 0;
    }

    /// Something begins. `reply` is what an interrupt is answered with.
    pub(crate) fn begin(&self, reply: Vec<u8>) {
        let mut seen = self.lock();
        let early = std::mem::take(&mut seen.early);
        // Anything else is an interrupt that came too late for what ran before.
        self.interrupt.store(early || self.gone.load(Ordering::SeqCst), Ordering::SeqCst);
        seen.state = if early { State::Asked(reply) } else { State::Going(reply) };
    }

    /// It has come to another place. False if it is to end there.
    pub(crate) fn advance(&self, reply: Vec<u8>) -> bool {
        let mut seen = self.lock();
        match seen.state {
            State::Going(_) => {
                seen.state = State::Going(reply);
                true
            }
            State::Asked(_) => {
                seen.state = State::Asked(reply);
                false
            }
            State::Idle | State::Answered => false,
        }
    }

    /// Does something that is to be done before the client hears of the end, if something still runs.
    pub(super) fn while_going(&self, act: impl FnOnce()) {
        let seen = self.lock();
        if matches!(seen.state, State::Going(_)) {
            act();
        }
        drop(seen);
    }

    /// It is over.
    pub(crate) fn end(&self) -> Run {
        let mut seen = self.lock();
        let run = match std::mem::take(&mut seen.state) {
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
        let mut seen = self.lock();
        let State::Going(reply) = &seen.state else {
            // One that the client was told of before it is over waits for its end, and is no packet to come.
            let over = usize::from(seen.state != State::Idle);
            seen.early = seen.waiting > over;
            return None;
        };
        seen.state = State::Asked(reply.clone());
        self.interrupt.store(true, Ordering::SeqCst);
        let asked = |seen: &mut Seen| matches!(seen.state, State::Asked(_));
        let waited = self.changed.wait_timeout_while(seen, GRACE, asked);
        let (mut seen, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let State::Asked(reply) = &seen.state else { return None };
        let reply = reply.clone();
        seen.state = State::Answered;
        Some(reply)
    }

    /// Nobody is left to wait for it.
    pub(super) fn abandon(&self) {
        let _seen = self.lock();
        self.gone.store(true, Ordering::SeqCst);
        self.interrupt.store(true, Ordering::SeqCst);
    }

    /// Nothing is left of it.
    pub(super) fn clear(&self) {
        *self.lock() = Seen::default();
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
    fn an_interrupt_behind_the_packet_after_one_that_still_ends() {
        let (running, interrupt) = running();
        running.expect();
        running.begin(b"first".to_vec());
        assert_eq!(running.interrupt(), Some(b"first".to_vec()), "told before it is over");
        assert_eq!(running.interrupt(), None);
        running.expect();
        assert_eq!(running.interrupt(), None, "for what comes");
        assert_eq!(running.end(), Run::Answered);
        running.dealt_with();
        running.begin(b"second".to_vec());
        assert!(interrupt.load(Ordering::SeqCst));
        assert_eq!(running.end(), Run::Interrupted);
        running.dealt_with();
        running.expect();
        running.begin(b"third".to_vec());
        assert!(!interrupt.load(Ordering::SeqCst), "it was for the second only");
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
    fn an_interrupt_behind_a_packet_is_for_what_that_begins() {
        let (running, interrupt) = running();
        running.expect();
        assert_eq!(running.interrupt(), None);
        running.begin(Vec::new());
        assert!(interrupt.load(Ordering::SeqCst));
        assert_eq!(running.end(), Run::Interrupted);
        running.dealt_with();
        // One that begins nothing takes it along.
        running.expect();
        assert_eq!(running.interrupt(), None);
        running.dealt_with();
        running.begin(Vec::new());
        assert!(!interrupt.load(Ordering::SeqCst));
        assert_eq!(running.end(), Run::Over);
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

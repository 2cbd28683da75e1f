//! How far the search for a place in the middle of code is.
//!
//! A place inside a hot loop is passed millions of times before the state is the recorded one. Most such
//! loops count something, in a register or in a word of their frame: what it holds at the recorded
//! place, against how fast it grows, says how often the place will be passed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use retake_model::{EventIndex, Registers};
use retake_ptrace::monotonic;
use retake_recording::Stream;

/// The first samples are taken after so many passes; each one after twice as many as the one before.
const FIRST_SAMPLE: u64 = 64;
/// Shorter searches are not worth a word, and longer ones no more often.
const REPORT_EVERY: Duration = Duration::from_millis(500);

/// How far a search for a place in the middle of code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SearchProgress {
    /// The event whose place is looked for.
    pub event: EventIndex,
    /// How often the task has passed there; 0 where passes are not counted.
    pub passes: u64,
    /// How often it is going to, if something in its state counts.
    pub expected: Option<u64>,
    /// How long the search has taken.
    pub elapsed: Duration,
}

impl SearchProgress {
    /// About how long it will still take.
    pub fn left(&self) -> Option<Duration> {
        let left = self.expected?.saturating_sub(self.passes);
        let seconds = self.elapsed.as_secs_f64() * left as f64 / self.passes.max(1) as f64;
        Duration::try_from_secs_f64(seconds).ok()
    }
}

/// Someone who is told of long searches.
pub trait Observer: Send + Sync {
    /// A search goes on; said about twice a second.
    fn searching(&self, progress: &SearchProgress);
    /// The search that was reported last is over.
    fn over(&self);
}

/// Someone who gets what the program wrote to its standard streams, while a timeline runs forwards. Whoever
/// runs over the same stretch again gets it again; nothing comes while a moment is looked for or gone to.
pub trait Audience: Send + Sync {
    /// The program wrote this.
    fn wrote(&self, stream: Stream, bytes: &[u8]);
}

/// What those who wait for a machine share with it.
#[derive(Clone, Default)]
pub struct Control {
    /// Set to have a run end early.
    pub interrupt: Arc<AtomicBool>,
    /// Who is told of long searches.
    pub observer: Option<Arc<dyn Observer>>,
    /// Who gets the program's output.
    pub audience: Option<Arc<dyn Audience>>,
    /// The event that a run has come to.
    pub(crate) reached: Arc<AtomicU64>,
    /// Any of these is set to have one of several runs end early.
    cancel: Vec<Arc<AtomicBool>>,
}

impl Control {
    /// For runs of which `observer` is told.
    pub fn observed_by(observer: Arc<dyn Observer>) -> Self {
        Self { observer: Some(observer), ..Self::default() }
    }

    /// For a run beside others: it ends with them, or alone once one of `cancel` is set.
    pub(crate) fn beside(&self, cancel: Vec<Arc<AtomicBool>>) -> Self {
        Self {
            interrupt: Arc::clone(&self.interrupt),
            observer: self.observer.clone(),
            audience: None,
            reached: Arc::default(),
            cancel,
        }
    }

    /// A run has come to an event.
    pub(crate) fn reach(&self, event: EventIndex) {
        self.reached.store(event.get(), Ordering::Relaxed);
    }

    /// Whether the run is to end.
    pub(crate) fn is_interrupted(&self) -> bool {
        let is_set = |flag: &Arc<AtomicBool>| flag.load(Ordering::Relaxed);
        is_set(&self.interrupt) || self.cancel.iter().any(is_set)
    }
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control").field("interrupt", &self.interrupt).finish_non_exhaustive()
    }
}

/// One search.
pub(crate) struct Search {
    control: Control,
    event: EventIndex,
    /// On the monotonic clock.
    began: Duration,
    reported: Option<Duration>,
    passes: u64,
    estimate: Estimate,
}

impl Search {
    /// `wanted` are the words of the place that is looked for.
    pub(crate) fn new(control: Control, event: EventIndex, wanted: Vec<u64>) -> Self {
        Self {
            control,
            event,
            began: monotonic(),
            reported: None,
            passes: 0,
            estimate: Estimate::new(wanted),
        }
    }

    /// Passes are counted by other means from here on: estimates begin again.
    pub(crate) fn counts_anew(&mut self) {
        self.estimate.begin_at(self.passes);
    }

    /// The task passed the place, and the state was another one. `words` reads what corresponds to
    /// the wanted words; that is done rarely.
    pub(crate) fn passed(&mut self, words: impl FnOnce() -> Vec<u64>) {
        self.passes += 1;
        if self.estimate.is_due(self.passes) {
            self.estimate.sample(self.passes, words());
        }
        let Some(observer) = &self.control.observer else { return };
        let elapsed = monotonic().saturating_sub(self.began);
        if elapsed >= self.reported.unwrap_or_default() + REPORT_EVERY {
            self.reported = Some(elapsed);
            let expected = self.estimate.expected().filter(|expected| *expected >= self.passes);
            let (event, passes) = (self.event, self.passes);
            observer.searching(&SearchProgress { event, passes, expected, elapsed });
        }
    }
}

impl Drop for Search {
    fn drop(&mut self) {
        if let (Some(observer), Some(_)) = (&self.control.observer, self.reported) {
            observer.over();
        }
    }
}

/// The general registers in words that may count. The stack pointer does not, nor does the program
/// counter.
pub(crate) fn counting_words(registers: &Registers) -> Vec<u64> {
    let r = registers;
    vec![
        r.rax, r.rbx, r.rcx, r.rdx, r.rsi, r.rdi, r.rbp, r.r8, r.r9, r.r10, r.r11, r.r12, r.r13,
        r.r14, r.r15,
    ]
}

/// From three samples of words, each at twice as many passes as the one before: which grow evenly,
/// and when they reach what is wanted.
#[derive(Debug)]
struct Estimate {
    wanted: Vec<u64>,
    samples: Vec<(u64, Vec<u64>)>,
    next: u64,
    /// Passes before the first sample was thought of.
    origin: u64,
}

impl Estimate {
    fn new(wanted: Vec<u64>) -> Self {
        Self { wanted, samples: Vec::new(), next: FIRST_SAMPLE, origin: 0 }
    }

    fn begin_at(&mut self, passes: u64) {
        self.samples.clear();
        self.origin = passes;
        self.next = passes + FIRST_SAMPLE;
    }

    fn is_due(&self, passes: u64) -> bool {
        passes >= self.next
    }

    fn sample(&mut self, passes: u64, words: Vec<u64>) {
        if self.samples.len() == 3 {
            self.samples.remove(0);
        }
        self.samples.push((passes, words));
        self.next = self.origin + (passes - self.origin) * 2;
    }

    /// The largest number of passes that a word speaks for: an inner loop's counter reaches its value
    /// in each turn of the outer one.
    fn expected(&self) -> Option<u64> {
        let [first, second, third] = self.samples.as_slice() else { return None };
        let at = |n: usize, pick: fn(u64) -> i64| {
            let get = |words: &Vec<u64>| words.get(n).copied().map(pick);
            let wanted = self.wanted.get(n).copied().map(pick)?;
            let values = [get(&first.1)?, get(&second.1)?, get(&third.1)?];
            evenly([first.0, second.0, third.0], values, wanted)
        };
        // Of a counter of 64 bits the lower half says enough; smaller ones lie in either half.
        let picks: [fn(u64) -> i64; 2] = [
            |word| {
                let [a, b, c, d, ..] = word.to_le_bytes();
                i64::from(i32::from_le_bytes([a, b, c, d]))
            },
            |word| {
                let [.., a, b, c, d] = word.to_le_bytes();
                i64::from(i32::from_le_bytes([a, b, c, d]))
            },
        ];
        (0..self.wanted.len()).flat_map(|n| picks.map(|pick| at(n, pick))).flatten().max()
    }
}

/// How many passes it takes for a value to come to `wanted`, if it grows (or falls) evenly.
fn evenly(passes: [u64; 3], values: [i64; 3], wanted: i64) -> Option<u64> {
    let rate = |from: usize, to: usize| {
        let grown = values.get(to)?.checked_sub(*values.get(from)?)? as f64;
        Some(grown / passes.get(to)?.checked_sub(*passes.get(from)?)? as f64)
    };
    let (early, late) = (rate(0, 1)?, rate(1, 2)?);
    if late == 0.0 || (early - late).abs() > late.abs() / 50.0 {
        return None;
    }
    let left = wanted.checked_sub(values[2])? as f64 / late;
    // Beyond this no replay could wait for it: then the word does not count passes.
    if !(0.0..1e15).contains(&left) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is in range")]
    let left = left as u64;
    Some(passes[2].saturating_add(left))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(wanted: Vec<u64>, passes: u64, words: impl Fn(u64) -> Vec<u64>) -> Option<u64> {
        let mut estimate = Estimate::new(wanted);
        for n in 1..=passes {
            if estimate.is_due(n) {
                estimate.sample(n, words(n));
            }
        }
        estimate.expected()
    }

    #[test]
    fn a_counter_says_when_it_is_reached() {
        let noise = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let words = |n: u64| vec![noise(n), 7, 1_000_000 - 3 * n, noise(n + 1)];
        assert_eq!(run(words(250_000), 100, words), None, "too early to say");
        assert_eq!(run(words(250_000), 300, words), Some(250_000));
        assert_eq!(run(words(250_000), 200_000, words), Some(250_000));
    }

    #[test]
    fn halves_of_words_count_too() {
        let words = |n: u64| vec![(5 * n) << 32 | 0xffff_fff0, 1 << 32 | n];
        assert_eq!(run(vec![500_000 << 32 | 0xffff_fff0, 3], 1000, words), Some(100_000));
        assert_eq!(run(vec![1, 2 << 32 | 9000], 1000, words), Some(9000));
    }

    #[test]
    fn what_is_passed_already_or_uneven_says_nothing() {
        assert_eq!(run(vec![5], 1000, |n| vec![n]), None);
        assert_eq!(run(vec![1 << 20], 1000, |n| vec![n * n]), None);
        assert_eq!(run(vec![1 << 20], 1000, |_| vec![3]), None);
    }

    #[test]
    fn what_is_left_follows_from_the_time_so_far() {
        let (event, elapsed) = (EventIndex::new(4), Duration::from_secs(10));
        let progress = |expected| SearchProgress { event, passes: 1000, expected, elapsed };
        assert_eq!(progress(Some(4000)).left(), Some(Duration::from_secs(30)));
        assert_eq!(progress(None).left(), None);
    }
}

//! Going through all of a recording.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use retake_execution::ExecutionError;
use retake_model::{CheckpointIndex, EventIndex};
use retake_recording::{ExitStatus, Recording, Stream};

use crate::failure::Failure;
use retake_translator::Statistics as TranslationStatistics;

use crate::machine::{Machine, Pace};
use crate::processor::same_traps;
use crate::run::Step;
use crate::search::Control;

/// What [`verify`] went through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifyReport {
    /// Checkpoint intervals.
    pub intervals: usize,
    /// Events, each compared.
    pub events: u64,
    /// Checkpoints, each compared with the re-executed state.
    pub checkpoints: usize,
    /// What the code caches did.
    pub translation: TranslationStatistics,
}

/// Re-executes a recording from its start to its end, and gives what the program wrote to `sink`.
/// `None`: the recording ends before the program does.
///
/// # Errors
/// When the replay diverges, or the system does not let it run.
pub fn replay(
    recording: &Recording,
    control: &Control,
    sink: &mut dyn FnMut(Stream, &[u8]),
) -> Result<Option<ExitStatus>, ExecutionError> {
    let mut machine = Machine::at_start(recording.clone(), control.clone());
    let _as_in_the_program = same_traps(recording);
    let mut checkpoints = recording.checkpoints().iter().peekable();
    let failed = |failure: Failure| failure.while_doing("replay the recording");
    loop {
        while let Some(next) = checkpoints.next_if(|next| next.event <= machine.done) {
            if next.event == machine.done {
                machine.check(next.index).map_err(failed)?;
            }
        }
        machine.batch = Some(checkpoints.peek().map_or(recording.event_count(), |next| next.event));
        if machine.step(sink).map_err(failed)? == Step::End {
            // A process whose leader ended first ends with what its last thread says.
            let end = recording.manifest().end.as_ref().map(|end| end.status);
            return Ok(machine.root_status.map(|leader| end.unwrap_or(leader)));
        }
    }
}

/// Restores every checkpoint, re-executes up to the next one, and compares: registers at every event,
/// all state at the checkpoint. `jobs` intervals at once.
///
/// # Errors
/// The divergence of the earliest interval that has one; or when the system does not let it run.
pub fn verify(
    recording: &Recording,
    control: &Control,
    jobs: usize,
    pace: Pace,
) -> Result<VerifyReport, ExecutionError> {
    let intervals = intervals(recording);
    let translation = Mutex::new(TranslationStatistics::default());
    let next = AtomicUsize::new(0);
    let failures: Mutex<Vec<(usize, Failure)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, intervals.len().max(1)) {
            scope.spawn(|| {
                while let Some((n, interval)) = {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    intervals.get(n).map(|interval| (n, interval))
                } {
                    let checked = check_interval(recording, control, interval, pace);
                    let failure = match checked {
                        Ok(statistics) => {
                            let mut sum =
                                translation.lock().unwrap_or_else(PoisonError::into_inner);
                            *sum = sum.plus(statistics);
                            continue;
                        }
                        Err(failure) => failure,
                    };
                    {
                        // All intervals before this one have been begun: no later one matters.
                        next.store(intervals.len(), Ordering::Relaxed);
                        if matches!(failure, Failure::Killed(_)) {
                            // Nor does any other: this says nothing about the recording.
                            control.interrupt.store(true, Ordering::Relaxed);
                        }
                        let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
                        failures.push((n, failure));
                        return;
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    // An interval that was interrupted because of another one says nothing.
    failures.sort_by_key(|(n, failure)| (matches!(failure, Failure::Interrupted), *n));
    if let Some((_, failure)) = failures.into_iter().next() {
        return Err(failure.while_doing("verify the recording"));
    }
    Ok(VerifyReport {
        intervals: intervals.len(),
        events: recording.event_count().get(),
        checkpoints: recording.checkpoints().len(),
        translation: translation.into_inner().unwrap_or_else(PoisonError::into_inner),
    })
}

struct Interval {
    from: Option<CheckpointIndex>,
    until: EventIndex,
    check: Option<CheckpointIndex>,
}

fn intervals(recording: &Recording) -> Vec<Interval> {
    let mut list = Vec::new();
    let mut from = None;
    for checkpoint in recording.checkpoints() {
        list.push(Interval { from, until: checkpoint.event, check: Some(checkpoint.index) });
        from = Some(checkpoint.index);
    }
    list.push(Interval { from, until: recording.event_count(), check: None });
    list
}

fn check_interval(
    recording: &Recording,
    control: &Control,
    interval: &Interval,
    pace: Pace,
) -> Result<TranslationStatistics, Failure> {
    let mut machine = Machine::at_start(recording.clone(), control.clone()).at_pace(pace);
    let _as_in_the_program = same_traps(recording);
    if let Some(from) = interval.from {
        machine.restore(from)?;
    }
    machine.batch = Some(interval.until);
    while machine.done < interval.until {
        if machine.step(&mut |_, _| ())? == Step::End {
            break;
        }
    }
    if let Some(index) = interval.check {
        machine.check(index)?;
    }
    Ok(machine.caches.statistics())
}

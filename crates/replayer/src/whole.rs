//! Going through all of a recording.

use retake_execution::ExecutionError;
use retake_model::Position;
use retake_recording::{ExitStatus, Recording, Stream};
use retake_translator::Statistics as TranslationStatistics;

use crate::failure::Failure;
use crate::intervals::{Crew, Interval, Part, Work, intervals, side_by_side};
use crate::machine::{Machine, Pace};
use crate::run::Step;
use crate::search::Control;
use crate::thread::ReplayThread;

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
    let thread = ReplayThread::start(recording);
    let mut machine = Machine::at_start(recording.clone(), control.clone(), &thread);
    let _as_in_the_program = thread.traps();
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
    let intervals = intervals(recording, Position::at_event(recording.event_count()));
    let crew = Crew::of(recording, control, jobs);
    let checking = Checking { recording, pace };
    let translation = side_by_side(&checking, crew, &intervals, |results| {
        let mut sum = TranslationStatistics::default();
        while let Some((_, part)) = results.next()? {
            if let Part::Found(found) = part {
                sum = found.into_iter().fold(sum, TranslationStatistics::plus);
            }
        }
        Ok(sum)
    });
    Ok(VerifyReport {
        intervals: intervals.len(),
        events: recording.event_count().get(),
        checkpoints: recording.checkpoints().len(),
        translation: translation.map_err(|failure| failure.while_doing("verify the recording"))?,
    })
}

/// Each interval in processes of its own.
struct Checking<'a> {
    recording: &'a Recording,
    pace: Pace,
}

impl Work for Checking<'_> {
    type Hand = (ReplayThread, Control);
    type Found = TranslationStatistics;

    fn begin(&self, thread: ReplayThread, control: &Control) -> Self::Hand {
        (thread, control.clone())
    }

    fn go_through(
        &self,
        (thread, control): &mut Self::Hand,
        interval: &Interval,
        found: &mut dyn FnMut(TranslationStatistics),
    ) -> Result<(), Failure> {
        let machine = Machine::at_start(self.recording.clone(), control.clone(), thread);
        let mut machine = machine.at_pace(self.pace);
        if let Some(from) = interval.from {
            machine.restore(from)?;
        }
        let until = interval.until.event();
        machine.batch = Some(until);
        while machine.done < until {
            if machine.step(&mut |_, _| ())? == Step::End {
                break;
            }
        }
        if let Some(index) = interval.check {
            machine.check(index)?;
        }
        found(machine.caches.statistics());
        Ok(())
    }
}

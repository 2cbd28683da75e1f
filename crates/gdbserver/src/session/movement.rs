//! Running forwards and backwards, and jumps.

use std::time::{Duration, Instant};

use retake_execution::{
    Direction, ErrorKind, ExecutionError, Hit, Judge, RunPlan, State, Stop, StopReason,
};
use retake_model::{EventIndex, Position};

use super::breakpoints::Wanted;
use super::stops::{Moved, Report, Why};
use super::{Outcome, Session};
use crate::hex;
use crate::link::{Link, Run};

/// An interrupt finds a run forwards at the end of a stretch that takes about so long.
const STRETCH: Duration = Duration::from_millis(100);
/// The answer to one that does not see it: Delve shows the text of an error.
const BEGINS_HERE: &[u8] = b"E.the recording begins here";
/// Events in the first stretch.
const FIRST_STRETCH: u64 = 16;

impl Session<'_> {
    /// Runs something that moves, and answers with where it stopped.
    pub(super) fn moving(
        &mut self,
        link: &Link,
        run: impl FnOnce(&mut Self, &Link) -> Result<Report, ExecutionError>,
    ) -> Outcome {
        self.shown = false;
        let before = Report { task: self.stopped.task, why: Why::Interrupted };
        let mut told_at = self.position();
        link.running().begin(self.reply(&before));
        let teller = self.teller(link);
        let result = teller.during(|| run(self, link));
        let ended = link.running().end();
        let report = match (result, ended) {
            (Ok(report), Run::Over | Run::Interrupted) => report,
            (Ok(_), Run::Answered) => {
                // The client was told that nothing moved beyond the last stretch.
                told_at = self.stretch_began.unwrap_or(told_at);
                if let Err(error) = self.execution.seek(told_at) {
                    self.complain(link, &error);
                }
                self.here(Why::Interrupted)
            }
            (Err(error), _) => {
                if !matches!(error.kind(), ErrorKind::Interrupted) {
                    self.complain(link, &error);
                }
                self.here(Why::Interrupted)
            }
        };
        self.stretch_began = None;
        self.stopped = report;
        self.chosen.look = None;
        match ended {
            Run::Answered => Outcome::Answered,
            Run::Over | Run::Interrupted => Outcome::Reply(self.told()),
        }
    }

    /// A movement that was told of before: the answer is where the program is.
    pub(super) fn is_held(&mut self, why: Why) -> Option<Outcome> {
        if !std::mem::take(&mut self.held) {
            return None;
        }
        self.stopped.why = why;
        Some(Outcome::Reply(self.told()))
    }

    /// A stop here, of the task that runs if that is one of ours.
    pub(super) fn here(&self, why: Why) -> Report {
        let task = self.execution.current_task();
        let threads = self.threads();
        let ours = threads.iter().find(|info| info.task == task).or(threads.first());
        Report { task: ours.map_or(task, |info| info.task), why }
    }

    /// Says what went wrong.
    fn complain(&self, link: &Link, error: &ExecutionError) {
        self.say(link, &error.to_string());
    }

    /// Tells people, while the program runs.
    pub(super) fn say(&self, link: &Link, text: &str) {
        let text = text.trim_end();
        if self.client.is_gdb {
            // Text for its console.
            let text = hex::encode(format!("retake: {text}\n").as_bytes());
            link.send(format!("O{text}").as_bytes());
        } else {
            self.options.notice(text);
        }
    }

    pub(super) fn go_on(&mut self, link: &Link) -> Outcome {
        if let Some(outcome) = self.is_held(Why::Interrupted) {
            return outcome;
        }
        self.moving(link, Self::run_forward)
    }

    pub(super) fn go_back(&mut self, link: &Link) -> Outcome {
        if let Some(outcome) = self.is_held(Why::Interrupted) {
            return outcome;
        }
        // Delve 1.20 takes the beginning for no reason to stop, and asks again for ever.
        if self.stopped.why == Why::Beginning && !self.client.is_gdb && !self.shown {
            return Outcome::Reply(BEGINS_HERE.to_vec());
        }
        self.moving(link, |session, _| session.run_back())
    }

    /// Runs in stretches, so that an interrupt finds the program on its way and not where it began.
    fn run_forward(&mut self, link: &Link) -> Result<Report, ExecutionError> {
        let wanted = self.wanted();
        if matches!(self.stopped.why, Why::Signal(_)) {
            // It was told of: it takes effect now.
            self.execution.seek(Position::at_event(self.position().event().next()))?;
        }
        let mut seen = self.values(&wanted.watches);
        let from = self.position();
        let mut stretch = FIRST_STRETCH;
        loop {
            let here = self.position();
            if self.life.ends.is_some_and(|ends| here >= ends) {
                return Ok(self.here(Why::End));
            }
            let until =
                Position::at_event(EventIndex::new(here.event().get().saturating_add(stretch)));
            let exec = self.next_exec();
            let until = exec.filter(|exec| *exec < until).unwrap_or(until);
            let until =
                self.life.ends.map_or(until, |ends| if ends < until { ends } else { until });
            let began = Instant::now();
            let stop = self.run(&wanted, Direction::Forward, Some(until))?;
            if Some(self.position()) == exec {
                let why = self.exec_here();
                return Ok(self.here(why));
            }
            let moved = if self.position() == from { Moved::No } else { Moved::Yes };
            match self.why(&stop, moved) {
                Some(Why::Watch(_)) if self.is_write(&stop, &mut seen) => {}
                Some(why) if self.is_ours(stop.task) || why == Why::End => {
                    return Ok(Report { task: stop.task, why });
                }
                // What happens to others is not seen.
                Some(Why::Signal(_)) => {
                    self.execution.seek(Position::at_event(self.position().event().next()))?;
                }
                Some(_) | None => {}
            }
            if self.position() == here && stop.reasons != [StopReason::Reached] {
                // Nothing else comes.
                return Ok(self.here(Why::End));
            }
            let took = began.elapsed();
            if took < STRETCH / 2 {
                stretch = stretch.saturating_mul(2);
            } else if took > STRETCH * 2 {
                stretch = (stretch / 2).max(1);
            }
            self.stretch_began = Some(self.position());
            if !link.running().advance(self.reply(&self.here(Why::Interrupted))) {
                return Ok(self.here(Why::Interrupted));
            }
        }
    }

    fn run_back(&mut self) -> Result<Report, ExecutionError> {
        let wanted = self.wanted();
        let mut seen = self.values(&wanted.watches);
        let stop = loop {
            let stop = self.run(&wanted, Direction::Backward, self.life.born)?;
            if !self.is_write(&stop, &mut seen) {
                break stop;
            }
        };
        // The bound is the beginning.
        let why = self.why(&stop, Moved::Yes).unwrap_or(Why::Beginning);
        let task = if self.is_ours(stop.task) { stop.task } else { self.here(Why::Trap).task };
        Ok(Report { task, why })
    }

    /// Runs to what is wanted.
    pub(super) fn run(
        &mut self,
        wanted: &Wanted,
        direction: Direction,
        bound: Option<Position>,
    ) -> Result<Stop, ExecutionError> {
        let plan = RunPlan {
            watches: &wanted.watches,
            signals: wanted.signals,
            bound,
            ..RunPlan::to_sites(direction, &wanted.sites)
        };
        let Some(judge) = &wanted.judge else { return self.execution.run(&plan, None) };
        let judge: &mut Judge<'_> = &mut |hit: &Hit, state: &dyn State| judge.judge(hit, state);
        self.execution.run(&plan, Some(judge))
    }

    /// Goes to a moment of the process.
    pub(super) fn go_to(&mut self, position: Position) -> Result<(), ExecutionError> {
        let to = self.life.nearest(position);
        if self.position() != to {
            self.execution.seek(to)?;
        }
        self.stopped = self.here(Why::Trap);
        self.chosen.look = None;
        Ok(())
    }
}

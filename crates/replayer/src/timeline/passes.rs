//! Accesses of more memory than debug registers hold: a run goes over the stretch several times, with other words in the
//! registers each time, and no further than the best stop so far. So it does for reads, and for writes to a
//! page that is written to all the time.

use retake_execution::{
    Access, DEBUG_REGISTERS, Direction, Judge, RunPlan, SignalSet, Stop, StopReason, Watch,
    register_pieces,
};

use super::Timeline;
use crate::failure::Failure;
use crate::watched::MOST_PIECES;

/// Bytes that are watched in as many passes as there may be.
const MOST: usize = MOST_PIECES * 8;

/// How writes are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writes {
    /// In one pass: their pages are protected.
    ByPages,
    /// As reads are.
    ByRegisters,
}

/// Whether the watches of a run take more than one pass at any rate. Writes do not.
pub(super) fn are_needed(watches: &[Watch]) -> bool {
    let pieces = |watch: &Watch| register_pieces(watch.range, watch.access);
    let reads = watches.iter().any(|watch| watch.access != Access::Write);
    reads && watches.iter().flat_map(pieces).nth(DEBUG_REGISTERS).is_some()
}

/// What is watched in each pass.
fn passes(watches: &[Watch], writes: Writes) -> Result<Vec<Vec<Watch>>, Failure> {
    let by_pages = |watch: &Watch| watch.access == Access::Write && writes == Writes::ByPages;
    let mut passes = Vec::new();
    let (whole, rest): (Vec<Watch>, Vec<Watch>) = watches.iter().partition(|watch| by_pages(watch));
    if !whole.is_empty() {
        passes.push(whole);
    }
    // As exact as pieces of writes are: there are registers enough in so many passes.
    let pieces = rest.iter().flat_map(|watch| {
        let piece = |range| Watch { range, ..*watch };
        register_pieces(watch.range, Access::Write).map(piece)
    });
    let pieces: Vec<Watch> = pieces.take(MOST_PIECES + 1).collect();
    if pieces.len() > MOST_PIECES {
        return Err(Failure::Refused(format!(
            "reads of more than {MOST} bytes cannot be watched, as debug registers hold four words of 8 bytes \
             at a time: watch writes only, or a part of it"
        )));
    }
    passes.extend(pieces.chunks(DEBUG_REGISTERS).map(<[_]>::to_vec));
    Ok(passes)
}

impl Timeline {
    /// Runs as planned: in one pass, unless what is watched takes several.
    pub(super) fn run_watching(
        &mut self,
        plan: &RunPlan<'_>,
        mut judge: Option<&mut Judge<'_>>,
    ) -> Result<Stop, Failure> {
        let (from, task) = (self.position, self.task);
        let ran = match are_needed(plan.watches) {
            true => self.run_in_passes(plan, Writes::ByPages, judge.as_deref_mut()),
            false => self.run_once(plan, judge.as_deref_mut()),
        };
        if !matches!(ran, Err(Failure::BusyPage)) {
            return ran;
        }
        self.lose();
        self.machine.forget_watches()?;
        self.bring(from)?;
        self.task = task;
        self.run_in_passes(plan, Writes::ByRegisters, judge)
    }

    fn run_once(
        &mut self,
        plan: &RunPlan<'_>,
        judge: Option<&mut Judge<'_>>,
    ) -> Result<Stop, Failure> {
        match plan.direction {
            Direction::Forward => self.forward(plan, judge),
            Direction::Backward => self.backward(plan, judge),
        }
    }

    fn run_in_passes(
        &mut self,
        plan: &RunPlan<'_>,
        writes: Writes,
        mut judge: Option<&mut Judge<'_>>,
    ) -> Result<Stop, Failure> {
        let passes = passes(plan.watches, writes)?;
        let mut left = plan.nth.get();
        loop {
            let stop = self.best_of(plan, &passes, judge.as_deref_mut())?;
            let counts =
                |reason: &StopReason| matches!(reason, StopReason::Site(_) | StopReason::Watch(_));
            left = left.saturating_sub(1);
            if left == 0 || !stop.reasons.iter().any(counts) {
                return Ok(stop);
            }
        }
    }

    /// Goes to the first stop of all passes from here.
    fn best_of(
        &mut self,
        plan: &RunPlan<'_>,
        passes: &[Vec<Watch>],
        mut judge: Option<&mut Judge<'_>>,
    ) -> Result<Stop, Failure> {
        let from = self.position;
        let mut best: Option<Stop> = None;
        for watches in passes {
            let first = best.is_none();
            let bound = best.as_ref().map(|best| best.position).or(plan.bound);
            let pass = RunPlan {
                direction: plan.direction,
                sites: if first { plan.sites } else { &[] },
                watches,
                signals: if first { plan.signals } else { SignalSet::NONE },
                nth: std::num::NonZeroU64::MIN,
                bound,
                steps: None,
            };
            if self.position != from {
                self.bring(from)?;
            }
            let judge = judge.as_deref_mut().filter(|_| first);
            let stop = self.run_once(&pass, judge)?;
            if first || stop.reasons.iter().any(|reason| matches!(reason, StopReason::Watch(_))) {
                best = Some(stop);
            }
        }
        let best = best.ok_or_else(|| Failure::Refused("nothing is watched".to_owned()))?;
        if self.position != best.position {
            self.machine.forget_watches()?;
            self.bring(best.position)?;
        }
        self.task = best.task;
        Ok(best)
    }
}

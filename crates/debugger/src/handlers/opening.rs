//! Where a debugger opens: at the failure that ended the run, or at `main`.

use retake_execution::{Direction, EventFilter, ProgramEnd, RunPlan, Site, SiteId, Stop};
use retake_model::{EventIndex, Position};

use super::frames;
use super::moving;
use crate::code::Catalog;
use crate::location::{Found, Location};
use crate::{Answer, DebugError, Debugger};

/// Where a run gives up that then exits with a code of failure.
const GIVE_UP: [&str; 4] = ["rust_panic", "runtime.fatalpanic", "__assert_fail", "abort"];

/// A run that took longer than this is not gone through for a panic that lies further back than the last
/// checkpoint.
const LONGEST_SEARCH_NS: u64 = 5_000_000_000;

/// A failure: where it was, and what it was.
struct Failed {
    stop: Stop,
    what: String,
}

/// Goes to the failure, if there is one.
pub(super) fn failure(debugger: &mut Debugger) -> Result<Option<Answer>, DebugError> {
    let end = Position::at_event(debugger.execution.event_count());
    let failed = match debugger.execution.program_end() {
        None | Some(ProgramEnd::Exited(0)) => return Ok(None),
        Some(ProgramEnd::Killed(signal)) => {
            let stop = debugger.execution.seek(end)?;
            Failed { stop, what: format!("{signal} ended the program") }
        }
        Some(ProgramEnd::Exited(code)) => exit(debugger, end, code)?,
    };
    let mut view = moving::reached(debugger, &failed.stop);
    view.failure = Some(failed.what);
    frames::select_own(debugger);
    Ok(Some(Answer::Stop(view)))
}

/// What led to an exit with this code: a process that a signal ended, a panic, or the exit itself.
fn exit(debugger: &mut Debugger, end: Position, code: u8) -> Result<Failed, DebugError> {
    let fatal = [EventFilter::Fatal];
    let count = debugger.execution.event_count();
    if let Some(event) = debugger.execution.find_event(Direction::Backward, count, &fatal)? {
        let what = debugger.execution.describe_event(event)?;
        let stop = debugger.execution.seek_before(event)?;
        return Ok(Failed { stop, what: format!("{what}; the program exits with {code} then") });
    }
    let at_end = debugger.execution.seek(end)?;
    if let Some(stop) = last_panic(debugger)? {
        let what = format!("the program gives up here, and exits with {code}");
        return Ok(Failed { stop, what });
    }
    Ok(Failed { stop: at_end, what: format!("the program exits with {code}") })
}

/// The last place where the program gave up, looked for from the end.
fn last_panic(debugger: &mut Debugger) -> Result<Option<Stop>, DebugError> {
    let end = debugger.execution.position();
    let sites: Vec<Site> = GIVE_UP.iter().flat_map(|name| sites(debugger, name)).collect();
    if sites.is_empty() {
        return Ok(None);
    }
    let checkpoints = debugger.execution.checkpoints();
    let before_end = checkpoints.iter().rev().find(|at| at.event < end.event());
    let is_short = debugger.execution.whole_run_time().is_none_or(|ns| ns <= LONGEST_SEARCH_NS);
    let bound = before_end.filter(|_| !is_short).map(|at| Position::at_event(at.event));
    let plan = RunPlan { bound, ..RunPlan::to_sites(Direction::Backward, &sites) };
    let stop = debugger.execution.run(&plan, None)?;
    let is_hit =
        stop.reasons.iter().any(|reason| matches!(reason, retake_execution::StopReason::Site(_)));
    if is_hit {
        return Ok(Some(stop));
    }
    debugger.execution.seek(end)?;
    Ok(None)
}

fn sites(debugger: &Debugger, name: &str) -> Vec<Site> {
    places(debugger, &Location::Function(name.to_owned()))
}

fn places(debugger: &Debugger, location: &Location) -> Vec<Site> {
    let catalog: &Catalog = &debugger.catalog;
    let found = location.resolve(debugger.execution.as_ref(), catalog).unwrap_or_default();
    found.iter().map(Found::place).map(|place| Site::new(SiteId::new(0), place.target())).collect()
}

/// Goes to the first line of the program's `main`; stays at the start where there is none.
pub(super) fn main(debugger: &mut Debugger) -> Result<Stop, DebugError> {
    let start = debugger.execution.seek(Position::at_event(EventIndex::ZERO))?;
    // Go's, then Rust's, whose crate is not known, then C's.
    let candidates =
        [Location::Function("main.main".to_owned()), Location::Function("main".to_owned())];
    let sites = candidates.iter().map(|at| places(debugger, at)).find(|sites| !sites.is_empty());
    let Some(sites) = sites else { return Ok(start) };
    let plan = RunPlan::to_sites(Direction::Forward, &sites);
    let stop = debugger.execution.run(&plan, None)?;
    let is_hit =
        stop.reasons.iter().any(|reason| matches!(reason, retake_execution::StopReason::Site(_)));
    // A program of another name, or code that is never reached.
    if is_hit {
        Ok(stop)
    } else {
        Ok(debugger.execution.seek(Position::at_event(EventIndex::ZERO))?)
    }
}

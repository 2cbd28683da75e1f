//! Stopping at events.

use retake_execution::{Direction, EventFilter};
use retake_model::EventIndex;

use super::breakpoints;
use crate::breakpoint::{CatchKind, Place};
use crate::location::{Found, Location};
use crate::requests::{Chosen, HandleSignal, SignalAction};
use crate::running::event_filter;
use crate::{Answer, DebugError, Debugger};

/// Where exceptions and panics begin, in each language: the first of these that a program has.
const THROWS: [&[&str]; 3] = [
    &["__cxa_throw"],
    &["rust_panic", "core::panicking::panic_fmt", "std::panicking::begin_panic"],
    &["runtime.gopanic"],
];

/// Stops at events of a kind from now on, if there are any.
pub(super) fn set(debugger: &mut Debugger, what: &CatchKind) -> Result<Answer, DebugError> {
    let filter = event_filter(debugger.execution.as_ref(), what)?;
    let places = match &filter {
        None => throws(debugger)?,
        Some(filter) => {
            there_are_such(debugger, what, filter)?;
            Vec::new()
        }
    };
    let set = debugger.breakpoints.add_catch(what.clone(), places).clone();
    Ok(Answer::CatchSet(breakpoints::catch_view(debugger, &set)))
}

/// Has runs stop at a signal, or go on.
pub(super) fn handle(debugger: &mut Debugger, new: HandleSignal) -> Result<Answer, DebugError> {
    let what = CatchKind::Signal(Some(new.signal));
    let caught = debugger.breakpoints.catches().iter().filter(|catch| catch.what == what);
    let ids: Vec<_> = caught.map(|catch| catch.id).collect();
    match (new.action, ids.is_empty()) {
        (SignalAction::Stop, true) => set(debugger, &what),
        (SignalAction::Stop, false) => Ok(breakpoints::list(debugger)),
        (SignalAction::Pass, _) => breakpoints::clear(debugger, &Chosen::These(ids)),
    }
}

fn throws(debugger: &Debugger) -> Result<Vec<Place>, DebugError> {
    let mut places = Vec::new();
    for names in THROWS {
        let find = |name: &&str| {
            let location = Location::Function((*name).to_owned());
            let found = location.resolve(debugger.execution.as_ref(), &debugger.catalog).ok()?;
            Some(found.iter().map(Found::place).collect::<Vec<_>>())
        };
        places.extend(names.iter().find_map(find).unwrap_or_default());
    }
    if places.is_empty() {
        let what = "there is nothing to catch: no code of this recording throws exceptions of C++, or panics in \
                    Rust or Go";
        return Err(DebugError::NotFound(what.to_owned()));
    }
    Ok(places)
}

/// A recording does not change: what is not in it cannot be caught later.
fn there_are_such(
    debugger: &mut Debugger,
    what: &CatchKind,
    filter: &EventFilter,
) -> Result<(), DebugError> {
    // To look for a text is to replay: that is done when somebody runs.
    if matches!(filter, EventFilter::Output(_)) {
        return Ok(());
    }
    let kinds = std::slice::from_ref(filter);
    if debugger.execution.find_event(Direction::Forward, EventIndex::ZERO, kinds)?.is_some() {
        return Ok(());
    }
    let nothing = match what {
        CatchKind::Syscall(Some(name)) => format!("no call of {name}"),
        CatchKind::Signal(Some(signal)) => format!("no {signal}"),
        CatchKind::Signal(None) => "no signal".to_owned(),
        CatchKind::Fork => "no new process".to_owned(),
        CatchKind::Exec => "no start of another program".to_owned(),
        _ => "no such event".to_owned(),
    };
    Err(DebugError::NotFound(format!("there is nothing to catch: this recording has {nothing}")))
}

//! Setting, listing and removing breakpoints.

use super::names;
use crate::answers::{BreakpointPlace, BreakpointView};
use crate::breakpoint::{Breakpoint, Place};
use crate::expr::{self, Expression};
use crate::history::History;
use crate::location::{Found, Location};
use crate::requests::{Chosen, NewBreakpoint, NewCondition};
use crate::{Answer, BreakpointId, DebugError, Debugger, RequestControl};

pub(super) fn set(
    debugger: &mut Debugger,
    new: &NewBreakpoint,
    control: &RequestControl,
) -> Result<Answer, DebugError> {
    let places = match &new.location {
        Location::Address(address) => {
            vec![Place::Absolute(names::address(debugger, address, control)?)]
        }
        location => {
            let found = location.resolve(debugger.execution.as_ref(), &debugger.catalog)?;
            found.iter().map(Found::place).collect()
        }
    };
    if let Some(condition) = &new.condition {
        can_be_judged(condition)?;
    }
    let id = debugger.breakpoints.add(&new.location, places).id;
    let set = debugger.breakpoints.set_condition(id, new.condition.clone())?;
    Ok(Answer::Set(view(debugger, &set)))
}

/// Changes the condition of a breakpoint.
pub(super) fn condition(debugger: &mut Debugger, new: &NewCondition) -> Result<Answer, DebugError> {
    if let Some(condition) = &new.condition {
        can_be_judged(condition)?;
    }
    let set = debugger.breakpoints.set_condition(new.breakpoint, new.condition.clone())?;
    // What was known of its hits is of another condition.
    debugger.history = History::default();
    Ok(Answer::Set(view(debugger, &set)))
}

fn can_be_judged(condition: &Expression) -> Result<(), DebugError> {
    match expr::predicate(condition.expr()) {
        Some(_) => Ok(()),
        None => Err(DebugError::Condition(condition.to_string())),
    }
}

pub(super) fn clear(debugger: &mut Debugger, which: &Chosen) -> Result<Answer, DebugError> {
    let removed = match which {
        Chosen::All => debugger.breakpoints.remove_all(),
        Chosen::These(ids) => debugger.breakpoints.remove(ids)?,
    };
    Ok(Answer::Cleared(removed.iter().map(|breakpoint| view(debugger, breakpoint)).collect()))
}

pub(super) fn list(debugger: &Debugger) -> Answer {
    let all = debugger.breakpoints.all().iter();
    Answer::Breakpoints(all.map(|breakpoint| view(debugger, breakpoint)).collect())
}

/// The numbers of some breakpoints, all of which exist.
pub(super) fn numbers(debugger: &Debugger, of: &Chosen) -> Result<Vec<BreakpointId>, DebugError> {
    let all = match of {
        Chosen::These(ids) => {
            for &id in ids {
                debugger.breakpoints.get(id)?;
            }
            ids.clone()
        }
        Chosen::All => debugger.breakpoints.all().iter().map(|breakpoint| breakpoint.id).collect(),
    };
    if all.is_empty() {
        return Err(DebugError::NotFound("there are no breakpoints".to_owned()));
    }
    Ok(all)
}

fn view(debugger: &Debugger, breakpoint: &Breakpoint) -> BreakpointView {
    let execution = debugger.execution.as_ref();
    let files = execution.files();
    let place = |place: &Place| match *place {
        Place::Absolute(_) => {
            BreakpointPlace { at: *place, path: None, function: None, source: None }
        }
        Place::Code { file, offset } => {
            let frame = debugger.catalog.frames_in(execution, file, offset).into_iter().next();
            let path = files.iter().find(|info| info.file == file).map(|info| info.path.clone());
            let (function, source) =
                frame.map_or((None, None), |frame| (frame.function, frame.source));
            BreakpointPlace { at: *place, path, function, source }
        }
    };
    BreakpointView {
        id: breakpoint.id,
        location: breakpoint.location.clone(),
        condition: breakpoint.condition.clone(),
        places: breakpoint.places.iter().map(place).collect(),
    }
}

//! Setting, listing and removing breakpoints.

use super::names;
use crate::answers::{BreakpointPlace, BreakpointView};
use crate::breakpoint::{Breakpoint, Place};
use crate::location::{Found, Location};
use crate::requests::{Chosen, NewBreakpoint};
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
    let set = debugger.breakpoints.add(&new.location, places).clone();
    Ok(Answer::Set(view(debugger, &set)))
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
        places: breakpoint.places.iter().map(place).collect(),
    }
}

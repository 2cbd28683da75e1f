//! Setting, listing and removing breakpoints.

use super::{indirect, listing, looking, names};
use crate::answers::{BreakpointList, BreakpointPlace, BreakpointView, CatchView};
use retake_model::{Predicate, TaskId};
use retake_symbols::is_meant;

use crate::breakpoint::{Breakpoint, Catch, Draft, Place};
use crate::code::{CodeFrame, is_of_others};
use crate::expr::{self, Expression};
use crate::history::History;
use crate::location::Location;
use crate::requests::{Chosen, NewBreakpoint, NewCondition, NewHitCondition, OnHit};
use crate::variables::can_be_traced;
use crate::{Answer, BreakpointId, DebugError, Debugger, RequestControl};

pub(super) fn set(
    debugger: &mut Debugger,
    new: &NewBreakpoint,
    control: &RequestControl,
) -> Result<Answer, DebugError> {
    let draft = draft(debugger, new, control)?;
    let set = debugger.breakpoints.add(draft).clone();
    Ok(Answer::Set(view(debugger, &set)))
}

/// What a new breakpoint is made of.
pub(super) fn draft(
    debugger: &mut Debugger,
    new: &NewBreakpoint,
    control: &RequestControl,
) -> Result<Draft, DebugError> {
    let places = places(debugger, &new.location, control)?;
    let judged = judged(debugger, new.condition.as_ref(), &places)?;
    let thread = new.thread.map(|number| thread(debugger, number)).transpose()?;
    if let Some(name) = &new.name
        && debugger.breakpoints.all().iter().any(|other| other.name.as_ref() == Some(name))
    {
        return Err(DebugError::NotFound(format!("there is a breakpoint {name:?} already")));
    }
    Ok(Draft {
        name: new.name.clone(),
        location: new.location.clone(),
        places,
        condition: new.condition.clone(),
        judged,
        thread,
        lifetime: new.lifetime,
    })
}

/// Nothing is mapped below this for programs (`vm.mmap_min_addr` is a page or more). Higher up code may be
/// mapped at another moment.
const LOWEST: u64 = 0x1000;

/// The places that a location stands for.
pub(super) fn places(
    debugger: &mut Debugger,
    location: &Location,
    control: &RequestControl,
) -> Result<Vec<Place>, DebugError> {
    if let Location::Address(address) = location {
        let at = names::address(debugger, address, control)?;
        if at.get() < LOWEST {
            return Err(DebugError::NotFound(format!("nothing is mapped at {at}")));
        }
        return Ok(vec![Place::Absolute(at)]);
    }
    let location = location.absolute(debugger.place_of(debugger.task()).source)?;
    let found = location.resolve(debugger.execution.as_ref(), &debugger.catalog);
    let found = found.map_err(|err| listing::suggesting(debugger, &location, err))?;
    indirect::places(debugger, &found)
}

/// The thread of a number: one that lives now, by its number or its tid, else any of the recording.
fn thread(debugger: &Debugger, number: u32) -> Result<TaskId, DebugError> {
    if let Some(info) = looking::living(debugger, number) {
        return Ok(info.task);
    }
    let all = debugger.execution.all_tasks()?;
    all.into_iter().find(|task| task.get() == number).ok_or_else(|| {
        let what = format!("there is no thread {number} in this recording: see threads");
        DebugError::NotFound(what)
    })
}

/// Changes the condition of a breakpoint.
pub(super) fn condition(debugger: &mut Debugger, new: &NewCondition) -> Result<Answer, DebugError> {
    let places = debugger.breakpoints.get(new.breakpoint)?.places.clone();
    let judged = judged(debugger, new.condition.as_ref(), &places)?;
    change(debugger, new.breakpoint, |breakpoint| {
        breakpoint.condition = new.condition.clone();
        breakpoint.judged = judged;
    })
}

/// Changes at which of its hits a breakpoint stops.
pub(super) fn hit_condition(
    debugger: &mut Debugger,
    new: &NewHitCondition,
) -> Result<Answer, DebugError> {
    change(debugger, new.breakpoint, |breakpoint| breakpoint.hits = new.hits)
}

/// Takes all conditions from a breakpoint.
pub(super) fn clear_conditions(
    debugger: &mut Debugger,
    id: BreakpointId,
) -> Result<Answer, DebugError> {
    change(debugger, id, |breakpoint| {
        breakpoint.condition = None;
        breakpoint.judged = Vec::new();
        breakpoint.hits = None;
    })
}

/// Has a command run at the stops of a breakpoint.
pub(super) fn on_hit(debugger: &mut Debugger, new: &OnHit) -> Result<Answer, DebugError> {
    let set = debugger.breakpoints.change(new.breakpoint, |breakpoint| match &new.command {
        Some(command) => breakpoint.commands.push(command.clone()),
        None => breakpoint.commands.clear(),
    })?;
    Ok(Answer::Set(view(debugger, &set)))
}

fn change(
    debugger: &mut Debugger,
    id: BreakpointId,
    change: impl FnOnce(&mut Breakpoint),
) -> Result<Answer, DebugError> {
    let set = debugger.breakpoints.change(id, change)?;
    // What was known of its hits is of another condition.
    debugger.history = History::default();
    Ok(Answer::Set(view(debugger, &set)))
}

/// A condition as the recorded program judges it at each of some places; nothing if it cannot judge it at one of
/// them.
fn judged(
    debugger: &Debugger,
    condition: Option<&Expression>,
    places: &[Place],
) -> Result<Vec<Predicate>, DebugError> {
    let Some(condition) = condition else { return Ok(Vec::new()) };
    let cannot = || DebugError::Condition(condition.to_string());
    let mut all = Some(Vec::new());
    // A copy of an inlined function may begin before its variables are anywhere: some place has to know them.
    let (mut first_unknown, mut is_known) = (None, places.is_empty());
    for place in places {
        let variables = debugger.variables_at(place.target());
        let mut unknown = None;
        condition.expr().variables(&mut |name| {
            if !variables.knows(name) {
                unknown.get_or_insert(name);
            }
        });
        is_known |= unknown.is_none();
        if let Some(name) = unknown {
            let what = format!("there is no variable {name} at {}", variables.place());
            first_unknown.get_or_insert(DebugError::NotFound(what));
        }
        let predicate = expr::predicate(condition.expr(), &variables);
        if predicate.is_none() && !condition.expr().needs_values() {
            return Err(cannot());
        }
        all = all.zip(predicate).map(|(mut all, predicate)| {
            all.push(predicate);
            all
        });
    }
    if let (Some(err), false) = (first_unknown, is_known) {
        return Err(err);
    }
    if all.is_none() {
        can_be_traced(condition.expr()).map_err(|_| cannot())?;
    }
    Ok(all.unwrap_or_default())
}

pub(super) fn clear(debugger: &mut Debugger, which: &Chosen) -> Result<Answer, DebugError> {
    let removed = match which {
        Chosen::All => debugger.breakpoints.remove_all(),
        Chosen::These(ids) => debugger.breakpoints.remove(ids)?,
    };
    Ok(Answer::Cleared(views(debugger, &removed.breakpoints, &removed.catches)))
}

pub(super) fn list(debugger: &Debugger) -> Answer {
    let all = &debugger.breakpoints;
    Answer::Breakpoints(views(debugger, all.all(), all.catches()))
}

fn views(debugger: &Debugger, breakpoints: &[Breakpoint], catches: &[Catch]) -> BreakpointList {
    BreakpointList {
        breakpoints: breakpoints.iter().map(|breakpoint| view(debugger, breakpoint)).collect(),
        catches: catches.iter().map(|catch| catch_view(debugger, catch)).collect(),
    }
}

pub(super) fn catch_view(debugger: &Debugger, catch: &Catch) -> CatchView {
    let places = place_views(debugger, &catch.places, None);
    CatchView { id: catch.id, what: catch.what.clone(), places }
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
    BreakpointView {
        id: breakpoint.id,
        name: breakpoint.name.clone(),
        location: breakpoint.location.clone(),
        condition: breakpoint.condition.clone(),
        thread: breakpoint.thread,
        hits: breakpoint.hits,
        lifetime: breakpoint.lifetime,
        commands: breakpoint.commands.clone(),
        places: place_views(debugger, &breakpoint.places, Some(&breakpoint.location)),
    }
}

/// Places for people: those in the program's own sources first. Of what runs at a place the function that was asked
/// for is named, not what is inlined into it there.
fn place_views(
    debugger: &Debugger,
    places: &[Place],
    asked: Option<&Location>,
) -> Vec<BreakpointPlace> {
    let execution = debugger.execution.as_ref();
    let files = execution.files();
    let is_asked = |frame: &CodeFrame| match (asked, &frame.function) {
        (Some(Location::Function(name)), Some(function)) => is_meant(name, function),
        _ => false,
    };
    let place = |place: &Place| match *place {
        Place::Absolute(_) => {
            BreakpointPlace { at: *place, path: None, function: None, source: None }
        }
        Place::Code { file, offset } => {
            let mut frames = debugger.catalog.frames_in(execution, file, offset);
            let index = frames.iter().position(is_asked).unwrap_or(0);
            let frame = (index < frames.len()).then(|| frames.swap_remove(index));
            let path = files.iter().find(|info| info.file == file).map(|info| info.path.clone());
            let (function, source) =
                frame.map_or((None, None), |frame| (frame.function, frame.source));
            BreakpointPlace { at: *place, path, function, source }
        }
    };
    let mut views: Vec<BreakpointPlace> = places.iter().map(place).collect();
    let is_of_others = |view: &BreakpointPlace| {
        view.source.as_ref().is_none_or(|source| is_of_others(&source.file))
    };
    views.sort_by_key(is_of_others);
    views
}

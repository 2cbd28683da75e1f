//! Indirect functions (gABI, `STT_GNU_IFUNC`): their symbol leads to a resolver, which chooses an implementation
//! for the processor. Whoever names such a function means what was chosen.

use retake_execution::{Direction, RunPlan, Site, SiteId, SiteTarget, Stop, StopReason};
use retake_model::{Addr, EventIndex, FileId, FileOffset, Position, TaskId};

use crate::breakpoint::Place;
use crate::location::Found;
use crate::{DebugError, Debugger};

/// A resolver, and where what it chose is stopped at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chosen {
    resolver: (FileId, FileOffset),
    place: Place,
}

/// The places of what was found. Of a resolver that never runs, the place is its own.
pub(super) fn places(debugger: &mut Debugger, found: &[Found]) -> Result<Vec<Place>, DebugError> {
    let mut places = Vec::with_capacity(found.len());
    for found in found {
        let resolver = (found.file, found.place.offset);
        let place = match found.place.indirect {
            true => chosen(debugger, resolver)?.unwrap_or_else(|| found.place()),
            false => found.place(),
        };
        if !places.contains(&place) {
            places.push(place);
        }
    }
    Ok(places)
}

/// What a resolver returned when it first ran. The debugger is where it was then.
fn chosen(
    debugger: &mut Debugger,
    resolver: (FileId, FileOffset),
) -> Result<Option<Place>, DebugError> {
    if let Some(known) = debugger.chosen.iter().find(|known| known.resolver == resolver) {
        return Ok(Some(known.place));
    }
    let before = debugger.execution.position();
    let place = run_resolver(debugger, resolver);
    debugger.execution.seek(before)?;
    let place = place?;
    debugger.chosen.extend(place.map(|place| Chosen { resolver, place }));
    Ok(place)
}

fn run_resolver(
    debugger: &mut Debugger,
    (file, offset): (FileId, FileOffset),
) -> Result<Option<Place>, DebugError> {
    debugger.execution.seek(Position::at_event(EventIndex::ZERO))?;
    let Some(stop) = run_to(debugger, SiteTarget::Code { file, offset })? else { return Ok(None) };
    let task = stop.task;
    let sp = Addr::new(debugger.execution.program_registers(task)?.rsp);
    let mut word = [0; 8];
    debugger.execution.read_memory(task, sp, &mut word)?;
    let back = SiteTarget::Absolute(Addr::new(u64::from_le_bytes(word)));
    let Some(stop) = run_to(debugger, back)? else { return Ok(None) };
    let returned = Addr::new(debugger.execution.program_registers(stop.task)?.rax);
    Ok(implementation(debugger, stop.task, returned))
}

fn run_to(debugger: &mut Debugger, target: SiteTarget) -> Result<Option<Stop>, DebugError> {
    let site = Site::new(SiteId::new(0), target);
    let stop = debugger.execution.run(&RunPlan::to_sites(Direction::Forward, &[site]), None)?;
    let is_hit = stop.reasons.iter().any(|reason| matches!(reason, StopReason::Site(_)));
    Ok(is_hit.then_some(stop))
}

fn implementation(debugger: &Debugger, task: TaskId, addr: Addr) -> Option<Place> {
    let code = debugger.code_at(task, addr)?;
    let offset = code.module.stop_of_call(code.offset).map_or(code.offset, |place| place.offset);
    Some(Place::Code { file: code.file, offset })
}

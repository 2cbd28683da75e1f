//! `goto`: goes to a moment.

use retake_execution::Execution;
use retake_model::{EventIndex, Position};

use super::CommandInfo;
use crate::debugger::LastHits;
use crate::{BreakpointId, DebugError, Debugger, Output};

pub(super) const INFO: CommandInfo = CommandInfo {
    name: "goto",
    aliases: &["g"],
    usage: "goto hit [BREAKPOINT] N | event N | checkpoint N | start | end | POSITION",
    summary: "goes to a moment of the recording",
};

pub(super) fn run<E: Execution>(
    debugger: &mut Debugger<E>,
    args: &str,
) -> Result<Output, DebugError> {
    let words: Vec<&str> = args.split_whitespace().collect();
    let to = match words[..] {
        [] => return Err(INFO.misuse("a moment is missing")),
        ["start"] => Position::START,
        ["end"] => Position::at_event(debugger.execution.event_count()),
        ["event", n] => Position::at_event(EventIndex::new(INFO.number(n)?)),
        ["checkpoint", n] => checkpoint(debugger, INFO.number(n)?)?,
        ["hit", n] => {
            let of = match &debugger.last_hits {
                Some(last) => last.of.clone(),
                None => debugger.breakpoint_ids()?,
            };
            hit(debugger, &of, INFO.number(n)?)?
        }
        ["hit", breakpoint, n] => {
            let id = super::breakpoint_id(&INFO, breakpoint)?;
            debugger.breakpoints.get(id)?;
            hit(debugger, &[id], INFO.number(n)?)?
        }
        [position] => position.parse().map_err(|err| INFO.misuse(format!("{err}")))?,
        _ => return Err(INFO.misuse(format!("{args:?} is not a moment"))),
    };
    debugger.seek(to)
}

fn checkpoint<E: Execution>(debugger: &Debugger<E>, n: u32) -> Result<Position, DebugError> {
    let all = debugger.execution.checkpoints();
    let found = all.iter().find(|checkpoint| checkpoint.index.get() == n);
    found
        .map(|checkpoint| Position::at_event(checkpoint.event))
        .ok_or_else(|| DebugError::NotFound(format!("there is no checkpoint {n}")))
}

/// The `n`th hit, from 1. That list becomes the last one.
fn hit<E: Execution>(
    debugger: &mut Debugger<E>,
    of: &[BreakpointId],
    n: usize,
) -> Result<Position, DebugError> {
    let known = debugger.last_hits.as_ref().filter(|last| last.of == of);
    let positions: Vec<Position> = match known.and_then(|last| last.positions.clone()) {
        Some(positions) => positions,
        None => debugger.hits(of)?.iter().map(|hit| hit.position).collect(),
    };
    let found = n.checked_sub(1).and_then(|index| positions.get(index)).copied();
    let count = positions.len();
    debugger.last_hits = Some(LastHits { of: of.to_vec(), positions: Some(positions) });
    found.ok_or_else(|| DebugError::NotFound(format!("there is no hit {n}; there are {count}")))
}

//! `hits`: every hit over the whole recording.

use retake_execution::Execution;

use super::CommandInfo;
use crate::debugger::LastHits;
use crate::output::HitsView;
use crate::{DebugError, Debugger, Output};

pub(super) const INFO: CommandInfo = CommandInfo {
    name: "hits",
    aliases: &[],
    usage: "hits [BREAKPOINT...]",
    summary: "lists every hit over the whole recording (go to one: goto hit N)",
};

pub(super) fn run<E: Execution>(
    debugger: &mut Debugger<E>,
    args: &str,
) -> Result<Output, DebugError> {
    let of = if args.is_empty() {
        debugger.breakpoint_ids()?
    } else {
        let ids = args.split_whitespace().map(|word| super::breakpoint_id(&INFO, word));
        ids.collect::<Result<Vec<_>, _>>()?
    };
    let found = debugger.hits(&of)?;
    let positions = Some(found.iter().map(|hit| hit.position).collect());
    debugger.last_hits = Some(LastHits { of, positions });
    let views = (1..).zip(&found);
    let hits = views.map(|(n, hit)| hit.view(n, &debugger.execution, &debugger.catalog)).collect();
    Ok(Output::Hits(HitsView { count: found.len(), hits }))
}

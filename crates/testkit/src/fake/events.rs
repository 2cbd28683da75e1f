//! Events of a script, by their kinds.

use retake_execution::{Direction, EventFilter, Printed, StandardStream, SyscallName};
use retake_model::{EventIndex, SyscallNo};

use super::moment::Script;

/// The calls that scripts make.
pub(super) fn syscall_names() -> Vec<SyscallName> {
    let name = |(no, name)| SyscallName { no: SyscallNo::new(no), name };
    [(0, "read"), (1, "write"), (56, "clone"), (231, "exit_group")].map(name).to_vec()
}

/// The next event of one of some kinds.
pub(super) fn find(
    script: &Script,
    direction: Direction,
    from: EventIndex,
    kinds: &[EventFilter],
) -> Option<EventIndex> {
    let is_wanted = |event: &u64| kinds.iter().any(|kind| is(script, *event, kind));
    let found = match direction {
        Direction::Forward => (from.get()..script.events.len() as u64).find(is_wanted),
        Direction::Backward => (0..from.get()).rev().find(is_wanted),
    };
    found.map(EventIndex::new)
}

/// What events before a number write, all of it to standard output.
pub(super) fn printed(script: &Script, until: EventIndex) -> Vec<Printed> {
    let before = script.kinds.iter().filter(|(event, _)| *event < until.get());
    let piece = |(event, kind): &(u64, EventFilter)| {
        let bytes = output(kind).to_vec();
        let event = EventIndex::new(*event);
        (!bytes.is_empty()).then_some(Printed { event, stream: StandardStream::Output, bytes })
    };
    before.filter_map(piece).collect()
}

fn is(script: &Script, event: u64, wanted: &EventFilter) -> bool {
    let mut of_event = script.kinds.iter().filter(|(of, _)| *of == event).map(|(_, kind)| kind);
    of_event.any(|kind| match (wanted, kind) {
        (EventFilter::Syscall(None), EventFilter::Syscall(_))
        | (EventFilter::Signal(None), EventFilter::Signal(_)) => true,
        (EventFilter::Output(text), EventFilter::Output(written)) => {
            let earlier = script.kinds.iter().filter(|(of, _)| *of < event);
            let mut all: Vec<u8> = earlier.flat_map(|(_, kind)| output(kind)).copied().collect();
            let before = all.len();
            all.extend_from_slice(written);
            let ends = all.windows(text.len().max(1)).enumerate();
            ends.filter(|(_, found)| found == text).any(|(at, found)| at + found.len() > before)
        }
        (wanted, kind) => wanted == kind,
    })
}

fn output(kind: &EventFilter) -> &[u8] {
    match kind {
        EventFilter::Output(written) => written,
        _ => &[],
    }
}

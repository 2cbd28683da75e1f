//! Moments at which a program ends: what a debugger stops at although no site is there.

use retake_abi::nr;
use retake_model::{Addr, EventIndex, Registers, Signal};
use retake_recording::{Delivery, Event, EventKind, Recording, Where};

use crate::run::{is_at_call, must_run};

/// Length of the `syscall` instruction.
const SYSCALL_LEN: u64 = 2;

/// The signal that ends a process by this event.
pub(super) fn fatal(event: &Event) -> Option<Signal> {
    match &event.kind {
        EventKind::Signal { info, delivery: Delivery::Fatal { .. }, .. } => info.signal().ok(),
        _ => None,
    }
}

/// The signal that takes effect by this event, and does not end the process.
pub(super) fn survived(event: &Event) -> Option<Signal> {
    match &event.kind {
        EventKind::Signal { delivery: Delivery::Fatal { .. }, .. } => None,
        EventKind::Signal { info, .. } => info.signal().ok(),
        _ => None,
    }
}

/// The event that the last moment of the recording comes before: the fatal signal or the exit that
/// only ends of tasks follow. The number of events if the recording breaks off earlier.
pub(super) fn last_moment(recording: &Recording) -> EventIndex {
    /// More tasks than this do not end at once.
    const WINDOW: u64 = 4096;
    let count = recording.event_count();
    let mut end = count;
    let mut settled = false;
    let first = EventIndex::new(count.get().saturating_sub(WINDOW));
    for (index, event) in recording.events(first).map_while(Result::ok) {
        let exits = matches!(event.kind, EventKind::Exit { .. });
        if !exits && fatal(&event).is_none() {
            (end, settled) = (count, false);
        } else if !settled {
            // The task that asked for the exit is the one to look at, whichever is reported first.
            settled = fatal(&event).is_some() || asks_for_exit(&event.before);
            if settled || end == count {
                end = index;
            }
        }
    }
    end
}

fn asks_for_exit(registers: &Registers) -> bool {
    [nr::EXIT, nr::EXIT_GROUP].iter().any(|no| u64::from(no.get()) == registers.orig_rax)
}

/// The program counter to stop at right before `event` takes effect; `None` if its task executes
/// nothing before it, or it is in the middle of code.
pub(super) fn last_pc(registers: &Registers, event: &Event) -> Option<Addr> {
    let mid_code = matches!(
        &event.kind,
        EventKind::Signal { at: Where::MidCode(_), .. }
            | EventKind::Exit { at: Where::MidCode(_), .. }
    );
    if mid_code || !must_run(registers, event) {
        return None;
    }
    Some(pc_before(event))
}

/// The program counter right before a signal takes effect; `None` if its task executes nothing before it.
pub(super) fn pc_of_signal(registers: &Registers, event: &Event) -> Option<Addr> {
    must_run(registers, event).then(|| pc_before(event))
}

fn pc_before(event: &Event) -> Addr {
    let pc = event.before.rip;
    Addr::new(if is_at_call(&event.before) { pc.wrapping_sub(SYSCALL_LEN) } else { pc })
}

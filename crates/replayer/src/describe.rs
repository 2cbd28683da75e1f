//! Events in words, and reports of divergence.

use retake_abi::ReadMemory;
use retake_execution::Divergence;
use retake_model::{EventIndex, Registers, SyscallNo, TaskId};
use retake_recording::{
    Delivery, Effect, Event, EventKind, ExitStatus, Fingerprint, Recording, Where,
};
use retake_tracee::fast;

/// How many events before and after a divergence are shown.
const AROUND: u64 = 3;

/// Whether a task stands in the code that makes calls without a stop. Its turn ends there behind a call: at the first
/// arrival after the event before, which costs replay nothing.
fn is_behind_call(event: &Event, print: &Fingerprint) -> bool {
    let code = fast::CODE.get()..fast::CODE.get() + fast::CODE_LEN;
    print.pages.is_none() && code.contains(&event.before.pc().get())
}

fn place(event: &Event, at: &Where) -> String {
    let Where::MidCode(print) = at else { return String::new() };
    if is_behind_call(event, print) {
        return " behind a call that was made without a stop".to_owned();
    }
    let found = match print.watch {
        Some(word) => format!("found by the word at {word}"),
        None => "found by looking at each arrival".to_owned(),
    };
    format!(" in the middle of code at {}, {found}", event.before.pc())
}

const fn is_exec(effect: &Effect) -> bool {
    matches!(effect, Effect::Exec { .. })
}

/// One line that says what an event is. Pointers stay pointers.
pub fn describe_event(event: &Event) -> String {
    describe_with(event, &|no, args, result| match result {
        Some(result) => {
            let result = retake_abi::format_result(result);
            format!("{} = {result}", retake_abi::format_call(no, args))
        }
        None => format!("{} …", retake_abi::format_call(no, args)),
    })
}

/// The same, with what the arguments of calls point to in `memory`, which is as it was after the event.
pub(crate) fn describe_in(event: &Event, memory: &dyn ReadMemory) -> String {
    describe_with(event, &|no, args, result| retake_abi::readable_call(no, args, result, memory))
}

/// The text of a call with these arguments, and with its result if it has returned.
type CallText<'a> = dyn Fn(SyscallNo, &[u64; 6], Option<i64>) -> String + 'a;

/// `call` gives the text of a call with its arguments, and with its result if there is one.
fn describe_with(event: &Event, call: &CallText<'_>) -> String {
    let with_args = |no, result| call(no, &retake_abi::args_of(no, &event.before), result);
    let text = match &event.kind {
        // The registers are those of the new program: the arguments are gone.
        EventKind::Syscall { no } if event.effects.iter().any(is_exec) => {
            retake_abi::lookup(*no).map_or("?", |call| call.name).to_owned()
        }
        EventKind::Syscall { no } => with_args(*no, Some(event.after.rax.cast_signed())),
        EventKind::SyscallEnter { no } => with_args(*no, None),
        EventKind::SyscallExit { no } => {
            let name = retake_abi::lookup(*no).map_or("?", |call| call.name);
            let result = retake_abi::format_result(event.after.rax.cast_signed());
            format!("… {name} = {result}")
        }
        EventKind::Restart => "interrupted call starts again".to_owned(),
        EventKind::Instruction { instruction } => format!("{instruction:?}").to_lowercase(),
        EventKind::Signal { info, delivery, at } => {
            let name = info.signal().map_or_else(|e| e.to_string(), |s| s.to_string());
            let what = match delivery {
                Delivery::Handler => "handler runs",
                Delivery::Ignored => "ignored",
                Delivery::Fatal { .. } => "ends the process",
                Delivery::Stop => "stops the process",
            };
            format!("{name}: {what}{}", place(event, at))
        }
        EventKind::Preempt { at: Where::Located } => "its update of memory ends".to_owned(),
        EventKind::Preempt { at } => format!("preempted{}", place(event, at)),
        EventKind::Exit { status, at } => match status {
            ExitStatus::Exited(code) => format!("exit with {code}{}", place(event, at)),
            ExitStatus::Killed(signal) => format!("killed by {signal}{}", place(event, at)),
        },
    };
    let writes = event.effects.iter().filter(|e| matches!(e, Effect::Write { .. })).count();
    let made = event.effects.iter().find_map(|effect| match effect {
        Effect::Spawn { child, tid, .. } => Some(format!(", makes task {child} (tid {tid})")),
        Effect::Exec { image } => {
            Some(format!(", executes {}", String::from_utf8_lossy(&image.path)))
        }
        _ => None,
    });
    let wrote = if writes > 0 { format!(", {writes} writes") } else { String::new() };
    format!("task {} {text}{}{wrote}", event.task, made.unwrap_or_default())
}

/// The events around `at`, a line each.
pub(crate) fn context(recording: &Recording, at: EventIndex) -> Vec<String> {
    let first = EventIndex::new(at.get().saturating_sub(AROUND));
    recording
        .events(first)
        .take_while(|event| event.as_ref().is_ok_and(|(i, _)| i.get() <= at.get() + AROUND))
        .flatten()
        .map(|(index, event)| {
            let mark = if index == at { '>' } else { ' ' };
            format!("{mark} {index}: {}", describe_event(&event))
        })
        .collect()
}

/// A report that registers are not the recorded ones.
pub(crate) fn registers_differ(
    recording: &Recording,
    at: EventIndex,
    task: TaskId,
    what: String,
    expected: &Registers,
    actual: &Registers,
) -> Divergence {
    let differences = expected.differences(actual);
    let side = |pick: fn(&retake_model::RegisterDifference) -> u64| {
        let list: Vec<String> =
            differences.iter().map(|d| format!("{} {:#x}", d.name.name(), pick(d))).collect();
        list.join(", ")
    };
    Divergence {
        event: at,
        task: Some(task),
        what,
        expected: side(|d| d.expected),
        actual: side(|d| d.actual),
        context: context(recording, at),
    }
}

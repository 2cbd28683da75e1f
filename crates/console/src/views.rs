//! From answers of the debugger to outputs.

use retake_debugger::{
    self as debugger, Answer, BreakpointList, BreakpointPlace, CatchKind, CatchView, Counted,
    EventView, HitCondition, Lifetime, Page, Place,
};

use crate::asked::{Format, Shown};
use crate::output::{
    AssertView, BreakpointView, HitsView, MemoryView, Output, StopOutput, WhenView,
};
use crate::render::table;
use crate::settings;

/// An answer as it is shown.
pub(crate) fn output(answer: Answer, shown: &Shown) -> Output {
    match answer {
        Answer::Set(view) => Output::Set(vec![breakpoint(&view)]),
        Answer::CatchSet(view) => Output::Set(vec![catch(&view)]),
        Answer::Cleared(all) => Output::Cleared(list(&all)),
        Answer::Breakpoints(all) => {
            let mut list = list(&all);
            list.sort_by_key(|view| view.id);
            Output::Breakpoints(list)
        }
        Answer::Watches(all) => Output::Watches(all),
        Answer::Stop(view) => Output::Stop(Box::new(StopOutput { view, on: Vec::new() })),
        Answer::Hits(Page { total, items, .. }) => {
            let view = HitsView { count: total, hits: items };
            match shown {
                Shown::Table(form) => Output::Table(table::hits(&view, *form)),
                _ => Output::Hits(view),
            }
        }
        Answer::Trace(view) => match shown {
            Shown::Table(form) => Output::Table(table::values(&view, *form)),
            _ => Output::Trace(view),
        },
        Answer::Stack(frames) => Output::Stack(frames),
        Answer::Threads(all) => Output::Threads(all),
        Answer::Thread(view) => Output::Thread(view),
        Answer::Goroutines(all) => Output::Goroutines(all),
        Answer::Goroutine(view) => Output::Goroutine(view),
        Answer::Registers(all) => Output::Registers(all),
        Answer::Memory(view) => Output::Memory(memory(&view, shown)),
        Answer::Source(view) => Output::List(view),
        Answer::When(view) => Output::When(when(view)),
        Answer::Checkpoints(all) => Output::Checkpoints(all),
        Answer::Value(value) => Output::Value(value.to_string()),
        Answer::Shown(shown) => Output::Shown(shown),
        Answer::Variables(all) => Output::Variables(all),
        Answer::Type(view) => Output::Type(view),
        Answer::Names(view) => Output::Names(view),
        Answer::Holds => {
            let expression = match shown {
                Shown::Assertion(expression) => expression.clone(),
                Shown::Plainly | Shown::Items { .. } | Shown::Table(_) => String::new(),
            };
            Output::Assert(AssertView { expression })
        }
        Answer::Output(pieces) => Output::Output(pieces),
        Answer::Events(page) => Output::Events(page),
        Answer::Frame(view) => Output::Frame(view),
        Answer::Code(view) => Output::Code(view),
        Answer::Displays(all) => Output::Displays(all),
        Answer::Bookmarks(all) => Output::Bookmarks(all),
        Answer::Called(view) => Output::Called(view),
        Answer::Substitutions(all) => Output::Substitutions(all),
        Answer::Settings(all) => Output::Config(settings::view(&all)),
    }
}

fn list(all: &BreakpointList) -> Vec<BreakpointView> {
    all.breakpoints.iter().map(breakpoint).chain(all.catches.iter().map(catch)).collect()
}

fn catch(view: &CatchView) -> BreakpointView {
    let what = match &view.what {
        CatchKind::Syscall(None) => "syscall".to_owned(),
        CatchKind::Syscall(Some(name)) => format!("syscall {name}"),
        CatchKind::Signal(None) => "signal".to_owned(),
        CatchKind::Signal(Some(signal)) => format!("signal {signal}"),
        CatchKind::Fork => "fork".to_owned(),
        CatchKind::Exec => "exec".to_owned(),
        CatchKind::Exit => "exit".to_owned(),
        CatchKind::Throw => "throw".to_owned(),
        CatchKind::Output(text) => format!("output {text:?}"),
    };
    let places = view.places.iter().map(place).collect();
    BreakpointView {
        id: view.id,
        name: None,
        location: format!("catch {what}"),
        places,
        commands: Vec::new(),
    }
}

fn breakpoint(view: &debugger::BreakpointView) -> BreakpointView {
    BreakpointView {
        id: view.id,
        name: view.name.clone(),
        location: location(view),
        places: view.places.iter().map(place).collect(),
        commands: view.commands.clone(),
    }
}

/// The location with all that says when it stops.
fn location(view: &debugger::BreakpointView) -> String {
    let mut text = view.location.to_string();
    if let Some(thread) = view.thread {
        text.push_str(&format!(" thread {thread}"));
    }
    if let Some(condition) = &view.condition {
        text.push_str(&format!(" if {condition}"));
    }
    if let Some(HitCondition { counted, numbers }) = view.hits {
        let of_each = if counted == Counted::PerThread { " of each thread" } else { "" };
        text.push_str(&format!(" (hit {numbers}{of_each})"));
    }
    if view.lifetime == Lifetime::UntilHit {
        text.push_str(" (until it is hit)");
    }
    text
}

fn place(place: &BreakpointPlace) -> String {
    let mut text = match place.at {
        Place::Absolute(addr) => addr.to_string(),
        Place::Code { file, offset } => match &place.path {
            Some(path) => format!("{path}+{offset}"),
            None => format!("file {file}+{offset}"),
        },
    };
    if let Some(function) = &place.function {
        text.push_str(&format!(" {function}"));
    }
    if let Some(source) = &place.source {
        text.push_str(&format!(" {source}"));
    }
    text
}

fn memory(view: &debugger::MemoryView, shown: &Shown) -> MemoryView {
    let (size, format) = match shown {
        Shown::Items { size, format } => (*size, *format),
        Shown::Plainly | Shown::Assertion(_) | Shown::Table(_) => (1, Format::Hex),
    };
    let items = view.bytes.chunks(size.max(1)).map(|item| integer(item, format)).collect();
    MemoryView { addr: view.addr, size, items }
}

/// A little-endian item as text, padded so that columns line up.
fn integer(item: &[u8], format: Format) -> String {
    let value = item.iter().rev().fold(0_u64, |value, &byte| (value << 8) | u64::from(byte));
    let size = item.len();
    match format {
        Format::Hex => format!("0x{value:0width$x}", width = 2 * size),
        Format::Dec => value.to_string(),
        Format::Oct => format!("0{value:0width$o}", width = (8 * size).div_ceil(3)),
        Format::Bin => format!("{value:0width$b}", width = 8 * size),
        Format::Raw => item.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

fn when(view: debugger::WhenView) -> WhenView {
    let event = |EventView { event, what }: EventView| format!("{event}: {what}");
    WhenView {
        position: view.position.to_string(),
        events: view.events.get(),
        task: view.task,
        place: view.place,
        run_time_ns: view.run_time_ns,
        per_mille: view.per_mille,
        clock: view.clock,
        previous_event: view.previous_event.map(event),
        next_event: view.next_event.map(event),
    }
}

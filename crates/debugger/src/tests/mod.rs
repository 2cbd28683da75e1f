//! Requests over a fake execution.

mod asking;
mod catching;
mod controlling;
mod running;
mod written;

use retake_model::RegisterName;
use retake_testkit::fake::FakeBuilder;

use crate::code::text::TextReader;
use crate::{Answer, DebugError, Debugger, Location, NewBreakpoint, Request};

const APP: &str = "0 main+ app.c:1\n10 main app.c:2\n20 work+ app.c:10\n";

/// `main` calls `work` three times: twice in task 1, once in task 2.
fn recording() -> FakeBuilder {
    FakeBuilder::new()
        .file("/home/me/app", APP)
        .map_code(1, 0x1000, 0x1000, 0, 0)
        .map_data(1, 0x8000, 0x1000)
        .set(RegisterName::Rsp, 0x8000)
        .write(0x8008, [0x2a, 0, 0, 1])
        .steps(&[0x1000, 0x1020, 0x1010, 0x1020])
        .event(1, "write(1, \"a\", 1) = 1")
        .checkpoint()
        .spawn(2, 1)
        .steps(&[0x1010])
        .event(2, "clone() = 102")
        .steps(&[0x1020])
        .event(1, "exit(0)")
}

pub(crate) fn debugger() -> Debugger {
    Debugger::new(Box::new(recording().build()), Box::new(TextReader))
}

fn ask(debugger: &mut Debugger, request: &Request) -> Result<Answer, DebugError> {
    let control = debugger.control();
    debugger.run(request, &control)
}

fn location(text: &str) -> Location {
    text.parse().unwrap()
}

fn break_at(text: &str) -> Request {
    Request::Break(NewBreakpoint::at(location(text)))
}

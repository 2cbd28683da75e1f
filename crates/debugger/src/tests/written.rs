//! The JSON of requests and answers, which journals keep.

use retake_execution::Direction;
use retake_model::{CheckpointIndex, EventIndex, RegisterName, Signal};

use super::{ask, break_at, debugger, location};
use crate::{
    Access, Answer, BreakpointId, CatchKind, Chosen, Counted, Detail, HitCondition,
    HitValuesRequest, Lifetime, MemoryRange, Moment, NewBreakpoint, NewCondition, NewHitCondition,
    NewWatch, NumberText, PageRequest, PrintRequest, Request, RunTo, Scope, SourceRequest,
    StepKind, StepRequest, StopReason, TraceRequest, VariablesRequest, Which,
};

/// Every kind of request, as it has been written since version 2 of the journal. What is here stays.
fn written() -> Vec<(Request, &'static str)> {
    let expression = |text: &str| text.parse().unwrap();
    let id = BreakpointId::new(2);
    vec![
        (break_at("main"), r#"{"break":{"location":{"function":"main"}}}"#),
        (break_at("a.c:7"), r#"{"break":{"location":{"line":{"file":"a.c","line":7}}}}"#),
        (break_at("/^m/"), r#"{"break":{"location":{"pattern":"^m"}}}"#),
        (break_at("*$rip + 4"), r#"{"break":{"location":{"address":"$rip + 4"}}}"#),
        (
            Request::Break(NewBreakpoint {
                condition: Some(expression("$rdi > 3")),
                ..NewBreakpoint::at(location("main"))
            }),
            r#"{"break":{"location":{"function":"main"},"condition":"$rdi > 3"}}"#,
        ),
        (
            Request::Condition(NewCondition { breakpoint: id, condition: None }),
            r#"{"condition":{"breakpoint":2}}"#,
        ),
        (
            Request::Break(NewBreakpoint {
                thread: Some(3),
                lifetime: Lifetime::UntilHit,
                ..NewBreakpoint::at(location("main"))
            }),
            r#"{"break":{"location":{"function":"main"},"thread":3,"lifetime":"until_hit"}}"#,
        ),
        (
            Request::HitCondition(NewHitCondition {
                breakpoint: id,
                hits: Some(HitCondition {
                    counted: Counted::PerThread,
                    numbers: "%10".parse().unwrap(),
                }),
            }),
            r#"{"hit_condition":{"breakpoint":2,"hits":{"counted":"per_thread","numbers":"% 10"}}}"#,
        ),
        (Request::ClearConditions { breakpoint: id }, r#"{"clear_conditions":{"breakpoint":2}}"#),
        (
            Request::RunTo(RunTo {
                location: location("main"),
                direction: Direction::Backward,
                scope: Scope::Function,
            }),
            r#"{"run_to":{"location":{"function":"main"},"direction":"backward","scope":"function"}}"#,
        ),
        (
            Request::Catch(CatchKind::Syscall(Some("write".to_owned()))),
            r#"{"catch":{"syscall":"write"}}"#,
        ),
        (Request::Catch(CatchKind::Syscall(None)), r#"{"catch":{"syscall":null}}"#),
        (
            Request::Catch(CatchKind::Signal(Some(Signal::SEGV))),
            r#"{"catch":{"signal":"SIGSEGV"}}"#,
        ),
        (Request::Catch(CatchKind::Signal(None)), r#"{"catch":{"signal":null}}"#),
        (Request::Catch(CatchKind::Throw), r#"{"catch":"throw"}"#),
        (Request::Catch(CatchKind::Output("a b".to_owned())), r#"{"catch":{"output":"a b"}}"#),
        (Request::Clear(Chosen::All), r#"{"clear":"all"}"#),
        (Request::Clear(Chosen::These(vec![id])), r#"{"clear":{"these":[2]}}"#),
        (Request::Breakpoints, r#""breakpoints""#),
        (Request::Run { direction: Direction::Forward }, r#"{"run":{"direction":"forward"}}"#),
        (Request::Run { direction: Direction::Backward }, r#"{"run":{"direction":"backward"}}"#),
        (Request::Seek(Moment::Start), r#"{"seek":"start"}"#),
        (Request::Seek(Moment::End), r#"{"seek":"end"}"#),
        (Request::Seek(Moment::Event(EventIndex::new(7))), r#"{"seek":{"event":7}}"#),
        (
            Request::Seek(Moment::Checkpoint(CheckpointIndex::new(1))),
            r#"{"seek":{"checkpoint":1}}"#,
        ),
        (Request::Seek(Moment::Hit { breakpoint: None, n: 3 }), r#"{"seek":{"hit":{"n":3}}}"#),
        (
            Request::Seek(Moment::Hit { breakpoint: Some(id), n: 3 }),
            r#"{"seek":{"hit":{"breakpoint":2,"n":3}}}"#,
        ),
        (
            Request::Seek(Moment::Position("17+2041@0x401136".parse().unwrap())),
            r#"{"seek":{"position":"17+2041@0x401136"}}"#,
        ),
        (
            Request::Hits { of: Chosen::All, page: PageRequest { from: 1, limit: Some(9) } },
            r#"{"hits":{"of":"all","page":{"from":1,"limit":9}}}"#,
        ),
        (
            Request::Trace(TraceRequest {
                location: location("main"),
                condition: Some(expression("$rdi > 3")),
                thread: None,
                values: vec![expression("$rdi"), expression("*(u8)$rsp")],
            }),
            r#"{"trace":{"location":{"function":"main"},"condition":"$rdi > 3","values":["$rdi","*(u8)$rsp"]}}"#,
        ),
        (Request::Stack { depth: 50, detail: Detail::Places }, r#"{"stack":{"depth":50}}"#),
        (
            Request::Stack { depth: 3, detail: Detail::Full },
            r#"{"stack":{"depth":3,"detail":"full"}}"#,
        ),
        (
            Request::Print(PrintRequest {
                expression: expression("a.b[1]"),
                frame: Some(2),
                numbers: NumberText::Hex,
                page: Some(PageRequest { from: 3, limit: None }),
            }),
            r#"{"print":{"expression":"a.b[1]","frame":2,"numbers":"hex","page":{"from":3}}}"#,
        ),
        (
            Request::Variables(VariablesRequest {
                which: Which::Locals,
                pattern: Some("^a".to_owned()),
                frame: None,
            }),
            r#"{"variables":{"which":"locals","pattern":"^a"}}"#,
        ),
        (
            Request::HitValues(HitValuesRequest {
                of: Chosen::These(vec![id]),
                page: PageRequest { from: 0, limit: Some(5) },
                condition: Some(expression("x > 1")),
                values: vec![expression("x")],
            }),
            r#"{"hit_values":{"of":{"these":[2]},"page":{"from":0,"limit":5},"condition":"x > 1","values":["x"]}}"#,
        ),
        (Request::Threads, r#""threads""#),
        (Request::Goroutines, r#""goroutines""#),
        (Request::SelectGoroutine { id: None }, r#"{"select_goroutine":{}}"#),
        (Request::SelectGoroutine { id: Some(7) }, r#"{"select_goroutine":{"id":7}}"#),
        (Request::SelectThread { number: 4 }, r#"{"select_thread":{"number":4}}"#),
        (
            Request::Registers { names: vec![RegisterName::Rip, RegisterName::FsBase] },
            r#"{"registers":{"names":["rip","fs_base"]}}"#,
        ),
        (
            Request::Memory(MemoryRange { addr: expression("$rsp"), len: 8 }),
            r#"{"memory":{"addr":"$rsp","len":8}}"#,
        ),
        (Request::Source(SourceRequest { at: None, around: 5 }), r#"{"source":{"around":5}}"#),
        (
            Request::Watch(NewWatch {
                memory: MemoryRange { addr: expression("$rsp"), len: 8 },
                access: Access::Write,
            }),
            r#"{"watch":{"memory":{"addr":"$rsp","len":8},"access":"write"}}"#,
        ),
        (Request::Watches, r#""watches""#),
        (Request::ClearWatch { id: 2 }, r#"{"clear_watch":{"id":2}}"#),
        (
            Request::Last(MemoryRange { addr: expression("0x1000"), len: 4 }),
            r#"{"last":{"addr":"0x1000","len":4}}"#,
        ),
        (
            Request::Step(StepRequest {
                kind: StepKind::NextInstruction,
                direction: Direction::Backward,
                count: std::num::NonZeroU64::MIN,
            }),
            r#"{"step":{"kind":"next_instruction","direction":"backward","count":1}}"#,
        ),
        (Request::When, r#""when""#),
        (Request::Checkpoints, r#""checkpoints""#),
        (Request::Evaluate(expression("1+1")), r#"{"evaluate":"1+1"}"#),
        (Request::Assert(expression("$event > 1")), r#"{"assert":"$event > 1"}"#),
    ]
}

#[test]
fn requests_keep_their_form() {
    for (request, text) in written() {
        assert_eq!(serde_json::to_string(&request).unwrap(), text);
        assert_eq!(serde_json::from_str::<Request>(text).unwrap(), request);
    }
    let short: Request = serde_json::from_str(r#"{"hits":{}}"#).unwrap();
    assert_eq!(short, Request::Hits { of: Chosen::All, page: PageRequest::default() });
    assert!(serde_json::from_str::<Request>(r#"{"assert":"1 +"}"#).is_err());
}

#[test]
fn answers_can_be_read_back() {
    let mut debugger = debugger();
    ask(&mut debugger, &break_at("work")).unwrap();
    for (request, _) in written() {
        if let Ok(answer) = ask(&mut debugger, &request) {
            let text = serde_json::to_string(&answer).unwrap();
            assert_eq!(serde_json::from_str::<Answer>(&text).unwrap(), answer, "{text}");
        }
    }
}

#[test]
fn reasons_are_words() {
    let reasons = [
        (StopReason::Reached, r#""reached""#),
        (StopReason::Fatal(Signal::SEGV), r#""SIGSEGV""#),
        (StopReason::Fatal(Signal::from_number(40).unwrap()), r#""SIGRT40""#),
    ];
    for (reason, text) in reasons {
        assert_eq!(serde_json::to_string(&reason).unwrap(), text);
        assert_eq!(serde_json::from_str::<StopReason>(text).unwrap(), reason);
    }
}

#[test]
fn locations_are_shown_as_they_were_written() {
    for text in ["main", "ns::f", "a.c:7", "/^m/", "*0x10", "*$rip + 4", "/", "f:x"] {
        assert_eq!(location(text).to_string(), text);
    }
}

//! Runs that stop at events.

use retake_execution::{Direction, EventFilter};
use retake_model::{Signal, SyscallNo};
use retake_testkit::fake::FakeBuilder;

use super::{APP, ask, break_at};
use crate::code::text::TextReader;
use crate::{
    Answer, BreakpointId, CatchKind, Chosen, DebugError, Debugger, Moment, Request, StopReason,
    StopView,
};

const FORWARD: Request = Request::Run { direction: Direction::Forward };
const BACKWARD: Request = Request::Run { direction: Direction::Backward };

fn output(text: &str) -> EventFilter {
    EventFilter::Output(text.as_bytes().to_vec())
}

fn call(no: u32) -> EventFilter {
    EventFilter::Syscall(Some(SyscallNo::new(no)))
}

fn debugger() -> Debugger {
    let fake = FakeBuilder::new()
        .file("/home/me/app", &*format!("{APP}40 rust_panic+ panic.rs:1\n"))
        .map_code(1, 0x1000, 0x1000, 0, 0)
        .steps(&[0x1000, 0x1020, 0x1010])
        .event(1, "write(1, \"err\", 3) = 3")
        .is(call(1))
        .is(output("err"))
        .spawn(2, 1)
        .steps(&[0x1020])
        .event(2, "clone() = 102")
        .is(call(56))
        .is(EventFilter::Fork)
        .steps(&[0x1020, 0x1010])
        .event(1, "write(1, \"or\", 2) = 2")
        .is(call(1))
        .is(output("or"))
        .event(1, "SIGUSR1: handler runs")
        .is(EventFilter::Signal(Some(Signal::USR1)))
        .steps(&[0x1010, 0x1040])
        .event(1, "exit with 0")
        .is(EventFilter::Exit);
    Debugger::new(Box::new(fake.build()), Box::new(TextReader))
}

fn stop(debugger: &mut Debugger, request: &Request) -> StopView {
    match ask(debugger, request).unwrap() {
        Answer::Stop(stop) => stop,
        other => panic!("{other:?}"),
    }
}

/// Where runs in both directions stop, with the numbers of what stopped them.
fn stops(debugger: &mut Debugger) -> [Vec<(String, Vec<u32>)>; 2] {
    [&FORWARD, &BACKWARD].map(|direction| {
        let mut all = Vec::new();
        loop {
            let stop = stop(debugger, direction);
            let ids: Vec<u32> =
                stop.breakpoints.iter().chain(&stop.catches).map(|id| id.get()).collect();
            if ids.is_empty() {
                return all;
            }
            all.push((stop.position.to_string(), ids));
        }
    })
}

#[track_caller]
fn check(catches: &[CatchKind], wanted: &[(&str, &[u32])]) {
    let mut debugger = debugger();
    for what in catches {
        ask(&mut debugger, &Request::Catch(what.clone())).unwrap();
    }
    let wanted: Vec<_> = wanted.iter().map(|(at, ids)| ((*at).to_owned(), ids.to_vec())).collect();
    let [forward, mut backward] = stops(&mut debugger);
    assert_eq!(forward, wanted, "{catches:?}");
    backward.reverse();
    assert_eq!(backward, wanted, "{catches:?}, backwards");
}

#[test]
fn the_same_events_stop_runs_in_both_directions() {
    let (first, second) = ("0@0x1010#1", "2@0x1010#1");
    let syscall = |name: &str| CatchKind::Syscall(Some(name.to_owned()));
    check(&[syscall("write")], &[(first, &[1]), (second, &[1])]);
    check(&[syscall("56")], &[("1@0x1020#1", &[1])]);
    check(&[CatchKind::Syscall(None)], &[(first, &[1]), ("1@0x1020#1", &[1]), (second, &[1])]);
    check(&[CatchKind::Fork, syscall("clone")], &[("1@0x1020#1", &[1, 2])]);
    check(&[CatchKind::Signal(Some(Signal::USR1))], &[("3", &[1])]);
    check(&[CatchKind::Signal(None)], &[("3", &[1])]);
    check(&[CatchKind::Output("rror".to_owned())], &[(second, &[1])]);
    check(&[CatchKind::Output("r".to_owned())], &[(first, &[1]), (second, &[1])]);
    check(&[CatchKind::Output("nowhere".to_owned())], &[]);
    check(&[CatchKind::Throw], &[("4@0x1040#1", &[1])]);
}

#[test]
fn breakpoints_on_the_way_stop_first() {
    let mut debugger = debugger();
    ask(&mut debugger, &Request::Catch(CatchKind::Syscall(Some("write".to_owned())))).unwrap();
    ask(&mut debugger, &break_at("work")).unwrap();
    ask(&mut debugger, &break_at("app.c:2")).unwrap();
    let wanted = [
        ("0@0x1020#1", vec![2]),
        ("0@0x1010#1", vec![3, 1]),
        ("1@0x1020#1", vec![2]),
        ("2@0x1020#1", vec![2]),
        ("2@0x1010#1", vec![3, 1]),
        ("4@0x1010#1", vec![3]),
    ];
    let wanted = wanted.map(|(at, ids)| (at.to_owned(), ids));
    let [forward, mut backward] = stops(&mut debugger);
    assert_eq!(forward, wanted);
    backward.reverse();
    assert_eq!(backward, wanted);
    // From somewhere else.
    for (from, forward, backward) in
        [("1", "1@0x1020#1", "0@0x1010#1"), ("0@0x1010#1", "1@0x1020#1", "0@0x1020#1")]
    {
        for (direction, wanted) in [(&FORWARD, forward), (&BACKWARD, backward)] {
            let from = Moment::Position(from.parse().unwrap());
            ask(&mut debugger, &Request::Seek(from)).unwrap();
            assert_eq!(stop(&mut debugger, direction).position.to_string(), wanted);
        }
    }
}

#[test]
fn a_stop_says_which_event_comes_next() {
    let mut debugger = debugger();
    let write = CatchKind::Syscall(Some("write".to_owned()));
    ask(&mut debugger, &Request::Catch(write.clone())).unwrap();
    let end = stop(&mut debugger, &FORWARD);
    assert_eq!((&end.reasons[..], end.catches.len()), (&[StopReason::Catch][..], 1));
    assert_eq!(end.event.unwrap().what, "write(1, \"err\", 3) = 3");
    let Answer::Breakpoints(all) = ask(&mut debugger, &Request::Breakpoints).unwrap() else {
        panic!()
    };
    assert_eq!((all.breakpoints.len(), &all.catches[0].what), (0, &write));
    let clear = Request::Clear(Chosen::These(vec![BreakpointId::new(1)]));
    let Answer::Cleared(cleared) = ask(&mut debugger, &clear).unwrap() else { panic!() };
    assert_eq!(cleared.catches[0].what, write);
    assert!(matches!(ask(&mut debugger, &clear), Err(DebugError::NotFound(_))));
    assert_eq!(stop(&mut debugger, &FORWARD).reasons, [StopReason::End]);
}

#[test]
fn what_cannot_be_caught_is_said() {
    let mut debugger = debugger();
    let mut said =
        |what: CatchKind| ask(&mut debugger, &Request::Catch(what)).unwrap_err().to_string();
    let wrong = said(CatchKind::Syscall(Some("wirte".to_owned())));
    assert!(wrong.contains("did you mean write?"), "{wrong}");
    let odd = said(CatchKind::Syscall(Some("frobnicate".to_owned())));
    assert!(odd.contains("or a number"), "{odd}");
    let never = said(CatchKind::Syscall(Some("read".to_owned())));
    assert!(never.contains("this recording has no call of read"), "{never}");
    assert!(said(CatchKind::Exec).contains("nothing to catch"));
    assert!(said(CatchKind::Output(String::new())).contains("nothing to catch"));
    let without = FakeBuilder::new().file("/home/me/app", APP).event(1, "exit");
    let mut without = Debugger::new(Box::new(without.build()), Box::new(TextReader));
    let err = ask(&mut without, &Request::Catch(CatchKind::Throw)).unwrap_err().to_string();
    assert!(err.contains("no code of this recording throws"), "{err}");
}

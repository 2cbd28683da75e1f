//! Hit conditions, temporary breakpoints and runs to a place.

use retake_execution::Direction;
use retake_testkit::fake::FakeBuilder;

use super::{APP, ask, break_at, location};
use crate::code::text::TextReader;
use crate::{
    Answer, BreakpointId, Counted, Debugger, HitCondition, Lifetime, NewBreakpoint,
    NewHitCondition, Request, RunTo, Scope, StopReason, StopView,
};

const FORWARD: Request = Request::Run { direction: Direction::Forward };
const BACKWARD: Request = Request::Run { direction: Direction::Backward };

/// Task 1 comes to `work` twice, then task 2 three times, then task 1 once more.
fn debugger() -> Debugger {
    let fake = FakeBuilder::new()
        .file("/home/me/app", APP)
        .map_code(1, 0x1000, 0x1000, 0, 0)
        .steps(&[0x1000, 0x1020, 0x1010, 0x1020])
        .spawn(2, 1)
        .event(2, "clone() = 102")
        .steps(&[0x1020, 0x1020, 0x1010, 0x1020])
        .event(1, "futex() = 0")
        .steps(&[0x1010, 0x1020])
        .event(1, "exit(0)");
    Debugger::new(Box::new(fake.build()), Box::new(TextReader))
}

/// All hits of `work`, in order.
const HITS: [&str; 6] =
    ["0@0x1020#1", "0@0x1020#2", "1@0x1020#1", "1@0x1020#2", "1@0x1020#3", "2@0x1020#1"];

fn stop(debugger: &mut Debugger, request: &Request) -> StopView {
    match ask(debugger, request).unwrap() {
        Answer::Stop(stop) => stop,
        other => panic!("{other:?}"),
    }
}

fn hit_condition(breakpoint: u32, counted: Counted, numbers: &str) -> Request {
    let hits = Some(HitCondition { counted, numbers: numbers.parse().unwrap() });
    Request::HitCondition(NewHitCondition { breakpoint: BreakpointId::new(breakpoint), hits })
}

/// The numbers (from 1) of the hits of `work` that runs in a direction stop at.
fn stops(debugger: &mut Debugger, direction: &Request) -> Vec<usize> {
    let mut all = Vec::new();
    loop {
        let stop = stop(debugger, direction);
        if stop.breakpoints.is_empty() {
            return all;
        }
        let position = stop.position.to_string();
        all.push(HITS.iter().position(|hit| *hit == position).unwrap() + 1);
    }
}

#[track_caller]
fn check(counted: Counted, numbers: &str, wanted: &[usize]) {
    let mut debugger = debugger();
    ask(&mut debugger, &break_at("work")).unwrap();
    ask(&mut debugger, &hit_condition(1, counted, numbers)).unwrap();
    assert_eq!(stops(&mut debugger, &FORWARD), wanted, "{numbers}");
    let backwards: Vec<usize> = wanted.iter().rev().copied().collect();
    assert_eq!(stops(&mut debugger, &BACKWARD), backwards, "{numbers}");
}

#[test]
fn a_hit_has_the_same_number_in_both_directions() {
    check(Counted::Together, "== 3", &[3]);
    check(Counted::Together, "!= 3", &[1, 2, 4, 5, 6]);
    check(Counted::Together, "% 2", &[2, 4, 6]);
    check(Counted::Together, "> 4", &[5, 6]);
    check(Counted::Together, ">= 6", &[6]);
    check(Counted::Together, "< 3", &[1, 2]);
    check(Counted::Together, "<= 1", &[1]);
    check(Counted::Together, "== 7", &[]);
    // Task 1: hits 1, 2 and 6; task 2: hits 3, 4 and 5.
    check(Counted::PerThread, "== 2", &[2, 4]);
    check(Counted::PerThread, "% 3", &[5, 6]);
    check(Counted::PerThread, "> 3", &[]);
}

#[test]
fn it_does_not_matter_how_the_debugger_came_there() {
    let mut debugger = debugger();
    ask(&mut debugger, &break_at("work")).unwrap();
    ask(&mut debugger, &hit_condition(1, Counted::Together, "% 2")).unwrap();
    for (from, forward, backward) in [(1, Some(2), None), (2, Some(4), None), (5, Some(6), Some(4))]
    {
        for (direction, wanted) in [(&FORWARD, forward), (&BACKWARD, backward)] {
            let to = crate::Moment::Position(HITS[from - 1].parse().unwrap());
            ask(&mut debugger, &Request::Seek(to)).unwrap();
            let stop = stop(&mut debugger, direction);
            let number = HITS.iter().position(|hit| *hit == stop.position.to_string());
            assert_eq!(number.map(|n| n + 1), wanted, "from {from}");
        }
    }
}

#[test]
fn several_breakpoints_stop_at_whichever_comes_first() {
    let mut debugger = debugger();
    ask(&mut debugger, &break_at("work")).unwrap();
    ask(&mut debugger, &break_at("work")).unwrap();
    ask(&mut debugger, &break_at("app.c:2")).unwrap();
    ask(&mut debugger, &hit_condition(1, Counted::Together, "% 2")).unwrap();
    ask(&mut debugger, &hit_condition(2, Counted::Together, "% 3")).unwrap();
    let mut seen = Vec::new();
    for direction in [&FORWARD, &BACKWARD] {
        loop {
            let stop = stop(&mut debugger, direction);
            if stop.breakpoints.is_empty() {
                break;
            }
            let ids: Vec<u32> = stop.breakpoints.iter().map(|id| id.get()).collect();
            seen.push((stop.position.to_string(), ids));
        }
    }
    let forward = [
        ("0@0x1010#1", vec![3]),
        ("0@0x1020#2", vec![1]),
        ("1@0x1020#1", vec![2]),
        ("1@0x1020#2", vec![1]),
        ("1@0x1010#1", vec![3]),
        ("2@0x1010#1", vec![3]),
        ("2@0x1020#1", vec![1, 2]),
    ];
    let both = forward.iter().chain(forward.iter().rev());
    let wanted: Vec<_> = both.map(|(at, ids)| ((*at).to_owned(), ids.clone())).collect();
    assert_eq!(seen, wanted);
}

#[test]
fn a_breakpoint_of_a_thread_stops_no_other() {
    let mut debugger = debugger();
    let of_second = NewBreakpoint { thread: Some(2), ..NewBreakpoint::at(location("work")) };
    ask(&mut debugger, &Request::Break(of_second)).unwrap();
    assert_eq!(stops(&mut debugger, &FORWARD), [3, 4, 5]);
    assert_eq!(stops(&mut debugger, &BACKWARD), [5, 4, 3]);
    ask(&mut debugger, &hit_condition(1, Counted::PerThread, "== 3")).unwrap();
    assert_eq!(stops(&mut debugger, &FORWARD), [5]);
    let of_nobody = NewBreakpoint { thread: Some(9), ..NewBreakpoint::at(location("work")) };
    let err = ask(&mut debugger, &Request::Break(of_nobody)).unwrap_err().to_string();
    assert!(err.contains("no thread 9 in this recording"), "{err}");
}

#[test]
fn a_temporary_breakpoint_goes_with_its_first_stop() {
    let mut debugger = debugger();
    let once =
        NewBreakpoint { lifetime: Lifetime::UntilHit, ..NewBreakpoint::at(location("work")) };
    ask(&mut debugger, &Request::Break(once)).unwrap();
    ask(&mut debugger, &break_at("app.c:2")).unwrap();
    assert_eq!(stop(&mut debugger, &FORWARD).breakpoints, [BreakpointId::new(1)]);
    let left = debugger.breakpoints.all().iter().map(|left| left.id.get());
    assert_eq!(left.collect::<Vec<_>>(), [2]);
    assert_eq!(stop(&mut debugger, &FORWARD).position.to_string(), "0@0x1010#1");
}

#[test]
fn a_run_to_a_place_is_of_one_thread_and_ends_at_breakpoints_too() {
    let mut debugger = debugger();
    let to = |direction| {
        let scope = Scope::Recording;
        Request::RunTo(RunTo { location: location("app.c:2"), direction, scope })
    };
    let first = stop(&mut debugger, &to(Direction::Forward));
    assert_eq!(
        (first.position.to_string().as_str(), &first.reasons[..]),
        ("0@0x1010#1", &[StopReason::Reached][..])
    );
    // Task 2 comes there before task 1 does again.
    assert_eq!(stop(&mut debugger, &to(Direction::Forward)).position.to_string(), "2@0x1010#1");
    assert_eq!(stop(&mut debugger, &to(Direction::Backward)).position.to_string(), "0@0x1010#1");
    ask(&mut debugger, &break_at("work")).unwrap();
    let end = stop(&mut debugger, &to(Direction::Forward));
    assert_eq!(
        (end.position.to_string().as_str(), &end.reasons[..]),
        (HITS[1], &[StopReason::Breakpoint][..])
    );
    assert_eq!(debugger.breakpoints.all().len(), 1);
    let err = Request::RunTo(RunTo {
        location: location("nothing"),
        direction: Direction::Forward,
        scope: Scope::Recording,
    });
    assert!(ask(&mut debugger, &err).unwrap_err().to_string().contains("there is no function"));
}

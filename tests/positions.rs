//! Positions: printed, sorted, and typed again.

use retake_model::{Place, Position};
use retake_testkit::{Retake, fixture};

/// The positions in what each command of a script gave.
fn stops(output: &str) -> Vec<Position> {
    let position = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).ok()?;
        value["data"]["position"].as_str()?.parse().ok()
    };
    output.lines().filter_map(position).collect()
}

#[test]
fn what_is_printed_can_be_typed() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let program = fixture::c("c/calls.c", &[]);
    let (dir, _) = retake.record("recording", &[], &[program]);
    let session = |script: &str| retake.debug(&dir, &["--json"], script).good().output();
    let listed = session("break work\nhits");
    let last = listed.lines().last().expect("an answer");
    let answer: serde_json::Value = serde_json::from_str(last).expect("JSON");
    let hits = answer["data"]["hits"].as_array().or_else(|| answer["data"].as_array());
    let position = |hit: &serde_json::Value| -> Position {
        hit["position"].as_str().expect("a position").parse().expect("a position")
    };
    let hits: Vec<Position> = hits.expect("hits").iter().map(position).collect();
    assert_eq!(hits.len(), 20);
    assert!(hits.windows(2).all(|pair| pair[0] < pair[1]), "{hits:?}");
    assert!(hits.iter().all(|hit| matches!(hit.place(), Place::Exact(_))), "{hits:?}");

    // In any order, without a breakpoint.
    let order: Vec<Position> = (0..20).map(|n| hits[n * 7 % 20]).collect();
    let script: Vec<String> = order.iter().map(|hit| format!("goto {hit}")).collect();
    assert_eq!(stops(&session(&script.join("\n"))), order);

    // As earlier versions wrote it: the nth arrival since the event.
    let nth = |hit: &Position| {
        let same = |other: &&Position| other.event() == hit.event() && *other <= hit;
        hits.iter().filter(same).count()
    };
    let earlier = |hit: &Position| {
        let pc = hit.place().pc().expect("a place");
        format!("goto {}@{pc}#{}", hit.event(), nth(hit))
    };
    let script: Vec<String> = order.iter().map(earlier).collect();
    assert_eq!(stops(&session(&script.join("\n"))), order);

    let Place::Exact(exact) = hits[3].place() else { return };
    let none = format!("goto {}+{}@{}", hits[3].event(), exact.branches + 1, exact.pc);
    let answer = retake.debug(&dir, &[], &none);
    let said = answer.output() + &answer.errors();
    assert!(said.contains("there is no moment"), "{said}");
}

/// Between calls that were recorded without a stop: a way back and the steps from there count from the same event.
#[test]
fn positions_between_calls_without_a_stop() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let program = fixture::c("c/hot/works_between_calls.c", &["-O1"]);
    let (dir, _) = retake.record("recording", &[], &[program]);
    let events = retake.run(["events".as_ref(), dir.as_os_str()]).good().output();
    let clocks = events.lines().filter(|line| line.contains("clock_gettime("));
    let clocks: Vec<&str> = clocks.filter_map(|line| line.split_whitespace().next()).collect();
    // The call site is led to the code at its 31st call.
    let around: Vec<&str> = clocks.iter().copied().skip(29).take(5).collect();
    assert_eq!(around.len(), 5, "{events}");
    let ways: Vec<String> =
        around.iter().map(|event| format!("goto {event}\nrewind\nstepout\nrev next")).collect();
    let script = format!("break mix\n{}", ways.join("\n"));
    let there = stops(&retake.debug(&dir, &["--json"], &script).good().output());
    assert_eq!(there.len(), around.len() * 4, "{there:?}");
    let back: Vec<Position> = there.iter().rev().copied().collect();
    let script: Vec<String> = back.iter().map(|position| format!("goto {position}")).collect();
    assert_eq!(stops(&retake.debug(&dir, &["--json"], &script.join("\n")).good().output()), back);
}

//! `rev next` and `next` over source lines, compared with a log of single instructions that is made once, forwards.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::path::Path;

use retake_testkit::{Retake, fixture, rounds};
use serde_json::Value;

/// Instructions of a log, of programs that have so many.
const STEPS: usize = 4000;
/// Lines of each program that are stepped back from and to, in each round.
const LINES: usize = 70;
/// No instruction is longer (Intel SDM, volume 2, 2.3.11).
const LONGEST: u64 = 15;

/// A moment of the log.
struct Step {
    position: String,
    /// Of the fixture itself; code that is inlined into a line of it belongs to that line.
    line: Option<u64>,
    pc: u64,
    sp: u64,
}

/// A call that has not returned: for each line that it came to, where that begins in the log.
#[derive(Default)]
struct Frame(Vec<(u64, usize)>);

/// How an instruction led to the next one.
enum Flow {
    On,
    Call,
    Return,
    /// Out of several functions, or to another stack.
    Elsewhere,
}

fn flow(before: &Step, after: &Step) -> Flow {
    let ahead = after.pc.wrapping_sub(before.pc);
    let is_next = (1..=LONGEST).contains(&ahead);
    match after.sp.wrapping_sub(before.sp).cast_signed() {
        _ if is_next => Flow::On,
        0 => Flow::On,
        -8 => Flow::Call,
        8 => Flow::Return,
        _ => Flow::Elsewhere,
    }
}

/// The answers to a script, as JSON.
fn answers(retake: &Retake, dir: &Path, script: &str) -> Vec<Value> {
    let output = retake.debug(dir, &["--json"], script).good().output();
    output.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn position(stop: &Value) -> String {
    stop["data"]["position"].as_str().expect("a position").to_owned()
}

/// Single instructions from a place on.
fn log(retake: &Retake, dir: &Path, from: &str, steps: usize, source: &str) -> Vec<Step> {
    let script =
        format!("tbreak {from}\ncontinue\n{}", "regs rsp\nstep-instruction\n".repeat(steps));
    let all = answers(retake, dir, &script);
    let step = |two: &[Value]| {
        let (stop, registers) = (&two[0], &two[1]);
        let place = &stop["data"]["place"];
        let file = place["source"]["file"].as_str().unwrap_or_default();
        Step {
            position: position(stop),
            line: place["source"]["line"].as_u64().filter(|_| file.ends_with(source)),
            pc: place["pc"].as_u64().expect("an address"),
            sp: registers["data"][0]["value"].as_u64().expect("an address"),
        }
    };
    all[1..].chunks_exact(2).map(step).collect()
}

/// Where lines begin, each with where the line before it in the same call begins.
fn lines(log: &[Step]) -> Vec<(usize, usize)> {
    let (mut frames, mut found) = (vec![Frame::default()], Vec::new());
    for (n, step) in log.iter().enumerate() {
        match n.checked_sub(1).map_or(Flow::On, |before| flow(&log[before], step)) {
            Flow::On => {}
            Flow::Call => frames.push(Frame::default()),
            Flow::Return => drop(frames.pop()),
            Flow::Elsewhere => break,
        }
        let Some(frame) = frames.last_mut() else { break };
        let (Some(line), begun) = (step.line, &mut frame.0) else { continue };
        if begun.last().is_none_or(|(last, _)| *last != line) {
            begun.push((line, n));
            // The first line of a call is where it sets itself up, which no step stops in.
            if let [.., _, (_, before), _] = begun[..] {
                found.push((n, before));
            }
        }
    }
    found
}

fn check(source: &str, program: &Path, from: &str, steps: usize) {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let (dir, _) = retake.record("recording", &[], &[program]);
    let log = log(&retake, &dir, from, steps, source);
    let mut all = lines(&log);
    assert!(all.len() > 20, "{source}: {} lines in {} instructions", all.len(), log.len());
    let mut chance = 0x9e37_79b9_7f4a_7c15_u64;
    let mut some = Vec::new();
    while some.len() < LINES * rounds() && !all.is_empty() {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        let count = u64::try_from(all.len()).expect("a number");
        some.push(all.swap_remove(usize::try_from((chance >> 33) % count).expect("a number")));
    }
    let script: Vec<String> = some
        .iter()
        .map(|(here, _)| format!("goto {}\nregs\nrev next\nnext\nregs\n", log[*here].position))
        .collect();
    let stops = answers(&retake, &dir, &script.concat());
    for ((here, before), five) in some.iter().zip(stops.chunks_exact(5)) {
        let (here, before) = (&log[*here], &log[*before]);
        let (from, to) = (here.line, before.line);
        let back = position(&five[2]);
        assert_eq!(back, before.position, "{source}: back from {} ({from:?})", here.position);
        let forth = position(&five[3]);
        assert_eq!(forth, here.position, "{source}: forth from {} ({to:?})", before.position);
        assert_eq!(five[4]["data"], five[1]["data"], "{source}: {}", here.position);
    }
}

/// In its loop, which calls functions.
fn commands(source: &str, program: &Path) {
    let file = source.rsplit('/').next().unwrap_or_default();
    check(source, program, &format!("{file}:{}", fixture::line_of(source, "adds")), STEPS);
}

#[test]
fn c() {
    check("c/source_steps.c", &fixture::c("c/source_steps.c", &["-O0"]), "main", 600);
    commands("c/commands.c", &fixture::c("c/commands.c", &["-O0"]));
}

#[test]
fn cpp() {
    commands("cpp/commands.cpp", &fixture::cpp_with("cpp/commands.cpp", &["-O0"]));
}

#[test]
fn rust() {
    commands("rust/commands.rs", &fixture::rust("rust/commands.rs", &[]));
}

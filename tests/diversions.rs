//! Diversions: what is tried away from a recording leaves it as it is.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use retake_execution::{
    Company, Direction, Diversion, Diverted, Execution, Go, RunPlan, Site, SiteId, SiteTarget,
    StandardStream, State,
};
use retake_model::{Addr, Registers, TaskId};
use retake_recording::Recording;
use retake_replayer::{Control, Timeline};
use retake_testkit::{Retake, fixture};

const SIGILL: &str = "SIGILL";

struct Recorded {
    _retake: Retake,
    timeline: Timeline,
    /// What the program printed first: its functions, and a variable.
    words: Vec<Addr>,
    seconds: u64,
}

/// At the call in the middle of a loop.
fn recorded() -> Recorded {
    recorded_at("c/diverted.c", 5)
}

/// Before a function is called whose address the program prints as one of some words.
fn recorded_at(name: &str, middle: usize) -> Recorded {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let program = fixture::c(name, &["-O1", "-pthread"]);
    let (dir, ended) = retake.record("recording", &[], &[program]);
    let output = ended.good().output();
    let addr = |word: &str| u64::from_str_radix(word.trim_start_matches("0x"), 16).ok();
    let mut lines = output.lines();
    let first = lines.next().unwrap_or_default().split_whitespace();
    let words: Vec<Addr> = first.filter_map(addr).map(Addr::new).collect();
    let seconds = lines.next().and_then(|line| line.parse().ok()).expect("a time");
    let recording = Recording::open(&dir).expect("the recording can be read");
    let timeline = Timeline::open(recording, Control::default());
    let mut timeline = timeline.expect("the recording can be replayed");
    let sites = [Site::new(SiteId::new(0), SiteTarget::Absolute(words[middle]))];
    let plan = RunPlan::to_sites(Direction::Forward, &sites);
    timeline.run(&plan, None).expect("the call in the middle");
    Recorded { _retake: retake, timeline, words, seconds }
}

/// Calls a function as the program would.
fn call(
    diversion: &mut dyn Diversion,
    task: TaskId,
    function: Addr,
    arguments: [u64; 2],
) -> (Diverted, u64) {
    let before = diversion.registers(task).expect("registers");
    // Below the red zone, as at a call (System V ABI, 3.2.2).
    let sp = ((before.rsp - 256) & !0xf) - 8;
    diversion.write_memory(task, Addr::new(sp), &before.rip.to_le_bytes()).expect("a stack");
    let [rdi, rsi] = arguments;
    let entry = Registers { rip: function.get(), rsp: sp, rdi, rsi, rax: 0, ..before };
    diversion.set_registers(task, &entry).expect("registers");
    let ended = diversion.run(task, Go::On, &[before.pc()]).expect("it runs");
    let after = diversion.registers(task).expect("registers");
    diversion.set_registers(task, &before).expect("registers");
    (ended, after.rax & u64::from(u32::MAX))
}

#[test]
fn functions_are_called_and_nothing_changes() {
    let Recorded { mut timeline, words, seconds, _retake } = recorded();
    let task = timeline.current_task();
    let (position, registers) = (timeline.position(), timeline.registers(task).expect("registers"));
    let mut state = [0; 4];
    timeline.read_memory(task, words[6], &mut state).expect("a variable");
    let was = u64::from(u32::from_le_bytes(state));

    let mut diversion = timeline.divert().expect("a diversion");
    let back = Diverted::Breakpoint(registers.pc());
    let add = call(diversion.as_mut(), task, words[0], [1, 2]);
    assert_eq!(add, (back.clone(), was + 3));
    diversion.write_memory(task, words[6], &7_u32.to_le_bytes()).expect("a variable");
    assert_eq!(call(diversion.as_mut(), task, words[0], [1, 2]), (back.clone(), 10));
    assert_eq!(call(diversion.as_mut(), task, words[1], [5, 0]), (back.clone(), 6));
    let printed = diversion.take_output();
    assert_eq!(printed, [(StandardStream::Error, b"allocated x 5\n".to_vec())]);
    assert_eq!(call(diversion.as_mut(), task, words[4], [0, 0]), (back, seconds & 0xffff_ffff));
    drop(diversion);

    assert_eq!(timeline.position(), position);
    assert_eq!(timeline.registers(task).expect("registers"), registers);
    timeline.read_memory(task, words[6], &mut state).expect("a variable");
    assert_eq!(u64::from(u32::from_le_bytes(state)), was);
    let end = timeline.event_count();
    timeline.seek(retake_model::Position::at_event(end)).expect("the recording goes on");
    timeline.seek(position).expect("and back");
    assert_eq!(timeline.registers(task).expect("registers"), registers);
}

#[test]
fn steps_and_signals_are_reported() {
    let Recorded { mut timeline, words, _retake, .. } = recorded();
    let task = timeline.current_task();
    let mut diversion = timeline.divert().expect("a diversion");
    let before = diversion.registers(task).expect("registers");
    diversion.write_memory(task, before.pc(), &[0x90, 0x0f, 0x0b]).expect("code");
    let stepped = diversion.run(task, Go::OneInstruction, &[]).expect("it runs");
    assert_eq!(stepped, Diverted::Stepped);
    let after = diversion.registers(task).expect("registers");
    assert_eq!(after.rip, before.rip + 1);
    let ended = diversion.run(task, Go::On, &[words[0]]).expect("it runs");
    assert!(matches!(ended, Diverted::Signal(signal) if signal.to_string() == SIGILL), "{ended:?}");
}

#[test]
fn what_does_not_end_is_ended() {
    let Recorded { mut timeline, words, _retake, .. } = recorded();
    let task = timeline.current_task();
    let mut diversion = timeline.divert().expect("a diversion");
    let (ended, _) = call(diversion.as_mut(), task, words[2], [0, 0]);
    let Diverted::Over(why) = ended else { panic!("{ended:?}") };
    assert!(why.contains("wait for another task"), "{why}");
    let (ended, _) = call(diversion.as_mut(), task, words[3], [0, 0]);
    assert_eq!(ended, Diverted::Over("it has run for 10 s".to_owned()));

    let interrupt = timeline.interrupter();
    let mut diversion = timeline.divert().expect("a diversion");
    let started = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(200));
            interrupt.store(true, std::sync::atomic::Ordering::SeqCst);
        });
        let (ended, _) = call(diversion.as_mut(), task, words[3], [0, 0]);
        assert_eq!(ended, Diverted::Over("it was interrupted".to_owned()));
    });
    assert!(started.elapsed() < Duration::from_secs(9));
}

/// Where the others are to run too, one of them may answer what the call waits for.
#[test]
fn others_answer_where_they_run() {
    let Recorded { mut timeline, words, seconds, _retake } = recorded_at("c/answers.c", 2);
    assert_eq!(seconds, 12, "what the program itself was answered");
    let task = timeline.current_task();
    let registers = timeline.registers(task).expect("registers");
    let mut diversion = timeline.divert().expect("a diversion");
    let (ended, _) = call(diversion.as_mut(), task, words[0], [20, 0]);
    let Diverted::Over(why) = ended else { panic!("{ended:?}") };
    assert!(why.contains("wait for another task"), "{why}");
    drop(diversion);

    let mut diversion = timeline.divert().expect("a diversion");
    diversion.keep_company(Company::Others);
    let back = Diverted::Breakpoint(registers.pc());
    assert_eq!(call(diversion.as_mut(), task, words[0], [20, 0]), (back.clone(), 40));
    assert_eq!(call(diversion.as_mut(), task, words[1], [21, 0]), (back.clone(), 42));
    assert_eq!(call(diversion.as_mut(), task, words[0], [4, 0]), (back, 8));
    drop(diversion);
    assert_eq!(timeline.registers(task).expect("registers"), registers);
    let end = timeline.event_count();
    timeline.seek(retake_model::Position::at_event(end)).expect("the recording goes on");
}

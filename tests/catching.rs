//! Runs that stop at events, over real recordings: the same ones in both directions.

use std::path::Path;

use retake_testkit::{Retake, fixture};
use serde_json::Value;

/// More stops than any of these recordings has.
const MANY: usize = 60;

fn answers(retake: &Retake, dir: &Path, script: &str) -> Vec<Value> {
    let output = retake.debug(dir, &["--json"], script).good().output();
    output.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The stops at which something is caught, up to an end of the recording.
fn until_end<'a>(stops: impl Iterator<Item = &'a Value>) -> Vec<Value> {
    let catches = |stop: &Value| stop["catches"].as_array().is_some_and(|all| !all.is_empty());
    let is_end = |stop: &Value| {
        let reasons = stop["reasons"].as_array().into_iter().flatten();
        reasons.clone().any(|reason| reason == "end" || reason == "start") && !catches(stop)
    };
    let stops = stops.map(|stop| stop["data"].clone()).take_while(|stop| !is_end(stop));
    stops.filter(catches).collect()
}

/// The stops of a catch forwards; backwards they are found again.
#[track_caller]
fn stops(retake: &Retake, dir: &Path, what: &str) -> Vec<Value> {
    let script =
        format!("catch {what}\n{}goto end\n{}", "continue\n".repeat(MANY), "rewind\n".repeat(MANY));
    let all = answers(retake, dir, &script);
    let (forward, backward) = all[1..].split_at(MANY);
    let forward = until_end(forward.iter());
    let mut backward = until_end(backward[1..].iter());
    backward.reverse();
    let position = |stop: &Value| stop["position"].as_str().unwrap_or_default().to_owned();
    let positions = |all: &[Value]| all.iter().map(position).collect::<Vec<_>>();
    // From the end, a stop right there is behind the debugger already.
    let end = position(&all[1 + MANY]["data"]);
    let mut expected = positions(&forward);
    expected.retain(|at| *at != end);
    assert_eq!(positions(&backward), expected, "catch {what}, backwards");
    forward
}

fn events(stops: &[Value]) -> Vec<u64> {
    stops.iter().filter_map(|stop| stop["event"]["event"].as_u64()).collect()
}

fn line(stop: &Value) -> u64 {
    stop["place"]["source"]["line"].as_u64().unwrap_or(0)
}

#[test]
fn what_processes_do() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let program = fixture::c("c/fork_tree.c", &["-O1", "-g"]);
    let (dir, _) = retake.record("recording", &[], &[program]);
    let output = retake.run(["events", "--json", &dir.to_string_lossy()]).good().output();
    let recorded: Vec<Value> =
        output.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let listed = |wanted: &dyn Fn(&str, &str) -> bool| -> Vec<u64> {
        let found = recorded.iter().filter(|event| {
            let (kind, text) = (event["kind"].as_str(), event["text"].as_str());
            wanted(kind.unwrap_or_default(), text.unwrap_or_default())
        });
        // The first event makes the program.
        found.filter_map(|event| event["index"].as_u64()).filter(|index| *index > 0).collect()
    };
    let calls = |name: &str| {
        let name = format!(" {name}(");
        listed(&|kind, text| (kind == "syscall" || kind == "syscall_enter") && text.contains(&name))
    };

    let writes = stops(&retake, &dir, "syscall write");
    assert_eq!(events(&writes), calls("write"));
    assert!(writes.len() > 5, "{writes:#?}");
    let waits = stops(&retake, &dir, "syscall wait4");
    assert_eq!(events(&waits), calls("wait4"));
    let forks = stops(&retake, &dir, "fork");
    assert_eq!(events(&forks), listed(&|_, text| text.contains("makes task")));
    assert_eq!(forks.len(), 5);
    let execs = stops(&retake, &dir, "exec");
    assert_eq!(events(&execs), listed(&|_, text| text.contains(", executes ")));
    assert_eq!(execs.len(), 1);
    let aborts = stops(&retake, &dir, "signal abrt");
    assert_eq!(aborts.len(), 1);
    assert!(aborts[0]["reasons"].as_array().unwrap().contains(&Value::from("SIGABRT")));
    let exits = stops(&retake, &dir, "exit");
    let ends = listed(&|kind, _| kind == "exit");
    assert_eq!(events(&exits), ends);
    assert_eq!(ends.len(), 6);

    // Right before the call: its number and arguments are in the registers.
    let script = "catch syscall write\ncontinue\nregs rax\nregs rdi\nstep-instruction\nregs rax";
    let all = answers(&retake, &dir, script);
    assert_eq!(all[2]["data"][0]["value"], 1);
    assert!(all[5]["data"][0]["value"].as_u64().unwrap() > 4, "what it wrote: {all:#?}");
}

#[test]
fn texts_of_the_output() {
    const FILE: &str = "c/split_output.c";
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let program = fixture::c(FILE, &["-O0", "-g"]);
    let (dir, _) = retake.record("recording", &[], &[program]);
    let found = stops(&retake, &dir, "output needle");
    let written: Vec<&str> =
        found.iter().filter_map(|stop| stop["event"]["what"].as_str()).collect();
    assert_eq!(written.len(), 2, "{written:?}");
    assert!(written[0].contains("write(1,") && written[0].contains("= 9"), "{written:?}");
    assert!(written[1].contains("write(2,") && written[1].contains("= 6"), "{written:?}");
    assert!(stops(&retake, &dir, "output haystack").is_empty());
    assert_eq!(stops(&retake, &dir, "output \"hay\\nneed\"").len(), 1);

    // From the middle, and with a breakpoint on the way.
    let line = fixture::line_of(FILE, "write");
    let all = answers(
        &retake,
        &dir,
        &format!(
            "catch output needle\ncontinue\nrewind\ncontinue\nbreak split_output.c:{line}\n\
             continue\nrewind\nclear 2\ncontinue\ncontinue\nrewind\nrewind\nrewind"
        ),
    );
    let kinds: Vec<String> = all
        .iter()
        .filter(|answer| answer["kind"] == "stop")
        .map(|stop| stop["data"]["reasons"][0].as_str().unwrap_or_default().to_owned())
        .collect();
    let wanted = ["catch", "start", "catch", "breakpoint", "catch", "catch", "end"];
    assert_eq!(kinds[..4], wanted[..4], "{kinds:?}");
    assert_eq!(kinds[4], "catch", "back to the first: {all:#?}");
    assert_eq!(kinds[5..], ["catch", "end", "catch", "catch", "start"], "{kinds:?}");
}

#[test]
fn faults_before_they_are_delivered() {
    const FILE: &str = "c/segv.c";
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let program = fixture::c(FILE, &["-O0", "-g"]);
    let (dir, _) = retake.record("recording", &[], &[program]);
    let found = stops(&retake, &dir, "signal");
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0]["event"]["what"].as_str().unwrap().contains("SIGSEGV: handler runs"));
    assert_eq!(line(&found[1]), u64::from(fixture::line_of(FILE, "crash")));
    assert_eq!(found[1]["reasons"], serde_json::json!(["catch", "SIGSEGV", "end"]));
}

#[test]
fn signals_in_the_middle_of_code() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let program = fixture::c("c/fib_alarm.c", &["-O1", "-g"]);
    let (dir, _) = retake.record("recording", &[], &[program]);
    let found = stops(&retake, &dir, "signal");
    assert!(!found.is_empty());
    for stop in &found {
        assert_eq!(stop["reasons"][0], "catch", "{stop:#?}");
    }
}

#[test]
fn exceptions_and_panics() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let (cpp, _) = retake.record("cpp", &[], &[fixture::cpp("cpp/exceptions.cpp")]);
    let thrown = answers(&retake, &cpp, "catch throw\ncontinue\nstack\nrewind\nbreakpoints");
    assert_eq!(thrown[1]["data"]["reasons"][0], "catch", "{thrown:#?}");
    assert!(thrown[2].to_string().contains("fixture::Box<long>::check"), "{thrown:#?}");
    assert_eq!(thrown[3]["data"]["reasons"][0], "start");
    assert_eq!(thrown[4]["data"][0]["location"], "catch throw");

    let (rust, _) = retake.record("rust", &[], &[fixture::rust("rust/threads_panic.rs", &[])]);
    assert_eq!(stops(&retake, &rust, "throw").len(), 2);

    let Some(program) = fixture::go("exceptions_and_panics", "go/goroutines.go") else { return };
    let (go, _) = retake.record("go", &[], &[program]);
    let set = answers(&retake, &go, "catch throw");
    assert!(set[0].to_string().contains("runtime.gopanic"), "{set:#?}");
}

#[test]
fn what_cannot_be_caught_is_said() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let (dir, _) = retake.record("recording", &[], &[fixture::c("c/hello.c", &[])]);
    let said = |script: &str| {
        let ended = retake.debug(&dir, &[], script);
        assert_eq!(ended.code(), 1, "{script}");
        ended.output() + &ended.errors()
    };
    assert!(said("catch syscall opnat").contains("did you mean openat?"));
    assert!(said("catch syscall mount").contains("this recording has no call of mount"));
    assert!(said("catch fork").contains("no new process"));
    assert!(said("catch throw").contains("no code of this recording throws"));
    assert!(said("catch").contains("what is to be caught is missing"));
    assert!(said("catch signal FOO").contains("is not a signal"));
}

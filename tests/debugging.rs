//! Debugging real recordings: hits over time, going to them in any order, stacks, scripts.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use retake_testkit::{Retake, fixture};

fn retake() -> Retake {
    Retake::new(env!("CARGO_BIN_EXE_retake"))
}

/// What each command of a script gave, as JSON.
fn results(output: &str) -> Vec<serde_json::Value> {
    let parse =
        |line: &str| serde_json::from_str(line).unwrap_or_else(|err| panic!("{line}: {err}"));
    output.lines().map(parse).collect()
}

/// The functions of a stack in a JSON object.
fn functions(stack: &serde_json::Value) -> Vec<String> {
    let frames = stack["data"].as_array().expect("frames");
    frames
        .iter()
        .map(|frame| frame["place"]["function"].as_str().unwrap_or("?").to_owned())
        .collect()
}

#[test]
fn hits_in_any_order() {
    let retake = retake();
    let program = fixture::c("c/calls.c", &[]);
    let (dir, recorded) = retake.record("recording", &[], &[program]);
    let line = fixture::line_of("c/calls.c", "work");
    let script = "break work\nhits\ngoto hit 13\nexaminemem -count 4 -size 1 $rip\nregs\nrewind\ncontinue\n\
                  goto hit 2\nstack\ngoto hit 20\ncontinue\ngoto start\nrewind\ncontinue\nregs\n\
                  goto hit 13\nregs\nassert $hits(1) == 20";
    let all = results(&retake.debug(&dir, &["--json"], script).good().output());
    let hits = all[1]["data"]["hits"].as_array().or_else(|| all[1]["data"].as_array());
    let hits = hits.expect("hits");
    assert_eq!(hits.len(), 20);
    let position = |n: usize| hits[n - 1]["position"].as_str().expect("a position");
    for hit in hits {
        assert_eq!(hit["place"]["function"], "work", "{hit}");
        assert_eq!(hit["place"]["source"]["line"], line, "{hit}");
    }
    let at = |n: usize| all[n]["data"]["position"].as_str().expect("a position").to_owned();
    assert_eq!(at(2), position(13));
    assert_eq!(at(5), position(12), "rewind goes to the hit before");
    assert_eq!(at(6), position(13), "continue comes back");
    assert_eq!(at(7), position(2));
    assert_eq!(functions(&all[8])[..4], ["work", "middle", "outer", "main"]);
    assert_eq!(at(9), position(20));
    assert!(all[10]["data"]["reasons"].to_string().contains("end"), "{}", all[10]);
    assert!(all[12]["data"]["reasons"].to_string().contains("start"), "{}", all[12]);
    assert_eq!(at(13), position(1));
    assert_eq!(all[4], all[16], "the registers of hit 13, twice");
    // What the program printed is what the arguments were.
    assert!(recorded.output().starts_with("sum "));
}

#[test]
fn lines_and_inlined_code() {
    let retake = retake();
    let program = fixture::c("c/calls.c", &["-O2"]);
    let (dir, _) = retake.record("recording", &[], &[program]);
    let middle = fixture::line_of("c/calls.c", "middle");
    let inlined = fixture::line_of("c/calls.c", "inlined");
    let script = format!(
        "break calls.c:{middle}\ncontinue\nstack\nclear 1\nbreak calls.c:{inlined}\ncontinue\nstack\nlist\n\
         break /^(outer|work)$/\nhits 2\nassert $hits(2) == 1"
    );
    let all = results(&retake.debug(&dir, &["--json"], &script).good().output());
    assert_eq!(functions(&all[2])[..2], ["middle", "outer"]);
    let stack = functions(&all[6]);
    assert_eq!(stack[..2], ["twice", "main"], "the inlined function is a frame of its own");
    assert!(all[7].to_string().contains("MARK: inlined"), "{}", all[7]);
}

#[test]
fn a_panic_and_the_way_back() {
    let retake = retake();
    let program = fixture::rust("rust/threads_panic.rs", &[]);
    let (dir, recorded) = retake.record("recording", &[], &[program]);
    assert_eq!(recorded.code(), 101);
    let script = "break threads_panic::State::add\nassert $hits(1) == 40\nbreak rust_panic\nhits 2\n\
                  goto hit 2\nstack\nthreads\nclear 2\nrewind\nstack";
    let all = results(&retake.debug(&dir, &["--json"], script).good().output());
    let at_panic = functions(&all[5]);
    assert!(at_panic.iter().any(|f| f == "threads_panic::main"), "{at_panic:?}");
    let before = functions(&all[9]);
    assert!(before[0].contains("State::add"), "{before:?}");
    assert!(before.iter().any(|f| f.contains("threads_panic::main::{{closure}}")), "{before:?}");
}

#[test]
fn a_crash_is_where_the_recording_ends() {
    let retake = retake();
    let program = fixture::c("c/segv.c", &[]);
    let (dir, _) = retake.record("recording", &[], &[program]);
    let script = "goto end\nstack\nbreak on_fault\nrewind\nstack";
    let all = results(&retake.debug(&dir, &["--json"], script).good().output());
    assert!(all[0]["data"]["reasons"].to_string().contains("SIGSEGV"), "{}", all[0]);
    assert_eq!(functions(&all[1])[..2], ["crash", "main"]);
    let handler = functions(&all[4]);
    assert_eq!(handler[0], "on_fault");
    assert!(handler.iter().any(|f| f == "main"), "through the signal frame: {handler:?}");
}

#[test]
fn go_and_cpp() {
    let retake = retake();
    let program = fixture::cpp("cpp/exceptions.cpp");
    let (dir, _) = retake.record("cpp", &[], &[program]);
    let script = "break fixture::worker\nassert $hits(1) == 4\ncontinue\nstack";
    let all = results(&retake.debug(&dir, &["--json"], script).good().output());
    assert!(functions(&all[3])[0].starts_with("fixture::worker("), "{}", all[3]);

    let Some(program) = fixture::go("go_and_cpp", "go/goroutines.go") else { return };
    let (dir, _) = retake.record("go", &[], &[program]);
    let script = "break main.worker\nassert $hits(1) == 8\ncontinue\nstack";
    let all = results(&retake.debug(&dir, &["--json"], script).good().output());
    let stack = functions(&all[3]);
    // What the compiler calls the wrapper of a `go` statement depends on its version.
    assert_eq!(stack[0], "main.worker");
    assert!(stack[1].starts_with("main.main."), "{stack:?}");
}

#[test]
fn scripts_fail_where_they_fail() {
    let retake = retake();
    let program = fixture::c("c/calls.c", &[]);
    let (dir, _) = retake.record("recording", &[], &[program]);
    let failed = retake.debug(&dir, &[], "# a comment\nbreak work\n\nassert $hits(1) == 19\nwhen");
    assert_eq!(failed.code(), 1);
    assert!(failed.errors().contains(":4: assert $hits(1) == 19"), "{}", failed.errors());
    assert!(!failed.output().contains("next event"), "the rest does not run: {}", failed.output());
    let unknown = retake.debug(&dir, &[], "flurb");
    assert_eq!(unknown.code(), 1);
    assert!(unknown.errors().contains(":1: flurb"), "{}", unknown.errors());
}

#[test]
fn a_recording_stands_alone() {
    let retake = retake();
    let folder = retake.path("bin");
    fs::create_dir_all(&folder).expect("made");
    let program = folder.join("calls");
    fs::copy(fixture::c("c/calls.c", &[]), &program).expect("copied");
    let (dir, recorded) = retake.record("recording", &[], &[&program]);
    // The program is rebuilt as something else and then deleted, the recording is moved.
    fs::copy(fixture::c("c/hello.c", &[]), &program).expect("replaced");
    let moved = retake.path("moved");
    fs::rename(&dir, &moved).expect("moved");
    assert_eq!(retake.replay(&moved).stdout, recorded.stdout);
    fs::remove_dir_all(&folder).expect("deleted");
    assert_eq!(retake.replay(&moved).stdout, recorded.stdout);
    retake.verify(&moved).good();
    retake.debug(&moved, &[], "break work\nassert $hits(1) == 20").good();
}

#[test]
fn every_task_of_a_tree() {
    let retake = retake();
    let program = fixture::c("c/fork_tree.c", &[]);
    let (dir, _) = retake.record("recording", &[], &[program]);
    let line = fixture::line_of("c/fork_tree.c", "child");
    let script =
        format!("break fork_tree.c:{line}\nhits\ngoto hit 3\nthreads\nstack\nthread 0\nstack");
    let all = results(&retake.debug(&dir, &["--json"], &script).good().output());
    let hits = all[1]["data"]["hits"].as_array().or_else(|| all[1]["data"].as_array());
    let mut tasks: Vec<u64> =
        hits.expect("hits").iter().map(|hit| hit["task"].as_u64().expect("a task")).collect();
    tasks.sort_unstable();
    tasks.dedup();
    assert_eq!(tasks.len(), 4, "each child hits once: {}", all[1]);
    assert_eq!(functions(&all[4])[0], "main");
}

#[test]
fn the_first_moment_and_the_main_that_was_written() {
    let retake = retake();
    let program = fixture::rust("rust/threads_panic.rs", &[]);
    let (dir, _) = retake.record("recording", &[], &[program]);
    let script = "stack\nbreak main\nhits\ngoto hit 1\nwhen\nhelp nothing";
    let ended = retake.debug(&dir, &["--json"], script);
    assert_eq!(ended.code(), 1);
    let all = results(&ended.output());
    assert_eq!(functions(&all[0]).len(), 1, "nobody calls the first instruction: {}", all[0]);
    assert_eq!(all[2]["data"]["count"], 1, "{}", all[2]);
    assert!(all[3]["data"]["place"]["function"].as_str().expect("a name").ends_with("::main"));
    assert!(all[5]["error"].as_str().expect("an error").contains("no command"), "{}", all[5]);
}

/// A search that takes its time says so, and Ctrl-C ends it.
#[test]
fn long_searches_show_how_far_they_are_and_can_be_stopped() {
    let retake = retake();
    let program = fixture::c("c/hot/late_signal.c", &["-O2"]);
    let (dir, recorded) = retake.record("recording", &[], &[program]);
    assert_eq!(recorded.code(), 0, "{}", recorded.errors());
    let events = retake.run(["events".as_ref(), dir.as_os_str()]).good().output();
    assert!(events.contains("in the middle of code"), "{events}");
    let script = retake.path("script");
    fs::write(&script, "break puts\nhits\n").expect("a script");
    let mut command = retake.command(["debug".as_ref(), dir.as_os_str(), "--batch".as_ref()]);
    command.arg("--init").arg(script).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut debugger = command.spawn().expect("it starts");
    let mut lines = BufReader::new(debugger.stderr.take().expect("piped")).lines();
    let mut next = || lines.next().expect("a line").expect("text");
    let line = next();
    assert!(line.contains("is in the middle of code: "), "{line}");
    // Ctrl-C; what else reaches the process group does no harm.
    for signal in ["-CONT", "-INT"] {
        let id = debugger.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().expect("kill").success());
    }
    let end = std::iter::repeat_with(next).find(|line| !line.contains("middle of code"));
    assert!(end.is_some_and(|line| line.ends_with("interrupted")));
    assert_eq!(debugger.wait().expect("it ends").code(), Some(1));
}

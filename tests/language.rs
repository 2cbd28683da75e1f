//! The command language over real recordings: where a debugger opens, moments by time and output, calls,
//! scripts in CI, sessions that are done again.

#![expect(clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use junit_parser::TestStatus;
use retake_testkit::{Retake, finish, fixture};

fn retake() -> Retake {
    Retake::new(env!("CARGO_BIN_EXE_retake"))
}

/// What each command of a script gave, as JSON.
fn results(retake: &Retake, dir: &Path, script: &str) -> Vec<serde_json::Value> {
    let output = retake.debug(dir, &["--json"], script).good().output();
    let parse =
        |line: &str| serde_json::from_str(line).unwrap_or_else(|err| panic!("{line}: {err}"));
    output.lines().map(parse).collect()
}

fn text(retake: &Retake, dir: &Path, script: &str) -> String {
    retake.debug(dir, &[], script).good().output()
}

#[test]
fn a_debugger_opens_at_the_failure() {
    let retake = retake();
    let (crashes, _) = retake.record("segv", &[], &[fixture::c("c/segv.c", &[])]);
    let line = fixture::line_of("c/segv.c", "crash");
    let shown = text(&retake, &crashes, "goto failure\nframe\nlist");
    assert!(shown.contains("failure: SIGSEGV ended the program"), "{shown}");
    assert!(shown.contains(&format!("=> {line:>5}  ")) && shown.contains("MARK: crash"), "{shown}");

    let (panics, recorded) =
        retake.record("panic", &[], &[fixture::rust("rust/threads_panic.rs", &[])]);
    assert_eq!(recorded.code(), 101);
    let all = results(&retake, &panics, "goto failure\nstack\nframe");
    let stop = &all[0]["data"];
    assert!(stop["failure"].as_str().expect("a text").contains("exits with 101"), "{stop}");
    // The user's frame is selected, not one of the library.
    let file = stop["frame"]["place"]["source"]["file"].as_str().expect("a file");
    assert!(file.ends_with("threads_panic.rs"), "{stop}");
    assert!(stop["line"]["here"].as_bool().expect("a line"), "{stop}");

    let (ends, recorded) = retake.record("calls", &[], &[fixture::c("c/calls.c", &[])]);
    let all = results(&retake, &ends, "goto main");
    assert_eq!(all[0]["data"]["place"]["function"], "main");
    if recorded.code() != 0 {
        let all = results(&retake, &ends, "goto failure");
        let failure = all[0]["data"]["failure"].as_str().expect("a text");
        assert!(failure.contains(&format!("exits with {}", recorded.code())), "{failure}");
    }
    let (passes, _) = retake.record("hello", &[], &["true"]);
    let said = retake.debug(&passes, &[], "goto failure");
    assert!(said.errors().contains("the program did not fail"), "{}", said.errors());
}

#[test]
fn moments_by_time_and_output() {
    let retake = retake();
    let (dir, recorded) = retake.record("recording", &[], &[fixture::c("c/diverted.c", &["-O1"])]);
    let output = recorded.output();
    let seconds: u64 = output.lines().nth(1).and_then(|line| line.parse().ok()).expect("a time");
    let second = seconds % 86_400;
    let clock = format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
    let last = output.lines().last().expect("a line");
    let script = format!(
        "goto time {clock}\nwhen\ngoto output \"{seconds}\"\nstack\ngoto end\nwhen\noutput\nexpect output \"{last}\"\n\
         goto 0%\nwhen\ngoto 100%\nwhen\nevents 0 1000"
    );
    let all = results(&retake, &dir, &script);
    let clock_there = all[1]["data"]["clock"].as_str().expect("a time");
    assert!(clock_there.contains(&clock), "{clock_there} is not {clock}");
    let stack = all[3]["data"].to_string();
    assert!(stack.contains("\"main\""), "{stack}");
    let printed: String = all[6]["data"]
        .as_array()
        .expect("pieces")
        .iter()
        .map(|piece| piece["text"].as_str().expect("text"))
        .collect();
    assert_eq!(printed, output);
    let at_start = all[9]["data"]["per_mille"].as_u64().expect("a share");
    assert!(at_start < 100, "{}", all[9]);
    let at_end = all[11]["data"]["per_mille"].as_u64().expect("a share");
    assert!(at_end > 900, "{}", all[11]);
    // As strace would show them.
    let events = all[12]["data"].to_string();
    assert!(events.contains("write(1, \\\"0x"), "{events}");
    assert!(events.contains("O_RDONLY|O_CLOEXEC"), "{events}");
    assert!(events.contains("/libc.so.6\\\""), "{events}");
    assert!(events.contains("PROT_READ"), "{events}");
}

#[test]
fn functions_are_called_in_a_copy() {
    let retake = retake();
    let (dir, _) = retake.record("recording", &[], &[fixture::c("c/diverted.c", &["-O1"])]);
    let script = "break middle\ncontinue\nregs\ncall add(1, 2)\ncall add(1, 2)\ncall print_much(7)\nregs\nwhen";
    let all = results(&retake, &dir, script);
    // Each call begins with what was recorded: 40 or what `middle` is about to change.
    assert_eq!(all[3]["data"]["value"], all[4]["data"]["value"], "nothing stays of a call");
    assert_eq!(all[5]["data"]["value"], "0x8");
    assert_eq!(all[5]["data"]["output"][0]["text"], "allocated x 7\n");
    assert_eq!(all[2]["data"], all[6]["data"]);
    let waits = retake.debug(&dir, &[], "goto end\ncall wait_for_lock()");
    assert_eq!(waits.code(), 1);
    assert!(waits.errors().contains("failed to call wait_for_lock"), "{}", waits.errors());
    let set = retake.debug(&dir, &[], "set state = 3");
    assert!(set.errors().contains("a recording does not change"), "{}", set.errors());
}

#[test]
fn frames_lists_and_machine_code() {
    let retake = retake();
    let (dir, _) = retake.record("recording", &[], &[fixture::c("c/calls.c", &[])]);
    let work = fixture::line_of("c/calls.c", "work");
    let middle = fixture::line_of("c/calls.c", "middle");
    let script = "break work\non 1 print $task\ndisplay $rip\ncontinue\nup\nlist\ndown\ndisassemble\nframe 1 list\nlist outer\nbookmark here\n\
                  goto end\ngoto here";
    let shown = text(&retake, &dir, script);
    let marks = |line: u32, mark: &str| {
        shown
            .lines()
            .any(|shown| shown.starts_with(&format!("=> {line:>5}  ")) && shown.contains(mark))
    };
    assert!(marks(work, "MARK: work"), "every stop shows its line:\n{shown}");
    assert!(marks(middle, "MARK: middle"), "{shown}");
    assert!(shown.contains("> print $task"), "{shown}");
    assert!(shown.lines().any(|line| line.starts_with("1: $rip = ")), "{shown}");
    assert!(shown.lines().any(|line| line.ends_with("  ret")), "{shown}");
    assert!(shown.lines().any(|line| line.starts_with("=> 0x")), "{shown}");
}

/// A breakpoint script as it is written for Delve, unchanged.
const DELVES: &str = "\
# Where the sum grows.
config max-string-len 200
break adds calls.c:WORK
condition adds $rdi > 0 || $rdi == 0
break calls.c:CALL
on adds print $rip
on adds stack 2
trace middle
continue
print $rsp
next
step
stepout
condition -hitcount 2 == 3
clear 2
continue
bp
exit
";

#[test]
fn a_script_written_for_delve_runs() {
    let retake = retake();
    let (dir, _) = retake.record("recording", &[], &[fixture::c("c/calls.c", &[])]);
    let line = |mark| fixture::line_of("c/calls.c", mark).to_string();
    let script = DELVES.replace("WORK", &line("work")).replace("CALL", &line("call"));
    let shown = text(&retake, &dir, &script);
    assert!(shown.contains("breakpoint 1 (adds)"), "{shown}");
    assert!(shown.contains("> stack 2"), "{shown}");
    assert!(shown.contains("20 arrivals"), "{shown}");
}

/// A hundred and twenty breakpoints from a file, and an assertion on each.
#[test]
fn many_breakpoints_in_a_script_for_ci() {
    let retake = retake();
    let (dir, _) = retake.record("recording", &[], &[fixture::c("c/calls.c", &[])]);
    let line = fixture::line_of("c/calls.c", "work");
    let plain: Vec<String> = (0..60).map(|n| format!("\"work if $rip != {n}\"")).collect();
    fs::write(retake.path("plain.json"), format!("[{}]", plain.join(","))).expect("written");
    let entry = format!("{{\"line\": {line}, \"hitCondition\": \"\"}}")
        .replace(", \"hitCondition\": \"\"", "");
    let code = vec![entry; 60].join(",");
    let code = format!("{{\"source\": {{\"path\": \"calls.c\"}}, \"breakpoints\": [{code}]}}");
    fs::write(retake.path("code.json"), code).expect("written");
    let mut script = "source plain.json\nsource code.json\n".to_owned();
    for n in 1..=120 {
        script.push_str(&format!("assert $hits({n}) == 20\n"));
    }
    script.push_str(
        "assert $hits(1) == 21\nassert $hits(2) == 20\nexpect \"nothing of that kind\"\n",
    );
    let junit = retake.path("results.xml");
    let options = ["--junit", junit.to_str().expect("a path")];
    let ended = retake.debug(&dir, &options, &script);
    assert_eq!(ended.code(), 1, "{}", ended.errors());
    assert!(ended.errors().contains("2 assertions do not hold"), "{}", ended.errors());
    let xml = fs::read_to_string(&junit).expect("results");
    assert!(xml.contains("tests=\"123\" failures=\"2\" errors=\"0\""), "{xml}");
    assert!(xml.contains("line 123: assert $hits(1) == 21"), "{xml}");
    let wanted = [
        ("line 123: assert $hits(1) == 21", "assertion failed: $hits(1) == 21"),
        ("line 125: expect \"nothing of that kind\"", "nothing of that kind"),
    ];
    the_results_say(&xml, 123, &wanted);
}

/// As the parser of JUnit files reads them that others have written.
fn the_results_say(xml: &str, count: u64, failed: &[(&str, &str)]) {
    let read =
        junit_parser::from_reader(xml.as_bytes()).unwrap_or_else(|err| panic!("{err}: {xml}"));
    let cases: Vec<_> = read.suites.iter().flat_map(|suite| &suite.cases).collect();
    assert_eq!((read.suites.len(), cases.len() as u64), (1, count), "{xml}");
    let suite = &read.suites[0];
    assert_eq!((suite.tests, suite.failures, suite.errors), (count, failed.len() as u64, 0));
    let found: Vec<_> = cases
        .iter()
        .filter_map(|case| match &case.status {
            TestStatus::Success => None,
            TestStatus::Failure(failure) => Some((case.original_name.as_str(), failure)),
            other => panic!("{}: {other:?}", case.name),
        })
        .collect();
    assert_eq!(found.len(), failed.len(), "{xml}");
    for ((name, failure), (wanted, why)) in found.into_iter().zip(failed) {
        assert_eq!(name, *wanted);
        let said = format!("{}{}", failure.message, failure.text);
        assert!(said.contains(why), "{said:?} does not say {why:?}");
    }
}

#[test]
fn pipes_comments_and_exit_codes() {
    let retake = retake();
    let (dir, _) = retake.record("recording", &[], &["true"]);
    let piped = |options: &[&str], input: &[u8]| {
        let file = retake.path("input");
        fs::write(&file, input).expect("written");
        let mut command = retake.command(["debug"]);
        command.arg(&dir).args(options).stdin(fs::File::open(&file).expect("opened"));
        finish(command)
    };
    let ended = piped(&[], b"# nothing\n\nwhen   # where\njump\nassert 0\nwhen\n");
    assert_eq!(ended.code(), 0);
    assert_eq!(ended.output().matches("events  thread").count(), 2, "{}", ended.output());
    assert!(ended.errors().contains("<stdin>:4: jump"), "{}", ended.errors());
    assert_eq!(piped(&["--batch"], b"when\nassert 0\nwhen\n").code(), 1);
    assert_eq!(piped(&["--batch"], b"when\nexit\nassert 0\n").code(), 0);
    assert_eq!(piped(&["--frobnicate"], b"").code(), 2);
    // Bytes that are no text, and a line that does not end.
    let mut input = b"\xff\xfe\nwhen\n".to_vec();
    input.extend(std::iter::repeat_n(b'x', 1 << 20));
    input.extend_from_slice(b"\nwhen\n");
    let ended = piped(&[], &input);
    assert_eq!(ended.output().matches("events  thread").count(), 2, "{}", ended.output());
    assert!(ended.errors().contains("a line of 1048576 bytes is no command"));
    assert!(ended.errors().len() < (3 << 20), "the line is not repeated again and again");
}

/// The journal of the only session of a recording.
fn journal(dir: &Path) -> PathBuf {
    dir.join("sessions/1/journal")
}

#[test]
fn a_session_is_done_again_and_compared() {
    let retake = retake();
    let (dir, _) = retake.record("recording", &[], &[fixture::c("c/calls.c", &[])]);
    let script =
        "break work\ncontinue\ncontinue\nup\ndisplay $rsp\nbookmark here\nstepout\nhits 1\nregs";
    retake.debug(&dir, &[], script).good();
    let same = retake.debug(&dir, &["--resume=strict"], "display\nbookmarks");
    let errors = same.errors();
    assert_eq!(same.code(), 0, "{errors}");
    assert!(
        errors.contains("session 1 goes on at") && errors.contains("after 9 commands"),
        "{errors}"
    );

    // A changed journal, with a checksum that is right.
    let text = fs::read_to_string(journal(&dir)).expect("a journal");
    let line = text
        .lines()
        .find(|line| line.contains("\"seq\":3") && line.contains("\"end\""))
        .expect("the end of request 3");
    let record = line.split_once("\"record\":").expect("a record").1;
    let record = record.strip_suffix('}').expect("a record").replace("\"task\":0", "\"task\":1");
    let sum = xxh3(record.as_bytes());
    let changed = text.replace(line, &format!("{{\"sum\":\"{sum:016x}\",\"record\":{record}}}"));
    assert_ne!(changed, text);
    fs::write(journal(&dir), changed).expect("written");
    let differs = retake.debug(&dir, &["--resume=strict"], "when");
    assert_eq!(differs.code(), 1);
    assert!(
        differs.errors().contains("request 3 of the session, \"continue\", differs"),
        "{}",
        differs.errors()
    );
    // Without strict it is taken as it is.
    assert_eq!(retake.debug(&dir, &["--resume"], "when").code(), 0);
}

fn xxh3(bytes: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(bytes)
}

#[test]
fn sessions_have_names() {
    let retake = retake();
    let (dir, _) = retake.record("recording", &[], &[fixture::c("c/calls.c", &[])]);
    retake.debug(&dir, &["--session", "one"], "break work\ncontinue").good();
    retake.debug(&dir, &["--session", "two"], "break main\ngoto end").good();
    let one = retake.debug(&dir, &["--session", "one"], "bp").good();
    assert!(one.output().contains("breakpoint 1: work"), "{}", one.output());
    assert!(one.errors().contains("session one goes on at"), "{}", one.errors());
    // The one that was used last.
    let last = retake.debug(&dir, &["--resume"], "bp").good();
    assert!(last.errors().contains("session one goes on at"), "{}", last.errors());
    let bad = retake.debug(&dir, &["--session", "../x"], "when");
    assert!(bad.errors().contains("is no name for a session"), "{}", bad.errors());
}

/// A journal that cannot grow loses no answer, and a session that goes on has all that was written.
#[test]
fn a_full_disk_under_the_journal_loses_no_answer() {
    let retake = retake();
    let (dir, _) = retake.record("recording", &[], &[fixture::c("c/calls.c", &[])]);
    let mut script = String::from("break work\n");
    for _ in 0..40 {
        script.push_str("regs rip\n");
    }
    let file = retake.path("commands");
    let run = |blocks: u32, options: &[&str], script: &str| {
        fs::write(&file, script).expect("written");
        let mut command = Command::new("sh");
        // So many times 512 bytes are the longest file then; a signal says so, unless it is ignored.
        command.arg("-c").arg(format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"")).arg("sh");
        command.arg(env!("CARGO_BIN_EXE_retake")).arg("debug").arg(&dir).arg("--batch");
        command.arg("--init").arg(&file).args(options);
        finish(command)
    };
    let ended = run(8, &[], &script);
    assert_eq!(ended.code(), 0, "{}", ended.errors());
    assert_eq!(ended.output().matches("rip = ").count(), 40, "{}", ended.errors());
    assert_eq!(
        ended.errors().matches("this session is not kept at this time").count(),
        1,
        "{}",
        ended.errors()
    );
    for blocks in [0, 1 << 20] {
        let resumed = run(blocks, &["--resume"], "bp").good();
        assert!(resumed.output().contains("breakpoint 1: work"), "{}", resumed.output());
        let trouble = resumed.errors().contains("this session is not kept at this time");
        assert_eq!(trouble, blocks == 0, "{}", resumed.errors());
    }
}

/// The shell lines and scripts of docs/ci.md, as they stand.
#[test]
fn the_lines_of_the_ci_document_run() {
    let document =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/ci.md"))
            .expect("a document");
    let block = |language: &str, n: usize| {
        let part = document.split(&format!("```{language}\n")).nth(n).expect("a block");
        part.split("```").next().expect("an end").to_owned()
    };
    let retake = retake();
    let folder = retake.path("project");
    fs::create_dir_all(folder.join("ci")).expect("made");
    fs::write(folder.join("ci/recorded.sh"), block("sh", 1)).expect("written");
    fs::write(folder.join("ci/failure.txt"), block("retake", 1)).expect("written");
    let bin = folder.join("bin");
    fs::create_dir_all(&bin).expect("made");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_retake"), bin.join("retake")).expect("linked");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").expect("a path"));
    let run = |program: &Path| {
        let mut command = Command::new("sh");
        command.arg("ci/recorded.sh").arg(program).current_dir(&folder).env("PATH", &path);
        finish(command)
    };
    let passes = run(Path::new("/bin/true"));
    assert_eq!(passes.code(), 0, "{}", passes.errors());
    assert!(!folder.join("recordings/tests").exists(), "a recording that passes is not kept");
    let fails = run(&fixture::rust("rust/threads_panic.rs", &[]));
    assert_eq!(fails.code(), 1, "{}", fails.errors());
    assert!(fails.output().contains("failure: "), "{}\n{}", fails.output(), fails.errors());
    assert!(fails.output().contains("threads_panic.rs"), "{}", fails.output());
    assert!(folder.join("recordings/tests").exists());
    assert!(folder.join("results/failure.xml").exists());
}

/// What `source` runs is sourced again.
#[test]
fn a_script_that_runs_itself_ends() {
    let retake = retake();
    let (dir, _) = retake.record("recording", &[], &["true"]);
    let file = retake.path("again");
    fs::File::create(&file)
        .and_then(|mut to| writeln!(to, "source {}", file.display()))
        .expect("written");
    let ended = retake.debug(&dir, &[], &format!("source {}", file.display()));
    assert_eq!(ended.code(), 1);
    assert!(ended.errors().contains("nested too deeply"), "{}", ended.errors());
}

/// A script in Starlark, over a recording.
#[test]
fn a_starlark_script_asks_and_asserts() {
    let retake = retake();
    let (dir, _) = retake.record("recording", &[], &[fixture::c("c/calls.c", &[])]);
    let file = retake.path("script.star");
    let run = |script: &str| {
        fs::write(&file, script).expect("written");
        let mut command = retake.command(["debug"]);
        command.arg(&dir).arg("--batch").arg("--init").arg(&file);
        finish(command)
    };
    let ended = run("bp = create_breakpoint({\"FunctionName\": \"work\"})\n\
                     n = 0\n\
                     for _ in range(100):\n    \
                         stop = raw_command(\"continue\")\n    \
                         if \"breakpoint\" not in stop[\"reasons\"]:\n        break\n    \
                         n += 1\n\
                     print(n, stacktrace(depth = 2)[0][\"place\"][\"function\"] != None)\n");
    assert_eq!(ended.code(), 0, "{}", ended.errors());
    assert_eq!(ended.output().trim(), "20 True", "{}", ended.errors());
    let failed = run("print('before')\nfail('the queue was too long')\n");
    assert_eq!(failed.code(), 1);
    assert!(failed.errors().contains("the queue was too long"), "{}", failed.errors());
    assert!(failed.errors().contains("script.star:2"), "{}", failed.errors());
}

//! A replayed process may be killed at any moment, as the kernel does when memory runs out: that ends in an
//! error, never in waiting for ever or in a report of a divergence. `RETAKE_KILLS=20` is the long tier.
#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::BuildHasher;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use retake_testkit::{Guarded, OFTEN, Retake, fixture};

/// Times 10 ms: far more than what takes some milliseconds.
const LIMIT: u32 = 6000;
const WORDS: &str = "a replayed process was killed by SIGKILL";

fn kills() -> u32 {
    std::env::var("RETAKE_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(4)
}

/// A number below `limit` that is another one each time.
fn chance(limit: usize) -> usize {
    let number = RandomState::new().hash_one(()) % u64::try_from(limit).expect("few");
    usize::try_from(number).expect("few")
}

/// Children of all threads of a process (proc_pid_task_tid_children(5)).
fn children(pid: u32) -> Vec<String> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let list = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("children")).ok();
    let lists: Vec<String> = threads.flatten().filter_map(list).collect();
    lists.iter().flat_map(|list| list.split_whitespace()).map(str::to_owned).collect()
}

/// The same of a process that waits: while children end, the kernel's list is not reliable. It may have none: what it
/// was asked last it may have known.
fn settled_children(pid: u32) -> Vec<String> {
    let mut before = children(pid);
    for _ in 0..LIMIT {
        let now = children(pid);
        if now == before && !now.is_empty() {
            return now;
        }
        before = now;
    }
    before
}

fn kill(pids: &[String]) {
    let _ = Command::new("kill").arg("-KILL").args(pids).stderr(Stdio::null()).status();
}

/// Waits for the end, but not for ever.
fn code(child: &mut Child) -> i32 {
    for _ in 0..LIMIT {
        if let Some(status) = child.try_wait().expect("waited for") {
            return status.code().expect("an exit code");
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("it waits for a process that was killed");
}

struct Killed {
    code: i32,
    output: String,
    errors: String,
}

/// Runs a command and kills one of its children at some moment. `None`: it had ended before.
fn killed(mut command: Command) -> Option<Killed> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = Guarded(command.spawn().expect("it starts"));
    let pid = child.0.id();
    while children(pid).is_empty() {
        if child.0.try_wait().expect("waited for").is_some() {
            return None;
        }
    }
    for _ in 0..chance(3000) {
        // A measure of time: each of these looks takes some tens of microseconds.
        children(pid);
    }
    let there = children(pid);
    let victim = there.get(chance(there.len().max(1)))?;
    kill(std::slice::from_ref(victim));
    let code = code(&mut child.0);
    let text = |stream: &mut dyn Read| {
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("text");
        text
    };
    let output = text(&mut child.0.stdout.take().expect("piped"));
    Some(Killed { code, output, errors: text(&mut child.0.stderr.take().expect("piped")) })
}

/// Kills until it mattered often enough: a process that would have executed nothing more may go.
#[track_caller]
fn check(retake: &Retake, args: &[&str], dir: &Path, expected: i32) {
    let undisturbed = retake.run(args.iter().map(AsRef::as_ref).chain([dir.as_os_str()])).good();
    let mut hit = 0;
    for _ in 0..kills() * 20 {
        if hit == kills() {
            return;
        }
        let mut command = retake.command(args);
        command.arg(dir);
        let Some(killed) = killed(command) else { continue };
        if killed.code == 0 {
            let same = args[0] != "replay" || killed.output == undisturbed.output();
            assert!(same, "{} {}", killed.output, killed.errors);
            continue;
        }
        assert_eq!(killed.code, expected, "{}", killed.errors);
        assert!(killed.errors.contains(WORDS), "{}", killed.errors);
        hit += 1;
    }
    panic!("only {hit} processes were killed while they were needed");
}

fn recording(retake: &Retake, options: &[&str]) -> PathBuf {
    let program = fixture::c("c/busy_family.c", &[]);
    let (dir, ended) = retake.record("recording", options, &[program]);
    assert!(ended.output().ends_with(" 3\n"), "{}", ended.output());
    dir
}

#[test]
fn replay() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let dir = recording(&retake, &[]);
    check(&retake, &["replay"], &dir, 125);
}

#[test]
fn verify() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let dir = recording(&retake, OFTEN);
    check(&retake, &["verify", "-j2"], &dir, 1);
}

/// A debugger says so once, is where it was, and goes on when it is told to, also when the processes that it
/// keeps for quick returns are killed.
#[test]
fn debugger() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let program = fixture::c("c/calls.c", &[]);
    let (dir, _) = retake.record("recording", &[], &[program]);
    let mut command = retake.command(["debug", "--json"]);
    command.arg(&dir).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut debugger = Guarded(command.spawn().expect("it starts"));
    let mut input = debugger.0.stdin.take().expect("piped");
    let mut output = BufReader::new(debugger.0.stdout.take().expect("piped"));
    let mut ask = |command: &str| {
        writeln!(input, "{command}").expect("written");
        let mut line = String::new();
        output.read_line(&mut line).expect("output");
        line
    };
    ask("break work");
    let mut at = ask("continue");
    for command in ["continue", "continue", "rewind", "goto hit 7", "rewind"] {
        let there = settled_children(debugger.0.id());
        kill(&there);
        let mut answer = ask(command);
        // A way back can begin with processes made anew.
        if (command == "continue" && !there.is_empty()) || answer.contains(WORDS) {
            assert!(answer.contains(WORDS), "{command}: {there:?} {answer}");
            assert_eq!(position(&ask("when")), position(&at), "{command}");
            answer = ask(command);
        }
        assert!(!answer.contains(WORDS) && position(&answer).is_some(), "{command}: {answer}");
        at = answer;
    }
    drop(input);
    assert_eq!(code(&mut debugger.0), 0);
}

fn position(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("\"position\":\"")?;
    rest.split_once('"').map(|(position, _)| position)
}

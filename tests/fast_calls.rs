//! Calls that are recorded without a stop.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use retake_model::{EventIndex, PAGE_SIZE, TaskId};
use retake_recording::{EventKind, Recording};
use retake_testkit::{OFTEN, Retake, finish, fixture, rounds};

/// The page of the code that makes them.
const CODE: u64 = 0x7000_2000;

/// What is made without a stop, but for the calls that tell who the process is.
const FAST: &[&str] = &[
    "clock_gettime",
    "clock_getres",
    "gettimeofday",
    "time",
    "read",
    "pread64",
    "write",
    "pwrite64",
    "getdents64",
    "recvfrom",
    "sendto",
    "lseek",
    "stat",
    "fstat",
    "lstat",
    "newfstatat",
    "statx",
    "statfs",
    "fstatfs",
    "access",
    "faccessat",
    "faccessat2",
    "readlink",
    "readlinkat",
    "getcwd",
    "getxattr",
    "lgetxattr",
    "fgetxattr",
    "listxattr",
    "llistxattr",
    "flistxattr",
    "uname",
    "getrusage",
    "getrlimit",
    "prlimit64",
    "sysinfo",
    "open",
    "openat",
    "close",
    "fcntl",
    "ioctl",
    "epoll_wait",
    "getpgrp",
];

fn retake() -> Retake {
    Retake::new(env!("CARGO_BIN_EXE_retake"))
}

/// Inside a container.
fn contained() -> Retake {
    Retake::contained(env!("CARGO_BIN_EXE_retake"), fixture::c("c/contained.c", &[]))
}

/// Whether calls can be without a stop: `rdfsbase` is allowed (`AT_HWCAP2`, bit 1).
fn can_be_fast() -> bool {
    const AT_HWCAP2: u64 = 26;
    let auxv = std::fs::read("/proc/self/auxv").expect("auxv");
    let words: Vec<u64> =
        auxv.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
    words.chunks(2).any(|pair| pair[0] == AT_HWCAP2 && pair[1] & 2 != 0)
}

#[test]
fn over_threads_signals_forks_and_filters() {
    let program = fixture::c("c/fast_calls.c", &[]);
    for _ in 0..rounds() {
        let ended = retake().round_trip("recording", OFTEN, &[&program]);
        let output = ended.output();
        assert_eq!(ended.code(), 0, "{output}\n{}", ended.errors());
        let count = |part: &str| output.matches(part).count();
        assert_eq!(
            (count("killed 9"), count("stopped 1"), count("thread ")),
            (10, 5, 4),
            "{output}"
        );
        assert!(output.contains("800 faults, 200 invalid"), "{output}");
        assert!(output.contains("forbidden 200"), "{output}");
        assert!(output.contains("forked ") && output.contains("executed "), "{output}");
    }
}

/// Records so many calls, and tells where the last of them was made, by its program counter, and the
/// functions on its stack.
fn last_call(retake: &Retake, options: &[&str]) -> (u64, Vec<String>) {
    const CALLS: usize = 2000;
    let program = fixture::c("c/tiny_calls.c", &[]);
    let (dir, recorded) =
        retake.record("recording", options, &[program, PathBuf::from(CALLS.to_string())]);
    assert_eq!(recorded.output(), format!("{CALLS}\n"));
    let events = retake.run(["events".as_ref(), dir.as_os_str()]).good().output();
    let calls: Vec<&str> = events.lines().filter(|line| line.contains(" getppid()")).collect();
    assert_eq!(calls.len(), CALLS + 1, "each call is an event");
    let last = calls[CALLS - 1].split_whitespace().next().expect("an index");
    let script = format!("goto event {last}\nregs\nstack");
    let output = retake.debug(&dir, &["--json"], &script).good().output();
    let results: Vec<serde_json::Value> =
        output.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let registers = results[1]["data"].to_string();
    let rip = registers.split("\"rip\"").nth(1).expect("rip");
    let digits = rip.trim_start_matches(|c: char| !c.is_ascii_digit());
    let digits: String = digits.chars().take_while(char::is_ascii_digit).collect();
    let frames = results[2]["data"].as_array().expect("frames");
    let name = |frame: &serde_json::Value| frame["place"]["function"].as_str().map(str::to_owned);
    (digits.parse().expect("a number"), frames.iter().filter_map(name).collect())
}

#[test]
fn they_are_events_with_stacks() {
    let page = CODE..CODE + PAGE_SIZE;
    for start in [retake, contained] {
        let (traced, stack) = last_call(&start(), &["--trace-all-calls"]);
        assert!(!page.contains(&traced), "{traced:#x}");
        assert_eq!(stack[..2], ["syscall", "main"]);
        let (fast, same_stack) = last_call(&start(), &[]);
        assert_eq!(page.contains(&fast), can_be_fast(), "{fast:#x}");
        assert_eq!(stack, same_stack);
    }
}

/// Signals and changes of tasks that find no traced call in time.
#[test]
fn with_computing_in_between() {
    let program = fixture::c("c/sparse_calls.c", &["-O1"]).into_os_string();
    for _ in 0..rounds() {
        let command = [program.clone(), "20".into(), "3000".into()];
        let ended = retake().round_trip("recording", OFTEN, &command);
        assert!(ended.good().output().contains(", handled"));
    }
}

/// What the program prints natively, in a folder of its own.
fn natively(retake: &Retake, program: &Path, args: &[&str], name: &str) -> String {
    let mut command = Command::new(program);
    command.args(args).arg(folder(retake, name));
    finish(command).good().output()
}

/// The same for a command that gets no folder, in the home.
fn finish_in(retake: &Retake, command: &[OsString]) -> String {
    let mut native = Command::new(&command[0]);
    native.args(&command[1..]).current_dir(retake.path(""));
    finish(native).good().output()
}

/// A fresh folder for a program's files.
fn folder(retake: &Retake, name: &str) -> PathBuf {
    let folder = retake.path(name);
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// Calls of a recording: whose, which, and whether it was made without a stop.
fn calls(dir: &Path) -> Vec<(TaskId, &'static str, bool)> {
    let recording = Recording::open(dir).expect("it opens");
    let events = recording.events(EventIndex::ZERO).map(|event| event.expect("an event").1);
    let calls = events.filter_map(|event| {
        let EventKind::Syscall { no } = event.kind else { return None };
        let is_fast = (CODE..CODE + PAGE_SIZE).contains(&event.before.pc().get());
        Some((event.task, retake_abi::lookup(no).map_or("", |call| call.name), is_fast))
    });
    calls.collect()
}

/// How often each call was made without a stop.
fn made_fast(dir: &Path) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for (_, name, _) in calls(dir).into_iter().filter(|(.., is_fast)| *is_fast) {
        *counts.entry(name).or_default() += 1;
    }
    counts
}

/// What the first processes have found is known to the last one from its first call on: its loader's calls.
#[test]
fn processes_that_make_few_calls() {
    const LOOP: &str = "n=0; while [ $n -lt 60 ]; do \"$0\" $n; n=$((n+1)); done";
    let program = fixture::c("c/hello.c", &[]);
    let command = ["sh".as_ref(), "-c".as_ref(), LOOP.as_ref(), program.as_os_str()];
    for retake in [retake(), contained()] {
        for round in 0..rounds() {
            let name = format!("recording-{round}");
            let ended = retake.round_trip(&name, OFTEN, &command);
            assert_eq!(ended.good().output().lines().count(), 60);
            let calls = calls(&retake.path(&name));
            let last = calls.iter().map(|(task, ..)| *task).max().expect("tasks");
            let of_loader = |(_, name, _): &&(TaskId, &str, bool)| {
                ["openat", "pread64", "close"].contains(name)
            };
            let how = |task: TaskId| {
                let own = calls.iter().filter(|(of, ..)| *of == task).filter(of_loader);
                let fast = own.clone().filter(|(.., is_fast)| *is_fast).count();
                (fast, own.count() - fast)
            };
            let ((_, slow), (fast, late)) = (how(TaskId::new(1)), how(last));
            assert!(slow >= 4, "{slow} in the first");
            assert!(!can_be_fast() || (fast >= 4 && late == 0), "{fast} and {late} in the last");
        }
    }
}

/// A replay in which a byte of an answer is missing, or is one too many, adds up to something else.
#[test]
fn each_call_gives_what_it_gives_natively() {
    each_call_is_as_natively(&retake());
}

#[test]
fn each_call_in_a_container_gives_what_it_gives_natively() {
    each_call_is_as_natively(&contained());
}

fn each_call_is_as_natively(retake: &Retake) {
    let program = fixture::c("c/hot/each_fast_call.c", &["-O1"]);
    let natively = ["native", "again"].map(|name| natively(retake, &program, &[], name));
    for round in 0..rounds() {
        let files = folder(retake, &format!("files-{round}"));
        let ended = retake.round_trip(
            &format!("recording-{round}"),
            OFTEN,
            &[program.as_os_str(), files.as_os_str()],
        );
        let output = ended.good().output();
        let lines = natively[0].lines().zip(natively[1].lines()).zip(output.lines());
        let tells_the_time = |line: &str| line.starts_with("time") || line.starts_with("sysinfo");
        let always_the_same: Vec<_> =
            lines.filter(|((a, b), _)| a == b && !tells_the_time(a)).collect();
        assert!(always_the_same.len() > 30, "{output}");
        for ((native, _), recorded) in always_the_same {
            assert_eq!(native, recorded);
        }
        if can_be_fast() {
            let counts = made_fast(&retake.path(&format!("recording-{round}")));
            for call in FAST {
                let count = counts.get(call).copied().unwrap_or(0);
                assert!(count >= 20, "{call} was made {count} times");
            }
        }
    }
}

#[test]
fn rows_of_calls_in_a_container() {
    const TURNS: &str = "2000";
    let program = fixture::c("c/hot/calls_in_rows.c", &["-O1", "-pthread"]).into_os_string();
    for kind in ["file", "stat", "mixed"] {
        let command = [program.clone(), TURNS.into(), kind.into()];
        let native = finish_in(&retake(), &command);
        for _ in 0..rounds() {
            let retake = contained();
            let ended = retake.round_trip("recording", OFTEN, &command);
            assert_eq!(ended.good().output(), native, "{kind}");
            let fast: usize = made_fast(&retake.path("recording")).into_values().sum();
            assert!(!can_be_fast() || fast > 1500, "{kind}: {fast} without a stop");
        }
    }
}

#[test]
fn descriptors_that_become_something_else() {
    let retake = retake();
    let program = fixture::c("c/hot/changing_descriptors.c", &["-O1", "-pthread"]);
    for way in ["pipe", "mapped", "own", "shared", "unshared", "fifo", "full", "vain"] {
        let native = natively(&retake, &program, &[way], &format!("native-{way}"));
        for round in 0..rounds() {
            let name = format!("{way}-{round}");
            let files = folder(&retake, &format!("files-{name}"));
            let command = [program.as_os_str(), way.as_ref(), files.as_os_str()];
            let ended = retake.round_trip(&name, OFTEN, &command);
            assert_eq!(ended.good().output(), native, "{way}");
        }
    }
}

/// A program that is killed at any moment of such calls, with signals in between.
#[test]
fn signals_and_the_end_at_any_moment() {
    let retake = retake();
    let program = fixture::c("c/hot/changing_descriptors.c", &["-O1", "-pthread"]);
    for round in 0..rounds() {
        let files = folder(&retake, &format!("files-{round}"));
        let command = [program.as_os_str(), "signals".as_ref(), files.as_os_str()];
        let ended = retake.round_trip(&format!("signals-{round}"), OFTEN, &command);
        assert_eq!((ended.code(), ended.output().as_str()), (137, "1, ticks\n"));
    }
}

//! gdb, as people have it, on recordings: what it prints is compared with what it prints on the program itself,
//! or with what it printed at the same moment before.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "gdb/client.rs"]
mod client;
#[path = "gdb/hostile.rs"]
mod hostile;
#[path = "gdb/lldb.rs"]
mod lldb;
#[path = "gdb/programs.rs"]
mod programs;
#[path = "gdb/raw.rs"]
mod raw;
#[path = "gdb/watchpoints.rs"]
mod watchpoints;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use retake_testkit::{Retake, finish, fixture, require};

fn retake() -> Retake {
    Retake::new(env!("CARGO_BIN_EXE_retake"))
}

/// Runs gdb with a script on a recording; gives what it printed.
fn debug(retake: &Retake, dir: &Path, script: &str) -> String {
    let command = retake.command(["gdb".as_ref(), dir.as_os_str(), "--".as_ref()]);
    run(retake, command, script)
}

fn run(retake: &Retake, command: Command, script: &str) -> String {
    run_both(retake, command, script).0
}

/// The same; what the server says comes second.
fn run_both(retake: &Retake, mut command: Command, script: &str) -> (String, String) {
    let file = retake.path("script.gdb");
    let settings = "set pagination off\nset width 0\nset debuginfod enabled off\n";
    fs::write(&file, format!("{settings}{script}")).expect("a script");
    command.args(["-nx", "-batch", "-x"]).arg(&file);
    let ended = finish(command);
    let output = ended.output();
    assert!(
        !ended.errors().contains("Error in sourced command file"),
        "{output}\n--- stderr\n{}",
        ended.errors()
    );
    (output, ended.errors())
}

/// Lines that begin with a number and a tab, as gdb shows where a step ended.
fn lines(output: &str) -> Vec<u32> {
    let number = |line: &str| line.split_once('\t').and_then(|(number, _)| number.parse().ok());
    output.lines().filter_map(number).collect()
}

/// What a script printed between two marks of its own.
fn part<'a>(output: &'a str, name: &str) -> &'a str {
    let begin = format!("<{name}>\n");
    let (_, rest) = output.split_once(&begin).unwrap_or_else(|| panic!("no {name} in {output}"));
    rest.split("\n<").next().unwrap_or(rest)
}

fn recorded(retake: &Retake, name: &str, program: &Path) -> PathBuf {
    retake.record(name, &[], &[program]).0
}

const AT_NO_OPTIMIZATION: &[&str] = &["-O0"];

#[test]
fn forwards_as_on_the_program_itself() {
    let Some(gdb) = require("forwards_as_on_the_program_itself", "gdb") else { return };
    let retake = retake();
    let c = fixture::c("c/source_steps.c", AT_NO_OPTIMIZATION);
    let cpp = fixture::cpp("cpp/stepping.cpp");
    let rust = fixture::rust("rust/stepping.rs", &[]);
    let deepest = fixture::line_of("c/source_steps.c", "deepest");
    let c_script = format!(
        "break main\nRUN\nnext\nstep\nstep\nstep\nbt\np n\n\
         break {deepest} if n == 0\ncontinue\nbt\nup\np n\nfinish\nstepi\nnexti\nx/i $pc\n\
         info source\ndelete\ntbreak jumps_back\ncontinue\nnext\np sink\ninfo breakpoints\n"
    );
    let cpp_script = "break catches\nRUN\nbt\np x\nstep\nbt\nbreak throws\ncontinue\np x\nbt\n\
                      catch catch\ncontinue\nbt 3\np $_exitcode\n";
    let rust_script = "break stepping::outer\nRUN\nbt 4\np x\nnext\nnext\np y\ncontinue\np x\nfinish\ninfo locals\n";
    let all = [("c", c, c_script.as_str()), ("cpp", cpp, cpp_script), ("rust", rust, rust_script)];
    for (name, program, script) in all {
        let mut live = Command::new(&gdb);
        live.arg(&program).current_dir(retake.path("."));
        let live = run(&retake, live, &script.replace("RUN", "run > /dev/null"));
        let dir = recorded(&retake, name, &program);
        let replayed = debug(&retake, &dir, &script.replace("RUN", "continue"));
        let (live, replayed) = (comparable(&live), comparable(&replayed));
        assert!(live.len() > 12, "{live:#?}");
        assert_eq!(live, replayed, "{name}");
    }
}

/// What does not depend on addresses, nor on how the program was started.
fn comparable(output: &str) -> Vec<String> {
    let from_first_stop = output.lines().skip_while(|line| !line.contains("Breakpoint 1, "));
    let noise = ["[Inferior", "[Switching", "warning:", "Reading ", "Run till exit", "target:"];
    from_first_stop
        .filter(|line| !line.is_empty() && !noise.iter().any(|noise| line.contains(noise)))
        .map(|line| {
            let words = line.split(' ').map(|word| match word.contains("0x") {
                true => "ADDRESS",
                false => word,
            });
            words.collect::<Vec<_>>().join(" ").replace("target:", "")
        })
        .collect()
}

#[test]
fn steps_back_are_steps_forward_in_reverse() {
    let test = "steps_back_are_steps_forward_in_reverse";
    if require(test, "gdb").is_none() {
        return;
    }
    let retake = retake();
    let all = [
        ("c", fixture::c("c/source_steps.c", AT_NO_OPTIMIZATION), "main"),
        ("cpp", fixture::cpp("cpp/stepping.cpp"), "catches"),
        ("rust", fixture::rust("rust/stepping.rs", &[]), "stepping::sum"),
    ];
    for (name, program, function) in all {
        let dir = recorded(&retake, name, &program);
        // Each instruction, with its registers, there and back.
        let script = format!(
            "break {function}\ncontinue\ndelete\npython\n\
             def state(): return [str(gdb.parse_and_eval('$' + r)) for r in ('pc', 'sp', 'rax', 'rdi', 'eflags')]\n\
             there = [state()]\n\
             for n in range(150):\n  gdb.execute('stepi', to_string=True)\n  there.append(state())\n\
             back = [state()]\n\
             for n in range(150):\n  gdb.execute('reverse-stepi', to_string=True)\n  back.append(state())\n\
             print('same', there == back[::-1], len(set(map(tuple, there))))\nend\n"
        );
        let output = debug(&retake, &dir, &script);
        assert!(output.contains("same True"), "{name}: {output}");
    }
}

/// Process record, which gdb does by itself on a live program, is the reference.
#[test]
fn backwards_as_gdb_does_it_itself() {
    let Some(gdb) = require("backwards_as_gdb_does_it_itself", "gdb") else { return };
    let retake = retake();
    let line = |mark| fixture::line_of("c/source_steps.c", mark);
    let script = format!(
        "break main\nRUN\nRECORD\ndelete\ntbreak {jumps}\ncontinue\nbreak {deepest} if n == 1\nreverse-continue\nbt\n\
         reverse-finish\nx/i $pc\nreverse-stepi\nx/i $pc\nreverse-next\nbt\nreverse-step\nreverse-step\np n\n\
         delete\ntbreak {body}\ncontinue\nnext\nnext\nnext\nreverse-next\nreverse-next\np i\nreverse-step\n\
         reverse-step\nreverse-step\nbt\nreverse-next\nreverse-nexti\nx/i $pc\nreverse-nexti\nx/i $pc\nnexti\n\
         x/i $pc\n",
        deepest = line("deepest"),
        body = line("body"),
        jumps = line("jumps"),
    );
    let c = fixture::c("c/source_steps.c", AT_NO_OPTIMIZATION);
    let mut live = Command::new(&gdb);
    live.arg(&c).current_dir(retake.path("."));
    let live = run(&retake, live, &script.replace("RUN", "run").replace("RECORD", "record"));
    let dir = recorded(&retake, "c", &c);
    let replayed = debug(&retake, &dir, &script.replace("RUN", "continue").replace("RECORD\n", ""));
    let (live, replayed) = (comparable(&live), comparable(&replayed));
    assert!(live.len() > 40, "{live:#?}");
    assert_eq!(live, replayed);
}

#[test]
fn watchpoints_both_ways() {
    if require("watchpoints_both_ways", "gdb").is_none() {
        return;
    }
    let retake = retake();
    let dir = recorded(&retake, "c", &fixture::c("c/watched.c", AT_NO_OPTIMIZATION));
    let line = |mark| fixture::line_of("c/watched.c", mark);
    let script = format!(
        "break main\ncontinue\nwatch once\nwatch -l *(char (*)[16]) block\necho <once>\\n\ncontinue\n\
                  echo <block>\\n\ncontinue\necho <kernel>\\n\ncontinue\necho <back>\\n\nreverse-continue\n\
                  reverse-continue\nreverse-continue\necho <reads>\\n\ndelete\ntbreak {prints}\nrwatch once\ncontinue\nrwatch busy[0]\ncontinue\n\
                  echo <step>\\n\ndelete\nwatch once\nrun 0\ntbreak main\ncontinue\nnext\nnext\nnext\necho <end>\\n\n",
        prints = line("prints")
    );
    let output = debug(&retake, &dir, &script);
    let once = part(&output, "once");
    assert!(once.contains("Old value = 0\nNew value = 7"), "{output}");
    assert!(part(&output, "block").contains(r"New value = '\001' <repeats 16 times>"), "{output}");
    assert!(part(&output, "kernel").contains("12345678"), "{output}");
    let back = part(&output, "back");
    assert!(back.contains("Old value = 7\nNew value = 0"), "{output}");
    assert_eq!(lines(back).last(), Some(&line("once")), "right before the write: {output}");
    let reads = part(&output, "reads");
    assert!(reads.contains("Temporary breakpoint"), "a write is no read: {output}");
    assert!(reads.contains("read watchpoint") && reads.contains("Value = "), "{output}");
    assert!(part(&output, "step").contains("New value = 7"), "{output}");
}

#[test]
fn threads() {
    if require("threads", "gdb").is_none() {
        return;
    }
    let retake = retake();
    let dir = recorded(&retake, "c", &fixture::c("c/threads.c", &[]));
    let line = fixture::line_of("c/threads.c", "update");
    let script = format!(
        "break {line} if i == 20\ncontinue\necho <threads>\\n\ninfo threads\necho <stacks>\\n\n\
         thread apply all bt\necho <locals>\\n\nthread apply all -s -q p &seed\necho <find>\\n\n\
         find &total, +sizeof(total), total\necho <step>\\n\nnext\np $_thread\nreverse-step\np $_thread\necho <end>\\n\n"
    );
    let output = debug(&retake, &dir, &script);
    let count = part(&output, "threads").matches("Thread ").count();
    assert!(count >= 2, "{output}");
    let stacks = part(&output, "stacks");
    assert_eq!(stacks.matches("\nThread ").count(), count, "{output}");
    assert!(stacks.contains("run (arg=") && stacks.contains("start_thread"), "{output}");
    let mut places: Vec<&str> =
        part(&output, "locals").lines().filter_map(|line| line.split("0x").nth(1)).collect();
    places.sort_unstable();
    places.dedup();
    assert_eq!(places.len(), count, "a variable each: {output}");
    assert!(part(&output, "find").contains("1 pattern found"), "{output}");
    let step: Vec<&str> =
        part(&output, "step").lines().filter(|line| line.starts_with('$')).collect();
    let [one, other] = step.as_slice() else { panic!("{output}") };
    assert_eq!(one.split(' ').next_back(), other.split(' ').next_back(), "{output}");
}

#[test]
fn restarts_checkpoints_and_ends() {
    if require("restarts_checkpoints_and_ends", "gdb").is_none() {
        return;
    }
    let retake = retake();
    let dir = recorded(&retake, "c", &fixture::c("c/calls.c", AT_NO_OPTIMIZATION));
    let script = "break work\ncontinue\ncontinue 4\necho <first>\\n\np i\nwhen\ncheckpoint\ncontinue\n\
                  info checkpoints\necho <restart>\\n\nrestart 1\np i\nwhen\necho <back>\\n\nback\nwhen\nforward\nwhen\n\
                  echo <run>\\n\nrun 30\nwhen\necho <runs>\\n\nrun c1\nwhen\np i\necho <end>\\n\ndelete\ncontinue\n\
                  continue\nreverse-stepi\necho <start>\\n\nreverse-continue\nreverse-continue\nwhen\n\
                  echo <hits>\\n\nretake-hits work\necho <ticks>\\n\nrestart 1\nwhen-ticks\nelapsed-time\nwhen-tid\ndelete checkpoint 1\n\
                  info checkpoints\necho <last>\\n\n";
    let output = debug(&retake, &dir, script);
    let value = |name: &str| {
        let found = part(&output, name).lines().find(|line| line.starts_with('$'));
        found
            .and_then(|line| line.split(" = ").nth(1))
            .unwrap_or_else(|| panic!("{output}"))
            .to_owned()
    };
    let whens = |name: &str| -> Vec<String> {
        let lines =
            part(&output, name).lines().filter(|line| line.starts_with("Completed event: "));
        lines.map(str::to_owned).collect()
    };
    let first = whens("first").concat();
    assert!(part(&output, "first").contains("Checkpoint 1 at work () at "), "{output}");
    assert!(part(&output, "first").contains("ID\tWhen\tWhere\n1\t"), "{output}");
    assert_eq!((value("restart"), whens("restart").concat()), (value("first"), first.clone()));
    let moved = whens("back");
    assert!(moved.len() == 2 && moved[0] != moved[1] && moved[1] == first, "{output}");
    assert_eq!(whens("run"), ["Completed event: 30"], "{output}");
    assert_eq!((value("runs"), whens("runs").concat()), (value("first"), first), "{output}");
    assert_eq!(part(&output, "end").matches("received signal SIGKILL").count(), 2, "{output}");
    let start = part(&output, "start");
    assert_eq!(start.matches("No more reverse-execution history").count(), 2, "{output}");
    let hits = part(&output, "hits");
    assert!(
        hits.contains("\n20\t") && !hits.contains("\n21\t") && hits.contains("thread "),
        "{output}"
    );
    let ticks = part(&output, "ticks");
    let told = ["Current tick: ", "Elapsed Time (s): ", "Current tid: ", "Deleted checkpoint 1."];
    assert!(told.iter().all(|text| ticks.contains(text)), "{output}");
    assert!(ticks.contains("No checkpoints."), "{output}");
}

#[test]
fn conditions_are_judged_inside_the_program() {
    if require("conditions_are_judged_inside_the_program", "gdb").is_none() {
        return;
    }
    let retake = retake();
    let program = fixture::c("c/hot/many_steps.c", &["-O1", "-g"]);
    let dir = recorded(&retake, "c", &program);
    let script = "python import time\nbreak many_steps.c:step if i == 1500000 || i > 1999998\ncontinue\n\
                  delete\nbreak many_steps.c:step if i % 1000 == 999\necho <far>\\n\n\
                  python began = time.time()\nrun 0\ncontinue\npython print('took', time.time() - began)\ninfo breakpoints\n\
                  delete\nbreak many_steps.c:step if i == 7\necho <back>\\n\nreverse-continue\necho <end>\\n\n";
    let output = debug(&retake, &dir, script);
    assert!(output.contains("i=i@entry=1500000") || output.contains("i=1500000"), "{output}");
    let far = part(&output, "far");
    assert!(far.contains("=999)") && far.contains("breakpoint already hit 1 time"), "{output}");
    assert!(part(&output, "back").contains("=7)"), "{output}");
}

#[test]
fn signals() {
    if require("signals", "gdb").is_none() {
        return;
    }
    let retake = retake();
    let dir = recorded(&retake, "c", &fixture::c("c/segv.c", AT_NO_OPTIMIZATION));
    let script = "echo <repaired>\\n\ncontinue\np/x (long) $_siginfo._sifields._sigfault.si_addr - (long) page\n\
                  echo <handler>\\n\nstepi\nbt\necho <fatal>\\n\ncontinue\nbt\necho <end>\\n\ncontinue\n\
                  echo <passed>\\n\nrun 0\nhandle SIGSEGV nostop noprint pass\nbreak on_fault\ncontinue\necho <last>\\n\n";
    let output = debug(&retake, &dir, script);
    let repaired = part(&output, "repaired");
    assert!(
        repaired.contains("received signal SIGSEGV") && repaired.contains("= 0x11"),
        "{output}"
    );
    assert!(part(&output, "handler").contains("<signal handler called>"), "{output}");
    let fatal = part(&output, "fatal");
    assert!(fatal.contains("SIGSEGV") && fatal.contains("crash (where="), "{output}");
    assert!(part(&output, "end").contains("SIGKILL"), "{output}");
    let passed = part(&output, "passed");
    assert!(
        passed.contains("Breakpoint") && !passed.contains("received signal SIGSEGV"),
        "{output}"
    );
}

#[test]
fn the_program_need_not_be_there_any_more() {
    if require("the_program_need_not_be_there_any_more", "gdb").is_none() {
        return;
    }
    let retake = retake();
    let program = retake.path("calls");
    fs::copy(fixture::c("c/calls.c", AT_NO_OPTIMIZATION), &program).expect("copied");
    let dir = recorded(&retake, "c", &program);
    let line = fixture::line_of("c/calls.c", "work");
    let script =
        "break work\ncontinue\nbt\ninfo sharedlibrary\ninfo proc cmdline\ninfo proc mappings\n";
    // As something else first, then gone.
    fs::copy(fixture::c("c/hello.c", &[]), &program).expect("replaced");
    for _ in 0..2 {
        let output = debug(&retake, &dir, script);
        assert!(output.contains(&format!("calls.c:{line}")), "{output}");
        assert!(output.contains("target:/") && output.contains("libc.so.6"), "{output}");
        assert!(output.contains("cmdline = '") && output.contains("[stack]"), "{output}");
        let _ = fs::remove_file(&program);
    }
}

#[test]
fn pretty_printers_of_rust() {
    let test = "pretty_printers_of_rust";
    if require(test, "gdb").is_none() || require(test, "rust-gdb").is_none() {
        return;
    }
    let retake = retake();
    let dir = recorded(&retake, "rust", &fixture::rust("rust/stepping.rs", &[]));
    let mut command = retake.command(["gdb".as_ref(), dir.as_os_str()]);
    command.args(["--debugger", "rust-gdb", "--"]);
    let output = run(&retake, command, "break stepping::sum\ncontinue\nup\np values\n");
    assert!(output.contains("Vec(size=4) = {1, 2, 3, 4}"), "{output}");
}

/// By different ways to the same moments: each has the same registers and the same memory whenever it is visited.
#[test]
fn random_ways_lead_to_the_same_moments() {
    if require("random_ways_lead_to_the_same_moments", "gdb").is_none() {
        return;
    }
    let retake = retake();
    let dir = recorded(&retake, "c", &fixture::c("c/threads.c", AT_NO_OPTIMIZATION));
    let script = format!("source {}\n", fixture::project().join("tests/gdb/walk.py").display());
    let command = retake.command(["gdb".as_ref(), dir.as_os_str(), "--".as_ref()]);
    let script = format!("break run\nbreak rand_r\n{script}");
    let (output, errors) = run_both(&retake, command, &script);
    assert!(output.contains("all the same"), "{output}\n{errors}");
}

/// What is called and set is dropped with the next movement.
#[test]
fn calls_and_writes_leave_the_recording_as_it_is() {
    if require("calls_and_writes_leave_the_recording_as_it_is", "gdb").is_none() {
        return;
    }
    let retake = retake();
    let program = fixture::c("c/diverted.c", &["-O1", "-pthread"]);
    let dir = recorded(&retake, "recording", &program);
    let command = retake.command(["gdb".as_ref(), dir.as_os_str(), "--".as_ref()]);
    let (output, said) = run_both(
        &retake,
        command,
        "break middle\ncontinue\n\
         echo <before>\\n\nwhen\ninfo registers rip rsp rax\nprint state\n\
         echo <called>\\n\nprint add(1, 2)\nprint print_much(5)\nprint state\n\
         echo <set>\\n\nset var state = 99\nprint state\nprint add(1, 0)\n\
         echo <waits>\\n\npython\n\
         try:\n    gdb.execute('print wait_for_lock()')\nexcept gdb.error as error:\n    print('refused:', error)\nend\n\
         echo <moved>\\n\nreverse-stepi\nstepi\nprint state\n\
         echo <after>\\n\nwhen\ninfo registers rip rsp rax\nprint state\n\
         echo <on>\\n\nfinish\nprint add(1, 2)\nprint state\ncontinue\n",
    );
    let value = |name: &str| {
        let line = part(&output, name).lines().rfind(|line| line.starts_with('$'));
        let value = line.and_then(|line| line.split(" = ").nth(1)).unwrap_or_default();
        value.parse::<i64>().unwrap_or_else(|_| panic!("{name}: {output}"))
    };
    let called = part(&output, "called");
    assert!(called.contains("= 43\n") && called.contains("= 6\n"), "{called}");
    assert!(said.contains("[error of the call] allocated x 5"), "{said}");
    assert_eq!((value("before"), value("called")), (40, 40), "{output}");
    assert!(part(&output, "set").contains("= 99\n"), "{output}");
    assert_eq!(value("set"), 100, "{output}");
    let waits = part(&output, "waits");
    assert!(said.contains("wait for another task") && waits.contains("refused:"), "{said}{waits}");
    assert_eq!(value("moved"), 40, "{output}");
    let numbered = |text: &str| -> Vec<String> {
        text.lines().filter(|line| !line.starts_with('$')).map(str::to_owned).collect()
    };
    assert_eq!(numbered(part(&output, "after")), numbered(part(&output, "before")), "{output}");
    let on = value("on");
    assert!((0..256).contains(&on) && output.contains("SIGKILL"), "{output}");
}

/// More than debug registers hold, with other writes on the same page.
#[test]
fn a_watchpoint_of_300_bytes() {
    if require("a_watchpoint_of_300_bytes", "gdb").is_none() {
        return;
    }
    let retake = retake();
    let program = fixture::c("c/watched.c", &["-no-pie", "-O0"]);
    let dir = recorded(&retake, "recording", &program);
    let output = debug(
        &retake,
        &dir,
        "break main\ncontinue\nwatch wide.watched\n\
         echo <on>\n\ncontinue\ncontinue\n\
         echo <back>\n\nreverse-continue\nreverse-continue\n",
    );
    let wide = fixture::line_of("c/watched.c", "wide");
    // Forwards gdb stops behind the write, which may be the last instruction of its line.
    let on = lines(part(&output, "on"));
    assert!(on.len() == 2 && on[0] == wide && on[1] > wide, "{on:?} in {output}");
    assert_eq!(lines(part(&output, "back")), [wide, wide - 1], "{output}");
}

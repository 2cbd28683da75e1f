//! Functions of the program that a debugger calls: those that need another thread, and those of Go.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::fs;
use std::process::Command;

use retake_testkit::{Ended, Retake, finish, fixture, require};

fn retake() -> Retake {
    Retake::new(env!("CARGO_BIN_EXE_retake"))
}

/// Runs gdb, or what starts it, with a script.
fn gdb(retake: &Retake, mut command: Command, script: &str) -> Ended {
    let file = retake.path("script.gdb");
    let settings = "set pagination off\nset width 0\nset debuginfod enabled off\nset confirm off\n\
                    set unwindonsignal on\n";
    fs::write(&file, format!("{settings}{script}")).expect("a script");
    command.args(["-nx", "-batch", "-x"]).arg(&file);
    finish(command)
}

/// `ask` is answered by a thread that waits for questions.
#[test]
fn other_threads_run_in_a_call_where_they_are_told_to() {
    let retake = retake();
    let program = fixture::c("c/answers.c", &["-O1", "-pthread"]);
    let (dir, _) = retake.record("recording", &[], &[program]);
    let alone = retake.debug(&dir, &[], "break middle\ncontinue\ncall ask(20)");
    assert_eq!(alone.code(), 1);
    assert!(alone.errors().contains("failed to call ask: "), "{}", alone.errors());
    assert!(alone.errors().contains("wait for another task"), "{}", alone.errors());
    let script = "break middle\ncontinue\nregs\nwhen\nconfig calls-run all\ncall ask(20)\ncall ask_busily(21)\n\
                  print ask(4)\nregs\nwhen\nconfig calls-run alone\n";
    let all = retake.debug(&dir, &["--json"], script).good().output();
    let all: Vec<serde_json::Value> =
        all.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let value = |n: usize| all[n]["data"]["value"].as_str().expect("a value");
    assert_eq!((value(5), value(6), value(7)), ("0x28", "0x2a", "0x8"));
    assert_eq!((&all[2]["data"], &all[3]["data"]), (&all[8]["data"], &all[9]["data"]));
    let refused = retake.debug(&dir, &[], "config calls-run others");
    assert!(refused.errors().contains("calls-run is alone or all"), "{}", refused.errors());
    // A session keeps who runs.
    let session = ["--session", "others"];
    let script = "break middle\ncontinue\nconfig calls-run all\n";
    retake.debug(&dir, &session, script).good();
    let again = retake.debug(&dir, &session, "call ask(3)").good();
    assert!(again.output().contains("returned 0x6"), "{}", again.output());
}

#[test]
fn gdb_calls_functions_that_need_other_threads() {
    if require("gdb_calls_functions_that_need_other_threads", "gdb").is_none() {
        return;
    }
    let retake = retake();
    let program = fixture::c("c/answers.c", &["-O1", "-g", "-pthread"]);
    let (dir, _) = retake.record("recording", &[], &[program]);
    let print = "python\ntry:\n    gdb.execute('print ask(20)')\nexcept gdb.error as error:\n    \
                 print('refused:', error)\nend\n";
    let begin = "break middle\ncontinue\n";
    let tried = |options: &[&str], script: &str| {
        let mut command = retake.command(["gdb".as_ref(), dir.as_os_str()]);
        command.args(options).arg("--");
        gdb(&retake, command, script)
    };
    let script = format!(
        "{begin}{print}retake-calls\nretake-calls all\nprint ask(20)\nprint ask_busily(21)\nwhen\n\
         retake-calls alone\n{print}retake-calls some\nreverse-stepi\nstepi\nwhen\n"
    );
    let ended = tried(&[], &script);
    let (output, errors) = (ended.output(), ended.errors());
    assert_eq!(output.matches("refused:").count(), 2, "{output}{errors}");
    assert!(errors.contains("wait for another task"), "{output}{errors}");
    assert!(output.contains("= 40\n") && output.contains("= 42\n"), "{output}{errors}");
    assert!(output.contains("some is neither alone nor all"), "{output}{errors}");
    let whens: Vec<&str> =
        output.lines().filter(|line| line.starts_with("Completed event")).collect();
    assert!(whens.len() == 2 && whens[0] == whens[1], "{whens:?} in {output}");
    let ended = tried(&["--calls-run-all"], &format!("{begin}print ask(20)\n"));
    assert!(ended.output().contains("= 40\n"), "{}{}", ended.output(), ended.errors());
}

/// Functions of Go take arguments in registers of their own.
#[test]
fn functions_of_go_are_called() {
    let test = "functions_of_go_are_called";
    let Some(program) = fixture::go_for_delve(test, "go/called.go") else { return };
    let retake = retake();
    let (dir, _) = retake.record("recording", &[], &[program]);
    let line = fixture::line_of("go/called.go", "double");
    let called = format!(
        "break called.go:{line}\ncontinue\ncontinue\nregs\nprint total\ncall main.double(21)\ncall main.double(4)\n\
         print total\nregs\n"
    );
    let all = retake.debug(&dir, &["--json"], &called).good().output();
    let all: Vec<serde_json::Value> =
        all.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(
        (&all[5]["data"]["value"], &all[6]["data"]["value"]),
        (&"0x2a".into(), &"0x8".into())
    );
    assert_eq!(all[5]["data"]["output"][0]["text"], "doubled 21\n");
    assert_eq!((&all[3]["data"], &all[4]["data"]), (&all[8]["data"], &all[7]["data"]));
    let assembly =
        retake.debug(&dir, &[], "break main.double\ncontinue\ncall runtime.procyield(1)");
    assert_eq!(assembly.code(), 1);
    assert!(assembly.errors().contains("written in assembly"), "{}", assembly.errors());
    // At the first instruction of the process no goroutine runs.
    let early = retake.debug(&dir, &[], "goto start\ncall main.double(21)");
    assert_eq!(early.code(), 1);
    assert!(early.errors().contains("does not run code of Go here"), "{}", early.errors());
}

/// What gdb 13 says where the processor has AMX: of a live program it reads less of the vector state than there is, and
/// cannot write that back. A recording's registers it can write.
const LARGE_STATE: &str = "Couldn't write extended state status";

/// gdb itself cannot call functions of Go: results are arguments to it, and it passes arguments as C does. It says
/// the same on a recording as on the program itself.
#[test]
fn gdb_says_of_calls_in_go_what_it_says_live() {
    let test = "gdb_says_of_calls_in_go_what_it_says_live";
    let Some(native) = require(test, "gdb") else { return };
    let Some(program) = fixture::go_for_delve(test, "go/commands.go") else { return };
    let retake = retake();
    let line = fixture::line_of("go/commands.go", "write");
    let script = |start: &str| {
        format!(
            "handle SIGURG nostop noprint pass\nbreak commands.go:{line}\n{start}\npython\n\
             def tries(call):\n    try:\n        print('tried', call, gdb.execute('print ' + call, to_string=True))\n    \
             except gdb.error as error:\n        print('tried', call, error)\n\
             tries(\"'main.twice'(21)\")\ntries(\"'main.twice'(21, 0)\")\ngdb.execute('set language c')\n\
             tries(\"((long (*)(long)) 'main.twice')(21)\")\nend\n"
        )
    };
    let mut live = Command::new(&native);
    live.arg(&program).current_dir(retake.path("."));
    let live = gdb(&retake, live, &script("run > /dev/null"));
    let (dir, _) = retake.record("recording", &[], &[&program]);
    let command = retake.command(["gdb".as_ref(), dir.as_os_str(), "--".as_ref()]);
    let replayed = gdb(&retake, command, &script("continue"));
    let told = |ended: &Ended| -> Vec<String> {
        let output = ended.output();
        output.lines().filter(|line| line.starts_with("tried ")).map(str::to_owned).collect()
    };
    let (live, replayed) = (told(&live), told(&replayed));
    assert_eq!(live.len(), 3, "{live:?}");
    assert!(live[0].contains("Too few arguments"), "gdb can do it by now: {live:?}");
    assert_eq!(live.len(), replayed.len(), "{replayed:?}");
    for (live, replayed) in live.iter().zip(&replayed) {
        if live.contains(LARGE_STATE) {
            assert!(replayed.contains(" $"), "{replayed}");
        } else {
            assert_eq!(live, replayed);
        }
    }
}

//! Delve over recordings of Go programs: scripts, traces, and programs that are recorded for it.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "what comparisons need")]
#[path = "delve/session.rs"]
mod session;

use regex::Regex;
use retake_testkit::{finish, fixture};
use session::{Steps, path, set_up, the_same};

#[test]
fn a_trace_prints_what_a_live_one_does() {
    let Some((delve, program)) = set_up("trace", "go/bank.go") else { return };
    let lines = |backend: &str| -> Vec<String> {
        let args = ["trace", "-e", path(&program), backend, "-s", "2", "apply|balance"];
        let ended = finish(delve.command(args));
        let all = ended.output() + &ended.errors();
        let is_event = |line: &&str| line.starts_with('>');
        all.lines().filter(is_event).map(the_same).collect()
    };
    let recorded = lines("--backend=rr");
    assert_eq!(recorded, lines("--backend=native"));
    // 20 calls, each with its return; the methods are also called by those of the pointers.
    assert!(recorded.len() >= 42, "{recorded:#?}");
}

#[test]
fn programs_are_recorded_and_debugged_at_once() {
    let Some((delve, program)) = set_up("exec", "go/nil_map.go") else { return };
    let script = "# store
        break main.store
        continue
        args
        # before
        rev next
        print n";
    let check = |steps: &Steps| {
        steps.has("store", "name = \"first\"\nn = 44\n");
        steps.has("before", "> main.main()");
        steps.has("before", "\n44\n");
    };
    let source = "go/nil_map.go";
    check(&Steps::run(&delve, &["exec", "--backend=rr", path(&program)], source, script));
    let file = fixture::source(source);
    check(&Steps::run(&delve, &["debug", "--backend=rr", path(&file)], source, script));
}

/// What the executable's path holds by now does not matter.
#[test]
fn the_program_may_be_gone() {
    let Some((delve, program)) = set_up("gone", "go/nil_map.go") else { return };
    let copy = delve.retake.path("copy");
    let script = "# panic
        continue
        stack
        frame 3 args";
    for what in ["deleted", "rebuilt"] {
        std::fs::copy(&program, &copy).expect("a copy");
        let dir = delve.record(what, &copy);
        std::fs::remove_file(&copy).expect("it goes");
        if what == "rebuilt" {
            std::fs::copy("/bin/true", &copy).expect("another one");
        }
        let steps = Steps::run(&delve, &["replay", path(&dir)], "go/nil_map.go", script);
        steps.has("panic", "main.store");
        steps.has("panic", "name = \"first\"");
    }
}

#[test]
fn a_script_with_a_hundred_breakpoints() {
    let Some((delve, program)) = set_up("many", "go/bank.go") else { return };
    let dir = delve.record("recording", &program);
    // Functions that are never called, or called all the time with a condition that never holds.
    let functions =
        Steps::run(&delve, &["replay", path(&dir)], "go/bank.go", "# all\nfuncs ^(fmt|os|sync)");
    let functions: Vec<_> = functions.get("all").lines().take(96).collect();
    assert_eq!(functions.len(), 96);
    let mut script = String::new();
    for (number, name) in functions.iter().enumerate() {
        script.push_str(&format!("break f{number} {name}\ncond f{number} false\n"));
    }
    for mark in ["deposit", "total", "apply", "sum"] {
        let name = format!("m{mark}");
        script.push_str(&format!("break {name} MARK({mark})\ncond {name} total > 1000\n"));
    }
    script.push_str("break last MARK(end)\n# run\ncontinue\nprint total\n");
    let steps = Steps::run(&delve, &["replay", path(&dir)], "go/bank.go", &script);
    steps.has("run", "\n160\n");
}

#[test]
fn a_starlark_script_goes_over_all_hits() {
    let Some((delve, program)) = set_up("starlark", "go/bank.go") else { return };
    let dir = delve.record("recording", &program);
    let script = r#"
def here(state):
    stopped = state.CurrentThread.Breakpoint
    return stopped != None and stopped.FunctionName == "main.deposit.apply"

def hits(command):
    seen = []
    for i in range(1000):
        state = raw_command(command).State
        if state.Exited or not here(state):
            break
        seen.append(eval(None, "d.amount").Variable.Value)
    return seen

def main():
    print("forwards", hits("continue"))
    print("backwards", hits("rewind"))
    print("checkpoints", checkpoint("here").ID, len(checkpoints().Checkpoints))
"#;
    std::fs::write(delve.retake.path("hits.star"), script).expect("a file");
    let steps = Steps::run(
        &delve,
        &["replay", path(&dir)],
        "go/bank.go",
        "# hits
         break main.deposit.apply
         source hits.star",
    );
    steps.has("hits", "forwards [1, 2, 3, 4, 6, 7, 8, 9, 11, 12, 13, 14, 16, 17, 18, 19]\n");
    steps.has("hits", "backwards [19, 18, 17, 16, 14, 13, 12, 11, 9, 8, 7, 6, 4, 3, 2, 1]\n");
    steps.has("hits", "checkpoints 1 1\n");
}

/// A script as people write them for Delve.
const SCRIPT: &str = "\
# Who pays in more than ten.
config max-string-len 200
break total MARK(total)
cond total d.amount > 10
on total print d.amount
break apply MARK(apply)
cond -hitcount apply == 3
continue
print id
print a.Balance
next
print a.Balance
clear apply
continue
print d.amount
print total
next
print total
continue
clear total
break ends MARK(teller ends)
continue
print id
print a.Owner
print len(a.history)
print a.history[2]
step
print a.Balance
stepout
next
rewind
exit
";

/// The same file, run by Delve and by `retake debug`: both stop at the same moments, and print the same.
#[test]
fn a_script_of_delve_runs_unchanged() {
    let Some((delve, program)) = set_up("unchanged", "go/bank.go") else { return };
    let dir = delve.record("recording", &program);
    let marks = Regex::new(r"MARK\(([^)]*)\)").expect("a pattern");
    let script = marks.replace_all(SCRIPT, |found: &regex::Captures<'_>| {
        format!("bank.go:{}", fixture::line_of("go/bank.go", &found[1]))
    });
    let by_delve = delve.script(["replay", path(&dir)], &script);
    let by_retake = delve.retake.debug(&dir, &[], &script).good();
    // Delve: `Completed event: 218 (218+1851@0x49dbaf)`. Here each stop begins with the position.
    let moments = |pattern: &str, output: &str| -> Vec<String> {
        let pattern = Regex::new(pattern).expect("a pattern");
        pattern.captures_iter(output).map(|found| found[1].to_owned()).collect()
    };
    let (told, shown) = (by_delve.output(), by_retake.output());
    let wanted = moments(r"(?m)^Completed event: \d+ \((.*)\)$", &told);
    assert_eq!(wanted.len(), 10, "{told}\n{}", by_delve.errors());
    assert_eq!(moments(r"(?m)^(\d+\+\d+@0x\S+)  thread", &shown), wanted, "{told}\n{shown}");
    let printed = |output: &str| moments(r#"(?m)^(-?\d+|"[^"]*")$"#, output);
    // What `on` prints begins with the expression in Delve, and stands behind the command here.
    let told = told.replace("\td.amount: ", "");
    let of_delve = printed(&told);
    assert_eq!(of_delve.len(), 13, "{told}");
    assert_eq!(printed(&shown), of_delve, "{told}\n{shown}");
}

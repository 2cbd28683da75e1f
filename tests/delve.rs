//! Delve over recordings of Go programs: its commands show what a live session shows, and go back.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "delve/session.rs"]
mod session;

use regex::Regex;
use retake_testkit::{finish, fixture};
use session::{Steps, compare, path, set_up, the_same};

#[test]
fn values_are_those_of_a_live_session() {
    let Some((delve, program)) = set_up("values", "go/bank.go") else { return };
    let steps = compare(
        &delve,
        &program,
        "go/bank.go",
        "break dep MARK(total)
         cond dep d.amount > 12
         # first
         continue
         # values
         print d
         print a
         print *a
         print a.history[2:5]
         print len(a.history) * 2 + total
         print a.Owner
         whatis a
         whatis a.history
         locals
         # frames
         stack 3
         frame 1 locals
         frame 2 print e
         frame 2 print e.(main.deposit).amount
         frame 2 print id
         frame 2 whatis events
         # conditions
         condition -hitcount dep == 3
         continue
         print a.history
         # end
         clear dep
         break MARK(end)
         continue
         print len(results)
         print names
         print total
         stack",
    );
    steps.has("values", "main.deposit {amount: 13}");
    steps.has("values", "Owner: \"owner 7\"");
    steps.has("frames", "main.teller");
    steps.has("end", "bank.go");
    steps.has("end", "160");
}

#[test]
fn a_panic_is_where_it_happened() {
    let Some((delve, program)) = set_up("panic", "go/nil_map.go") else { return };
    let steps = compare(
        &delve,
        &program,
        "go/nil_map.go",
        "# panic
         continue
         stack
         frame 3 args
         frame 4 locals",
    );
    steps.has("panic", "assignment to entry in nil map");
    steps.has("panic", "main.store");
    steps.has("panic", "name = \"first\"");
    steps.has("panic", "n = 44");
    // And back from there.
    let dir = delve.retake.path("recording");
    let steps = Steps::run(
        &delve,
        &["replay", path(&dir)],
        "go/nil_map.go",
        "continue
         break sum MARK(sum)
         # last
         rewind
         print p
         print sum
         # first
         rewind
         rewind
         print p
         print sum
         # start
         rewind
         # again
         continue
         print p",
    );
    steps.has("last", "main.point {X: 5, Y: 6}\n14\n");
    steps.has("first", "main.point {X: 1, Y: 2}\n0\n");
    steps.has("start", "_rt0_amd64_linux");
    steps.has("again", "main.point {X: 1, Y: 2}\n");
}

#[test]
fn a_deadlock_shows_who_waits_for_whom() {
    let Some((delve, program)) = set_up("deadlock", "go/deadlock.go") else { return };
    let dir = delve.record("recording", &program);
    let replay = ["replay", path(&dir)];
    let steps = Steps::run(
        &delve,
        &replay,
        "go/deadlock.go",
        "# end
         continue
         # waiting
         goroutines -with user -t
         ",
    );
    steps.has("end", "[runtime-fatal-throw]");
    let waiting = steps.get("waiting");
    assert_eq!(waiting.matches("in main.move\n").count(), 2, "{waiting}");
    let lines = format!("deadlock.go:{}", fixture::line_of("go/deadlock.go", "waits"));
    assert_eq!(waiting.matches(&lines).count(), 2, "{waiting}");
    let main = format!("deadlock.go:{}", fixture::line_of("go/deadlock.go", "main waits"));
    assert!(waiting.contains(&main), "{waiting}");
    assert!(waiting.contains("sync.(*Mutex).Lock"), "{waiting}");

    // Each of the two, by its number.
    let stacks = waiting.split("Goroutine ").filter(|stack| stack.contains("main.move"));
    let numbers: Vec<_> = stacks.filter_map(|stack| stack.split(' ').next()).collect();
    assert_eq!(numbers.len(), 2, "{waiting}");
    let frame = Regex::new(r"(?m)^\s*(\d+)  0x[0-9a-f]+ in main\.move$").expect("a pattern");
    let frame = &frame.captures(waiting).expect("a frame")[1];
    let script: String = numbers
        .iter()
        .map(|number| {
            format!(
                "# {number}\ngoroutine {number} frame {frame} args\ngoroutine {number} frame {frame} print from.name + to.name\n"
            )
        })
        .collect();
    let steps = Steps::run(&delve, &replay, "go/deadlock.go", &format!("continue\n{script}"));
    let mut locks: Vec<_> =
        numbers.iter().filter_map(|number| steps.get(number).lines().last()).collect();
    locks.sort_unstable();
    assert_eq!(locks, ["\"ab\"", "\"ba\""], "{steps:#?}");
}

#[test]
fn leaked_goroutines_are_there_with_what_they_hold() {
    let Some((delve, program)) = set_up("leaks", "go/leaks.go") else { return };
    let steps = compare(
        &delve,
        &program,
        "go/leaks.go",
        "break MARK(ends)
         continue
         # counted
         goroutines -with userloc leaks.go -group userloc",
    );
    steps.has("counted", "leaks.go");
    let dir = delve.retake.path("recording");
    let steps = Steps::run(
        &delve,
        &["replay", path(&dir)],
        "go/leaks.go",
        "break MARK(ends)
         continue
         # held
         goroutines -with userloc main.answer
         goroutines -with userloc main.answer -exec frame 3 print text
         # made
         break MARK(replies)
         rewind
         stack
         print requests
         # sent
         break leak MARK(leaks)
         cond leak r.ID == 21
         continue
         print text",
    );
    let held = steps.get("held");
    let texts: Vec<_> = held.lines().filter(|line| line.starts_with('"')).collect();
    assert_eq!(texts.len(), 6, "{held}");
    steps.has("made", "{ID: 20, Text: \"x\"}");
    steps.has("sent", "\"21: y\"\n");
}

#[test]
fn a_checkpoint_is_come_back_to() {
    let Some((delve, program)) = set_up("checkpoints", "go/bank.go") else { return };
    let dir = delve.record("recording", &program);
    let steps = Steps::run(
        &delve,
        &["replay", path(&dir)],
        "go/bank.go",
        "break dep MARK(total)
         continue
         continue
         continue
         # first
         check the third
         print total
         continue
         continue
         # second
         check
         checkpoints
         print total
         # back
         restart c1
         print total
         continue
         print total
         # end
         restart c2
         print total
         # cleared
         clear-checkpoint c1
         checkpoints
         # start
         restart
         restart 0
         continue
         print total",
    );
    steps.has("first", "Checkpoint c1 created.\n3\n");
    steps.has("second", "the third");
    steps.has("second", "c2");
    steps.has("second", "\n10\n");
    steps.has("back", "\n3\n");
    steps.has("back", "\n6\n");
    steps.has("end", "\n10\n");
    assert!(!steps.get("cleared").contains("c1 "), "{steps:#?}");
    steps.has("cleared", "c2");
    steps.has("start", "\n0\n");
}

#[test]
fn a_watchpoint_stops_both_ways() {
    let Some((delve, program)) = set_up("watch", "go/bank.go") else { return };
    let script = "break main.main
         continue
         watch -w total
         # 1
         continue
         print total
         # 3
         continue
         continue
         print total";
    let mut steps = compare(&delve, &program, "go/bank.go", script);
    steps.has("1", "watchpoint on [total]");
    steps.has("3", "\n6\n");
    let dir = delve.retake.path("recording");
    let script = format!(
        "{script}
         # before 3
         rewind
         print total
         # before 2
         rewind
         print total
         # after 3
         continue
         print total
         # read
         clear 2
         watch -r a.Balance
         break rd MARK(deposit)
         continue
         watch -rw a.Balance
         clear rd
         continue
         print a.Balance"
    );
    steps = Steps::run(&delve, &["replay", path(&dir)], "go/bank.go", &script);
    steps.has("before 3", "watchpoint on [total]");
    steps.has("before 3", "\n3\n");
    steps.has("before 2", "\n1\n");
    // Delve steps off the place where it stands, and so misses that the step writes.
    steps.has("after 3", "\n6\n");
    steps.has("read", "watchpoint on [a.Balance]");
}

/// Going back is going forward the other way round: by instructions exactly, by lines not always to the
/// same instruction of the line.
#[test]
fn steps_back_are_the_steps_forward() {
    let Some((delve, program)) = set_up("steps_back", "go/nil_map.go") else { return };
    let dir = delve.record("recording", &program);
    for (forward, backward, count) in [
        ("next", "rev next", 8),
        ("step", "rev step", 8),
        ("step-instruction", "rev step-instruction", 40),
    ] {
        let script = format!(
            "break main.area\ncontinue\nnext\n# forward\n{}# backward\n{}",
            format!("{forward}\n").repeat(count),
            format!("{backward}\n").repeat(count)
        );
        let steps = Steps::run(&delve, &["replay", path(&dir)], "go/nil_map.go", &script);
        let (mut there, mut back) = (places(&steps, "forward"), places(&steps, "backward"));
        assert_eq!((there.len(), back.len()), (count, count), "{steps:#?}");
        // The last place is where the way back begins, and the first one is not come to again.
        there.pop();
        back.pop();
        back.reverse();
        if forward == "step-instruction" {
            assert_eq!(there, back);
        }
        let lines = |places: Vec<(String, String)>| -> Vec<String> {
            places.into_iter().map(|(line, _)| line).collect()
        };
        assert_eq!(lines(there), lines(back), "{forward}");
    }
}

#[test]
fn stepping_out_goes_to_the_caller_both_ways() {
    let Some((delve, program)) = set_up("stepout", "go/nil_map.go") else { return };
    let dir = delve.record("recording", &program);
    let steps = Steps::run(
        &delve,
        &["replay", path(&dir)],
        "go/nil_map.go",
        "break MARK(sum)
         continue
         clearall
         # after
         stepout
         next
         # in
         rev step
         # before
         rev stepout",
    );
    steps.has("after", "> main.main()");
    steps.has("after", "~r0: 44\n");
    steps.has("in", "> main.area()");
    steps.has("before", "> main.main()");
}

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

#[test]
fn goes_through_c_and_back() {
    let Some((delve, program)) = set_up("cgo", "go/through_c.go") else { return };
    let steps = compare(
        &delve,
        &program,
        "go/through_c.go",
        "break MARK(twice)
         # first
         continue
         print n
         stack 1
         # third
         continue
         continue
         print n",
    );
    steps.has("first", "in C.twice");
    steps.has("first", "in C._cgo_");
    steps.has("third", "\n2\n");
    let dir = delve.retake.path("recording");
    let steps = Steps::run(
        &delve,
        &["replay", path(&dir)],
        "go/through_c.go",
        "break MARK(twice)
         break MARK(calls)
         continue
         continue
         continue
         # back
         rewind
         print n
         # back again
         rewind
         print n",
    );
    steps.has("back", "C.twice()");
    steps.has("back", "\n0\n");
    steps.has("back again", "main.call()");
}

#[test]
fn a_child_is_debugged_by_its_number() {
    let Some((delve, program)) = set_up("family", "go/family.go") else { return };
    let dir = delve.record("recording", &program);
    let processes = delve.retake.run(["rr", "ps", path(&dir)]).good().output();
    let child = processes.lines().nth(2).and_then(|line| line.split('\t').next());
    let child = child.unwrap_or_else(|| panic!("{processes}"));
    let source = "go/family.go";
    let script = "break MARK(child)
        break MARK(parent)
        # there
        continue
        print words
        # start
        rewind";
    let steps = Steps::run(&delve, &["replay", path(&dir), "-p", child], source, script);
    steps.has("there", "> main.child()");
    steps.has("there", "\t\"one\",\n\t\"two\",\n");
    steps.has("start", "_rt0_amd64_linux");
    let steps = Steps::run(
        &delve,
        &["replay", path(&dir)],
        source,
        "break MARK(parent)\n# there\ncontinue",
    );
    steps.has("there", "> main.main()");
}

/// Delve asks for ever for what comes before the beginning, where that does not look like a breakpoint to it.
#[test]
fn the_beginning_of_a_dynamic_program_is_an_end() {
    let Some((delve, program)) = set_up("beginning", "go/through_c.go") else { return };
    let dir = delve.record("recording", &program);
    let steps = Steps::run(
        &delve,
        &["replay", path(&dir)],
        "go/through_c.go",
        "break main.call
         continue
         # start
         rewind
         # again
         rewind
         # there
         continue
         print n",
    );
    steps.has("start", "the recording begins here");
    steps.has("again", "the recording begins here");
    steps.has("there", "> main.call()");
    steps.has("there", "\n0\n");
}

/// A function is called in a copy of the program: the recording stays what it is.
#[test]
fn functions_are_called_and_the_recording_stays() {
    let Some((delve, program)) = set_up("functions_are_called", "go/called.go") else { return };
    let dir = delve.record("recording", &program);
    let steps = Steps::run(
        &delve,
        &["replay", path(&dir)],
        "go/called.go",
        "break MARK(call)
         continue
         continue
         # before
         print total
         # called
         call main.double(21)
         # after
         print total
         # set
         set total = 5
         # unset
         print total
         # on
         continue
         print total
         call main.double(4)
         # back
         rev continue
         print total",
    );
    steps.has("before", "1\n");
    steps.has("called", "~r0: 42");
    steps.has("after", "1\n");
    assert_eq!(steps.get("unset"), steps.get("after"));
    steps.has("on", "~r0: 8");
    steps.has("on", "\n4\n");
    steps.has("back", "\n1\n");
}

/// Where each step of a script has ended: its line, and the instruction.
fn places(steps: &Steps, step: &str) -> Vec<(String, String)> {
    let place = Regex::new(r"(?m)^> \S+ (\S+:\d+).*\(PC: (0x[0-9a-f]+)\)$").expect("a pattern");
    let found = place.captures_iter(steps.get(step));
    found.map(|found| (found[1].to_owned(), found[2].to_owned())).collect()
}

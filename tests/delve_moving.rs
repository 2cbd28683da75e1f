//! Delve over recordings of Go programs: it goes back, and comes back.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "delve/session.rs"]
mod session;

use regex::Regex;
use session::{Steps, compare, path, set_up};

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

/// Where each step of a script has ended: its line, and the instruction.
fn places(steps: &Steps, step: &str) -> Vec<(String, String)> {
    let place = Regex::new(r"(?m)^> \S+ (\S+:\d+).*\(PC: (0x[0-9a-f]+)\)$").expect("a pattern");
    let found = place.captures_iter(steps.get(step));
    found.map(|found| (found[1].to_owned(), found[2].to_owned())).collect()
}

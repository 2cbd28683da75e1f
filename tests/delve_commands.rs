//! What Delve does at breakpoints, and what it shows of goroutines and channels, over recordings.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "delve/session.rs"]
mod session;

use std::io::Write;
use std::time::Instant;

use session::{Steps, compare, path, set_up, the_same};

#[test]
fn what_is_done_at_each_hit() {
    let Some((delve, program)) = set_up("what_is_done_at_each_hit", "go/bank.go") else { return };
    let steps = compare(
        &delve,
        &program,
        "go/bank.go",
        "break dep MARK(total)
         on dep print d.amount * 100
         on dep stack 2
         on dep args
         on dep locals
         cond dep total > 40
         # hits
         continue
         continue
         # traced
         clear dep
         trace calls MARK(apply)
         on calls print id
         on calls print e
         break MARK(teller ends)
         continue",
    );
    steps.has("hits", "d.amount * 100: 1200\n");
    steps.has("hits", "d.amount * 100: 1300\n");
    steps.has("hits", "main.teller");
    steps.has("traced", "main.event(main.withdrawal) {amount: 80}");
    assert_eq!(steps.get("traced").matches("id: 7\n").count(), 7, "{steps:#?}");
}

#[test]
fn channels_and_goroutines() {
    let Some((delve, program)) = set_up("channels_and_goroutines", "go/hits.go") else { return };
    let steps = compare(
        &delve,
        &program,
        "go/hits.go",
        "break MARK(sends)
         continue
         # channel
         print len(requests) + cap(requests)
         print done
         whatis done
         # goroutines
         goroutines -with user
         # waits
         goroutines -with userloc main.main -exec frame 2 locals",
    );
    steps.has("channel", "chan string");
    let dir = delve.retake.path("recording");
    let steps = Steps::run(
        &delve,
        &["replay", path(&dir)],
        "go/hits.go",
        "break MARK(calls)
         cond -hitcount 1 == 300
         continue
         # stacks
         goroutines -t
         # channel
         print requests",
    );
    let stacks = steps.get("stacks");
    assert!(
        stacks.contains("in main.main\n") && stacks.contains("in main.main.func1\n"),
        "{stacks}"
    );
    assert!(stacks.contains("runtime.goexit") || stacks.contains("runtime.main"), "{stacks}");
    assert!(the_same(steps.get("channel")).contains("chan int"), "{steps:#?}");
}

/// Delve judges conditions itself: backwards each arrival is a run of its own.
#[test]
fn arrivals_backwards_are_found_in_a_list() {
    let test = "arrivals_backwards_are_found_in_a_list";
    let Some((delve, program)) = set_up(test, "go/hits.go") else { return };
    let dir = delve.record("recording", &program);
    let run = |rest: &str| {
        let script = format!("break work MARK(work)\ncond -hitcount work == 401\ncontinue\n{rest}");
        let began = Instant::now();
        let steps = Steps::run(&delve, &["replay", path(&dir)], "go/hits.go", &script);
        (steps, began.elapsed())
    };
    let (_, without) = run("print n");
    let (steps, with) = run("clear work
         break work MARK(work)
         cond work n == 100
         # there
         rewind
         print n
         # before
         cond work n == 90
         rewind
         print n
         # on
         cond work n == 95
         continue
         print n");
    steps.has("there", "> [work] main.work()");
    steps.has("there", "\n100\n");
    steps.has("before", "\n90\n");
    steps.has("on", "\n95\n");
    let each = with.saturating_sub(without) / 310;
    let _ = writeln!(std::io::stderr(), "{each:?} for each of 310 arrivals");
    assert!(each.as_millis() < 50, "{each:?} for each arrival");
}

//! Delve over recordings of Go programs: its commands show what a live session shows.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "delve/session.rs"]
mod session;

use regex::Regex;
use retake_testkit::fixture;
use session::{Steps, compare, path, set_up};

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

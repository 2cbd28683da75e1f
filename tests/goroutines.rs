//! Goroutines, channels and maps of Go programs.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use retake_testkit::{Delve, Retake, fixture};

const STUCK: &str = "go/stuck.go";

fn line(mark: &str) -> String {
    format!("stuck.go:{}", fixture::line_of(STUCK, mark))
}

/// What the last line of a script gives, where the program gives up.
fn at_end(retake: &Retake, dir: &Path, command: &str) -> String {
    let before = "break giveUp\ncontinue";
    let all = retake.debug(dir, &[], &format!("{before}\n{command}")).good().output();
    let skipped = retake.debug(dir, &[], before).good().output().len();
    all[skipped..].to_owned()
}

#[test]
fn goroutines_are_those_that_delve_lists() {
    let test = "goroutines_are_those_that_delve_lists";
    let Some(delve) = Delve::find(test, env!("CARGO_BIN_EXE_retake")) else { return };
    let Some(program) = fixture::go_for_delve(test, STUCK) else { return };
    // With more CPUs the runtime numbers goroutines in another order each time.
    let (dir, _) = delve.retake.record("recording", &["--cpus", "1"], &[program]);
    let dir_text = dir.to_str().unwrap();
    let said = delve.script(
        ["replay", dir_text],
        "break main.giveUp\ncontinue\ngoroutines\ngoroutine 7\nstack\nprint \"end\"",
    );
    let said = said.output();
    let ours = at_end(&delve.retake, &dir, "goroutines");
    let listed = |text: &str| -> Vec<String> {
        text.lines().filter(|line| line.contains("Goroutine ")).map(str::to_owned).collect()
    };
    assert_eq!(listed(&ours), listed(&said), "{said}");
    assert_eq!(listed(&ours).len(), 10, "{ours}");
    assert!(ours.ends_with("[10 goroutines]\n"), "{ours}");

    // Delve has `N  ADDRESS in FUNCTION` and the line below that.
    let functions = |text: &str| -> Vec<String> {
        let frames = text.lines().filter_map(|line| line.split_once(" in ").map(|(_, rest)| rest));
        frames.map(|rest| rest.split_whitespace().next().unwrap().to_owned()).collect()
    };
    let stack = functions(&at_end(&delve.retake, &dir, "goroutine 7 stack"));
    assert!(stack.contains(&"main.work".to_owned()), "{stack:?}");
    assert_eq!(stack, functions(&said[said.find("Switched").unwrap()..]), "{said}");
}

fn programs(test: &str, source: &str) -> Vec<PathBuf> {
    let old = fixture::go_for_delve(test, source);
    old.into_iter().chain(fixture::go(test, source)).collect()
}

#[test]
fn a_goroutine_that_waits_is_looked_at() {
    for program in programs("a_goroutine_that_waits_is_looked_at", STUCK) {
        let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
        let (dir, _) = retake.record("recording", &[], &[program]);
        let list = at_end(&retake, &dir, "goroutines");
        let waiting = |at: &str, what: &str| {
            let lines =
                list.lines().filter(|line| line.contains(&line_in(at)) && line.ends_with(what));
            lines.map(number).collect::<Vec<_>>()
        };
        let senders = waiting("sends", "[chan send]");
        assert_eq!(senders.len(), 3, "{list}");
        assert_eq!(waiting("receives", "[chan receive]").len(), 1, "{list}");
        let sender = senders[1];

        // Its variables, in the frame that is the user's.
        let stack = at_end(&retake, &dir, &format!("goroutine {sender} stack"));
        let frame = stack.lines().find(|line| line.contains(" in main.work at ")).unwrap();
        let frame = frame.split_whitespace().next().unwrap();
        let in_frame =
            |what: &str| at_end(&retake, &dir, &format!("goroutine {sender} frame {frame} {what}"));
        assert_eq!(in_frame("print n"), "2\n");
        assert!(in_frame("locals").starts_with("j = "), "{}", in_frame("locals"));
        let channel = in_frame("print results");
        for id in &senders {
            assert!(channel.contains(&format!("goroutine {id}")), "{channel}");
        }
        assert!(channel.contains("buffer(len 2, cap 2)"), "{channel}");

        // One command in a goroutine leaves the selection; a number selects; a movement ends it.
        let script = format!(
            "goroutine {sender} stack\nprint len(jobs)\ngoroutine {sender}\nup 3\nprint n\ngoroutine {} stack\nprint n\nstep-instruction\ngoroutine",
            senders[0]
        );
        let text = at_end(&retake, &dir, &script);
        assert!(text.contains("\n3\n"), "{text}");
        assert_eq!(text.matches("\n2\n").count(), 2, "{text}");
        assert!(text.contains("Goroutine 1 [running]"), "{text}");
        let none = retake.debug(&dir, &[], "break giveUp\ncontinue\ngoroutine 4711").errors();
        assert!(none.contains("there is no goroutine 4711"), "{none}");
    }
}

fn line_in(mark: &str) -> String {
    format!("{} ", line(mark))
}

/// The number in `  Goroutine N - …`.
fn number(line: &str) -> u64 {
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_program_without_goroutines_says_so() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let (dir, _) = retake.record("recording", &[], &[fixture::c("c/values/values.c", &["-O0"])]);
    let errors = retake.debug(&dir, &[], "goroutines").errors();
    assert!(errors.contains("no Go runtime"), "{errors}");
}

#[test]
fn maps_of_every_size() {
    for program in programs("maps_of_every_size", "go/maps.go") {
        let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
        let (dir, _) = retake.record("recording", &[], &[program]);
        let at = format!("maps.go:{}", fixture::line_of("go/maps.go", "looks"));
        let rows = [
            ("len(small)", "2"),
            ("small[\"a\"]", "1"),
            ("small[\"c\"]", "3"),
            ("len(many)", "3000"),
            ("many[17]", "\"number 17\""),
            ("many[2999]", "\"number 2999\""),
            ("len(thinned)", "5"),
            ("len(bigs)", "1"),
            ("len(none)", "0"),
            ("none", "map[int]int nil"),
        ];
        let mut script = format!("break {at}\ncontinue\n");
        rows.iter().for_each(|(expression, _)| script.push_str(&format!("print {expression}\n")));
        script.push_str("print small\nprint thinned\nprint bigs\nprint many");
        let output = retake.debug(&dir, &[], &script).good().output();
        let shown: Vec<&str> = output.lines().collect();
        let shown = &shown[shown.len() - rows.len() - 4..];
        for ((expression, expected), found) in rows.iter().zip(shown) {
            assert_eq!(expected, found, "{expression}");
        }
        let [small, thinned, bigs, many] = &shown[rows.len()..] else { panic!("{output}") };
        assert!(small.contains("\"a\": 1") && small.contains("\"c\": 3"), "{small}");
        assert!(!small.contains("\"b\""), "{small}");
        for n in 0..5 {
            let entry = format!("{{x: {n}, y: {}}}: {}", -n, n % 2 == 0);
            assert!(thinned.contains(&entry), "{entry} in {thinned}");
        }
        assert_eq!(thinned.matches("main.point {").count(), 5, "{thinned}");
        assert!(bigs.contains("\"big\": ") && bigs.contains("[7, 8, 0"), "{bigs}");
        assert_eq!(many.matches("\"number ").count(), 64, "{many}");
    }
}

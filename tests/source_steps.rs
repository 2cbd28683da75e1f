//! Steps over source lines, forwards and backwards, compared with each other.

use retake_testkit::{Retake, fixture, require};
use serde_json::Value;

/// A stop as `--json` shows it.
#[derive(Clone, Debug, PartialEq)]
struct Stop {
    position: String,
    function: String,
    line: u64,
}

fn stops(output: &str) -> Vec<Stop> {
    let stop = |line: &str| {
        let value: Value = serde_json::from_str(line).ok()?;
        let data = &value["data"];
        Some(Stop {
            position: data["position"].as_str()?.to_owned(),
            function: data["place"]["function"].as_str().unwrap_or("?").to_owned(),
            line: data["place"]["source"]["line"].as_u64().unwrap_or(0),
        })
    };
    output.lines().filter_map(stop).collect()
}

struct Recorded {
    retake: Retake,
    dir: std::path::PathBuf,
}

impl Recorded {
    fn new(program: &std::path::Path) -> Self {
        let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
        let (dir, _) = retake.record("recording", &[], &[program]);
        Self { retake, dir }
    }

    fn session(&self, script: &[String]) -> Vec<Stop> {
        stops(&self.retake.debug(&self.dir, &["--json"], &script.join("\n")).good().output())
    }

    /// Steps forwards, then back over the same stops.
    fn there_and_back(&self, from: &str, step: &str, count: usize) -> Vec<Stop> {
        let mut script = vec![format!("tbreak {from}"), "continue".to_owned()];
        script.extend(std::iter::repeat_n(step.to_owned(), count));
        let there = self.session(&script);
        assert_eq!(there.len(), count + 1, "{there:?}");
        let mut script = Vec::new();
        for stop in there.iter().skip(1) {
            script.extend([format!("goto {}", stop.position), format!("rev {step}")]);
            script.push(step.to_owned());
        }
        let back = self.session(&script);
        for (n, three) in back.chunks(3).enumerate() {
            let [at, before, again] = three else { continue };
            assert_eq!(before, &there[n], "back from {at:?} over {there:#?}");
            assert_eq!(again, at, "and forth from {before:?}");
        }
        there
    }
}

fn lines(stops: &[Stop]) -> Vec<(&str, u64)> {
    stops.iter().map(|stop| (stop.function.as_str(), stop.line)).collect()
}

#[test]
fn c_without_optimisation() {
    let file = "c/source_steps.c";
    let line = |mark: &str| u64::from(fixture::line_of(file, mark));
    let recorded = Recorded::new(&fixture::c(file, &["-g", "-O0"]));
    let stops = recorded.there_and_back("main", "next", 10);
    let turn = [("main", line("loop")), ("main", line("body"))];
    let mut expected = vec![("main", line("first")), ("main", line("calls"))];
    expected.extend([turn, turn, turn].concat());
    expected.extend([("main", line("loop")), ("main", line("jumps")), ("main", line("ends"))]);
    assert_eq!(lines(&stops), expected);

    let stops = recorded.there_and_back("recursive", "next", 3);
    let expected =
        ["deepest", "recursion", "after", "closes"].map(|mark| ("recursive", line(mark)));
    assert_eq!(lines(&stops), expected, "recursion is stepped over");
}

#[test]
fn into_functions_and_out_of_them() {
    let file = "c/source_steps.c";
    let line = |mark: &str| u64::from(fixture::line_of(file, mark));
    let recorded = Recorded::new(&fixture::c(file, &["-g", "-O0"]));
    let script = [
        "break main",
        "continue",
        "next",
        "step",
        "step",
        "step",
        "stepout",
        "stepout",
        "rev stepout",
        "rev stepout",
    ];
    let stops = recorded.session(&script.map(str::to_owned));
    let expected = [
        ("main", "first"),
        ("main", "calls"),
        ("recursive", "deepest"),
        ("recursive", "recursion"),
        ("recursive", "deepest"),
        ("recursive", "recursion"),
        ("main", "calls"),
    ];
    let expected: Vec<(&str, u64)> = expected.iter().map(|(f, mark)| (*f, line(mark))).collect();
    assert_eq!(lines(&stops)[..7], expected);
}

#[test]
fn instructions_over_calls() {
    let recorded = Recorded::new(&fixture::c("c/source_steps.c", &["-g", "-O0"]));
    recorded.there_and_back("main", "next-instruction", 12);
    recorded.there_and_back("main", "step-instruction", 30);
}

#[test]
fn rust() {
    if require("source_steps::rust", "rustc").is_none() {
        return;
    }
    let recorded = Recorded::new(&fixture::rust("rust/stepping.rs", &["-g"]));
    let script = ["break main", "continue", "next", "next", "next", "rev next", "rev next"];
    let stops = recorded.session(&script.map(str::to_owned));
    assert!(stops[1..].iter().all(|stop| stop.function.contains("main")), "{stops:#?}");
    assert_eq!((&stops[4], &stops[5]), (&stops[2], &stops[1]));
}

#[test]
fn where_nothing_is_known_a_sentence_says_what_to_do() {
    let recorded = Recorded::new(&fixture::c("c/source_steps.c", &["-g", "-O0"]));
    let script = "goto start\nrev step-instruction\nrev stepout";
    let ended = recorded.retake.debug(&recorded.dir, &[], script);
    let said = ended.output() + &ended.errors();
    assert!(said.contains("the start of the recording"), "{said}");
    assert!(said.contains("step-instruction"), "{said}");
}

#[test]
fn breakpoints_on_the_way_end_steps() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let stops = |program: &str, script: &str| -> Vec<String> {
        let program = fixture::c(program, &["-g", "-O0"]);
        let (dir, _) = retake.record(&format!("of-{}", script.len()), &[], &[program]);
        let output = retake.debug(&dir, &["--json"], script).good().output();
        let answers = output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let text = |stop: Value| {
            let data = &stop["data"];
            let function = data["place"]["function"].as_str().unwrap_or_default();
            format!("{} in {function}", data["reasons"][0].as_str().unwrap_or_default())
        };
        answers.filter(|answer| answer["kind"] == "stop").map(text).collect()
    };
    let call = fixture::line_of("c/calls.c", "call");
    let script = format!(
        "tbreak calls.c:{call}\ncontinue\nbreak work\nnext\nclear 2\nrev stepout\nrev stepout\n\
         rev stepout\nbreak work\ncond -hitcount 3 == 3\nnext 20\nclear 3\nstepout\nbreak middle\n\
         rev next 20\nclear 4\nnext"
    );
    let all = stops("c/calls.c", &script);
    let wanted = [
        "breakpoint in main",
        "breakpoint in work",
        "stepped in middle",
        "stepped in outer",
        "stepped in main",
        "breakpoint in work",
        "stepped in middle",
        "breakpoint in middle",
        "stepped in middle",
    ];
    assert_eq!(all, wanted);

    let all =
        stops("c/split_output.c", "tbreak say\ncontinue\nstepout\ncatch syscall write\nnext 5");
    assert_eq!(all, ["breakpoint in say", "stepped in main", "catch in write"]);
}

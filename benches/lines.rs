//! Steps over source lines, backwards and forwards again, from random moments of five recordings.
//!
//! `cargo bench -p retake-cli --bench lines` records programs in C, C++, Rust and Go and with several threads. It
//! goes to `RETAKE_BENCH_MOMENTS` (200) random hits of a line in each, and on from there by some lines: that is the log.
//! `rev next` must come to the line before in it, with its registers, and `next` back again.

#![expect(clippy::print_stdout, reason = "a report")]
#![expect(clippy::panic, clippy::expect_used, reason = "a bench fails by panicking")]

#[path = "measure/debugger.rs"]
mod debugger;
#[expect(dead_code, reason = "what runs of programs need")]
mod measure;
#[path = "measure/moments.rs"]
mod moments;

use std::path::Path;

use debugger::Debugger;
use measure::{duration, median};
use moments::{Random, moments};
use retake_testkit::{Retake, fixture};
use serde_json::Value;

/// Lines from a hit on, at most.
const AHEAD: u64 = 4;

#[derive(Debug, PartialEq)]
struct Seen {
    position: String,
    /// An inlined one too.
    function: Value,
    registers: Value,
}

impl Seen {
    /// The function and the stack pointer.
    fn frame(&self) -> Option<(&Value, u64)> {
        let registers = self.registers.as_array()?;
        let stack = registers.iter().find(|register| register["name"] == "rsp")?;
        Some((&self.function, stack["value"].as_u64()?))
    }
}

/// Where a debugger is, with all registers.
fn look(debugger: &mut Debugger, stop: &Value) -> Seen {
    let position = stop["data"]["position"].as_str();
    let position = position.unwrap_or_else(|| panic!("no position: {stop}")).to_owned();
    let function = stop["data"]["place"]["function"].clone();
    Seen { position, function, registers: debugger.ask("regs").0["data"].clone() }
}

fn has_stepped(stop: &Value) -> bool {
    stop["data"]["reasons"] == serde_json::json!(["stepped"])
}

fn row(retake: &Retake, name: &str, program: &Path, source: &str, mark: &str) {
    let (dir, _) = retake.record(name, &[], &[program]);
    let mut debugger = Debugger::start(retake, &dir);
    let file = Path::new(source).file_name().expect("a name").to_string_lossy();
    debugger.ask(&format!("break {file}:{}", fixture::line_of(source, mark)));
    let hits = debugger.ask("hits").0["data"]["count"].as_u64().expect("a number of hits");
    debugger.ask("clear all");
    let mut random = Random(0x9e37_79b9);
    let (mut back, mut forth) = (Vec::new(), Vec::new());
    let mut others = 0;
    while back.len() < moments() && others < 10 * moments() {
        debugger.ask(&format!("break {file}:{}", fixture::line_of(source, mark)));
        let (mut stop, _) = debugger.ask(&format!("goto hit {}", 1 + random.below(hits)));
        debugger.ask("clear all");
        let mut log = vec![look(&mut debugger, &stop)];
        for _ in 0..=random.below(AHEAD) {
            stop = debugger.ask("next").0;
            log.push(look(&mut debugger, &stop));
        }
        // Out of a function, an inlined one too, it comes to the middle of a line, which backwards is one with
        // what lies before it.
        let mut frames = log.iter().rev().take(3).map(Seen::frame);
        let last = frames.next();
        if !has_stepped(&stop) || !frames.all(|frame| Some(frame) == last) {
            others += 1;
            continue;
        }
        let [.., before, here] = &log[..] else { continue };
        let (stop, took) = debugger.ask("rev next");
        back.push(took);
        assert_eq!(look(&mut debugger, &stop), *before, "{name}: back from {}", here.position);
        let (stop, took) = debugger.ask("next");
        forth.push(took);
        assert_eq!(look(&mut debugger, &stop), *here, "{name}: forth from {}", before.position);
    }
    let most = back.iter().max().copied().unwrap_or_default();
    let (number, back, forth) = (back.len(), median(back), median(forth));
    let [back, most, forth] = [back, most, forth].map(duration);
    println!("| {name} | {number} of {hits} hits | {back} | {most} | {forth} |");
}

fn main() {
    if !measure::wanted() {
        return;
    }
    println!("| recording | moments | rev next | at most | next |");
    println!("| --- | ---: | ---: | ---: | ---: |");
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let c = fixture::c("c/stepping.c", &["-O0"]);
    row(&retake, "C", &c, "c/stepping.c", "recursion");
    let cpp = fixture::cpp("cpp/exceptions.cpp");
    row(&retake, "C++", &cpp, "cpp/exceptions.cpp", "check");
    let rust = fixture::rust("rust/threads_panic.rs", &[]);
    row(&retake, "Rust", &rust, "rust/threads_panic.rs", "add");
    let threads = fixture::c("c/threads.c", &["-O0"]);
    row(&retake, "threads", &threads, "c/threads.c", "update");
    if let Some(go) = fixture::go("lines", "go/goroutines.go") {
        row(&retake, "Go", &go, "go/goroutines.go", "worker");
    }
}

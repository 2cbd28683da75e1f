//! A session may be killed at any moment: it comes back at the same place, with everything, and soon.
//!
//! `RETAKE_KILLS=200` is the long tier: so many kills, over a recording that computes for 20 s, each of which must
//! be back in less than a second.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "a report, for whoever asks for output")]

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::BuildHasher;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use retake_testkit::{Guarded, Retake, fixture};

/// More kills than this are the long tier.
const FEW: usize = 10;
/// What the long tier allows.
const SOON: Duration = Duration::from_secs(1);
/// What shows all that a session has.
const LOOKS: [&str; 10] = [
    "when",
    "breakpoints",
    "watches",
    "display",
    "bookmarks",
    "config",
    "regs",
    "frame",
    "threads",
    "print 1",
];

fn kills() -> usize {
    std::env::var("RETAKE_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(6)
}

/// A number below `limit` that is another one each time.
fn chance(limit: u64) -> u64 {
    RandomState::new().hash_one(()) % limit
}

/// A debugger in the session.
struct Debugger {
    process: Guarded,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    /// What it complains of.
    errors: PathBuf,
}

impl Debugger {
    fn start(retake: &Retake, dir: &Path) -> Self {
        let mut command = retake.command(["debug", "--json", "--session", "killed"]);
        let errors = retake.path("errors");
        let complaints = fs::File::create(&errors).expect("a file");
        command.arg(dir).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(complaints);
        let mut process = Guarded(command.spawn().expect("it starts"));
        let input = process.0.stdin.take().expect("piped");
        let output = BufReader::new(process.0.stdout.take().expect("piped")).lines();
        Self { process, input, output, errors }
    }

    fn send(&mut self, line: &str) {
        writeln!(self.input, "{line}").expect("written");
    }

    fn ask(&mut self, line: &str) -> String {
        self.send(line);
        let Some(answer) = self.output.next() else {
            panic!("{line}: {}", fs::read_to_string(&self.errors).expect("errors"));
        };
        answer.expect("text")
    }

    fn looks(&mut self) -> [String; LOOKS.len()] {
        LOOKS.map(|line| self.ask(line))
    }

    fn kill(mut self) {
        self.process.0.kill().expect("killed");
        self.process.0.wait().expect("ended");
    }
}

/// What is done before a kill: somewhere else each time.
fn moves() -> Vec<String> {
    let mut all = vec![format!("goto {}.{}%", chance(100), chance(10))];
    for _ in 0..chance(4) {
        let line = match chance(7) {
            0 => "continue",
            1 => "rewind",
            2 => "step",
            3 => "next",
            4 => "stepout",
            5 => "step-instruction 3",
            _ => "rev next",
        };
        all.push(line.to_owned());
    }
    if chance(2) == 0 {
        all.push("up".to_owned());
    }
    all
}

#[test]
fn a_killed_session_comes_back_soon() {
    let (kills, retake) = (kills(), Retake::new(env!("CARGO_BIN_EXE_retake")));
    let seconds = if kills > FEW { "20" } else { "2" };
    let program = fixture::c("c/computes.c", &["-O1"]);
    let program = [program.as_os_str(), seconds.as_ref()];
    let (dir, _) = retake.record("recording", &[], &program);

    let line = fixture::line_of("c/computes.c", "mixes");
    let mut debugger = Debugger::start(&retake, &dir);
    debugger.ask("break mix");
    debugger.ask("on 1 regs rip");
    debugger.ask("display $rsp");
    debugger.ask("config alias break stopat");
    debugger.ask("config source-list-line-count 2");
    let mut took = Vec::new();
    for n in 0..kills {
        let moves = moves();
        // With --nocapture, or where it fails: how it came to where it is.
        println!("kill {n}: {moves:?}");
        for line in moves {
            debugger.ask(&line);
        }
        debugger.ask(&format!("bookmark b{n}"));
        let before = debugger.looks();
        if n % 2 == 0 {
            // In the middle of a search that nobody waits for the end of.
            debugger.send(&format!("trace computes.c:{line}"));
            let pause = Duration::from_micros(chance(200_000));
            let since = Instant::now();
            while since.elapsed() < pause {
                std::hint::spin_loop();
            }
        }
        debugger.kill();
        let since = Instant::now();
        debugger = Debugger::start(&retake, &dir);
        let first = debugger.ask(LOOKS[0]);
        took.push(since.elapsed());
        assert_eq!(first, before[0], "kill {n}");
        assert_eq!(debugger.looks(), before, "kill {n}");
    }
    took.sort();
    let (median, most) = (took[took.len() / 2], took[took.len() - 1]);
    println!("{kills} kills over {seconds} s: back in {median:?} (median), {most:?} (at most)");
    if kills > FEW {
        assert!(most < SOON, "{took:?}");
    }
    debugger.kill();
    what_is_kept_is_derived(&retake, &dir);
}

/// Without it, or with damage in it, only the way is longer.
fn what_is_kept_is_derived(retake: &Retake, dir: &Path) {
    let looks = || {
        let mut debugger = Debugger::start(retake, dir);
        let looks = debugger.looks();
        debugger.kill();
        looks
    };
    let whole = looks();
    let mut places = 0;
    for entry in dir.join("index").read_dir().expect("a folder") {
        let path = entry.expect("an entry").path();
        let mut bytes = fs::read(&path).expect("read");
        let at = bytes.len() / 2;
        bytes[at] ^= 0x10;
        fs::write(&path, bytes).expect("written");
        places += 1;
    }
    assert!(places > 0, "it keeps places");
    assert_eq!(looks(), whole);
}

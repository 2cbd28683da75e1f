//! Each command of gdb, forwards and backwards, on recordings of C, C++, Rust and Go.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use retake_testkit::{Retake, finish, fixture, require};

/// A program, and how its language calls things.
struct Language {
    source: &'static str,
    total: &'static str,
    text: &'static str,
    length: &'static str,
    /// A call of a function; gdb cannot make one in every language.
    invoke: Option<&'static str>,
    program: fn(&str) -> Option<PathBuf>,
}

const C: Language = Language {
    source: "c/commands.c",
    total: "total",
    text: "(char *) text",
    length: "sizeof(text)",
    invoke: Some("twice(21)"),
    program: |_| Some(fixture::c("c/commands.c", &["-O0"])),
};

const CPP: Language = Language {
    source: "cpp/commands.cpp",
    program: |_| Some(fixture::cpp_with("cpp/commands.cpp", &["-O0"])),
    ..C
};

const RUST: Language = Language {
    source: "rust/commands.rs",
    total: "commands::TOTAL",
    text: "commands::TEXT.data_ptr",
    length: "commands::TEXT.length",
    invoke: Some("commands::twice(21)"),
    program: |_| Some(fixture::rust("rust/commands.rs", &[])),
};

const GO: Language = Language {
    source: "go/commands.go",
    total: "'main.total'",
    text: "'main.text'.str",
    // gdb's parser of Go expressions has `len` for itself.
    length: "19",
    // Go's functions take arguments where gdb does not put them.
    invoke: None,
    program: |test| fixture::go_for_delve(test, "go/commands.go"),
};

/// What gdb prints for a script on the program itself, or on a recording.
fn run(retake: &Retake, mut command: Command, script: &str) -> String {
    let file = retake.path("script.gdb");
    fs::write(&file, script).expect("a script");
    command.args(["-nx", "-batch", "-x"]).arg(&file);
    let ended = finish(command);
    let (output, errors) = (ended.output(), ended.errors());
    assert!(!errors.contains("Error"), "{output}\n--- stderr\n{errors}");
    output
}

impl Language {
    /// A script that knows the names, and does something.
    fn script(&self, actions: &str) -> String {
        let name = self.source.rsplit('/').next().unwrap_or_default();
        let marks = ["twice", "call", "write", "after", "hot", "adds", "next", "end"];
        let lines = marks
            .map(|mark| format!("names[{mark:?}] = {}\n", fixture::line_of(self.source, mark)));
        let commands = fixture::project().join("tests/gdb/commands.py");
        format!(
            "set pagination off\nset width 0\nset debuginfod enabled off\nset confirm off\n\
             handle SIGURG nostop noprint pass\npython\n\
             names = dict(source={name:?}, total={:?}, text={:?}, length={:?}, invoke={:?})\n{}end\n\
             source {}\npython\n{actions}\nend\n",
            self.total,
            self.text,
            self.length,
            self.invoke.unwrap_or_default(),
            lines.concat(),
            commands.display(),
        )
    }

    fn check(&self, test: &str) {
        let (Some(gdb), Some(program)) = (require(test, "gdb"), (self.program)(test)) else {
            return;
        };
        let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
        let (dir, _) = retake.record("recording", &[], &[&program]);
        self.as_the_program_itself(&retake, &gdb, &program, &dir);
        let output = run(&retake, recorded(&retake, &dir), &self.script("both_ways()"));
        let bad: Vec<&str> = output.lines().filter(|line| line.starts_with("bad ")).collect();
        assert!(bad.is_empty(), "{bad:#?}\nin {output}");
        let good: Vec<&str> = output.lines().filter_map(|line| line.strip_prefix("ok ")).collect();
        let mut all = vec![
            "reverse-continue",
            "ends",
            "reverse-stepi",
            "reverse-nexti",
            "reverse-step",
            "reverse-next",
            "finish",
            "reverse-finish",
            "called",
            "watch",
            "restart",
            "run 100",
            "print f(x)",
            "after the call",
            "info threads",
            "thread apply all bt",
            "find",
            "x/s",
            "condition",
            "condition",
        ];
        all.retain(|name| *name != "print f(x)" || self.invoke.is_some());
        assert_eq!(good, all, "{output}");
        let times = output.lines().filter_map(|line| line.strip_prefix("took ")?.rsplit_once(' '));
        for (what, seconds) in times {
            // Three times what is promised: the machine may be busy.
            let took: f64 = seconds.parse().expect("a number");
            assert!(took < 6.0, "{what}: {took} s");
        }
    }

    fn as_the_program_itself(&self, retake: &Retake, gdb: &Path, program: &Path, dir: &Path) {
        let script = |start: &str| self.script(&format!("forwards({start:?})\nlooks({start:?})"));
        let mut live = Command::new(gdb);
        live.arg(program).current_dir(retake.path("."));
        let live = run(retake, live, &script("run"));
        // The first one stands at the beginning; the second begins there again.
        let replayed = self.script("forwards('continue')\nrun('goto 0')\nlooks('continue')");
        let replayed = run(retake, recorded(retake, dir), &replayed);
        let told = |output: &str| -> Vec<String> {
            let words = ["write ", "steps ", "finished ", "found "];
            let is_told = |line: &&str| words.iter().any(|word| line.starts_with(word));
            output.lines().filter(is_told).map(str::to_owned).collect()
        };
        let (live, replayed) = (told(&live), told(&replayed));
        assert_eq!(live.len(), 23, "{live:#?}");
        assert_eq!(live, replayed);
    }
}

fn recorded(retake: &Retake, dir: &Path) -> Command {
    retake.command(["gdb".as_ref(), dir.as_os_str(), "--".as_ref()])
}

#[test]
fn every_command_in_c() {
    C.check("every_command_in_c");
}

#[test]
fn every_command_in_cpp() {
    CPP.check("every_command_in_cpp");
}

#[test]
fn every_command_in_rust() {
    RUST.check("every_command_in_rust");
}

#[test]
fn every_command_in_go() {
    GO.check("every_command_in_go");
}

//! The prompt in a real terminal: what is typed and pasted, completion, Ctrl-C, narrow and colorless terminals,
//! long answers.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "prompt/in_tmux.rs"]
mod in_tmux;
#[path = "prompt/interrupts.rs"]
mod interrupts;
#[path = "prompt/screen.rs"]
mod screen;

use std::fs;
use std::path::PathBuf;

use retake_testkit::{Retake, fixture};
use screen::{CTRL_C, CTRL_D, Screen};

/// A recording.
struct Recorded {
    retake: Retake,
    dir: PathBuf,
}

fn recorded(program: &[&str]) -> Recorded {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let (dir, _) = retake.record("recording", &[], program);
    Recorded { retake, dir }
}

/// Twenty visits of a function.
fn visits() -> Recorded {
    let program = fixture::c("c/contract.c", &["-no-pie", "-O0"]);
    recorded(&[program.to_str().expect("a path")])
}

/// Two seconds of computing.
fn computes() -> Recorded {
    let program = fixture::c("c/computes.c", &["-O1"]);
    recorded(&[program.to_str().expect("a path")])
}

/// A debugger at its prompt.
fn open(of: &Recorded, columns: u16, environment: &[(&str, &str)]) -> Screen {
    let mut command = of.retake.command(["debug"]);
    command.args(["--at", "start"]).arg(&of.dir).envs(environment.iter().copied());
    let mut screen = Screen::start(&command, columns);
    screen.expect("(retake) ");
    screen
}

#[test]
fn what_is_pasted_runs_line_by_line() {
    let of = visits();
    let mut screen = open(&of, 80, &[]);
    screen.send("break visit\ncontinue\nprint n\nprint n + 40\n");
    screen.expect("breakpoint 1: visit");
    screen.expect("void visit(long n)");
    screen.expect_line("1");
    screen.expect_line("41");
    // An empty line repeats the last one.
    screen.send("continue\n");
    screen.expect("void visit(long n)");
    screen.send("\n\nprint n\n");
    screen.expect_line("4");
    screen.expect("(retake) ");
    screen.send(CTRL_D);
    assert_eq!(screen.ended(), 0);
}

#[test]
fn words_are_completed() {
    let of = visits();
    let mut screen = open(&of, 80, &[]);
    let mut types = |line: &str, answer: &str| {
        screen.send(line);
        screen.send("\n");
        screen.expect(answer);
        screen.expect("(retake) ");
    };
    // A command, a function, a source file.
    types("breakp\t", "no breakpoints");
    types("tbreak vis\t", "breakpoint 1: visit");
    let line = fixture::line_of("c/contract.c", "visit").to_string();
    types(&format!("break contr\t{line}"), &format!("contract.c:{line}"));
    types("cont\t", "void visit(long n)");
    // A register, a variable of the function, one outside of it.
    types("regs ri\t", "rip = 0x");
    types("print $rip == $ri\t", "\n1\r");
    types("print wo\t", "\n0\r");
    types("up", "main");
    types("print val\t", "\n0\r");
    // A file, and a bookmark.
    let script = of.retake.path("a-script-to-be-completed");
    fs::write(&script, "print 6 * 7\n").expect("written");
    let typed = script.display().to_string().replace("to-be-completed", "to-be\t");
    types(&format!("source {typed}"), "\n42\r");
    types("bookmark somewhere", "somewhere");
    types("goto some\t", "void visit(long n)");
    screen.send("br\t\t");
    screen.expect("breakpoints");
    screen.expect("(retake) br");
    screen.send(CTRL_C);
    screen.expect("(retake) ");
    screen.send(CTRL_D);
    assert_eq!(screen.ended(), 0);
}

#[test]
fn ctrl_c_ends_a_long_search() {
    let of = computes();
    let mut screen = open(&of, 80, &[]);
    let line = fixture::line_of("c/computes.c", "mixes");
    // What no predicate says is looked at at each of millions of arrivals.
    let set = screen.answer(&format!("break computes.c:{line} if len(\"x\") == 2"));
    assert!(set.contains("breakpoint 1: "), "{set}");
    for search in ["continue", "hits 1", "rewind"] {
        let before = screen.answer("when");
        screen.send(&format!("{search}\n"));
        screen.expect("Ctrl-C stops");
        screen.send(CTRL_C);
        screen.expect("interrupted");
        screen.expect("(retake) ");
        assert_eq!(screen.answer("when"), before, "after {search}");
        let half = screen.answer("goto 50%");
        assert!(half.contains("(reached)"), "{half}");
    }
}

#[test]
fn ctrl_c_ends_a_script_that_only_computes() {
    let of = visits();
    let script = of.retake.path("forever.star");
    let text = "def main():\n    n = 0\n    for _ in range(2000000000):\n        n += 1\n";
    fs::write(&script, text).expect("written");
    let mut screen = open(&of, 80, &[]);
    screen.send(&format!("source {}\n", script.display()));
    screen.expect("Ctrl-C stops");
    screen.send(CTRL_C);
    screen.expect("interrupted");
    screen.expect("(retake) ");
    screen.send("print 41 + 1\n");
    screen.expect_line("42");
}

#[test]
fn a_narrow_terminal_without_colors() {
    let of = visits();
    let mut screen = open(&of, 60, &[("NO_COLOR", "1")]);
    screen.answer("break visit");
    let shown = screen.answer("continue");
    // The lines of the source, and where in the run this is.
    assert!(shown.contains("void visit(long n)"), "{shown}");
    assert!(shown.contains(">") && shown.contains(" %"), "{shown}");
    let marked = shown.lines().filter(|line| line.starts_with("=>") || line.starts_with('['));
    assert_eq!(marked.clone().count(), 2, "{shown}");
    assert!(marked.clone().all(|line| line.chars().count() <= 60), "{shown}");
    let shown = screen.answer("list main");
    let source = shown.lines().filter(|line| line.starts_with("    "));
    assert!(source.clone().count() > 3, "{shown}");
    assert!(source.clone().all(|line| line.chars().count() <= 60), "{shown}");
    assert!(!screen.raw().contains("\u{1b}[3"), "no colors: {:?}", screen.raw());

    let mut screen = open(&of, 120, &[]);
    screen.send("break visit\ncontinue\n");
    screen.expect("void visit(long n)");
    assert!(screen.raw().contains("\u{1b}[32m=>"), "colors: {:?}", screen.raw());
}

#[test]
fn a_long_answer_goes_through_a_pager() {
    let of = recorded(&["seq", "1", "10000"]);
    let mut screen = open(&of, 80, &[("PAGER", "wc -l")]);
    screen.send("goto end\noutput\n");
    let lines = screen.expect_number(10_000..10_100);
    // What fits is not.
    screen.send("print 7\n");
    screen.expect_line("7");
    screen.expect("(retake) ");
    screen.send(CTRL_D);
    assert_eq!(screen.ended(), 0);
    // Without a pager all of it is printed.
    let mut screen = open(&of, 80, &[("PAGER", "/nowhere/at/all")]);
    screen.send("goto end\noutput\n");
    let shown = screen.expect("\n10000");
    assert!(shown.lines().count() > 9_900, "{lines} lines, and {}", shown.lines().count());
}

//! The prompt in tmux, which draws what is printed as terminals do.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use retake_testkit::{Retake, finish, fixture, require};
use rustix::fs::OFlags;

use super::screen::Screen;
use super::{Recorded, computes, recorded, visits};

/// What is promised is a third of a second, on a machine that does nothing else.
const SOON: Duration = Duration::from_secs(2);

/// A server of tmux with one pane, which ends with it.
struct Tmux {
    socket: PathBuf,
    /// All that is printed in the pane.
    screen: Screen,
}

impl Tmux {
    /// A debugger at its prompt, in so many columns.
    fn open(of: &Recorded, columns: u16, environment: &[(&str, &str)]) -> Self {
        let (socket, pipe) = (of.retake.path("tmux"), of.retake.path("printed"));
        finish({
            let mut command = Command::new("mkfifo");
            command.arg(&pipe);
            command
        })
        .good();
        // Whoever opens one to read waits for a writer otherwise.
        let flags = i32::try_from(OFlags::NONBLOCK.bits()).expect("a flag");
        let printed = File::options().read(true).custom_flags(flags).open(&pipe).expect("a pipe");
        let tmux = Self { socket, screen: Screen::reading(printed) };
        tmux.start(&of.retake, &of.dir, &pipe, columns, environment)
    }

    fn start(
        mut self,
        retake: &Retake,
        dir: &Path,
        pipe: &Path,
        columns: u16,
        environment: &[(&str, &str)],
    ) -> Self {
        let debug =
            retake.command(["debug".as_ref(), "--at".as_ref(), "start".as_ref(), dir.as_os_str()]);
        let mut new = self.command(["new-session", "-d", "-y", "24", "-x"]);
        new.arg(columns.to_string());
        let of_debug = debug.get_envs().filter_map(|(name, value)| Some((name, value?)));
        let asked = environment.iter().map(|(name, value)| (OsStr::new(name), OsStr::new(value)));
        for (name, value) in of_debug.chain(asked) {
            let mut pair = name.to_owned();
            pair.push("=");
            pair.push(value);
            new.arg("-e").arg(pair);
        }
        // What it prints is piped before it prints anything.
        let script = "tmux -S \"$0\" pipe-pane -t \"$TMUX_PANE\" \"cat > $1\"; shift; exec \"$@\"";
        new.args(["sh", "-c", script]).arg(&self.socket).arg(pipe);
        new.arg(debug.get_program()).args(debug.get_args());
        new.env_remove("PAGER").env_remove("NO_COLOR");
        finish(new).good();
        self.screen.expect("(retake) ");
        self
    }

    fn command<const N: usize>(&self, args: [&str; N]) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-f").arg("/dev/null").arg("-S").arg(&self.socket).args(args);
        command.env_remove("TMUX").env("TERM", "xterm-256color").env("LC_ALL", "C.UTF-8");
        command
    }

    fn run<const N: usize>(&self, args: [&str; N]) -> String {
        finish(self.command(args)).good().output()
    }

    /// Presses keys, by tmux's names for them.
    fn press(&self, keys: &str) {
        self.run(["send-keys", keys]);
    }

    /// Types a line.
    fn types(&self, line: &str) {
        self.run(["send-keys", "-l", line]);
        self.press("Enter");
    }

    /// Pastes a text, as terminals do with what the clipboard has.
    fn paste(&self, text: &str) {
        self.run(["set-buffer", text]);
        self.run(["paste-buffer", "-p"]);
    }

    /// What is to be seen, with escapes of colors.
    fn drawn(&self) -> String {
        self.run(["capture-pane", "-p", "-e", "-S", "-200"])
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        // The server may have ended with its only pane.
        let _ = self.command(["kill-server"]).output();
    }
}

#[test]
fn tmux_shows_what_is_pasted_and_completed_in_60_columns() {
    if require("tmux_shows_what_is_pasted_and_completed_in_60_columns", "tmux").is_none() {
        return;
    }
    let of = visits();
    let mut tmux = Tmux::open(&of, 60, &[("NO_COLOR", "1")]);
    tmux.paste("break visit\ncontinue\nprint n\nprint n + 40\n");
    tmux.screen.expect_line("1");
    tmux.screen.expect_line("41");
    tmux.screen.expect("(retake) ");
    tmux.run(["send-keys", "-l", "tbreak vis"]);
    tmux.press("Tab");
    tmux.press("Enter");
    tmux.screen.expect("breakpoint 2: visit");
    tmux.screen.expect("(retake) ");
    tmux.types("list main");
    tmux.screen.expect("main");
    tmux.screen.expect("(retake) ");
    let drawn = tmux.drawn();
    let line = fixture::line_of("c/contract.c", "visit");
    assert!(drawn.contains("void visit(long n)"), "{drawn}");
    assert!(!drawn.contains("\u{1b}[3"), "no colors: {drawn:?}");
    // Where a line is too long for the pane, tmux goes on in the next one.
    let of_source = drawn.lines().find(|text| text.starts_with(&format!("=>{line:>6}")));
    assert!(of_source.is_some_and(|text| text.contains("visit")), "{line}: {drawn}");
    assert!(drawn.lines().all(|text| text.chars().count() <= 60), "{drawn}");
}

#[test]
fn tmux_takes_ctrl_c_to_a_long_search() {
    if require("tmux_takes_ctrl_c_to_a_long_search", "tmux").is_none() {
        return;
    }
    let of = computes();
    let mut tmux = Tmux::open(&of, 100, &[]);
    let line = fixture::line_of("c/computes.c", "mixes");
    tmux.types(&format!("break computes.c:{line} if len(\"x\") == 2"));
    tmux.screen.expect("breakpoint 1: ");
    tmux.screen.expect("(retake) ");
    tmux.types("continue");
    tmux.screen.expect("Ctrl-C stops");
    let since = Instant::now();
    tmux.press("C-c");
    tmux.screen.expect("interrupted");
    tmux.screen.expect("(retake) ");
    let took = since.elapsed();
    assert!(took < SOON, "{took:?}");
    tmux.types("print 41 + 1");
    tmux.screen.expect_line("42");
    assert!(tmux.drawn().contains("\u{1b}[3"), "colors: {:?}", tmux.drawn());
}

#[test]
fn tmux_pages_through_ten_thousand_lines() {
    let test = "tmux_pages_through_ten_thousand_lines";
    if require(test, "tmux").is_none() || require(test, "less").is_none() {
        return;
    }
    let of = recorded(&["seq", "1", "10000"]);
    let mut tmux = Tmux::open(&of, 80, &[("PAGER", "less")]);
    tmux.types("goto end");
    tmux.screen.expect("end of the recording");
    tmux.screen.expect("(retake) ");
    tmux.types("output");
    // The pager's own prompt.
    tmux.screen.expect("\n:");
    let drawn = tmux.drawn();
    assert!(drawn.lines().any(|text| text == "20") && !drawn.contains("10000"), "{drawn}");
    tmux.press("G");
    tmux.screen.expect("\n10000");
    tmux.press("q");
    tmux.screen.expect("(retake) ");
    tmux.types("print 7");
    tmux.screen.expect_line("7");
}

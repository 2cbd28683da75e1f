//! A terminal with a program in it.

use std::fs::File;
use std::io::{Read, Write};
use std::ops::Range;
use std::process::{Command, Stdio};

use retake_testkit::Guarded;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

pub(crate) const CTRL_C: &str = "\u{3}";
pub(crate) const CTRL_D: &str = "\u{4}";

/// Nothing takes this long by far, also under load.
const LIMIT: Timespec = Timespec { tv_sec: 60, tv_nsec: 0 };
/// Lines of the terminal.
const ROWS: u16 = 30;

/// A terminal of its own, and what a program has written to it.
pub(crate) struct Screen {
    terminal: File,
    child: Option<Guarded>,
    raw: Vec<u8>,
    /// What was looked at already, in the text without escapes.
    seen: usize,
}

impl Screen {
    /// Starts a command in a terminal of so many columns.
    pub(crate) fn start(command: &Command, columns: u16) -> Self {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&terminal).expect("granted");
        unlockpt(&terminal).expect("unlocked");
        let size = Winsize { ws_row: ROWS, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&terminal, size).expect("a size");
        let name = ptsname(&terminal, Vec::new()).expect("a name").into_string().expect("text");
        let end = File::options().read(true).write(true).open(&name).expect("the other end");
        let stdio = || Stdio::from(end.try_clone().expect("another handle"));
        // Makes the terminal the one that Ctrl-C of it is for.
        let mut inside = Command::new("setsid");
        inside.arg("--ctty").arg(command.get_program()).args(command.get_args());
        inside.env("TERM", "xterm").env_remove("NO_COLOR").env_remove("PAGER");
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => inside.env(name, value),
                None => inside.env_remove(name),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            inside.current_dir(folder);
        }
        inside.stdin(stdio()).stdout(stdio()).stderr(stdio());
        let child = Guarded(inside.spawn().expect("it starts"));
        Self { child: Some(child), ..Self::reading(File::from(terminal)) }
    }

    /// What comes from a terminal that somebody else has.
    pub(crate) fn reading(terminal: File) -> Self {
        Self { terminal, child: None, raw: Vec::new(), seen: 0 }
    }

    /// Types something.
    pub(crate) fn send(&mut self, text: &str) {
        self.terminal.write_all(text.as_bytes()).expect("typed");
    }

    /// Types a line at the prompt; gives what it is answered, up to the next prompt.
    #[track_caller]
    pub(crate) fn answer(&mut self, line: &str) -> String {
        self.send(&format!("{line}\n"));
        // The prompt is drawn again with each key, but only Enter begins a line.
        self.expect("\n");
        self.expect("(retake) ")
    }

    /// Waits for a text; gives what was written before it since the last one.
    #[track_caller]
    pub(crate) fn expect(&mut self, wanted: &str) -> String {
        loop {
            let text = self.text();
            let rest = text.get(self.seen..).unwrap_or_default();
            if let Some(at) = rest.find(wanted) {
                self.seen += at + wanted.len();
                return rest[..at].replace('\r', "");
            }
            if !self.read() {
                panic!("{wanted:?} does not come:\n{rest}");
            }
        }
    }

    /// Waits for a line of this text only.
    #[track_caller]
    pub(crate) fn expect_line(&mut self, wanted: &str) {
        self.expect(&format!("\n{wanted}\r"));
    }

    /// Waits for a line that is a number in a range.
    #[track_caller]
    pub(crate) fn expect_number(&mut self, wanted: Range<u64>) -> u64 {
        loop {
            let text = self.text();
            let rest = text.get(self.seen..).unwrap_or_default();
            let mut numbers = rest.lines().filter_map(|line| line.trim().parse().ok());
            if let Some(found) = numbers.find(|number| wanted.contains(number)) {
                return found;
            }
            if !self.read() {
                panic!("no number in {wanted:?} comes:\n{rest}");
            }
        }
    }

    /// All that was written, with escapes.
    pub(crate) fn raw(&self) -> String {
        String::from_utf8_lossy(&self.raw).into_owned()
    }

    /// Waits for the end of the program, and gives its exit code.
    #[track_caller]
    pub(crate) fn ended(mut self) -> i32 {
        while self.read() {}
        let mut child = self.child.take().expect("a program");
        child.0.wait().expect("it ends").code().expect("no signal")
    }

    /// Reads more; nothing comes any more where the program has ended.
    #[track_caller]
    fn read(&mut self) -> bool {
        let mut wait = [PollFd::new(&self.terminal, PollFlags::IN)];
        let ready = poll(&mut wait, Some(&LIMIT)).expect("waited for");
        assert!(ready > 0, "nothing comes any more:\n{}", self.text());
        let mut bytes = [0; 4096];
        match self.terminal.read(&mut bytes) {
            Ok(0) => false,
            Ok(got) => {
                self.raw.extend_from_slice(&bytes[..got]);
                true
            }
            // EIO (pty(7)): nobody has the other end any more.
            Err(_) => false,
        }
    }

    /// What was written, without escape sequences (ECMA-48, 5.4): `ESC [`, parameters, and a letter.
    fn text(&self) -> String {
        let (raw, mut text) = (self.raw(), String::new());
        let mut rest = raw.as_str();
        while let Some(at) = rest.find('\u{1b}') {
            text.push_str(&rest[..at]);
            let sequence = &rest[at + 1..];
            let end = match sequence.strip_prefix('[') {
                Some(inner) => inner.find(|c| ('@'..='~').contains(&c)).map(|end| end + 2),
                None => sequence.char_indices().nth(1).map(|(end, _)| end),
            };
            // It has not come whole yet.
            let Some(end) = end else { return text };
            rest = &sequence[end..];
        }
        text.push_str(rest);
        text
    }
}

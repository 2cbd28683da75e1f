//! Whether a run failed, how, and where.

use std::fmt;

use retake_recording::{Cut, ExitStatus};

use crate::text;

/// Longest text that tells where.
const WIDTH: usize = 100;

/// How a run failed. Runs that failed alike are equal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Failing {
    /// All its tasks waited for each other.
    Deadlock,
    /// It did not end in time.
    Hang,
    /// A signal ended it.
    Killed(String),
    /// It exited with another code than 0.
    Exited(u8),
    /// The text was in its output.
    Said,
    /// The command failed, and no recorded process of it.
    Elsewhere(String),
}

impl fmt::Display for Failing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deadlock => write!(f, "deadlock, all tasks wait for each other"),
            Self::Hang => write!(f, "hang, it did not end in time"),
            Self::Killed(signal) => write!(f, "{signal}"),
            Self::Exited(code) => write!(f, "exit {code}"),
            Self::Said => write!(f, "the text is in its output"),
            Self::Elsewhere(status) => {
                write!(f, "the command failed ({status}), and no recorded process of it")
            }
        }
    }
}

/// How a recorded process failed, if it did.
pub(crate) fn failing(status: ExitStatus, cut: Option<Cut>) -> Option<Failing> {
    match (cut, status) {
        (Some(Cut::Deadlock), _) => Some(Failing::Deadlock),
        (Some(Cut::TimeLimit), _) => Some(Failing::Hang),
        // Its command has ended, and it has not.
        (Some(Cut::Request), _) | (_, ExitStatus::Exited(0)) => None,
        (_, ExitStatus::Exited(code)) => Some(Failing::Exited(code)),
        (_, killed @ ExitStatus::Killed(_)) => Some(Failing::Killed(text::ended(killed))),
    }
}

/// Whether `wanted` is in `output`.
pub(crate) fn says(output: &[u8], wanted: &str) -> bool {
    let wanted = wanted.as_bytes();
    !wanted.is_empty() && output.windows(wanted.len()).any(|part| part == wanted)
}

/// Where a run failed, as far as its output tells: the last line of those that failing programs and test
/// runners print.
pub(crate) fn place(output: &[u8], wanted: Option<&str>) -> Option<String> {
    const TELL: [&str; 9] = [
        " panicked at ",
        "Assertion `",
        "ERROR: AddressSanitizer",
        "WARNING: ThreadSanitizer",
        "--- FAIL: ",
        "panic: ",
        "FAILED ",
        "terminate called",
        "fatal error: ",
    ];
    let output = String::from_utf8_lossy(output);
    let tells = |line: &&str| match wanted {
        Some(text) if line.contains(text) => true,
        _ => TELL.iter().any(|tell| line.contains(tell)),
    };
    let line = output.lines().rfind(tells)?;
    Some(text::shortened(&without_numbers(line.trim()), WIDTH))
}

/// A line without what differs from run to run: process numbers, thread numbers, addresses.
fn without_numbers(line: &str) -> String {
    let is_number = |word: &str| {
        let word = word.trim_matches(|c: char| !c.is_alphanumeric());
        let hex = word.strip_prefix("0x").is_some_and(|h| h.chars().all(|c| c.is_ascii_hexdigit()));
        hex || word.len() > 2 && word.chars().all(|c| c.is_ascii_digit())
    };
    let words: Vec<&str> = line.split(' ').filter(|word| !is_number(word)).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use retake_model::Signal;

    #[test]
    fn a_process_fails_by_its_status_or_what_ended_it() {
        let killed = ExitStatus::Killed(Signal::KILL);
        assert_eq!(failing(ExitStatus::Exited(0), None), None);
        assert_eq!(failing(ExitStatus::Exited(3), None), Some(Failing::Exited(3)));
        assert_eq!(failing(killed, None), Some(Failing::Killed("SIGKILL".to_owned())));
        assert_eq!(failing(killed, Some(Cut::Deadlock)), Some(Failing::Deadlock));
        assert_eq!(failing(killed, Some(Cut::TimeLimit)), Some(Failing::Hang));
    }

    #[test]
    fn text_is_found_in_output_that_is_not_text() {
        assert!(says(b"\xff\xfe lost 3 \xff", "lost 3"));
        assert!(!says(b"lost", "lost 3"));
        assert!(!says(b"lost", ""));
    }

    #[test]
    fn the_place_is_the_same_from_run_to_run() {
        let first = b"running\nthread 't' (4711) panicked at src/lib.rs:10:5:\nleft: 1\n";
        let second = b"thread 't' (4899) panicked at src/lib.rs:10:5:\nleft: 2\n";
        let expected = Some("thread 't' panicked at src/lib.rs:10:5:".to_owned());
        assert_eq!(place(first, None), expected);
        assert_eq!(place(second, None), expected);
        assert_eq!(place(b"nothing\n", None), None);
        assert_eq!(place(b"a\nlost it\n", Some("lost")), Some("lost it".to_owned()));
    }
}

//! What is started for a command: itself, or what has its tests recorded and not their build.

use std::ffi::{OsStr, OsString};
use std::path::Path;

/// Variables by which cargo is told what to run programs with.
const CARGO: [&str; 2] = [
    "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER",
    "CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_RUNNER",
];

/// Which processes of a command become recordings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// The command itself.
    Whole,
    /// What cargo runs.
    Cargo,
    /// What `go test` runs: the argument with this index is `test`.
    Go(usize),
    /// The programs that ctest starts.
    Ctest,
    /// Programs that match a pattern.
    Matching,
}

/// How `command` is recorded.
pub(crate) fn how(command: &[OsString], only: Option<&str>) -> How {
    if only.is_some() {
        return How::Matching;
    }
    let name = command.first().and_then(|program| Path::new(program).file_name());
    let argument = |wanted: &[&str]| {
        // `cargo +nightly -q test`, `go -C dir test`: the first that is the command's name.
        command.iter().skip(1).position(|arg| wanted.iter().any(|w| arg == w)).map(|n| n + 1)
    };
    match name.and_then(OsStr::to_str) {
        Some("cargo") if argument(&["test", "t", "run", "r", "nextest", "bench"]).is_some() => {
            How::Cargo
        }
        Some("go") => argument(&["test"]).map_or(How::Whole, How::Go),
        Some("ctest") => How::Ctest,
        _ => How::Whole,
    }
}

/// A command to be started, with variables to be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Started {
    pub(crate) args: Vec<OsString>,
    pub(crate) env: Vec<(OsString, OsString)>,
}

/// What to start for `command`; `record` is `retake record … --`.
///
/// # Errors
/// What stands in the way, as a sentence.
pub(crate) fn started(
    command: &[OsString],
    how: How,
    record: &[OsString],
) -> Result<Started, String> {
    let plain = |args| Started { args, env: Vec::new() };
    Ok(match how {
        How::Whole => plain([record, command].concat()),
        How::Matching | How::Ctest => plain(command.to_vec()),
        How::Cargo => {
            let runner = joined(record, "cargo's runner variable")?;
            let env = CARGO.map(|name| (name.into(), runner.clone())).to_vec();
            Started { args: command.to_vec(), env }
        }
        How::Go(test) => {
            let exec = joined(record, "`go test -exec`")?;
            let (before, after) = command.split_at((test + 1).min(command.len()));
            plain([before, &["-exec".into(), exec], after].concat())
        }
    })
}

/// Words as one, which is split at blanks again.
fn joined(words: &[OsString], by: &str) -> Result<OsString, String> {
    let has_blank = |word: &OsString| word.as_encoded_bytes().iter().any(u8::is_ascii_whitespace);
    if let Some(word) = words.iter().find(|word| has_blank(word)) {
        return Err(format!(
            "{by} cannot hold the path {} with a blank in it: set RETAKE_DIR to another folder, or name the test's program with --only",
            Path::new(word).display()
        ));
    }
    Ok(words.join(OsStr::new(" ")))
}

/// Whether a program's path matches: a pattern with `/` is for the whole path, another one for its last
/// part; `*` stands for any text and `?` for one character.
pub(crate) fn matches(pattern: &str, path: &str) -> bool {
    let subject =
        if pattern.contains('/') { path } else { path.rsplit('/').next().unwrap_or(path) };
    glob(pattern.as_bytes(), subject.as_bytes())
}

fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to go on after a mismatch: behind the last `*`, with one more byte taken by it.
    let mut again: Option<(usize, usize)> = None;
    while let Some(&byte) = text.get(t) {
        match pattern.get(p) {
            Some(b'*') => {
                again = Some((p + 1, t));
                p += 1;
            }
            Some(&wanted) if wanted == b'?' || wanted == byte => (p, t) = (p + 1, t + 1),
            _ => {
                let Some((behind, taken)) = again else { return false };
                again = Some((behind, taken + 1));
                (p, t) = (behind, taken + 1);
            }
        }
    }
    pattern.iter().skip(p).all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn test_runners_are_known_by_name() {
        let of = |text| how(&words(text), None);
        assert_eq!(of("cargo test name"), How::Cargo);
        assert_eq!(of("/usr/bin/cargo +nightly -q test"), How::Cargo);
        assert_eq!(of("cargo build"), How::Whole);
        assert_eq!(of("go test -run X ./..."), How::Go(1));
        assert_eq!(of("go -C dir test"), How::Go(3));
        assert_eq!(of("go vet"), How::Whole);
        assert_eq!(of("ctest -R x"), How::Ctest);
        assert_eq!(of("pytest -k x"), How::Whole);
        assert_eq!(how(&words("cargo test"), Some("x")), How::Matching);
    }

    #[test]
    fn cargo_and_go_are_told_what_to_run_tests_with() {
        let record = words("/bin/retake record --");
        let of = |text: &str| {
            let command = words(text);
            started(&command, how(&command, None), &record).unwrap()
        };
        assert_eq!(of("./race 1").args, words("/bin/retake record -- ./race 1"));
        let cargo = of("cargo test x");
        assert_eq!(cargo.args, words("cargo test x"));
        assert!(cargo.env.iter().all(|(_, value)| value == "/bin/retake record --"));
        let go = of("go test -run X").args;
        assert_eq!(go[2..4], [OsString::from("-exec"), "/bin/retake record --".into()]);
        assert_eq!(go[4..], words("-run X"));
        let blank = vec!["/a b/retake".into()];
        assert!(started(&words("cargo test"), How::Cargo, &blank).unwrap_err().contains("/a b/"));
    }

    #[test]
    fn patterns() {
        assert!(matches("race", "/x/race"));
        assert!(!matches("race", "/x/race2"));
        assert!(matches("race*", "/x/race2"));
        assert!(matches("*/deps/*", "/x/target/debug/deps/foo-1"));
        assert!(!matches("*/deps/*", "/x/target/debug/foo"));
        assert!(matches("t?st-*-a", "t1st-b-a-a"));
        assert!(!matches("", "x"));
        assert!(matches("*", "x"));
    }
}

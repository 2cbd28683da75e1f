use super::{console, recording};
use crate::commands;

/// What no command takes, or not all do.
const NONSENSE: [&str; 16] = [
    "\u{fffd}\u{fffd}",
    "😀",
    "x y z w",
    "-1",
    "99999999999999999999999",
    "%%%",
    "\"",
    "\"a\\",
    "(((",
    ")",
    "*",
    "/(/",
    "-",
    "-fmt",
    "if if if",
    "thread",
];

/// An error is a sentence: a line that is not endless.
#[track_caller]
fn check(line: &str) {
    let mut console = console(recording().build());
    if let Err(err) = console.execute(line) {
        let text = err.to_string();
        assert!(!text.is_empty() && !text.contains('\n'), "{line:?}: {text}");
        assert!(text.len() < 900, "{line:?}: {text}");
    }
    // It goes on as if nothing had been.
    console.execute("when").unwrap();
}

#[test]
fn every_command_with_nonsense_says_a_sentence() {
    for command in commands() {
        for nonsense in NONSENSE {
            // Whatever this names would be made.
            if command.name == "transcript" {
                check(&format!("transcript /nowhere/at/all/{nonsense}"));
            } else {
                check(&format!("{} {nonsense}", command.name));
            }
        }
    }
}

#[test]
fn lines_that_are_no_commands() {
    for line in ["", "   ", "\u{fffd}", "#", "contineu", "🦀 🦀", "break\u{0}work"] {
        check(line);
    }
    let mut console = console(recording().build());
    let mut error = |line: &str| console.execute(line).unwrap_err().to_string();
    assert_eq!(error("contineu"), "there is no command \"contineu\" (did you mean continue?)");
    assert_eq!(error("frobnicate"), "there is no command \"frobnicate\" (try help)");
    let long = "x".repeat(1 << 20);
    assert_eq!(error(&long), "a line of 1048576 bytes is no command: 16384 are the most");
    for command in commands() {
        assert!(error(&format!("{} {long}", command.name)).contains("bytes is no command"));
    }
}

#[test]
fn a_script_of_bytes_that_are_no_text_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("script");
    std::fs::write(&file, b"when\n\xff\xfe\n").unwrap();
    let mut console = console(recording().build());
    let err = console.execute(&format!("source {}", file.display())).unwrap_err().to_string();
    assert!(err.contains("failed to read") && err.contains("UTF-8"), "{err}");
}

#[test]
fn files_that_are_no_breakpoints_are_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("points.json");
    let (deep, long) = ("[".repeat(100_000), format!("[\"{}\"]", "x".repeat(1 << 20)));
    let texts = [
        "",
        "{",
        "[1]",
        "{\"a\": 1}",
        "\u{0}",
        "[{\"line\": -1}]",
        "[{\"hits\": 1}]",
        &deep,
        &long,
    ];
    for text in texts {
        std::fs::write(&file, text).unwrap();
        let mut console = console(recording().build());
        let err = console.execute(&format!("source {}", file.display())).unwrap_err().to_string();
        assert!(!err.is_empty() && !err.contains('\n'), "{:?}: {err}", text.get(..20));
        assert!(err.len() < 900, "{:?}: {} bytes", text.get(..20), err.len());
    }
}

#[test]
fn a_breakpoint_that_cannot_be_set_as_it_is_meant_is_not_set() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("points.json");
    std::fs::write(&file, r#"["main", {"location": "work", "hits": "now and then"}]"#).unwrap();
    let mut console = console(recording().build());
    let err = console.execute(&format!("source {}", file.display())).unwrap_err().to_string();
    assert!(err.contains("1 of 2 cannot be set"), "{err}");
    let left = crate::render::text(&console.execute("bp").unwrap());
    assert!(left.contains("main") && !left.contains("work"), "{left}");
}

//! `retake demo`, which the README begins with.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use retake_testkit::{Retake, finish};

fn retake() -> Retake {
    Retake::new(env!("CARGO_BIN_EXE_retake"))
}

/// What each use of `command` was answered with, in the order of the transcript.
fn answers(transcript: &str, command: &str) -> Vec<Vec<String>> {
    let prompt = format!("(retake) {command}");
    let mut lines = transcript.lines().peekable();
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        if line == prompt {
            let mut answer = Vec::new();
            let ends = |line: &&str| ["(retake) ", "$ ", "# "].iter().any(|p| line.starts_with(p));
            while let Some(line) = lines.next_if(|line| !ends(line)) {
                answer.extend((!line.is_empty()).then(|| line.to_owned()));
            }
            found.push(answer);
        }
    }
    found
}

/// The recordings that `retake ls` shows.
fn recordings(retake: &Retake) -> Vec<serde_json::Value> {
    let listed = retake.run(["ls", "--json"]).good().output();
    listed.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn the_whole_story() {
    let retake = retake();
    let text = retake.run(["demo"]).good().output();
    let one = |command: &str| {
        let all = answers(&text, command);
        assert_eq!(all.len(), 1, "{command} in\n{text}");
        all.into_iter().next().expect("one")
    };
    assert!(one("continue")[0].contains("rust_panic"), "{text}");
    assert!(one("stack 9").iter().any(|frame| frame.contains("booths::close")), "{text}");
    assert!(one("list").iter().any(|line| line.starts_with("=>") && line.contains("assert!")));

    let hits = one("hits 2");
    let count: usize =
        hits.last().and_then(|line| line.strip_suffix(" hits")?.parse().ok()).expect("a count");
    assert!(count > 1 && count == hits.len() - 1, "{text}");
    let position =
        |line: &str| line.split_whitespace().find(|word| word.contains('@')).map(str::to_owned);
    let positions: Vec<_> = hits.iter().filter_map(|line| position(line)).collect();
    // Each rewind goes to the hit before.
    let rewinds: Vec<_> =
        answers(&text, "rewind").iter().map(|lines| position(&lines[0])).collect();
    let wanted: Vec<_> = positions.iter().rev().take(2).cloned().map(Some).collect();
    assert_eq!(rewinds, wanted, "{text}");

    // The kill is between the two, and changes nothing.
    for command in ["when", "regs rip rsp rdi rsi", "breakpoints"] {
        let both = answers(&text, command);
        assert_eq!(both.len(), 2, "{command} in\n{text}");
        assert_eq!(both[0], both[1], "{command}");
    }
    let place = |part: &str| text.find(part).expect("it is told");
    let killed = place("signal: 9 (SIGKILL)");
    assert!(place("(retake) when") < killed && killed < place("--resume"), "{text}");
    assert!(text[killed..].contains("(retake) when"), "{text}");

    // The failing run is kept, and nothing else; the program is gone.
    let kept = recordings(&retake);
    assert_eq!(kept.len(), 1, "{kept:?}");
    let name = kept[0]["name"].as_str().expect("a name");
    assert!(text.contains(&format!("debug {name}")), "{text}");
    assert!(text.contains(kept[0]["path"].as_str().expect("a path")), "{text}");
    let program = kept[0]["command"][0].as_str().expect("a program");
    assert!(!Path::new(program).parent().expect("a folder").exists(), "{program}");
    assert_eq!(retake.run(["replay", name]).code(), 101);
}

#[test]
fn without_a_compiler() {
    let retake = retake();
    let mut command = retake.command(["demo"]);
    command.env("PATH", retake.path("nothing"));
    let ended = finish(command);
    assert_eq!(ended.code(), 1);
    assert!(ended.errors().contains("there is no rustc in PATH"), "{}", ended.errors());
}

#[test]
fn a_program_that_never_fails() {
    let retake = retake();
    // A compiler whose programs always work.
    let bin = retake.path("bin");
    fs::create_dir_all(&bin).expect("made");
    let rustc = bin.join("rustc");
    let script = "#!/bin/sh\nwhile [ \"$1\" != -o ]; do shift; done\ncp /bin/true \"$2\"\n";
    fs::write(&rustc, script).expect("written");
    fs::set_permissions(&rustc, fs::Permissions::from_mode(0o755)).expect("executable");
    let mut command = retake.command(["demo", "--attempts", "3"]);
    command.env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
    let ended = finish(command);
    assert_eq!(ended.code(), 1, "{}", ended.output());
    assert!(ended.errors().contains("no run of 3 panicked"), "{}", ended.errors());
    assert!(ended.output().contains("run 3: exit 0"), "{}", ended.output());
    assert!(recordings(&retake).is_empty());
}

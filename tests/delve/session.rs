//! Sessions of Delve: scripts, and what it said at each step.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use regex::Regex;
use retake_testkit::{Delve, fixture};

/// Delve, and a program from `fixtures/`.
pub(crate) fn set_up(test: &str, name: &str) -> Option<(Delve, PathBuf)> {
    let delve = Delve::find(test, env!("CARGO_BIN_EXE_retake"))?;
    Some((delve, fixture::go_for_delve(test, name)?))
}

/// What Delve says after each step of a script, by the step's name.
#[derive(Debug)]
pub(crate) struct Steps(BTreeMap<String, String>);

impl Steps {
    /// A script has a step behind each line `# NAME`. `MARK(name)` is a line of the fixture.
    pub(crate) fn run(delve: &Delve, args: &[&str], source: &str, script: &str) -> Self {
        let marks = Regex::new(r"MARK\(([^)]*)\)").expect("a pattern");
        let script = marks.replace_all(script, |found: &regex::Captures<'_>| {
            let name = source.rsplit('/').next().unwrap_or_default();
            format!("{name}:{}", fixture::line_of(source, &found[1]))
        });
        let lines = script.lines().map(|line| match line.trim().strip_prefix("# ") {
            Some(name) => format!("print \"step {name}\""),
            None => line.trim().to_owned(),
        });
        let script = lines.collect::<Vec<_>>().join("\n");
        let ended = delve.script(args, &script);
        assert_eq!(ended.code(), 0, "{}{}", ended.output(), ended.errors());
        let mut steps = BTreeMap::new();
        let mut current = String::new();
        let output = ended.output() + &ended.errors();
        for line in output.lines() {
            match line.strip_prefix("\"step ").and_then(|rest| rest.strip_suffix('"')) {
                Some(name) => current = name.to_owned(),
                None => {
                    *steps.entry(current.clone()).or_insert_with(String::new) +=
                        &format!("{line}\n")
                }
            }
        }
        Self(steps)
    }

    #[track_caller]
    pub(crate) fn get(&self, step: &str) -> &str {
        self.0.get(step).unwrap_or_else(|| panic!("there is no step {step} in {self:#?}"))
    }

    #[track_caller]
    pub(crate) fn has(&self, step: &str, text: &str) {
        assert!(self.get(step).contains(text), "{step}: no {text:?} in {self:#?}");
    }

    /// Every step says what that of another run says, but for what differs from run to run.
    #[track_caller]
    pub(crate) fn assert_same(&self, other: &Self) {
        let all = |steps: &Self| -> Vec<String> {
            steps.0.iter().map(|(name, text)| format!("{name}: {}", the_same(text))).collect()
        };
        assert_eq!(all(self), all(other));
    }
}

/// Without addresses of the heap, numbers of threads and goroutines, and positions.
pub(crate) fn the_same(text: &str) -> String {
    let patterns = [
        (r"(?m)^Completed event.*\n", ""),
        (r"0xc[0-9a-f]{9}", "HEAP"),
        (r" ?\(thread \d+\)", ""),
        (r"oroutine[( ]\d+\)?", "oroutine N"),
    ];
    patterns.iter().fold(text.to_owned(), |text, (pattern, with)| {
        Regex::new(pattern).expect("a pattern").replace_all(&text, *with).into_owned()
    })
}

pub(crate) fn path(path: &Path) -> &str {
    path.to_str().expect("a name")
}

/// Runs a script over a recording and in a live session, and compares.
pub(crate) fn compare(delve: &Delve, program: &Path, source: &str, script: &str) -> Steps {
    let dir = delve.record("recording", program);
    let recorded = Steps::run(delve, &["replay", path(&dir)], source, script);
    recorded.assert_same(&Steps::run(delve, &["exec", path(program)], source, script));
    recorded
}

//! What the assertions of a run came to, as the XML that CI systems read (JUnit's).

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use retake_console::Output;

/// What a test case came to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    /// The assertion does not hold.
    Failed(String),
    /// A command could not be run.
    Error(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Case {
    script: String,
    name: String,
    took: Duration,
    outcome: Outcome,
}

/// The test cases of a run: each `assert` and `expect`, and each command that failed.
#[derive(Debug)]
pub(super) struct Junit {
    cases: Vec<Case>,
    since: Instant,
}

impl Junit {
    pub(super) fn new() -> Self {
        Self { cases: Vec::new(), since: Instant::now() }
    }

    /// A line of a script gave this.
    pub(super) fn ran(&mut self, script: &str, line: usize, command: &str, output: &Output) {
        let took = self.since.elapsed();
        self.since = Instant::now();
        self.collect(script, line, command, output, took);
    }

    fn collect(
        &mut self,
        script: &str,
        line: usize,
        command: &str,
        output: &Output,
        took: Duration,
    ) {
        let outcome = match output {
            Output::Assert(_) | Output::Expect(_) => Outcome::Passed,
            Output::Failed(view) => Outcome::Failed(view.problem.clone()),
            Output::Script(steps) => {
                let inner = command.split_once(char::is_whitespace).map_or("", |(_, file)| file);
                for step in steps {
                    // How long each took is not known, and all of it is little where it matters.
                    let took = took / u32::try_from(steps.len()).unwrap_or(u32::MAX).max(1);
                    self.collect(inner.trim(), step.line, &step.command, &step.output, took);
                }
                return;
            }
            _ => return,
        };
        self.add(script, line, command, took, outcome);
    }

    /// A line of a script could not be run.
    pub(super) fn failed(&mut self, script: &str, line: usize, command: &str, problem: &str) {
        let took = self.since.elapsed();
        self.since = Instant::now();
        self.add(script, line, command, took, Outcome::Error(problem.to_owned()));
    }

    fn add(&mut self, script: &str, line: usize, command: &str, took: Duration, outcome: Outcome) {
        let name = format!("line {line}: {command}");
        self.cases.push(Case { script: script.to_owned(), name, took, outcome });
    }

    /// How many did not pass.
    pub(super) fn failures(&self) -> usize {
        self.cases.iter().filter(|case| case.outcome != Outcome::Passed).count()
    }

    /// Writes the file.
    pub(super) fn write(&self, file: &Path) -> Result<(), String> {
        fs::write(file, self.xml())
            .map_err(|err| format!("failed to write the results to {}: {err}", file.display()))
    }

    fn xml(&self) -> String {
        let count = |wanted: fn(&Outcome) -> bool| {
            self.cases.iter().filter(|case| wanted(&case.outcome)).count()
        };
        let failures = count(|outcome| matches!(outcome, Outcome::Failed(_)));
        let errors = count(|outcome| matches!(outcome, Outcome::Error(_)));
        let time: Duration = self.cases.iter().map(|case| case.took).sum();
        let totals = format!(
            "tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\" time=\"{:.3}\"",
            self.cases.len(),
            time.as_secs_f64()
        );
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        let _ = writeln!(xml, "<testsuites {totals}>\n  <testsuite name=\"retake\" {totals}>");
        for case in &self.cases {
            let (script, name) = (escaped(&case.script), escaped(&case.name));
            let took = case.took.as_secs_f64();
            let _ = write!(
                xml,
                "    <testcase classname=\"{script}\" name=\"{name}\" time=\"{took:.3}\""
            );
            let _ = match &case.outcome {
                Outcome::Passed => writeln!(xml, "/>"),
                Outcome::Failed(problem) => writeln!(
                    xml,
                    ">\n      <failure message=\"{}\"/>\n    </testcase>",
                    escaped(problem)
                ),
                Outcome::Error(problem) => writeln!(
                    xml,
                    ">\n      <error message=\"{}\"/>\n    </testcase>",
                    escaped(problem)
                ),
            };
        }
        xml.push_str("  </testsuite>\n</testsuites>\n");
        xml
    }
}

/// A text inside of quotes in XML. Characters that XML does not know are replaced.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            '\r' => out.push_str("&#13;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use retake_console::{AssertView, FailedView, ScriptStep};

    use super::*;

    #[test]
    fn each_assertion_is_a_test_case() {
        let mut junit = Junit::new();
        let holds = Output::Assert(AssertView { expression: "1".to_owned() });
        let fails = Output::Failed(FailedView { problem: "left < \"right\"\n\u{1}".to_owned() });
        junit.ran("a.txt", 1, "goto end", &Output::Exit);
        junit.ran("a.txt", 2, "assert 1", &holds);
        let step = |line, output| ScriptStep { line, command: "assert 2 & 3".to_owned(), output };
        let nested = Output::Script(vec![step(4, holds), step(5, fails)]);
        junit.ran("a.txt", 3, "source b.txt", &nested);
        junit.failed("a.txt", 6, "jump", "there is no command");
        assert_eq!(junit.failures(), 2);
        for case in &mut junit.cases {
            case.took = Duration::from_millis(1500);
        }
        let wanted = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="4" failures="1" errors="1" time="6.000">
  <testsuite name="retake" tests="4" failures="1" errors="1" time="6.000">
    <testcase classname="a.txt" name="line 2: assert 1" time="1.500"/>
    <testcase classname="b.txt" name="line 4: assert 2 &amp; 3" time="1.500"/>
    <testcase classname="b.txt" name="line 5: assert 2 &amp; 3" time="1.500">
      <failure message="left &lt; &quot;right&quot;&#10;�"/>
    </testcase>
    <testcase classname="a.txt" name="line 6: jump" time="1.500">
      <error message="there is no command"/>
    </testcase>
  </testsuite>
</testsuites>
"#;
        assert_eq!(junit.xml(), wanted);
    }
}

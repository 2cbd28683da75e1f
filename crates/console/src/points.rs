//! Breakpoints from a JSON file.
//!
//! The plain form is an array of lines as `break` takes them, or of objects with `location`, `condition`,
//! `hits` (`"% 100"`) and `commands`. VS Code's form is what it sends to debug adapters
//! (`setBreakpoints`: `source.path` and `breakpoints` with `line`, `condition`, `hitCondition`), or what it
//! keeps of them (`uri.path`, `lineNumber`, `enabled`, `functionName`).

use serde::Deserialize;
use serde_json::Value;

use crate::console::fits;
use crate::error::{WORD, shortened};
use crate::output::BreakpointView;
use crate::script::read_script;
use crate::{Console, ConsoleError, Output};

/// A breakpoint as a file has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Point {
    /// What `break` is given.
    pub(crate) location: String,
    /// At which of its hits it stops.
    pub(crate) hits: Option<String>,
    /// What is run at its stops.
    pub(crate) commands: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    location: Option<String>,
    name: Option<String>,
    function_name: Option<String>,
    line: Option<u32>,
    line_number: Option<u32>,
    file: Option<String>,
    uri: Option<Place>,
    source: Option<Place>,
    condition: Option<String>,
    #[serde(alias = "hits")]
    hit_condition: Option<String>,
    #[serde(default)]
    commands: Vec<String>,
    #[serde(default = "yes")]
    enabled: bool,
    /// All of them are in `source`.
    #[serde(default)]
    breakpoints: Vec<Value>,
}

const fn yes() -> bool {
    true
}

#[derive(Clone, Deserialize)]
struct Place {
    path: String,
}

/// The breakpoints of a file. Those that are not enabled are none.
pub(crate) fn points(path: &str, text: &str) -> Result<Vec<Point>, ConsoleError> {
    let bad = |problem: String| ConsoleError::Points { path: path.to_owned(), problem };
    let value: Value = serde_json::from_str(text).map_err(|err| bad(err.to_string()))?;
    let mut all = Vec::new();
    collect(&value, None, &mut all).map_err(bad)?;
    Ok(all)
}

fn collect(value: &Value, file: Option<&str>, all: &mut Vec<Point>) -> Result<(), String> {
    match value {
        Value::Array(values) => values.iter().try_for_each(|value| collect(value, file, all)),
        Value::String(location) => {
            all.push(Point { location: location.clone(), ..Point::default() });
            Ok(())
        }
        Value::Object(_) => {
            let entry = Entry::deserialize(value);
            let entry = entry.map_err(|err| format!("{err} in {}", text_of(value)))?;
            entry_points(entry, file, all).ok_or_else(|| {
                format!("no location, function or line with a file is in {}", text_of(value))
            })?
        }
        _ => Err(format!("{value} is no breakpoint")),
    }
}

fn text_of(value: &Value) -> String {
    shortened(&value.to_string(), WORD)
}

/// The breakpoints of an object; nothing if it is none.
fn entry_points(
    entry: Entry,
    file: Option<&str>,
    all: &mut Vec<Point>,
) -> Option<Result<(), String>> {
    let place = entry.source.or(entry.uri).map(|place| place.path).or(entry.file);
    let file = place.as_deref().or(file);
    if !entry.breakpoints.is_empty() {
        return Some(collect(&Value::Array(entry.breakpoints), file, all));
    }
    // VS Code counts lines from 0 where it keeps them.
    let line = entry.line.or_else(|| entry.line_number.map(|line| line.saturating_add(1)));
    let of_line = || Some(format!("{}:{}", file?, line?));
    let function = entry.function_name.or(entry.name);
    let mut location = entry.location.or_else(of_line).or(function)?;
    if let Some(condition) = entry.condition.filter(|condition| !condition.trim().is_empty()) {
        location = format!("{location} if {condition}");
    }
    if entry.enabled {
        // A number alone means that one.
        let hits = entry.hit_condition.map(|hits| match hits.trim().parse::<u64>() {
            Ok(number) => format!("== {number}"),
            Err(_) => hits,
        });
        all.push(Point { location, hits, commands: entry.commands });
    }
    Some(Ok(()))
}

impl Console {
    /// Sets the breakpoints of a file: all that can be set.
    pub(crate) fn set_points(&mut self, path: &str) -> Result<Output, ConsoleError> {
        let all = points(path, &read_script(path)?)?;
        let (mut set, mut problems) = (Vec::new(), Vec::new());
        for point in &all {
            match self.set_point(point) {
                Ok(view) => set.push(view),
                Err(err) => {
                    let location = shortened(&point.location, WORD);
                    problems.push(format!("{location}: {err}"));
                }
            }
        }
        if problems.is_empty() {
            return Ok(Output::Set(set));
        }
        let (count, total, problems) = (problems.len(), all.len(), problems.join("; "));
        let problem = format!("{count} of {total} cannot be set, the others are: {problems}");
        Err(ConsoleError::Points { path: path.to_owned(), problem })
    }

    fn set_point(&mut self, point: &Point) -> Result<BreakpointView, ConsoleError> {
        let set = self.set_of(&format!("break {}", point.location))?;
        let id = set.id;
        let whole = self.complete_point(set, point);
        if whole.is_err() {
            // One that stops elsewhere than it is to is worse than none.
            self.execute_one(&format!("clear {id}"))?;
        }
        whole
    }

    /// Gives a breakpoint that is set all else that it has.
    fn complete_point(
        &mut self,
        set: BreakpointView,
        point: &Point,
    ) -> Result<BreakpointView, ConsoleError> {
        let (id, mut set) = (set.id, set);
        if let Some(hits) = &point.hits {
            set = self.set_of(&format!("condition -hitcount {id} {hits}"))?;
        }
        for command in &point.commands {
            set = self.set_of(&format!("on {id} {command}"))?;
        }
        Ok(set)
    }

    /// The breakpoint that a line sets or changes.
    fn set_of(&mut self, line: &str) -> Result<BreakpointView, ConsoleError> {
        fits(line)?;
        match self.execute_one(line)? {
            Output::Set(mut set) => set.pop(),
            _ => None,
        }
        .ok_or_else(|| ConsoleError::Setting(format!("{line:?} sets no breakpoint")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, wanted: &[(&str, Option<&str>)]) {
        let found = points("p.json", text).unwrap();
        let found: Vec<_> =
            found.iter().map(|point| (point.location.as_str(), point.hits.as_deref())).collect();
        assert_eq!(found, wanted);
    }

    #[test]
    fn plain_and_vs_codes_forms() {
        check(
            r#"["work", "app.c:10 if $rax == 1"]"#,
            &[("work", None), ("app.c:10 if $rax == 1", None)],
        );
        check(
            r#"[{"location": "work", "condition": "$rax == 1", "hits": "% 100"}]"#,
            &[("work if $rax == 1", Some("% 100"))],
        );
        let adapter = r#"{"source": {"name": "a.c", "path": "/src/a.c"},
            "breakpoints": [{"line": 3}, {"line": 5, "condition": "", "hitCondition": "2"}]}"#;
        check(adapter, &[("/src/a.c:3", None), ("/src/a.c:5", Some("== 2"))]);
        let kept = r#"[{"id": "x", "enabled": true, "uri": {"$mid": 1, "path": "/src/a.c", "scheme": "file"},
            "lineNumber": 2, "column": 4}, {"enabled": false, "uri": {"path": "/b"}, "lineNumber": 1},
            {"id": "y", "enabled": true, "functionName": "work"}, {"name": "main"}]"#;
        check(kept, &[("/src/a.c:3", None), ("work", None), ("main", None)]);
    }

    #[test]
    fn what_is_no_breakpoint_is_said() {
        for bad in ["", "3", "[3]", "{}", r#"[{"line": 3}]"#, r#"[{"line": "x"}]"#] {
            assert!(matches!(points("p", bad), Err(ConsoleError::Points { .. })), "{bad}");
        }
    }
}

//! What other debuggers say at the same place of the same recording: gdb 13 with the printers of each language, and
//! Delve 1.20. Rows that are not noted say the same, once what differs in all texts of a debugger is taken away.

use std::path::Path;

use regex::Regex;
use retake_testkit::{Delve, Retake, finish};

use super::without_addresses;

/// How a row differs there.
#[derive(Clone, Copy, Debug)]
pub(super) enum There {
    /// The same is asked by other words.
    As(&'static str),
    /// It is the same, in other words.
    Shown(&'static str),
    /// The same is asked by other words, and answered in others.
    Other(&'static str, &'static str),
    /// What it says is not as good, and why.
    Better(&'static str, &'static str),
}

/// An expression, and how it differs there.
pub(super) type Note = (&'static str, There);

/// A debugger, and what it makes of the values of a language.
#[derive(Clone, Copy, Debug)]
pub(super) struct Oracle {
    /// What is replaced in all of its texts: a pattern, and what takes its place.
    pub(super) rules: &'static [(&'static str, &'static str)],
    /// The same, in our texts.
    pub(super) ours: &'static [(&'static str, &'static str)],
    /// Whether spaces and line breaks count.
    pub(super) spaces: Spaces,
    pub(super) notes: &'static [Note],
    /// What differs in an optimized program besides, before all others.
    pub(super) also: &'static [Note],
}

/// What spaces outside of texts are in a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spaces {
    Counted,
    /// One debugger breaks lines where the other does not.
    Dropped,
}

/// Where it is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) dir: &'a Path,
    /// `FILE:LINE`
    pub(super) at: &'a str,
    /// Which frame, from the innermost one.
    pub(super) frame: u32,
}

impl Oracle {
    fn note(&self, expression: &str) -> Option<There> {
        self.also
            .iter()
            .chain(self.notes)
            .find(|(noted, _)| *noted == expression)
            .map(|(_, there)| *there)
    }

    /// What is asked there.
    fn question<'r>(&self, expression: &'r str) -> &'r str {
        match self.note(expression) {
            Some(There::As(typed) | There::Other(typed, _)) => typed,
            _ => expression,
        }
    }

    /// A text without what differs in all of them.
    fn normal(&self, text: &str, rules: &[(&str, &str)]) -> String {
        let text = shortest_numbers(&without_addresses(text));
        let text = match self.spaces {
            Spaces::Counted => text,
            Spaces::Dropped => without_spaces(&text),
        };
        rules.iter().fold(text, |text, (pattern, with)| {
            Regex::new(pattern).unwrap().replace_all(&text, *with).into_owned()
        })
    }

    /// Compares the rows with what was said there, one text for each.
    #[track_caller]
    fn compare(&self, rows: &[(&str, &str)], said: &[String]) {
        assert_eq!(said.len(), rows.len(), "{said:#?}");
        let mut wrong = Vec::new();
        for ((expression, ours), said) in rows.iter().zip(said) {
            let said = self.normal(said, self.rules);
            let expected = match self.note(expression) {
                None | Some(There::As(_)) => self.normal(ours, self.ours),
                Some(There::Shown(text) | There::Other(_, text)) => text.to_owned(),
                Some(There::Better(text, why)) => {
                    assert!(!why.is_empty());
                    text.to_owned()
                }
            };
            if said != expected {
                wrong.push(format!("{expression}\n  expected {expected}\n  said     {said}"));
            }
        }
        assert!(
            wrong.is_empty(),
            "{} of {} differ:\n{}",
            wrong.len(),
            rows.len(),
            wrong.join("\n")
        );
    }
}

/// Numbers with 16 digits or more, as the shortest text that is the same number.
fn shortest_numbers(text: &str) -> String {
    let long = Regex::new(r"-?\b\d+\.\d{14,}\b").unwrap();
    let shortest = |found: &regex::Captures<'_>| found[0].parse::<f64>().unwrap().to_string();
    long.replace_all(text, shortest).into_owned()
}

/// A text without the spaces that are in no quoted part of it.
fn without_spaces(text: &str) -> String {
    let (mut out, mut inside, mut escaped) = (String::new(), false, false);
    for c in text.chars() {
        if c == '"' && !escaped {
            inside = !inside;
        }
        escaped = inside && c == '\\' && !escaped;
        if inside || !c.is_whitespace() {
            out.push(c);
        }
    }
    out
}

/// gdb, and what it needs to show a language as its people want it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gdb {
    /// `gdb` or `rust-gdb`.
    pub(super) command: &'static str,
    pub(super) oracle: Oracle,
}

/// What gdb prints for each expression, in lines of their own.
const ASK: &str = "
def ask(expression):
    try:
        text = gdb.execute('output ' + expression, to_string=True)
    except gdb.error as error:
        text = 'error: %s' % error
    print('ROW ' + text.replace('\\n', ' '))
";

/// The printers of libstdc++, where Debian has them. gdb loads them by itself for a library that it finds at home.
const PRINTERS: &str = "
import os, sys
if os.path.isdir('/usr/share/gcc/python'):
    sys.path.insert(0, '/usr/share/gcc/python')
    from libstdcxx.v6 import register_libstdcxx_printers
    register_libstdcxx_printers(None)
";

impl Gdb {
    /// What gdb says of expressions.
    #[track_caller]
    fn ask(self, retake: &Retake, place: Place<'_>, expressions: &[&str]) -> Vec<String> {
        let settings = "set pagination off\nset width 0\nset height 0\nset confirm off\n\
                        set debuginfod enabled off\nset print object on\nset print static-members off\n\
                        set print vtbl off\nset print elements 0\n";
        let mut script = format!(
            "{settings}python\nimport gdb\n{PRINTERS}{ASK}\nend\nbreak {}\ncontinue\nframe {}\npython\n",
            place.at, place.frame
        );
        for expression in expressions {
            script.push_str(&format!("ask({expression:?})\n"));
        }
        script.push_str("end\n");
        let file = retake.path("script.gdb");
        std::fs::write(&file, script).unwrap();
        let mut command = retake.command(["gdb".as_ref(), place.dir.as_os_str()]);
        command.args(["--debugger", self.command, "--", "-nx", "-batch", "-x"]).arg(&file);
        let ended = finish(command);
        let output = ended.output();
        let rows = output.lines().filter_map(|line| line.strip_prefix("ROW "));
        let rows: Vec<String> = rows.map(|row| row.trim_end().to_owned()).collect();
        assert_eq!(rows.len(), expressions.len(), "{output}\n{}", ended.errors());
        rows
    }

    /// Checks that gdb says what the rows say, and that it has no value of those which are gone.
    #[track_caller]
    pub(super) fn agrees(
        self,
        retake: &Retake,
        place: Place<'_>,
        rows: &[(&str, &str)],
        gone: &[&str],
    ) {
        let asked = rows.iter().map(|(expression, _)| self.oracle.question(expression));
        // Of those which are gone the variables are asked for: gdb 13 ends by a fault at some of their parts.
        let is_name = |text: &&&str| text.chars().all(|c| c.is_alphanumeric() || c == '_');
        let gone = gone.iter().filter(is_name).copied().collect::<Vec<_>>();
        let asked: Vec<&str> = asked.chain(gone.iter().copied()).collect();
        let mut said = self.ask(retake, place, &asked);
        let of_gone = said.split_off(rows.len());
        self.oracle.compare(rows, &said);
        for (expression, said) in gone.iter().zip(of_gone) {
            let has_none = ["error: ", "optimized out", "<synthetic pointer>"]
                .iter()
                .any(|none| said.contains(none));
            assert!(has_none, "{expression}: gdb says {said}");
        }
    }
}

/// Checks that Delve says what the rows say.
#[track_caller]
pub(super) fn delve_agrees(oracle: Oracle, delve: &Delve, place: Place<'_>, rows: &[(&str, &str)]) {
    let said = delve_says(oracle, delve, place, rows);
    oracle.compare(rows, &said);
}

/// What Delve says of each row.
#[track_caller]
pub(super) fn delve_says(
    oracle: Oracle,
    delve: &Delve,
    place: Place<'_>,
    rows: &[(&str, &str)],
) -> Vec<String> {
    let mut script = "config max-string-len 1000\nconfig max-array-values 200\n\
                      config max-variable-recurse 3\n"
        .to_owned();
    script.push_str(&format!("break {}\ncontinue\n", place.at));
    for (expression, _) in rows {
        let asked = oracle.question(expression);
        script.push_str(&format!("print \"ROW\"\nframe {} print {asked}\n", place.frame));
    }
    script.push_str("print \"ROW\"\n");
    let ended = delve.script(["replay".as_ref(), place.dir.as_os_str()], &script);
    // An expression that it does not take is told on the other stream, in between.
    let output = ended.output();
    let mut parts: Vec<String> =
        output.split("\"ROW\"\n").skip(1).map(|part| part.trim().to_owned()).collect();
    parts.truncate(rows.len());
    assert_eq!(parts.len(), rows.len(), "{output}\n{}", ended.errors());
    parts
}

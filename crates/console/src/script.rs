//! Scripts: files of commands, a line each; `#` begins a comment.

use crate::{Console, ConsoleError, ScriptStep};

/// Runs scripts of another language.
pub trait ScriptRunner {
    /// What the names of their files end in.
    fn extension(&self) -> &'static str;

    /// Runs a script; what it did, and printed, is put into `done`, also where it fails then.
    ///
    /// # Errors
    /// When it cannot be parsed, or fails; the text says where.
    fn run(
        &self,
        console: &mut Console,
        path: &str,
        text: &str,
        done: &mut Vec<ScriptStep>,
    ) -> Result<(), String>;
}

/// How a script ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// After its last command.
    Done,
    /// At an `exit`.
    Exit,
}

/// The commands of a script with their line numbers, from 1. A `#` is a comment at the start of a
/// word, so that `b#c` can be a name.
pub fn script_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = (1..).zip(text.lines().map(|line| without_comment(line).trim()));
    numbered.filter(|(_, line)| !line.is_empty())
}

fn without_comment(line: &str) -> &str {
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        if c == '#' && before.is_whitespace() {
            return &line[..at];
        }
        before = c;
    }
    line
}

/// The text of a script.
pub(crate) fn read_script(path: &str) -> Result<String, ConsoleError> {
    std::fs::read_to_string(path)
        .map_err(|source| ConsoleError::Read { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_empty_lines_are_skipped_and_counted() {
        let text = "# first\n\n  break main # where it begins\nbreak a#b\n#\ncontinue";
        let lines: Vec<_> = script_lines(text).collect();
        assert_eq!(lines, [(3, "break main"), (4, "break a#b"), (6, "continue")]);
    }
}

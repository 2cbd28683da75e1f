//! Completion: commands and their words from the table, names from the debugger.

use retake_model::RegisterName;

use crate::Console;
use crate::commands::{Words, commands, find};

/// Names that are offered at most.
const MOST: usize = 200;

/// What can stand where the cursor is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completion {
    /// One of these words instead of what begins at byte `start` of the line.
    Words {
        /// Where the word begins that is being written.
        start: usize,
        /// What it can become.
        words: Vec<String>,
    },
    /// The path of a file.
    File,
}

impl Console {
    /// What can complete a line that is written up to the cursor.
    pub fn complete(&self, before: &str) -> Completion {
        let start = before.rfind(char::is_whitespace).map_or(0, |space| space + 1);
        let (done, typed) = before.split_at(start);
        let all = match done.trim() {
            "" => names(),
            line => match self.after(line, typed) {
                Some(words) => words,
                None => return Completion::File,
            },
        };
        let words = all.into_iter().filter(|word| word.starts_with(typed)).collect();
        Completion::Words { start, words }
    }

    /// What can follow the words of a line; nothing where that is a file.
    fn after(&self, line: &str, typed: &str) -> Option<Vec<String>> {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let Some(command) = find(name) else { return Some(Vec::new()) };
        Some(match (command.words, rest.trim()) {
            (Words::Registers, _) => {
                RegisterName::ALL.iter().map(|name| name.name().to_owned()).collect()
            }
            (Words::Files, _) => return None,
            // `thread 2 COMMAND`, `on 1 COMMAND`
            (Words::ThenCommand, rest) if !rest.is_empty() && !rest.contains(' ') => names(),
            (_, rest) if !rest.is_empty() => Vec::new(),
            (Words::Commands, _) => names(),
            (Words::Places, _) => self.debugger().functions_starting(typed, MOST),
            (Words::Moments(words), _) => {
                let bookmarks = self.debugger().bookmark_names();
                let mut all: Vec<String> = owned(words);
                all.extend(bookmarks);
                all
            }
            (Words::These(words), _) => owned(words),
            (Words::ThenCommand, _) => Vec::new(),
        })
    }
}

fn names() -> Vec<String> {
    commands().iter().map(|command| command.name.to_owned()).collect()
}

//! Completion, from the table of commands.

use crate::commands::{Words, commands, find};

/// What can stand where the cursor is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completion {
    /// One of these words instead of what begins at byte `start` of the line.
    Words {
        /// Where the word begins that is being written.
        start: usize,
        /// What it can become.
        words: Vec<&'static str>,
    },
    /// The path of a file.
    File,
}

/// What can complete a line that is written up to the cursor.
pub fn complete(before: &str) -> Completion {
    let start = before.rfind(char::is_whitespace).map_or(0, |space| space + 1);
    let (done, typed) = before.split_at(start);
    let names = || commands().iter().map(|command| command.name).collect();
    let all: Vec<&'static str> = match done.trim() {
        "" => names(),
        name => match find(name).map(|command| command.words) {
            Some(Words::Commands) => names(),
            Some(Words::Files) => return Completion::File,
            Some(Words::These(words)) => words.to_vec(),
            None => Vec::new(),
        },
    };
    let words = all.into_iter().filter(|word| word.starts_with(typed)).collect();
    Completion::Words { start, words }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(before: &str, start: usize, words: &[&'static str]) {
        assert_eq!(complete(before), Completion::Words { start, words: words.to_vec() });
    }

    #[test]
    fn names_and_words_come_from_the_table() {
        check("br", 0, &["break", "breakpoints"]);
        check("  rew", 2, &["rewind"]);
        check("help che", 5, &["checkpoints"]);
        check("h che", 2, &["checkpoints"]);
        check("goto e", 5, &["event", "end"]);
        check("g ", 2, &["hit", "event", "checkpoint", "start", "end"]);
        check("goto hit e", 9, &[]);
        check("nothing ", 8, &[]);
        assert_eq!(complete("source /t"), Completion::File);
    }
}

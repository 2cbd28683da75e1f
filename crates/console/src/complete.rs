//! Completion: commands and their words from the table, names from the debugger.

use retake_model::RegisterName;

use crate::commands::{Words, commands, find};
use crate::{Console, settings};

/// Names that are offered at most.
const MOST: usize = 200;

/// What can stand where the cursor is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completion {
    /// One of these words instead of what begins at byte `start` of the line.
    Words {
        /// Where the word begins that is being written.
        start: usize,
        /// What it can become. What ends in `:` or `(` is to be gone on with.
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
        let (start, typed, all) = match done.trim() {
            "" => (start, typed, self.names()),
            line => match self.words_after(line) {
                Words::Files => return Completion::File,
                Words::Expressions(options) => {
                    let part = typed.len() - name_at_end(typed).len();
                    let options = if part == 0 { options } else { &[] };
                    let name = &typed[part..];
                    (start + part, name, self.in_expression(name, options))
                }
                words => (start, typed, self.all_of(words, typed)),
            },
        };
        let words = all.into_iter().filter(|word| word.starts_with(typed)).collect();
        Completion::Words { start, words }
    }

    /// What the next word of a line can be.
    fn words_after(&self, line: &str) -> Words {
        let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let aliased = || settings::aliased(self.debugger().settings(), name);
        let Some(command) = find(name).or_else(aliased) else { return Words::NONE };
        match (command.words, rest.trim()) {
            // What follows in all words.
            (words @ (Words::Registers | Words::Files), _) => words,
            (Words::Expressions(_), rest) if !rest.is_empty() => Words::Expressions(&[]),
            // `thread 2 COMMAND`, `on 1 COMMAND`
            (Words::ThenCommand, rest) => match rest.split_once(char::is_whitespace) {
                _ if rest.is_empty() => Words::NONE,
                None => Words::Commands,
                Some((_, line)) => self.words_after(line.trim_start()),
            },
            // `condition 1 EXPRESSION`
            (Words::ThenExpression(_), rest) if !rest.is_empty() && !rest.starts_with('-') => {
                Words::Expressions(&[])
            }
            // `break PLACE if EXPRESSION`
            (Words::Places, rest) if rest.split_whitespace().any(|word| word == "if") => {
                Words::Expressions(&[])
            }
            (words, "") => words,
            _ => Words::NONE,
        }
    }

    fn all_of(&self, words: Words, typed: &str) -> Vec<String> {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        match words {
            Words::Registers => registers("").collect(),
            Words::Commands => self.names(),
            Words::Places => {
                let mut all = self.debugger().functions_starting(typed, MOST);
                let sources = self.debugger().sources_starting(typed, MOST).into_iter();
                all.extend(sources.map(|name| format!("{name}:")));
                all
            }
            Words::Moments(words) => {
                let mut all: Vec<String> = owned(words);
                all.extend(self.debugger().bookmark_names());
                all
            }
            Words::These(words) | Words::ThenExpression(words) => owned(words),
            // The callers have asked for these already.
            Words::Expressions(_) | Words::Files | Words::ThenCommand => Vec::new(),
        }
    }

    /// What a name in an expression can become.
    fn in_expression(&self, name: &str, options: &[&str]) -> Vec<String> {
        let mut all: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        all.extend(self.debugger().variables_starting(name, MOST));
        if name.starts_with('$') {
            all.extend(registers("$"));
        }
        all
    }

    /// The names of commands, and those that somebody has given them.
    fn names(&self) -> Vec<String> {
        let mut all: Vec<String> =
            commands().iter().map(|command| command.name.to_owned()).collect();
        all.extend(settings::aliases(self.debugger().settings()).map(str::to_owned));
        all
    }
}

fn registers(before: &'static str) -> impl Iterator<Item = String> {
    RegisterName::ALL.iter().map(move |name| format!("{before}{}", name.name()))
}

/// The name that a text ends with. An option is one, as no name begins with `-`.
fn name_at_end(text: &str) -> &str {
    if text.starts_with('-') {
        return text;
    }
    let is_of_name = |c: char| c.is_alphanumeric() || "_$".contains(c);
    let before = text.trim_end_matches(is_of_name);
    &text[before.len()..]
}

//! The commands: one table, of which a family is written in each file.

mod breakpoints;
mod calling;
mod catching;
mod frames;
mod goroutines;
mod looking;
mod marks;
mod memory;
mod moments;
mod moving;
mod names;
mod own;
mod showing;
mod tracing;
mod values;

use retake_debugger::{BreakpointId, Request};

use crate::ConsoleError;
use crate::asked::Asked;

pub(crate) use own::nested_too_deeply;

/// A command: all that is known about it, in one place.
#[derive(Clone, Copy, Debug)]
pub struct Command {
    /// Its name.
    pub name: &'static str,
    /// Its other names.
    pub aliases: &'static [&'static str],
    /// How it is written.
    pub usage: &'static str,
    /// What it does.
    pub summary: &'static str,
    /// What its first word can be completed to.
    pub words: Words,
    /// What a line with these words after the name asks for.
    parse: fn(&Self, &str) -> Result<Asked, ConsoleError>,
}

/// What the first word after a command can be completed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// One of these.
    These(&'static [&'static str]),
    /// The name of a command.
    Commands,
    /// The path of a file.
    Files,
    /// A function, or a source file.
    Places,
    /// One of these, or a variable or register, as in all words that follow.
    Expressions(&'static [&'static str]),
    /// A register, and more of them.
    Registers,
    /// One of these, or a bookmark.
    Moments(&'static [&'static str]),
    /// A number, and then a command.
    ThenCommand,
    /// One of these, or a number and then variables and registers.
    ThenExpression(&'static [&'static str]),
}

impl Words {
    /// No word.
    pub(crate) const NONE: Self = Self::These(&[]);
}

const COMMANDS: &[Command] = &[
    breakpoints::BREAK,
    breakpoints::TBREAK,
    breakpoints::CONDITION,
    catching::CATCH,
    catching::HANDLE,
    breakpoints::ON,
    breakpoints::BREAKPOINTS,
    breakpoints::CLEAR,
    breakpoints::CLEARALL,
    moving::CONTINUE,
    moving::REWIND,
    moving::UNTIL,
    moving::ADVANCE,
    moving::STEP,
    moving::NEXT,
    moving::STEPOUT,
    moving::STEP_INSTRUCTION,
    moving::NEXT_INSTRUCTION,
    moving::REV,
    breakpoints::HITS,
    tracing::TRACE,
    moving::GOTO,
    marks::RESTART,
    marks::BOOKMARK,
    marks::BOOKMARKS,
    marks::CLEAR_BOOKMARK,
    looking::STACK,
    frames::FRAME,
    frames::UP,
    frames::DOWN,
    looking::THREADS,
    looking::THREAD,
    goroutines::GOROUTINES,
    goroutines::GOROUTINE,
    looking::REGS,
    memory::EXAMINEMEM,
    memory::WATCH,
    memory::WATCHES,
    memory::UNWATCH,
    memory::LAST,
    values::PRINT,
    values::WHATIS,
    values::LOCALS,
    values::ARGS,
    values::VARS,
    names::FUNCS,
    names::TYPES,
    names::SOURCES,
    names::LIBRARIES,
    names::INFO,
    showing::DISPLAY,
    showing::UNDISPLAY,
    calling::CALL,
    calling::SET,
    looking::LIST,
    showing::DISASSEMBLE,
    showing::OUTPUT,
    showing::EVENTS_COMMAND,
    moments::WHEN,
    moments::CHECKPOINTS,
    own::SOURCE,
    memory::ASSERT,
    own::EXPECT,
    own::CONFIG,
    own::TRANSCRIPT,
    own::HELP,
    own::EXIT,
];

/// Every command.
pub fn commands() -> &'static [Command] {
    COMMANDS
}

/// The command of a name or alias.
pub(crate) fn find(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.is(name))
}

/// What a line asks for.
pub(crate) fn parse(line: &str) -> Result<Asked, ConsoleError> {
    let (name, args) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let command = known(name)?;
    (command.parse)(command, args.trim())
}

/// The command that a line begins with.
pub(crate) fn known(line: &str) -> Result<&'static Command, ConsoleError> {
    let name = line.split_whitespace().next().unwrap_or_default();
    find(name).ok_or_else(|| ConsoleError::unknown_command(name))
}

impl Command {
    /// Whether it has this name, or an alias of it.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name == name || self.aliases.contains(&name)
    }

    /// An error about the words after the command.
    fn misuse(&self, problem: impl Into<String>) -> ConsoleError {
        ConsoleError::Usage { problem: problem.into(), usage: self.usage }
    }

    /// An error if there are any words after the command.
    fn no_args(&self, args: &str) -> Result<(), ConsoleError> {
        if args.is_empty() { Ok(()) } else { Err(self.misuse(format!("{args:?} is too much"))) }
    }

    /// A request of a command that takes no words.
    fn alone(&self, args: &str, request: Request) -> Result<Asked, ConsoleError> {
        self.no_args(args)?;
        Ok(Asked::plainly(request))
    }

    /// A text as it is, or in quotes with `\n`, `\t`, `\"` and `\\`.
    fn text(&self, text: &str) -> Result<String, ConsoleError> {
        let Some(quoted) = text.strip_prefix('"') else { return Ok(text.to_owned()) };
        let open = || self.misuse("the text ends within its quotes");
        let quoted = quoted.strip_suffix('"').ok_or_else(open)?;
        let (mut out, mut chars) = (String::new(), quoted.chars());
        while let Some(c) = chars.next() {
            out.push(match c {
                '\\' => match chars.next().ok_or_else(open)? {
                    'n' => '\n',
                    't' => '\t',
                    other => other,
                },
                other => other,
            });
        }
        Ok(out)
    }

    /// A number among the words.
    fn number<T: std::str::FromStr>(&self, word: &str) -> Result<T, ConsoleError> {
        word.parse().map_err(|_| self.misuse(format!("{word:?} is not a number")))
    }

    /// A breakpoint's number among the words.
    fn breakpoint(&self, word: &str) -> Result<BreakpointId, ConsoleError> {
        Ok(BreakpointId::new(self.number(word)?))
    }

    /// The numbers of breakpoints, a word each.
    fn breakpoints(&self, args: &str) -> Result<Vec<BreakpointId>, ConsoleError> {
        args.split_whitespace().map(|word| self.breakpoint(word)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_commands_share_a_name() {
        let mut seen = BTreeSet::new();
        for command in COMMANDS {
            assert!(command.usage.starts_with(command.name), "{}", command.name);
            for name in command.aliases.iter().chain([&command.name]) {
                assert!(seen.insert(name), "{name}");
            }
        }
    }
}

//! The commands: a module each, and one list of them.

mod assert;
mod break_;
mod breakpoints;
mod checkpoints;
mod clear;
mod continue_;
mod examinemem;
mod exit;
mod goto;
mod help;
mod hits;
mod list;
mod names;
mod regs;
mod rewind;
mod source;
mod stack;
mod thread;
mod threads;
mod when;

use retake_execution::Execution;
use serde::Serialize;

use crate::breakpoint::{Breakpoint, Place};
use crate::debugger::place_view;
use crate::output::BreakpointView;
use crate::{BreakpointId, DebugError, Debugger, Output};

/// What is known about a command without running it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CommandInfo {
    /// Its name.
    pub name: &'static str,
    /// Its other names.
    pub aliases: &'static [&'static str],
    /// How it is written.
    pub usage: &'static str,
    /// What it does.
    pub summary: &'static str,
}

impl CommandInfo {
    /// An error about the words after the command.
    fn misuse(&self, problem: impl Into<String>) -> DebugError {
        DebugError::Usage { problem: problem.into(), usage: self.usage }
    }

    /// An error if there are any words after the command.
    fn no_args(&self, args: &str) -> Result<(), DebugError> {
        if args.is_empty() { Ok(()) } else { Err(self.misuse(format!("{args:?} is too much"))) }
    }

    /// A number among the words.
    fn number<T: std::str::FromStr>(&self, word: &str) -> Result<T, DebugError> {
        word.parse().map_err(|_| self.misuse(format!("{word:?} is not a number")))
    }
}

/// A command that can be run.
pub(crate) struct Command<E> {
    pub(crate) info: &'static CommandInfo,
    pub(crate) run: Run<E>,
}

type Run<E> = fn(&mut Debugger<E>, &str) -> Result<Output, DebugError>;

macro_rules! list {
    ($($module:ident),+ $(,)?) => {
        fn list<E: Execution>() -> Vec<Command<E>> {
            vec![$(Command { info: &$module::INFO, run: $module::run::<E> }),+]
        }

        const INFOS: &[CommandInfo] = &[$($module::INFO),+];
    };
}

list![
    break_,
    breakpoints,
    clear,
    continue_,
    rewind,
    hits,
    goto,
    stack,
    threads,
    thread,
    regs,
    examinemem,
    list,
    when,
    checkpoints,
    source,
    assert,
    help,
    exit,
];

/// Every command.
pub fn command_infos() -> &'static [CommandInfo] {
    INFOS
}

/// The command of a name or alias.
pub(crate) fn find<E: Execution>(name: &str) -> Option<Command<E>> {
    let is =
        |command: &Command<E>| command.info.name == name || command.info.aliases.contains(&name);
    list().into_iter().find(is)
}

/// A breakpoint for people.
fn breakpoint_view<E: Execution>(
    debugger: &Debugger<E>,
    breakpoint: &Breakpoint,
) -> BreakpointView {
    let files = debugger.execution.files();
    let text = |place: &Place| match *place {
        Place::Absolute(addr) => addr.to_string(),
        Place::Code { file, offset } => {
            let frames = debugger.catalog.frames_in(&debugger.execution, file, offset);
            let path = files.iter().find(|info| info.file == file).map(|info| info.path.clone());
            let path = path.unwrap_or_else(|| format!("file {file}"));
            let place = place_view(retake_model::Addr::new(offset.get()), frames.first());
            let mut text = format!("{path}+{offset}");
            if let Some(function) = place.function {
                text.push_str(&format!(" {function}"));
            }
            if let Some(source) = place.source {
                text.push_str(&format!(" {source}"));
            }
            text
        }
    };
    BreakpointView {
        id: breakpoint.id,
        location: breakpoint.location.clone(),
        places: breakpoint.places.iter().map(text).collect(),
    }
}

/// A breakpoint number among the words.
fn breakpoint_id(info: &CommandInfo, word: &str) -> Result<BreakpointId, DebugError> {
    Ok(BreakpointId::new(info.number(word)?))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_module_is_in_the_list() {
        let here = concat!(env!("CARGO_MANIFEST_DIR"), "/src/commands");
        let files = std::fs::read_dir(here).unwrap().map(|entry| entry.unwrap().file_name());
        let modules: BTreeSet<String> = files
            .map(|file| {
                file.to_string_lossy().trim_end_matches(".rs").trim_end_matches('_').to_owned()
            })
            .filter(|name| name != "mod" && name != "names")
            .collect();
        let listed: BTreeSet<String> = INFOS.iter().map(|info| info.name.to_owned()).collect();
        assert_eq!(modules, listed);
    }

    #[test]
    fn no_two_commands_share_a_name() {
        let mut seen = BTreeSet::new();
        for info in INFOS {
            assert!(info.usage.starts_with(info.name), "{}", info.name);
            for name in info.aliases.iter().chain([&info.name]) {
                assert!(seen.insert(name), "{name}");
            }
        }
    }
}

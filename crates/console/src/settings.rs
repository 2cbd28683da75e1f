//! How a console shows things, and what commands are called in it.

use std::collections::BTreeMap;

use crate::commands;
use crate::output::SettingView;
use crate::{ConsoleError, asked::Change};

/// Lines shown on each side of the one that is listed, as in Delve.
const AROUND: u32 = 5;

/// Settings of Delve on which nothing depends here. Its scripts may set them.
const OF_DELVE: [&str; 9] = [
    "max-string-len",
    "max-array-values",
    "max-variable-recurse",
    "show-location-expr",
    "disassemble-flavor",
    "debug-info-directories",
    "trace-show-timestamp",
    "tab",
    "position",
];

/// The settings of a console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Lines on each side in `list`.
    pub(crate) around: u32,
    /// Other names of commands.
    aliases: BTreeMap<String, &'static str>,
    of_delve: BTreeMap<String, String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { around: AROUND, aliases: BTreeMap::new(), of_delve: BTreeMap::new() }
    }
}

impl Settings {
    /// Changes something.
    pub(crate) fn change(&mut self, change: &Change) -> Result<(), ConsoleError> {
        match change {
            Change::Nothing => {}
            Change::Set(name, value) => self.set(name, value)?,
            Change::Alias { of, name } => {
                if commands::find(name).is_some() {
                    let text = format!("{name:?} is a command already: choose another name");
                    return Err(ConsoleError::Setting(text));
                }
                self.aliases.insert(name.clone(), of);
            }
            Change::Unalias(name) => {
                self.aliases.remove(name).ok_or_else(|| {
                    ConsoleError::Setting(format!("no command was given the name {name:?}"))
                })?;
            }
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), ConsoleError> {
        if name == "source-list-line-count" {
            self.around = value.parse().map_err(|_| {
                ConsoleError::Setting(format!("{name} is a number of lines, not {value:?}"))
            })?;
        } else if OF_DELVE.contains(&name) {
            self.of_delve.insert(name.to_owned(), value.to_owned());
        } else {
            let text = format!("there is no setting {name:?}: config -list shows them");
            return Err(ConsoleError::Setting(text));
        }
        Ok(())
    }

    /// All of them.
    pub(crate) fn view(&self) -> Vec<SettingView> {
        let setting = |name: &str, value: String| SettingView { name: name.to_owned(), value };
        let aliases =
            self.aliases.iter().map(|(name, of)| setting(&format!("alias {of}"), name.clone()));
        let of_delve = self.of_delve.iter().map(|(name, value)| {
            setting(name, format!("{value} (Delve's; nothing here depends on it)"))
        });
        let around = setting("source-list-line-count", self.around.to_string());
        std::iter::once(around).chain(aliases).chain(of_delve).collect()
    }

    /// A line with the command's own name.
    pub(crate) fn without_alias(&self, line: &str) -> Option<String> {
        let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let command = self.aliases.get(name)?;
        Some(format!("{command} {rest}"))
    }
}

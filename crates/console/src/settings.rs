//! How a console shows things, and what commands are called in it. The debugger keeps that with the session.

use retake_debugger::{CallThreads, Setting, Settings};

use crate::asked::Change;
use crate::commands;
use crate::output::SettingView;
use crate::{Command, ConsoleError};

/// The number of lines on each side of the one that is listed.
const AROUND: &str = "source-list-line-count";
/// Unless it is set: as in Delve.
const FEW: u32 = 5;
/// Who runs while a function is called: one of these words.
const CALLS_RUN: &str = "calls-run";
const ALONE: &str = "alone";
const ALL: &str = "all";
/// What the name of a setting begins with that gives a command another name.
const ALIAS: &str = "alias ";

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

/// What is to be kept for a change; nothing where that is none.
pub(crate) fn setting(
    change: &Change,
    settings: &Settings,
) -> Result<Option<Setting>, ConsoleError> {
    let (name, value) = match change {
        Change::Nothing => return Ok(None),
        Change::Set(name, value) => (known(name, value)?.to_owned(), Some(value.clone())),
        Change::Alias { of, name } => {
            if commands::find(name).is_some() {
                let text = format!("{name:?} is a command already: choose another name");
                return Err(ConsoleError::Setting(text));
            }
            (format!("{ALIAS}{name}"), Some((*of).to_owned()))
        }
        Change::Unalias(name) => {
            let setting = format!("{ALIAS}{name}");
            if settings.get(&setting).is_none() {
                let text = format!("no command was given the name {name:?}");
                return Err(ConsoleError::Setting(text));
            }
            (setting, None)
        }
    };
    Ok(Some(Setting { name, value }))
}

/// The name of a setting that can have this value.
fn known<'n>(name: &'n str, value: &str) -> Result<&'n str, ConsoleError> {
    let text = match name {
        AROUND if value.parse::<u32>().is_ok() => return Ok(name),
        AROUND => format!("{name} is a number of lines, not {value:?}"),
        CALLS_RUN if [ALONE, ALL].contains(&value) => return Ok(name),
        CALLS_RUN => format!("{name} is {ALONE} or {ALL}, not {value:?}"),
        _ if OF_DELVE.contains(&name) => return Ok(name),
        _ => format!("there is no setting {name:?}: config -list shows them"),
    };
    Err(ConsoleError::Setting(text))
}

/// Lines on each side in `list`.
pub(crate) fn around(settings: &Settings) -> u32 {
    // Another front end may have kept something else under this name.
    settings.get(AROUND).and_then(|value| value.parse().ok()).unwrap_or(FEW)
}

/// Who runs in `call`.
pub(crate) fn calls_run(settings: &Settings) -> CallThreads {
    match settings.get(CALLS_RUN) {
        Some(ALL) => CallThreads::All,
        _ => CallThreads::Alone,
    }
}

/// All of them.
pub(crate) fn view(settings: &Settings) -> Vec<SettingView> {
    let setting = |name: &str, value: String| SettingView { name: name.to_owned(), value };
    let calls_run = match calls_run(settings) {
        CallThreads::Alone => ALONE,
        CallThreads::All => ALL,
    };
    let mut all = vec![
        setting(AROUND, around(settings).to_string()),
        setting(CALLS_RUN, calls_run.to_owned()),
    ];
    let of = |name: &str| aliased(settings, name).map_or("", |command| command.name);
    all.extend(
        aliases(settings).map(|name| setting(&format!("{ALIAS}{}", of(name)), name.to_owned())),
    );
    let of_delve = settings.all().filter(|(name, _)| OF_DELVE.contains(name));
    all.extend(of_delve.map(|(name, value)| {
        setting(name, format!("{value} (Delve's; nothing here depends on it)"))
    }));
    all
}

/// The names that somebody has given to commands.
pub(crate) fn aliases(settings: &Settings) -> impl Iterator<Item = &str> {
    settings.all().filter_map(|(name, _)| name.strip_prefix(ALIAS))
}

/// The command of a name that somebody has given it.
pub(crate) fn aliased(settings: &Settings, name: &str) -> Option<&'static Command> {
    commands::find(settings.get(&format!("{ALIAS}{name}"))?)
}

/// A line with the command's own name.
pub(crate) fn without_alias(settings: &Settings, line: &str) -> Option<String> {
    let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    Some(format!("{} {rest}", aliased(settings, name)?.name))
}

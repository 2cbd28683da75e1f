//! `help`: says what the commands are.

use retake_execution::Execution;

use super::CommandInfo;
use crate::output::HelpView;
use crate::{DebugError, Debugger, Output};

pub(super) const INFO: CommandInfo = CommandInfo {
    name: "help",
    aliases: &["h"],
    usage: "help [COMMAND]",
    summary: "says what the commands are",
};

pub(super) fn run<E: Execution>(
    _debugger: &mut Debugger<E>,
    args: &str,
) -> Result<Output, DebugError> {
    let fits =
        |info: &&CommandInfo| args.is_empty() || info.name == args || info.aliases.contains(&args);
    let view = |info: &CommandInfo| HelpView {
        usage: info.usage.to_owned(),
        aliases: info.aliases.iter().map(|&alias| alias.to_owned()).collect(),
        summary: info.summary.to_owned(),
    };
    let found: Vec<_> = super::INFOS.iter().filter(fits).map(view).collect();
    if found.is_empty() {
        return Err(DebugError::UnknownCommand(args.to_owned()));
    }
    Ok(Output::Help(found))
}

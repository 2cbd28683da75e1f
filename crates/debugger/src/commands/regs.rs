//! `regs`: registers of the selected task.

use retake_execution::Execution;
use retake_model::RegisterName;

use super::CommandInfo;
use crate::output::RegisterView;
use crate::{DebugError, Debugger, Output};

pub(super) const INFO: CommandInfo = CommandInfo {
    name: "regs",
    aliases: &[],
    usage: "regs [NAME...]",
    summary: "shows general registers of the selected thread",
};

pub(super) fn run<E: Execution>(
    debugger: &mut Debugger<E>,
    args: &str,
) -> Result<Output, DebugError> {
    let registers = debugger.execution.registers(debugger.task())?;
    let mut names = Vec::new();
    for word in args.split_whitespace() {
        let name = RegisterName::from_name(word.trim_start_matches('$'));
        names.push(name.ok_or_else(|| INFO.misuse(format!("{word:?} is not a register")))?);
    }
    if names.is_empty() {
        names.extend(RegisterName::ALL);
    }
    let view = |name: RegisterName| RegisterView {
        name: name.name().to_owned(),
        value: registers.get(name),
    };
    Ok(Output::Registers(names.into_iter().map(view).collect()))
}

//! `source`: runs a file of commands.

use retake_execution::Execution;

use super::CommandInfo;
use crate::output::ScriptStep;
use crate::script::{read_script, run_lines};
use crate::{DebugError, Debugger, Output};

pub(super) const INFO: CommandInfo = CommandInfo {
    name: "source",
    aliases: &[],
    usage: "source FILE",
    summary: "runs the commands in a file, and stops at the first that fails",
};

/// Scripts inside scripts; more is a script that runs itself.
const MAX_DEPTH: usize = 16;

pub(super) fn run<E: Execution>(
    debugger: &mut Debugger<E>,
    args: &str,
) -> Result<Output, DebugError> {
    if args.is_empty() {
        return Err(INFO.misuse("a file is missing"));
    }
    if debugger.depth >= MAX_DEPTH {
        return Err(INFO.misuse("scripts are nested too deeply"));
    }
    let text = read_script(args)?;
    let mut steps = Vec::new();
    debugger.depth += 1;
    let result = run_lines(debugger, args, &text, &mut |line, command, output| {
        let (command, output) = (command.to_owned(), output.clone());
        steps.push(ScriptStep { line, command, output });
    });
    debugger.depth -= 1;
    match result {
        Ok(crate::Outcome::Exit) => Ok(Output::Exit),
        Ok(crate::Outcome::Done) => Ok(Output::Script(steps)),
        Err(DebugError::Script { file, line, command, source, .. }) => {
            Err(DebugError::Script { file, line, command, source, done: steps })
        }
        Err(err) => Err(err),
    }
}

//! `assert`: fails unless an expression holds.

use retake_execution::Execution;

use super::CommandInfo;
use super::names::DebuggerNames;
use crate::expr::{self, Expr};
use crate::output::AssertView;
use crate::{DebugError, Debugger, Output};

pub(super) const INFO: CommandInfo = CommandInfo {
    name: "assert",
    aliases: &[],
    usage: "assert EXPRESSION",
    summary: "fails unless the expression holds, such as $hits(1) == 3 && *(u32)($rsp+8) > 0",
};

pub(super) fn run<E: Execution>(
    debugger: &mut Debugger<E>,
    args: &str,
) -> Result<Output, DebugError> {
    if args.is_empty() {
        return Err(INFO.misuse("an expression is missing"));
    }
    let expression = expr::parse(args)?;
    let mut names = DebuggerNames(debugger);
    if expr::evaluate(&expression, &mut names)? != 0 {
        return Ok(Output::Assert(AssertView { expression: args.to_owned() }));
    }
    let mut text = args.to_owned();
    if let Expr::Binary(operator, left, right) = &expression
        && operator.is_comparison()
    {
        let left = expr::evaluate(left, &mut names)?;
        let right = expr::evaluate(right, &mut names)?;
        text.push_str(&format!(" (left is {left}, right is {right})"));
    }
    Err(DebugError::Assertion(text))
}

//! Values and assertions.

use super::names::DebuggerNames;
use crate::expr::{self, Expr, Expression};
use crate::{Answer, DebugError, Debugger, RequestControl};

pub(super) fn evaluate(
    debugger: &mut Debugger,
    expression: &Expression,
    control: &RequestControl,
) -> Result<Answer, DebugError> {
    let mut names = DebuggerNames::new(debugger, control);
    Ok(Answer::Value(expr::evaluate(expression.expr(), &mut names)?))
}

pub(super) fn assert(
    debugger: &mut Debugger,
    expression: &Expression,
    control: &RequestControl,
) -> Result<Answer, DebugError> {
    let mut names = DebuggerNames::new(debugger, control);
    if expr::evaluate(expression.expr(), &mut names)? != 0 {
        return Ok(Answer::Holds);
    }
    let sides = match expression.expr() {
        Expr::Binary(operator, left, right) if operator.is_comparison() => {
            let mut side = |side| expr::evaluate(side, &mut names).ok();
            side(left).zip(side(right))
        }
        _ => None,
    };
    Err(DebugError::Assertion { expression: expression.to_string(), sides })
}

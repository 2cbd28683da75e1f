//! From text to tokens.

use super::ExprError;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Number(i128),
    /// `$name`
    Dollar(String),
    Word(String),
    Sign(&'static str),
}

/// Longest first, so that `<=` is not read as `<`.
const SIGNS: [&str; 21] = [
    "&&", "||", "==", "!=", "<=", ">=", "<<", ">>", "<", ">", "+", "-", "*", "/", "%", "&", "|",
    "^", "!", "(", ")",
];

/// All tokens, each with its column from 1.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, ExprError> {
    let mut out = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let column = text.len() - rest.len() + 1;
        let syntax = |problem: String| ExprError::Syntax { problem, column };
        let (token, after) = if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign))
        {
            (Token::Sign(sign), &rest[sign.len()..])
        } else if let Some(name) = rest.strip_prefix('$') {
            let (name, after) = word(name);
            if name.is_empty() {
                return Err(syntax("a name is missing after $".to_owned()));
            }
            (Token::Dollar(name.to_owned()), after)
        } else {
            let (found, after) = word(rest);
            if found.is_empty() {
                return Err(syntax(format!("unexpected {first:?}")));
            }
            let token = if first.is_ascii_digit() {
                let value = number(found);
                Token::Number(value.ok_or_else(|| syntax(format!("{found:?} is not a number")))?)
            } else {
                Token::Word(found.to_owned())
            };
            (token, after)
        };
        out.push((column, token));
        rest = after.trim_start();
    }
    Ok(out)
}

fn word(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    text.split_at(end.unwrap_or(text.len()))
}

/// A number of at most 64 bits, decimal or hexadecimal.
fn number(text: &str) -> Option<i128> {
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let value = match hex {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    value.ok().map(i128::from)
}

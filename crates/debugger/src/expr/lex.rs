//! From text to tokens.

use super::ExprError;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Number(i128),
    /// A number with a point or an exponent, as it was written.
    Float(String),
    /// `"text"`
    Text(String),
    /// `$name`
    Dollar(String),
    /// A name, with what is around it: `a::b`.
    Word(String),
    Sign(&'static str),
}

/// Longest first, so that `<=` is not read as `<`.
const SIGNS: [&str; 28] = [
    "&&", "||", "==", "!=", "<=", ">=", "<<", ">>", "->", "..", "<", ">", "+", "-", "*", "/", "%",
    "&", "|", "^", "~", "!", "(", ")", "[", "]", ".", ":",
];

/// All tokens, each with its column from 1.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, ExprError> {
    let mut out: Vec<(usize, Token)> = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let column = text.len() - rest.len() + 1;
        let syntax = |problem: String| ExprError::Syntax { problem, column };
        let behind_dot = matches!(out.last(), Some((_, Token::Sign("."))));
        let (token, after) = if first.is_ascii_digit() {
            number(rest, behind_dot).map_err(syntax)?
        } else if first == '"' || first == '\'' {
            quoted(rest, first).map_err(syntax)?
        } else if let Some(name) = rest.strip_prefix('$') {
            let (name, after) = word(name);
            if name.is_empty() {
                return Err(syntax("a name is missing after $".to_owned()));
            }
            (Token::Dollar(name.to_owned()), after)
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            (Token::Sign(sign), &rest[sign.len()..])
        } else {
            let (found, after) = path(rest);
            if found.is_empty() {
                return Err(syntax(format!("unexpected {first:?}")));
            }
            (Token::Word(found.to_owned()), after)
        };
        out.push((column, token));
        rest = after.trim_start();
    }
    Ok(out)
}

fn word(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_'));
    text.split_at(end.unwrap_or(text.len()))
}

/// `a::b::c`
fn path(text: &str) -> (&str, &str) {
    let mut end = word(text).0.len();
    while let Some(after) = text[end..].strip_prefix("::") {
        let (name, _) = word(after);
        if end == 0 || name.is_empty() {
            break;
        }
        end += 2 + name.len();
    }
    text.split_at(end)
}

/// A number: decimal, hexadecimal, octal (`0o17`), binary (`0b11`) or with a point. Behind a dot it is a field.
fn number(text: &str, behind_dot: bool) -> Result<(Token, &str), String> {
    let (found, after) = word(text);
    let bad = || format!("{found:?} is not a number");
    let fraction = after.strip_prefix('.').map(word);
    if let Some((fraction, behind)) = fraction
        && !behind_dot
        && fraction.starts_with(|c: char| c.is_ascii_digit())
    {
        let all = format!("{found}.{fraction}");
        let value: f64 = all.parse().map_err(|_| format!("{all:?} is not a number"))?;
        return Ok((Token::Float(value.to_string()), behind));
    }
    let radix = |prefix: [&str; 2], radix: u32| {
        let digits = prefix.iter().find_map(|prefix| found.strip_prefix(prefix))?;
        Some(u64::from_str_radix(&digits.replace('_', ""), radix))
    };
    let value = radix(["0x", "0X"], 16)
        .or_else(|| radix(["0b", "0B"], 2))
        .or_else(|| radix(["0o", "0O"], 8))
        .unwrap_or_else(|| found.replace('_', "").parse());
    let value = value.map_err(|_| bad())?;
    Ok((Token::Number(value.into()), after))
}

/// A text, or a character, which is its number.
fn quoted(text: &str, quote: char) -> Result<(Token, &str), String> {
    let mut out = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        let c = match c {
            c if c == quote => {
                let after = &text[at + 1..];
                if quote == '"' {
                    return Ok((Token::Text(out), after));
                }
                let mut inside = out.chars();
                return match (inside.next(), inside.next()) {
                    (Some(c), None) => Ok((Token::Number(u32::from(c).into()), after)),
                    _ => Err("one character stands between '".to_owned()),
                };
            }
            '\\' => match chars.next() {
                Some((_, 'n')) => '\n',
                Some((_, 't')) => '\t',
                Some((_, 'r')) => '\r',
                Some((_, '0')) => '\0',
                Some((_, c)) => c,
                None => break,
            },
            c => c,
        };
        out.push(c);
    }
    Err(format!("{quote} is missing at the end"))
}

//! Values as a line of text.

use std::fmt::{self, Display, Formatter};

use super::shown::{Field, Node, Shown, Style};

impl Display for Shown {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (open, close) = if self.style == Style::C { ('{', '}') } else { ('[', ']') };
        match &self.node {
            Node::Plain(text) => f.write_str(text),
            Node::Text { text, more, .. } => {
                quoted(f, text)?;
                f.write_str(if *more { "..." } else { "" })
            }
            Node::Pointer { addr, symbol, to } => {
                self.pointer(f, *addr, symbol.as_deref(), to.as_deref())
            }
            Node::Fields(fields) => {
                if self.style != Style::C {
                    write!(f, "{} ", self.ty)?;
                }
                self.fields(f, fields)
            }
            Node::Tuple { name, items } => {
                f.write_str(name.as_deref().unwrap_or(""))?;
                if items.is_empty() && name.is_some() {
                    return Ok(());
                }
                list(f, ('(', ')'), items, None)
            }
            Node::Variant { name, fields } => {
                write!(f, "{name} ")?;
                self.fields(f, fields)
            }
            Node::List { label, len, cap, items } => {
                if let Some(label) = label {
                    write!(f, "{label}(len {len}")?;
                    if let Some(cap) = cap {
                        write!(f, ", cap {cap}")?;
                    }
                    f.write_str(") ")?;
                }
                list(f, (open, close), items, Some(*len))
            }
            Node::Map { label, len, entries } => {
                write!(f, "{label}(len {len}) {{")?;
                for (index, (key, value)) in entries.iter().enumerate() {
                    write!(f, "{}{key}: {value}", if index == 0 { "" } else { ", " })?;
                }
                more(f, entries.len(), *len)?;
                f.write_str("}")
            }
            Node::Wrapped { label, inner, notes } => {
                if label.is_empty()
                    && notes.is_empty()
                    && let Some(inner) = inner
                {
                    return write!(f, "{inner}");
                }
                write!(f, "{label}(")?;
                if let Some(inner) = inner {
                    write!(f, "{inner}")?;
                }
                for (index, (name, value)) in notes.iter().enumerate() {
                    let comma = if index == 0 && inner.is_none() { "" } else { ", " };
                    write!(f, "{comma}{name} {value}")?;
                }
                f.write_str(")")
            }
            Node::Missing(why) => write!(f, "<{why}>"),
            Node::Cut => f.write_str("..."),
        }
    }
}

impl Shown {
    fn fields(&self, f: &mut Formatter<'_>, fields: &[Field]) -> fmt::Result {
        let is = if self.style == Style::C { " = " } else { ": " };
        f.write_str("{")?;
        for (index, Field { name, value }) in fields.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            match name.as_str() {
                // As in C: what has no name is its parts.
                "" => write!(f, "{comma}{value}")?,
                name => write!(f, "{comma}{name}{is}{value}")?,
            }
        }
        f.write_str("}")
    }

    fn pointer(
        &self,
        f: &mut Formatter<'_>,
        addr: retake_model::Addr,
        symbol: Option<&str>,
        to: Option<&Self>,
    ) -> fmt::Result {
        match (self.style, to) {
            (Style::Go, None) if addr.is_null() => return f.write_str("nil"),
            (Style::Go, None) => return write!(f, "({})({addr})", self.ty),
            (Style::Go | Style::Rust, Some(to)) => {
                let sign = if self.style == Style::Go { "*" } else { "&" };
                return write!(f, "{sign}{to}");
            }
            _ => write!(f, "{addr}")?,
        }
        if let Some(symbol) = symbol {
            write!(f, " <{symbol}>")?;
        }
        if let Some(to) = to {
            write!(f, " {to}")?;
        }
        Ok(())
    }
}

fn list(
    f: &mut Formatter<'_>,
    (open, close): (char, char),
    items: &[Shown],
    len: Option<u64>,
) -> fmt::Result {
    write!(f, "{open}")?;
    let mut index = 0;
    let mut first = true;
    while let Some(item) = items.get(index) {
        let same = items.get(index..).unwrap_or_default();
        let count = same.iter().take_while(|other| *other == item).count();
        f.write_str(if first { "" } else { ", " })?;
        first = false;
        // As gdb folds them ("print repeats").
        if count > 10 && len.is_some() {
            write!(f, "{item} <repeats {count} times>")?;
            index += count;
        } else {
            write!(f, "{item}")?;
            index += 1;
        }
    }
    if let Some(len) = len {
        more(f, items.len(), len)?;
    }
    write!(f, "{close}")
}

fn more(f: &mut Formatter<'_>, shown: usize, len: u64) -> fmt::Result {
    let left = len.saturating_sub(u64::try_from(shown).unwrap_or(u64::MAX));
    match (left, shown) {
        (0, _) => Ok(()),
        (left, 0) => write!(f, "...+{left} more"),
        (left, _) => write!(f, ", ...+{left} more"),
    }
}

fn quoted(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            '\n' => f.write_str("\\n")?,
            '\t' => f.write_str("\\t")?,
            '\r' => f.write_str("\\r")?,
            c if c.is_control() => write!(f, "\\x{:02x}", u32::from(c))?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}

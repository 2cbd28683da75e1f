//! Function names, as compilers write them and as people ask for them.

use crate::demangle::demangle;
use crate::instance;

/// The name of a function in the forms it can be asked by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FunctionName {
    /// For people: `worker::run`, `ns::Class::method(int)`, `main.worker`.
    pub(crate) readable: String,
    /// As the linker knows it, if that is something else.
    pub(crate) linkage: Option<String>,
}

impl FunctionName {
    /// From a symbol's name.
    pub(crate) fn from_symbol(symbol: &str) -> Self {
        match demangle(symbol) {
            Some(readable) => Self { readable, linkage: Some(symbol.to_owned()) },
            None => Self { readable: symbol.to_owned(), linkage: None },
        }
    }

    /// From what DWARF says: `DW_AT_name`, with the type around it if that has arguments, and `DW_AT_linkage_name`.
    pub(crate) fn from_dwarf(name: Option<&str>, linkage: Option<&str>) -> Option<Self> {
        match (name, linkage) {
            (Some(name), Some(linkage)) if instance::is_older(linkage) => {
                let whole = Self::from_symbol(linkage);
                match instance::named(name, linkage) {
                    Some(readable) => Some(Self { readable, ..whole }),
                    None => Some(whole),
                }
            }
            (_, Some(linkage)) if demangle(linkage).is_some() => Some(Self::from_symbol(linkage)),
            (Some(name), linkage) => Some(Self {
                readable: name.to_owned(),
                linkage: linkage.filter(|linkage| *linkage != name).map(str::to_owned),
            }),
            (None, linkage) => linkage.map(Self::from_symbol),
        }
    }

    /// Whether this is the function that somebody means by `wanted`: the whole name, or its last
    /// parts, with or without parameters and template arguments.
    pub(crate) fn is_meant_by(&self, wanted: &Asked<'_>) -> bool {
        if self.readable == wanted.text || self.linkage.as_deref() == Some(wanted.text) {
            return true;
        }
        // Most names do not have the last word of what is asked for in them.
        if !self.readable.contains(wanted.last) {
            return false;
        }
        if is_go(&self.readable) {
            return go_means(&self.readable, wanted.text);
        }
        let own = Path::of(plain(&self.readable));
        own.ends_with(&wanted.path)
    }
}

/// Whether a function with a readable name is one that somebody means by `wanted`.
pub fn is_meant(wanted: &str, readable: &str) -> bool {
    let name = FunctionName { readable: readable.to_owned(), linkage: None };
    name.is_meant_by(&Asked::new(wanted))
}

/// What somebody asks for.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    text: &'a str,
    path: Path<'a>,
    /// A word that the name has for certain.
    last: &'a str,
}

impl<'a> Asked<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        let path = Path::of(plain(text));
        let last = path.parts.last().map_or(text, |part| part.name);
        let last = last.rsplit(['.', ')', '*', '(']).next().unwrap_or(last);
        Self { text, path, last }
    }

    /// A word that the name has for certain, mangled or not; empty if no such word is known.
    pub(crate) fn word(&self) -> &'a str {
        let is_end = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
        self.last.split(is_end).max_by_key(|word| word.len()).unwrap_or_default()
    }
}

/// A name without its result type and parameters: `int twice<int>(int)` as `twice<int>`.
fn plain(name: &str) -> &str {
    let head = without_parameters(name);
    // Templates are kept with what they return.
    let operator = head.find("operator").unwrap_or(head.len());
    let (mut depth, mut start) = (0_usize, 0);
    for (at, c) in head.char_indices().take_while(|(at, _)| *at < operator) {
        match c {
            '<' | '(' | '{' | '[' => depth += 1,
            '>' | ')' | '}' | ']' => depth = depth.saturating_sub(1),
            ' ' if depth == 0 => start = at + 1,
            _ => {}
        }
    }
    let name = head.get(start..).unwrap_or(head);
    if name.is_empty() { head } else { name.trim_start_matches(['*', '&']) }
}

/// Cuts the last list of parameters off, and what stands behind it (`const`).
fn without_parameters(name: &str) -> &str {
    let (mut depth, mut open, mut last, mut skipped) = (0_usize, None, None, 0);
    for (at, c) in name.char_indices() {
        if at < skipped {
            continue;
        }
        if let Some(end) = operator_end(name, at) {
            skipped = end;
            continue;
        }
        match c {
            '(' | '<' | '[' | '{' => {
                if depth == 0 && c == '(' {
                    open = Some(at);
                }
                depth += 1;
            }
            ')' | '>' | ']' | '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 && c == ')' {
                    last = open.map(|open| (open, at));
                }
            }
            _ => {}
        }
    }
    let Some((open, close)) = last else { return name };
    let behind = name.get(close + 1..).unwrap_or_default();
    let is_end = behind.is_empty() || behind.starts_with([' ', '&']);
    match name.get(..open) {
        // `(anonymous namespace)::f` has none.
        Some(head) if is_end && !head.is_empty() => head,
        _ => name,
    }
}

/// Where the sign of an operator ends that begins here: its brackets are none.
fn operator_end(name: &str, at: usize) -> Option<usize> {
    let signs = name.get(at..)?.strip_prefix("operator")?;
    let len = match signs.strip_prefix("()") {
        Some(_) => 2,
        None => signs.len() - signs.trim_start_matches(|c| "<>=!+-*/%&|^~,[]".contains(c)).len(),
    };
    Some(at + "operator".len() + len)
}

/// A name in its parts.
#[derive(Debug, PartialEq, Eq)]
struct Path<'a> {
    /// `<Type as Trait>` in front of it.
    qualified: Option<(&'a str, &'a str)>,
    parts: Vec<Part<'a>>,
}

/// A part of a path, with what stands in angle brackets behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part<'a> {
    name: &'a str,
    arguments: Option<&'a str>,
}

impl<'a> Path<'a> {
    fn of(text: &'a str) -> Self {
        let mut pieces = split(text);
        let first = pieces.first().copied().unwrap_or_default();
        let inner = first.strip_prefix('<').and_then(|first| first.strip_suffix('>'));
        let mut qualified = None;
        let mut parts = Vec::new();
        if let Some(inner) = inner {
            pieces.remove(0);
            match split_as(inner) {
                Some(both) => qualified = Some(both),
                // `<Type<u8>>::method` is what `Type<u8>::method` is.
                None => parts.extend(split(inner).into_iter().filter_map(part)),
            }
        }
        parts.extend(pieces.into_iter().filter_map(part));
        Self { qualified, parts }
    }

    /// Whether its last parts are those of another one.
    fn ends_with(&self, wanted: &Path<'_>) -> bool {
        let Some((ty, of_trait)) = self.qualified else {
            return wanted.qualified.is_none() && ends_with(&self.parts, &wanted.parts);
        };
        if let Some((wanted_ty, wanted_trait)) = wanted.qualified {
            let fits =
                |own: &str, wanted: &str| ends_with(&Path::of(own).parts, &Path::of(wanted).parts);
            return self.parts.len() == wanted.parts.len()
                && ends_with(&self.parts, &wanted.parts)
                && fits(ty, wanted_ty)
                && fits(of_trait, wanted_trait);
        }
        // `Type::method` and `Trait::method` both mean `<Type as Trait>::method`.
        [ty, of_trait].into_iter().any(|around| {
            let mut parts = Path::of(around).parts;
            parts.extend_from_slice(&self.parts);
            ends_with(&parts, &wanted.parts)
        })
    }
}

fn ends_with(own: &[Part<'_>], wanted: &[Part<'_>]) -> bool {
    let Some(skipped) = own.len().checked_sub(wanted.len()) else { return false };
    let same = |(own, wanted): (&Part<'_>, &Part<'_>)| {
        let arguments = |text: &str| text.replace(' ', "");
        own.name == wanted.name
            && wanted.arguments.is_none_or(|wanted| {
                own.arguments.is_some_and(|own| arguments(own) == arguments(wanted))
            })
    };
    !wanted.is_empty() && own.iter().skip(skipped).zip(wanted).all(same)
}

/// A part, without the `::` of Rust before its arguments; none of arguments that stand alone (`f::<u8>`).
fn part(piece: &str) -> Option<Part<'_>> {
    if piece.starts_with('<') || piece.is_empty() {
        return None;
    }
    match piece.find('<') {
        Some(at) if piece.ends_with('>') && !piece.starts_with("operator") => {
            Some(Part { name: piece.get(..at)?, arguments: piece.get(at + 1..piece.len() - 1) })
        }
        _ => Some(Part { name: piece, arguments: None }),
    }
}

/// The pieces between `::` that are in no brackets.
fn split(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut pieces) = (0_usize, 0, Vec::new());
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if let Some(end) = operator_end(text, at) {
            at = end;
            continue;
        }
        match byte {
            b'<' | b'(' | b'[' | b'{' => depth += 1,
            b'>' if at > 0 && bytes.get(at - 1) == Some(&b'-') => {}
            b'>' | b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b':' if depth == 0 && bytes.get(at + 1) == Some(&b':') => {
                pieces.extend(text.get(start..at));
                start = at + 2;
                at += 1;
            }
            _ => {}
        }
        at += 1;
    }
    pieces.extend(text.get(start..));
    pieces
}

/// `Type as Trait`
fn split_as(inner: &str) -> Option<(&str, &str)> {
    let mut depth = 0_usize;
    for (at, c) in inner.char_indices() {
        match c {
            '<' | '(' | '[' => depth += 1,
            '>' | ')' | ']' => depth = depth.saturating_sub(1),
            ' ' if depth == 0 && inner.get(at..)?.starts_with(" as ") => {
                return Some((inner.get(..at)?, inner.get(at + 4..)?));
            }
            _ => {}
        }
    }
    None
}

/// `main.worker`, `example.com/pkg.(*Server).run`
fn is_go(readable: &str) -> bool {
    readable.contains('.') && !readable.contains("::") && !readable.contains(' ')
}

/// Whether a Go function is meant: by its name in its package, by its receiver and name, or, of package `main`, by its
/// last parts.
fn go_means(readable: &str, wanted: &str) -> bool {
    // Instances of generic functions have their types in brackets: `main.(*Stack[go.shape.int_0]).Push`.
    let (generic, asked);
    let (readable, wanted) = if wanted.contains('[') && !wanted.contains("[...]") {
        (readable, wanted)
    } else {
        (generic, asked) = (without_brackets(readable), without_brackets(wanted));
        (generic.as_str(), asked.as_str())
    };
    let last = readable.rsplit('/').next().unwrap_or(readable);
    if last == wanted {
        return true;
    }
    let plain = |text: &str| text.replace("(*", "").replace(')', "");
    let (own, asked) = (plain(last), plain(wanted));
    // A pointer receiver that is asked for has to be one.
    if wanted.contains("(*") && !readable.contains("(*") {
        return false;
    }
    let Some((package, rest)) = own.split_once('.') else { return own == asked };
    if own == asked {
        return true;
    }
    // `main.f` is of package `main`, also where another one has a `main`.
    if asked.starts_with("main.") && package != "main" {
        return false;
    }
    let ends =
        rest == asked || rest.strip_suffix(asked.as_str()).is_some_and(|head| head.ends_with('.'));
    // A bare word means a function of the program, not one of its hundreds of libraries; and `main` is C's.
    ends && asked != "main" && (package == "main" || asked.contains('.'))
}

/// A name without what is in brackets, and those.
fn without_brackets(name: &str) -> String {
    let (mut depth, mut out) = (0_usize, String::new());
    for c in name.chars() {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            c if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(name: &str, wanted: &str) -> bool {
        FunctionName { readable: name.to_owned(), linkage: None }.is_meant_by(&Asked::new(wanted))
    }

    #[test]
    fn last_parts_are_enough() {
        assert!(meant("my_crate::worker::run", "run"));
        assert!(meant("my_crate::worker::run", "worker::run"));
        assert!(meant("ns::Class<int>::method(int, char) const", "Class::method"));
        assert!(meant("ns::Class<int>::method(int)", "ns::Class<int>::method"));
        assert!(meant("my_crate::generic::<u32>", "generic"));
        assert!(meant("main.worker", "worker"));
        assert!(meant("main.(*Server).run", "main.(*Server).run"));
        assert!(!meant("my_crate::worker::rerun", "run"));
        assert!(!meant("runtime.worker", "worker"));
    }

    #[test]
    fn types_and_traits_of_rust() {
        let circle = "<q::Circle as q::Shape>::area";
        assert!(meant(circle, circle));
        for wanted in
            ["area", "Circle::area", "q::Circle::area", "Shape::area", "<Circle as Shape>::area"]
        {
            assert!(meant(circle, wanted), "{wanted}");
        }
        assert!(!meant("<q::Square as q::Shape>::area", circle));
        assert!(!meant("<q::Square as q::Shape>::area", "Circle::area"));
        assert!(meant("<q::Boxed<u8>>::get", "<q::Boxed<u8>>::get"));
        assert!(meant("<q::Boxed<u8>>::get", "Boxed::get"));
        assert!(meant("<q::Boxed<u8>>::get", "Boxed<u8>::get"));
        assert!(!meant("<q::Boxed<u16>>::get", "<q::Boxed<u8>>::get"));
        assert!(!meant("<alloc::vec::Vec<u8>>::get", "<q::Boxed<u8>>::get"));
        assert!(meant("<q::Map<u8, q::Key>>::get::<u16>", "Map<u8,q::Key>::get"));
    }

    #[test]
    fn templates_and_operators_of_cpp() {
        assert!(meant("int twice<int>(int)", "twice"));
        assert!(meant("int twice<int>(int)", "twice<int>"));
        assert!(!meant("double twice<double>(double)", "twice<int>"));
        assert!(meant(
            "void Box<int>::each<main::{lambda(int)#1}>(main::{lambda(int)#1})",
            "Box<int>::each"
        ));
        assert!(meant("std::vector<int> const& ns::get<int>()", "ns::get"));
        assert!(meant("ns::A::operator<(ns::A const&) const", "ns::A::operator<"));
        assert!(meant("ns::A::operator bool() const", "A::operator bool"));
        assert!(meant("ns::A::operator()(int)", "A::operator()"));
        assert!(meant("(anonymous namespace)::hidden(int)", "hidden"));
        assert!(meant("ns::call(void (*)(int))", "call"));
    }

    #[test]
    fn methods_and_closures_of_go() {
        let submit = "main.(*Server).submit";
        for wanted in ["submit", "Server.submit", "(*Server).submit", "main.Server.submit"] {
            assert!(meant(submit, wanted), "{wanted}");
        }
        assert!(!meant("main.Server.close", "(*Server).close"));
        let push = "main.(*Stack[go.shape.string_0]).Push";
        for wanted in ["Stack.Push", "(*Stack).Push", "main.(*Stack[...]).Push", "Push", push] {
            assert!(meant(push, wanted), "{wanted}");
        }
        assert!(!meant(push, "(*Stack[go.shape.int_0]).Push"));
        assert!(meant("main.Map[go.shape.int_0,net/http.T]", "Map"));
        assert!(meant("main.main.func1", "main.func1") && meant("main.main.func1", "func1"));
        assert!(
            meant("example.com/shop.Order", "shop.Order")
                && !meant("example.com/shop.Order", "Order")
        );
        assert!(meant("net/http.(*Server).Serve", "http.Server.Serve"));
        assert!(meant("net/http.(*Server).Serve", "Server.Serve"));
        assert!(!meant("main.main", "main") && !meant("runtime.main.func1", "main.func1"));
    }

    #[test]
    fn linkage_names_and_plain_names() {
        let name = FunctionName::from_dwarf(Some("run"), Some("_ZN2ns3runEv"));
        let name = name.unwrap();
        assert_eq!(name.readable, "ns::run()");
        let is = |wanted| name.is_meant_by(&Asked::new(wanted));
        assert!(is("_ZN2ns3runEv") && is("run"));
        assert_eq!(FunctionName::from_dwarf(None, None), None);
    }
}

//! From values to what they look like.

mod members;
mod numbers;
mod pointers;

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use retake_model::Addr;

use super::apply::apply;
use super::shown::{Field, Node, Shown, Style};
use super::table::shape_of;
use super::walk::plain_path;
use super::{dynamic, enums, go, go_constants};
use crate::dwarf::{Encoding, Fields, Kind, Language, TypeId};
use crate::space::Space;
use crate::value::{Scalar, Value, integer};

use numbers::{character, float_text, formatted};

/// How much of a value is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Values inside each other.
    pub depth: usize,
    /// The first element of a list, at the outermost level.
    pub from: u64,
    /// Elements of a list.
    pub items: u64,
    /// Bytes of a text.
    pub text: u64,
    /// Values in all.
    pub total: usize,
    /// How integers are written.
    pub format: NumberFormat,
}

impl Default for Limits {
    fn default() -> Self {
        let format = NumberFormat::Natural;
        Self { depth: 8, from: 0, items: 64, text: 256, total: 4096, format }
    }
}

/// How integers are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NumberFormat {
    /// As their type says.
    #[default]
    Natural,
    /// In decimal, characters too.
    Dec,
    /// `0xff`
    Hex,
    /// `0377`
    Oct,
    /// `0b1111`
    Bin,
}

impl NumberFormat {
    /// An integer of so many bytes.
    pub fn integer(self, number: i128, size: u64) -> String {
        formatted(self, number, size)
    }
}

/// What a value looks like.
pub fn show(value: &Value, space: &dyn Space, limits: Limits) -> Shown {
    let left = Cell::new(limits.total);
    let shower = Shower { space, limits, left, around: RefCell::default() };
    shower.shown(value, limits.depth)
}

/// One showing: what was shown so far, and what is around the current value.
pub(super) struct Shower<'a> {
    pub(super) space: &'a dyn Space,
    pub(super) limits: Limits,
    left: Cell<usize>,
    around: RefCell<Vec<(Addr, TypeId)>>,
}

impl Shower<'_> {
    /// What a value looks like, with so many levels below it.
    pub(super) fn shown(&self, value: &Value, depth: usize) -> Shown {
        let ty = value.type_name();
        let language = value.plain().1.map_or(Language::C, |ty| ty.language);
        let style = match language {
            Language::C | Language::Cpp => Style::C,
            Language::Rust => Style::Rust,
            Language::Go => Style::Go,
        };
        let left = self.left.get();
        let node = match left.checked_sub(1) {
            None => Node::Cut,
            Some(left) => {
                self.left.set(left);
                self.node(value, depth)
            }
        };
        Shown { ty, style, node }
    }

    /// The same for each of some values.
    pub(super) fn all(&self, values: &[Value], depth: usize) -> Vec<Shown> {
        values.iter().map(|value| self.shown(value, depth)).collect()
    }

    /// The first element that is shown of a list at this depth.
    pub(super) fn from(&self, depth: usize) -> u64 {
        if depth == self.limits.depth { self.limits.from } else { 0 }
    }

    fn node(&self, value: &Value, depth: usize) -> Node {
        // What has no bytes is never optimized out: `()`, a unit structure.
        if let Some(why) = value.why_missing().filter(|_| value.size() != Some(0)) {
            return Node::Missing(why.to_string());
        }
        match value.kind() {
            Kind::Void => Node::Plain("void".to_owned()),
            Kind::Other(what) => Node::Missing(format!("{what} is not supported")),
            Kind::Base(_) if value.size() == Some(0) => Node::Plain("()".to_owned()),
            Kind::Base(encoding) => self.base(value, encoding),
            Kind::Enum { values, signed, scoped } => {
                self.enumeration(value, &values, signed, scoped)
            }
            Kind::Pointer { to, form } => self.pointer(value, to, form, depth),
            Kind::Array { element, count } => self.array(value, element, count, depth),
            Kind::Function { .. } if is_go(value) => go::function(self, value),
            Kind::Function { .. } => match value.addr() {
                Some(addr) => Node::Pointer { addr, symbol: self.space.symbol(addr), to: None },
                None => Node::Missing("a function without an address".to_owned()),
            },
            Kind::Alias { .. } => Node::Missing("its type refers to itself".to_owned()),
            Kind::Fields(fields) => self.structure(value, &fields, depth),
        }
    }

    fn base(&self, value: &Value, encoding: Encoding) -> Node {
        let scalar = match encoding {
            Encoding::Complex => return self.complex(value),
            _ => value.scalar(self.space),
        };
        match scalar {
            Err(err) => Node::Missing(err.to_string()),
            Ok(Scalar::Float(number)) => {
                let single = value.size() == Some(4);
                Node::Plain(float_text(number, single))
            }
            Ok(Scalar::Int(number)) => {
                let is_natural = self.limits.format == NumberFormat::Natural;
                let named = is_natural.then(|| go_constants::named(value, number)).flatten();
                Node::Plain(named.unwrap_or_else(|| self.integer(value, encoding, number)))
            }
        }
    }

    fn integer(&self, value: &Value, encoding: Encoding, number: i128) -> String {
        let size = value.size().unwrap_or(8);
        if self.limits.format != NumberFormat::Natural {
            return formatted(self.limits.format, number, size);
        }
        let language = value.plain().1.map_or(Language::C, |ty| ty.language);
        match encoding {
            Encoding::Bool if number <= 1 => (number != 0).to_string(),
            Encoding::Char { signed } => match (language, size) {
                // Rust's `u8` is no character, its `char` has four bytes.
                (Language::Rust, 4) => character(number).unwrap_or_else(|| number.to_string()),
                (Language::Rust | Language::Go, _) => number.to_string(),
                _ => match character(number) {
                    // Bytes without a sign are numbers more often than characters.
                    Some(c) if c.starts_with("'\\") && !signed && size == 1 => number.to_string(),
                    Some(c) if number < 0x80 || size > 1 => format!("{number} {c}"),
                    _ => number.to_string(),
                },
            },
            // A `u128` comes as the `i128` of the same bits.
            Encoding::Unsigned if number < 0 => number.cast_unsigned().to_string(),
            _ => number.to_string(),
        }
    }

    fn complex(&self, value: &Value) -> Node {
        let Ok(bytes) = value.bytes(self.space) else {
            return Node::Missing("it cannot be read".to_owned());
        };
        let half = bytes.len() / 2;
        let part = |bytes: &[u8]| match bytes.len() {
            4 => bytes.try_into().ok().map(|b| f64::from(f32::from_le_bytes(b))),
            8 => bytes.try_into().ok().map(f64::from_le_bytes),
            _ => None,
        };
        let (re, im) = bytes.split_at(half);
        match part(re).zip(part(im)) {
            Some((re, im)) => {
                let text = |number| float_text(number, half == 4);
                Node::Plain(format!("({} + {}i)", text(re), text(im)))
            }
            None => Node::Missing("a complex number of an odd size".to_owned()),
        }
    }

    fn enumeration(
        &self,
        value: &Value,
        names: &[(Arc<str>, i128)],
        signed: bool,
        scoped: bool,
    ) -> Node {
        let bytes = match value.bytes(self.space) {
            Ok(bytes) => bytes,
            Err(why) => return Node::Missing(why.to_string()),
        };
        let Some(number) = integer(&bytes, signed) else {
            return Node::Missing("an enumeration of an odd size".to_owned());
        };
        if self.limits.format != NumberFormat::Natural {
            return Node::Plain(formatted(self.limits.format, number, value.size().unwrap_or(4)));
        }
        let (id, ty) = value.plain();
        let mut around = Vec::new();
        if ty.is_some_and(|ty| ty.language.has_namespaces()) {
            around = value.info().path_of(id);
            if !scoped {
                around.pop();
            }
        }
        Node::Plain(enums::named(names, number, &around))
    }

    fn array(&self, value: &Value, element: TypeId, count: Option<u64>, depth: usize) -> Node {
        let info = value.info();
        let (_, of) = info.plain(element);
        let count = count.unwrap_or(0);
        let is_text = of.as_deref().is_some_and(|of| {
            matches!(of.kind, Kind::Base(Encoding::Char { .. }))
                && of.size == Some(1)
                && matches!(of.language, Language::C | Language::Cpp)
        });
        if is_text
            && self.limits.format == NumberFormat::Natural
            && let Some(text) = self.char_array(value, count)
        {
            return text;
        }
        if depth == 0 {
            return Node::Cut;
        }
        let from = self.from(depth).min(count);
        let items: Vec<Shown> = (from..count)
            .take(usize::try_from(self.limits.items).unwrap_or(usize::MAX))
            .map(|index| match value.element(index.into(), self.space) {
                Ok(element) => self.shown(&element, depth - 1),
                Err(err) => missing(&info.type_name(element), &err.to_string()),
            })
            .collect();
        Node::List { label: None, len: count.saturating_sub(from), cap: None, items }
    }

    /// An array of characters: up to the zeros at its end, as gdb shows it. None if it is no text.
    fn char_array(&self, value: &Value, count: u64) -> Option<Node> {
        let some = count.min(self.limits.text);
        let bytes = match value.stored.read(0, some, self.space) {
            Err(why) => return Some(Node::Missing(why.to_string())),
            Ok(bytes) => bytes,
        };
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let text = bytes.get(..end)?;
        // Bytes that are no text are numbers (`uint8_t`).
        let is_cut = some < count && end == bytes.len();
        (is_cut || std::str::from_utf8(text).is_ok()).then(|| text_node(text, is_cut))
    }

    fn structure(&self, value: &Value, fields: &Fields, depth: usize) -> Node {
        if fields.declared_only {
            return Node::Missing("its type is only declared in the debug information".to_owned());
        }
        let language = value.plain().1.map_or(Language::C, |ty| ty.language);
        if language == Language::Go
            && let Some(node) = go::structure(self, value, depth)
        {
            return node;
        }
        if language == Language::Rust
            && let Some(node) = enums::rust(self, value, fields, depth)
        {
            return node;
        }
        if language == Language::Rust
            && let Some(concrete) = dynamic::trait_object(value, self.space)
            && depth > 0
        {
            let label = concrete.type_name();
            let inner = Some(Box::new(self.shown(&concrete, depth - 1)));
            return Node::Wrapped { label: format!("dyn {label}"), inner, notes: Vec::new() };
        }
        let shape = if language.has_namespaces() { shape_of(&plain_path(value)) } else { None };
        if let Some(shape) = shape {
            if depth == 0 {
                return Node::Cut;
            }
            if let Some(node) = apply(self, value, shape, depth) {
                return node;
            }
        }
        if language == Language::Rust && fields.members.is_empty() {
            return Node::Plain(
                value
                    .plain()
                    .1
                    .and_then(|ty| ty.name.clone())
                    .map_or_else(|| "()".to_owned(), |name| name.to_string()),
            );
        }
        if depth == 0 {
            return Node::Cut;
        }
        if let Some(items) = enums::tuple_fields(fields, language) {
            let (_, ty) = value.plain();
            let name = ty.and_then(|ty| ty.name.clone());
            let name = name.filter(|name| !name.starts_with('(')).map(|name| name.to_string());
            let items: Vec<Shown> = items.map(|index| self.member(value, index, depth)).collect();
            return Node::Tuple { name, items };
        }
        let mut list = Vec::new();
        for (index, member) in fields.members.iter().enumerate() {
            let name = match &member.name {
                Some(name) if name.starts_with("_vptr") => continue,
                Some(name) => name.to_string(),
                None if member.is_base && self.is_empty(value, member.ty) => continue,
                None if member.is_base => format!("<{}>", value.info().type_name(member.ty)),
                None => String::new(),
            };
            list.push(Field { name, value: self.member(value, index, depth) });
        }
        Node::Fields(list)
    }

    fn is_empty(&self, value: &Value, ty: TypeId) -> bool {
        let (_, ty) = value.info().plain(ty);
        matches!(ty.as_deref().map(|ty| &ty.kind), Some(Kind::Fields(fields)) if fields.members.is_empty())
    }

    /// A member, one level down.
    pub(super) fn member(&self, value: &Value, index: usize, depth: usize) -> Shown {
        match value.member(index, self.space) {
            Ok(inner) => self.shown(&inner, depth.saturating_sub(1)),
            Err(err) => missing("", &err.to_string()),
        }
    }
}

pub(super) fn missing(ty: &str, why: &str) -> Shown {
    Shown { ty: ty.to_owned(), style: Style::C, node: Node::Missing(why.to_owned()) }
}

/// Bytes as text.
pub(super) fn text_node(bytes: &[u8], more: bool) -> Node {
    let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    Node::Text { text: String::from_utf8_lossy(bytes).into_owned(), len, more }
}

fn is_go(value: &Value) -> bool {
    value.plain().1.is_some_and(|ty| ty.language == Language::Go)
}

/// Whether a pointer of Rust leads to a value for certain: a reference, or a box.
fn is_safe_pointer(value: &Value, language: Language) -> bool {
    let (_, ty) = value.plain();
    let name = ty.and_then(|ty| ty.name.clone());
    let is_reference = name.is_some_and(|name| name.starts_with('&'));
    language == Language::Rust && (is_reference || is_box(value))
}

fn is_box(value: &Value) -> bool {
    let (_, ty) = value.plain();
    let name = ty.and_then(|ty| ty.name.clone());
    name.is_some_and(|name| name.starts_with("alloc::boxed::Box<") || name.starts_with("Box<"))
}

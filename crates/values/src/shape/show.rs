//! From values to what they look like.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use retake_model::Addr;

use super::apply::apply;
use super::shown::{Field, Node, Shown, Style};
use super::table::shape_of;
use super::walk::plain_path;
use super::{dynamic, enums, go};
use crate::Missing;
use crate::dwarf::{Encoding, Fields, Kind, Language, PointerForm, TypeId};
use crate::space::Space;
use crate::value::{Scalar, Stored, Value, integer};

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
            Ok(Scalar::Int(number)) => Node::Plain(self.integer(value, encoding, number)),
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

    fn pointer(&self, value: &Value, to: TypeId, form: PointerForm, depth: usize) -> Node {
        if let Stored::Pointing(target, skip) = &value.stored {
            return self.synthetic(value, target, *skip, form, depth);
        }
        let addr = match value.address(self.space) {
            Ok(addr) => addr,
            Err(err) => return Node::Missing(err.to_string()),
        };
        let plain = |to| Node::Pointer { addr, symbol: None, to };
        let (_, target) = value.info().plain(to);
        let language = value.plain().1.map_or(Language::C, |ty| ty.language);
        if language == Language::Go
            && let Some(node) = go::behind_pointer(self, value, addr, depth)
        {
            return node;
        }
        let Some(target) = target else {
            return Node::Pointer { addr, symbol: self.space.symbol(addr), to: None };
        };
        match &target.kind {
            Kind::Function { .. } => {
                return Node::Pointer { addr, symbol: self.space.symbol(addr), to: None };
            }
            Kind::Base(Encoding::Char { .. })
                if matches!(language, Language::C | Language::Cpp) && target.size == Some(1) =>
            {
                return plain(self.c_string(value, addr).map(Box::new));
            }
            _ => {}
        }
        let follows = match form {
            PointerForm::Reference | PointerForm::RvalueReference => true,
            PointerForm::Pointer => language == Language::Go || is_safe_pointer(value, language),
            PointerForm::Member => false,
        };
        if !follows || addr.is_null() {
            // gdb says the same of a pointer to a class with virtual functions.
            let concrete = dynamic::class(value, to, self.space);
            let symbol = concrete.map(|(ty, _)| value.info().type_name(ty));
            return Node::Pointer { addr, symbol, to: None };
        }
        let key = (addr, to);
        if depth == 0 || self.around.borrow().contains(&key) {
            return plain(None);
        }
        let Ok(inner) = value.deref(self.space) else { return plain(None) };
        self.around.borrow_mut().push(key);
        let shown = self.shown(&inner, depth - 1);
        self.around.borrow_mut().pop();
        if language == Language::Cpp || is_box(value) {
            return Node::Wrapped {
                label: String::new(),
                inner: Some(Box::new(shown)),
                notes: Vec::new(),
            };
        }
        plain(Some(Box::new(shown)))
    }

    /// A pointer that is not kept, to something that is known.
    fn synthetic(
        &self,
        value: &Value,
        target: &Value,
        skip: i64,
        form: PointerForm,
        depth: usize,
    ) -> Node {
        let pointee = value.deref(self.space);
        // What a pointer to a constant text leads to may have no type, but has the bytes.
        let is_char = pointee.as_ref().is_ok_and(|pointee| {
            matches!(pointee.kind(), Kind::Base(Encoding::Char { .. })) && pointee.size() == Some(1)
        });
        let skipped = u64::try_from(skip).map(|skip| target.stored.skip(skip));
        if let (true, Ok(Stored::Bytes(bytes))) = (is_char, skipped) {
            let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
            return text_node(bytes.get(..end).unwrap_or_default(), false);
        }
        let inner = match pointee {
            Ok(pointee) => Some(Box::new(self.shown(&pointee, depth.saturating_sub(1)))),
            Err(err) => return Node::Missing(err.to_string()),
        };
        let label = if form == PointerForm::Pointer { "&" } else { "" };
        Node::Wrapped { label: label.to_owned(), inner, notes: Vec::new() }
    }

    /// The text up to the first zero.
    fn c_string(&self, value: &Value, addr: Addr) -> Option<Shown> {
        if addr.is_null() {
            return None;
        }
        let most = usize::try_from(self.limits.text).unwrap_or(usize::MAX).min(1 << 16);
        let mut bytes = vec![0; most];
        let got = self.space.read(addr, &mut bytes);
        let read = bytes.get(..got)?;
        let node = match read.iter().position(|byte| *byte == 0) {
            Some(end) => text_node(read.get(..end)?, false),
            None if got == most => text_node(read, true),
            None => Node::Missing(Missing::NotMapped(addr).to_string()),
        };
        Some(Shown { ty: value.type_name(), style: Style::C, node })
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

fn character(number: i128) -> Option<String> {
    let c = char::from_u32(u32::try_from(number).ok()?)?;
    Some(match c {
        '\0' => "'\\000'".to_owned(),
        '\n' => "'\\n'".to_owned(),
        '\t' => "'\\t'".to_owned(),
        '\r' => "'\\r'".to_owned(),
        '\'' => "'\\''".to_owned(),
        '\\' => "'\\\\'".to_owned(),
        c if c.is_control() => format!("'\\{:03o}'", u32::from(c)),
        c => format!("'{c}'"),
    })
}

/// The shortest text that reads back as the same number.
fn float_text(number: f64, single: bool) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "it was an f32 before")]
    let text = if single { format!("{}", number as f32) } else { format!("{number}") };
    match number.abs() {
        size if number == 0.0 || (1e-5..1e16).contains(&size) || !number.is_finite() => text,
        _ if single => {
            #[expect(clippy::cast_possible_truncation, reason = "it was an f32 before")]
            let number = number as f32;
            format!("{number:e}")
        }
        _ => format!("{number:e}"),
    }
}

fn formatted(format: NumberFormat, number: i128, size: u64) -> String {
    let unused = 128_u32.saturating_sub(u32::try_from(size.min(16)).unwrap_or(16) * 8);
    let bits = (number.cast_unsigned() << unused) >> unused;
    match format {
        NumberFormat::Natural | NumberFormat::Dec => number.to_string(),
        NumberFormat::Hex => format!("{bits:#x}"),
        NumberFormat::Oct => format!("0{bits:o}"),
        NumberFormat::Bin => format!("{bits:#b}"),
    }
}

//! Pointers, and what they point to.

use retake_model::Addr;

use super::{Shower, is_box, is_safe_pointer, text_node};
use crate::Missing;
use crate::dwarf::{Encoding, Kind, Language, PointerForm, TypeId};
use crate::shape::shown::{Node, Shown, Style};
use crate::shape::{dynamic, go};
use crate::value::{Stored, Value};

impl Shower<'_> {
    pub(super) fn pointer(
        &self,
        value: &Value,
        to: TypeId,
        form: PointerForm,
        depth: usize,
    ) -> Node {
        if let Stored::Pointing(target, skip) = &value.stored {
            return self.synthetic(value, target, *skip, form, depth);
        }
        if let PointerForm::Member { of } = form {
            return self.to_member(value, to, of);
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
            PointerForm::Member { .. } => false,
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
    pub(super) fn synthetic(
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
    pub(super) fn c_string(&self, value: &Value, addr: Addr) -> Option<Shown> {
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
}

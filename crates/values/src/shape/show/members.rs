//! Pointers to members of classes (Itanium C++ ABI 2.3): of data how far it is from the beginning of an object, of
//! functions an address or a place in the table of virtual functions.

use retake_model::Addr;

use super::Shower;
use crate::dwarf::{Fields, Info, Kind, MemberPlace, TypeId};
use crate::shape::shown::Node;
use crate::value::Value;

/// What stands for no member of data: a distance of 0 is one.
const NO_DATA: u64 = u64::MAX;
/// Classes and structures inside each other that are searched for a member.
const MAX_DEPTH: usize = 8;
/// The size of a pointer to data of a class; one to a function has a second word.
const DATA: u64 = 8;

impl Shower<'_> {
    /// What a pointer to a member of the class `of` leads to.
    pub(super) fn to_member(&self, value: &Value, to: TypeId, of: TypeId) -> Node {
        let word = match value.address(self.space) {
            Ok(addr) => addr.get(),
            Err(err) => return Node::Missing(err.to_string()),
        };
        let info = value.info();
        let (own, class) = info.plain(of);
        if value.size() != Some(DATA) {
            return self.to_method(value, word, own);
        }
        if word == NO_DATA {
            return Node::Pointer { addr: Addr::new(0), symbol: None, to: None };
        }
        let fields = match class.as_deref().map(|class| &class.kind) {
            Some(Kind::Fields(fields)) => Some(fields.clone()),
            _ => None,
        };
        let path = fields.and_then(|fields| member_at(info, &fields, word, to, MAX_DEPTH));
        match path {
            Some(path) => Node::Plain(format!("&{}::{path}", info.type_name(own))),
            None => Node::Pointer { addr: Addr::new(word), symbol: None, to: None },
        }
    }

    fn to_method(&self, value: &Value, word: u64, class: TypeId) -> Node {
        // An odd number is one more than a distance in the table of virtual functions.
        if word % 2 == 1 {
            let class = value.info().type_name(class);
            return Node::Plain(format!("&virtual {class}::[{}]", word / 8));
        }
        let addr = Addr::new(word);
        Node::Pointer { addr, symbol: self.space.symbol(addr), to: None }
    }
}

/// The path to the member at a distance that has a type.
fn member_at(
    info: &Info,
    fields: &Fields,
    distance: u64,
    ty: TypeId,
    left: usize,
) -> Option<String> {
    let left = left.checked_sub(1)?;
    let wanted = info.type_name(ty);
    fields.members.iter().find_map(|member| {
        let MemberPlace::At(at) = member.place else { return None };
        let inside = distance.checked_sub(at)?;
        let own = member.name.as_deref().filter(|_| inside == 0);
        if let Some(own) = own.filter(|_| info.type_name(member.ty) == wanted) {
            return Some(own.to_owned());
        }
        // Members of base classes and of structures without a name are the class's own.
        let (_, inner) = info.plain(member.ty);
        let Some(Kind::Fields(inner)) = inner.as_deref().map(|inner| &inner.kind) else {
            return None;
        };
        let is_own = member.is_base || member.name.is_none();
        is_own.then(|| member_at(info, inner, inside, ty, left)).flatten()
    })
}

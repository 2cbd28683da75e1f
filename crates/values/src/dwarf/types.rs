//! Types, as plain data.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use gimli::Expression;

use super::Bytes;

/// A type of one module: an entry of its debug information, or one that was made for a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TypeId(u64);

const MADE: u64 = 1 << 62;

impl TypeId {
    /// No type: what a `void *` points to.
    pub const VOID: Self = Self(u64::MAX);

    pub(crate) fn of_offset(offset: usize) -> Self {
        match u64::try_from(offset) {
            Ok(offset) if offset < MADE => Self(offset),
            _ => Self::VOID,
        }
    }

    /// The entry's offset in `.debug_info`, if it is one.
    pub(crate) fn offset(self) -> Option<usize> {
        if self.0 < MADE { usize::try_from(self.0).ok() } else { None }
    }
}

/// The language that a unit was written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// C, and whatever else is like it.
    C,
    /// C++.
    Cpp,
    /// Rust.
    Rust,
    /// Go.
    Go,
}

/// A type.
#[derive(Clone, Debug)]
pub struct Type {
    /// Its own name, without those of what is around it.
    pub name: Option<Arc<str>>,
    /// Its size in bytes, where it says one.
    pub size: Option<u64>,
    /// What it is.
    pub kind: Kind,
    /// The language it was written in.
    pub language: Language,
}

/// What a type is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Nothing.
    Void,
    /// A number, a character or a truth value.
    Base(Encoding),
    /// A pointer or a reference.
    Pointer {
        /// To what.
        to: TypeId,
        /// Which of them.
        form: PointerForm,
    },
    /// A structure, a union, a class, a tuple, or an enum of Rust.
    Fields(Arc<Fields>),
    /// An array.
    Array {
        /// Of what.
        element: TypeId,
        /// How many; none if the type does not say.
        count: Option<u64>,
    },
    /// An enumeration.
    Enum {
        /// Its names and their values.
        values: Arc<[(Arc<str>, i128)]>,
        /// Whether its numbers have a sign.
        signed: bool,
        /// Whether its names are inside it (`enum class`).
        scoped: bool,
    },
    /// Another type under a name, or with a qualifier.
    Alias {
        /// Which.
        to: TypeId,
        /// How it differs.
        form: AliasForm,
    },
    /// A function.
    Function {
        /// What it returns.
        returns: TypeId,
        /// What it takes.
        parameters: Arc<[TypeId]>,
    },
    /// Something else, by its tag.
    Other(&'static str),
}

/// How the bytes of a base type are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// An integer with a sign.
    Signed,
    /// An integer without one.
    Unsigned,
    /// True or false.
    Bool,
    /// A floating-point number.
    Float,
    /// A complex number: two of these.
    Complex,
    /// A character of one byte, or of Unicode.
    Char {
        /// Whether it is an integer with a sign in C.
        signed: bool,
    },
}

/// Kinds of pointers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PointerForm {
    /// `T *`
    Pointer,
    /// `T &`
    Reference,
    /// `T &&`
    RvalueReference,
    /// `T C::*`: a pointer to a member of a class.
    Member {
        /// The class; [`TypeId::VOID`] if the debug information does not say which.
        of: TypeId,
    },
}

/// How an alias differs from its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AliasForm {
    /// A name.
    Name,
    /// `const`
    Const,
    /// `volatile`
    Volatile,
    /// Something that people leave out (`restrict`, `_Atomic`).
    Other,
}

/// A type with members.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    /// Which kind it is.
    pub form: StructForm,
    /// Its members, base classes among them, in order.
    pub members: Vec<Member>,
    /// The variants of an enum of Rust.
    pub variants: Option<Variants>,
    /// Its template or generic parameters.
    pub parameters: Vec<(Arc<str>, TypeId)>,
    /// Constants among the parameters.
    pub constants: Vec<(Arc<str>, i128)>,
    /// Whether the definition is somewhere else.
    pub declared_only: bool,
}

/// Kinds of types with members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StructForm {
    /// `struct`
    #[default]
    Struct,
    /// `class`
    Class,
    /// `union`
    Union,
}

/// A member.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its name; none of a base class, or an anonymous structure.
    pub name: Option<Arc<str>>,
    /// Its type.
    pub ty: TypeId,
    /// Where it is.
    pub place: MemberPlace,
    /// Whether it is a base class.
    pub is_base: bool,
    /// Whether its own fields are fields of what it is in: Go's embedded structures.
    pub is_embedded: bool,
    /// Whether the compiler made it.
    pub artificial: bool,
}

/// Where a member is.
#[derive(Clone, Debug)]
pub enum MemberPlace {
    /// So many bytes behind the beginning.
    At(u64),
    /// Some bits.
    Bits {
        /// The first of them, from the beginning; the lowest bit of a byte is the first.
        first: u64,
        /// How many.
        count: u64,
    },
    /// Where an expression says, such as a virtual base class.
    Computed(Expression<Bytes>, gimli::Encoding),
}

/// The variants of an enum of Rust.
#[derive(Clone, Debug)]
pub struct Variants {
    /// The number that says which it is; none if there is only one.
    pub discriminant: Option<Member>,
    /// Each of them.
    pub choices: Vec<Variant>,
}

/// A variant.
#[derive(Clone, Debug)]
pub struct Variant {
    /// The number that says that it is this one, in bits; none of the one that all other numbers mean.
    pub value: Option<u128>,
    /// Its name and what is in it.
    pub member: Member,
    /// The line that it stands for, if it does for one: where an asynchronous function waits.
    pub line: Option<u32>,
}

/// Types that were read, and those that were made.
#[derive(Debug, Default)]
pub(crate) struct TypeTable {
    read: Mutex<BTreeMap<TypeId, Option<Arc<Type>>>>,
    made: Mutex<Made>,
}

#[derive(Debug, Default)]
struct Made {
    list: Vec<Arc<Type>>,
    known: BTreeMap<Recipe, TypeId>,
}

/// What a made type is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Recipe {
    Pointer(TypeId),
    Array(TypeId, Option<u64>),
    Named(String),
}

impl TypeTable {
    /// The type of an entry, which `load` reads if it is not known.
    pub(crate) fn get(&self, id: TypeId, load: impl FnOnce() -> Option<Type>) -> Option<Arc<Type>> {
        if id == TypeId::VOID {
            return None;
        }
        if id.0 >= MADE {
            let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
            return made.list.get(usize::try_from(id.0 - MADE).ok()?).cloned();
        }
        let read = || self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = read().get(&id) {
            return known.clone();
        }
        let found = load().map(Arc::new);
        read().entry(id).or_insert(found).clone()
    }

    fn make(&self, recipe: Recipe, ty: impl FnOnce() -> Type) -> TypeId {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = made.known.get(&recipe) {
            return *known;
        }
        let Ok(index) = u64::try_from(made.list.len()) else { return TypeId::VOID };
        let id = TypeId(MADE | index);
        made.list.push(Arc::new(ty()));
        made.known.insert(recipe, id);
        id
    }

    pub(crate) fn pointer(&self, to: TypeId, language: Language) -> TypeId {
        let kind = Kind::Pointer { to, form: PointerForm::Pointer };
        self.make(Recipe::Pointer(to), || Type { name: None, size: Some(8), kind, language })
    }

    pub(crate) fn array(&self, element: TypeId, count: Option<u64>, language: Language) -> TypeId {
        let kind = Kind::Array { element, count };
        self.make(Recipe::Array(element, count), || Type { name: None, size: None, kind, language })
    }

    pub(crate) fn base(&self, name: &str, encoding: Encoding, size: u64) -> TypeId {
        let kind = Kind::Base(encoding);
        let recipe = Recipe::Named(name.to_owned());
        let (name, size) = (Some(Arc::from(name)), Some(size));
        self.make(recipe, || Type { name, size, kind, language: Language::C })
    }
}

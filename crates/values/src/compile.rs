//! Where a variable is at a place, in words that the recorded program can judge itself.

use std::sync::Arc;

use gimli::{AttributeValue, Expression, Operation, Register, constants};
use retake_model::{Arithmetic, RegisterName, Term, Width};

use crate::dwarf::{Bytes, Encoding, Info, Kind, MemberPlace, TypeId, UnitInfo, Variable};
use crate::space::general;

/// Operations of a location that are looked at.
const MAX_OPERATIONS: usize = 32;
/// Terms inside each other.
const MAX_NESTING: usize = 16;
/// Structures inside each other that are searched for a field.
const MAX_DEPTH: usize = 8;
/// The same in all, of one search.
const MAX_SEARCHED: usize = 512;

/// A value at a place: a term of it, or of its address.
#[derive(Clone, Debug)]
pub struct Compiled {
    info: Arc<Info>,
    ty: TypeId,
    place: Place,
    nesting: usize,
}

#[derive(Clone, Debug)]
enum Place {
    Value(Term),
    Memory(Term),
}

/// An integer of the program, as a term.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompiledInt {
    /// The value: its lowest bytes, if it is in a register.
    pub term: Term,
    /// How many bytes it has.
    pub bytes: usize,
    /// Whether it has a sign.
    pub signed: bool,
    /// Whether the term is its whole value, extended to 64 bits.
    pub extended: bool,
}

impl Info {
    /// A variable of the function at a place, if what it is there can be said in a term. `cfa` is the canonical
    /// frame address.
    pub fn compile(
        self: &Arc<Self>,
        pc: u64,
        variable: &Variable,
        cfa: Option<&Term>,
    ) -> Option<Compiled> {
        let mut found = self.compile_entry(pc, variable.entry, variable.ty, cfa)?;
        if variable.is_reference {
            found = found.target()?;
        }
        Some(found)
    }

    /// The same of a variable outside of functions.
    pub fn compile_global(self: &Arc<Self>, pc: u64, path: &str) -> Option<Compiled> {
        let mut found = self.variables_named(path).into_iter().filter_map(|id| {
            let (unit, offset) = self.find(id)?;
            let entry = unit.unit.entry(offset).ok()?;
            let ty = crate::dwarf::reference(&unit, &entry, constants::DW_AT_type)?;
            self.compile_entry(pc, id, ty, None)
        });
        found.next()
    }

    fn compile_entry(
        self: &Arc<Self>,
        pc: u64,
        id: TypeId,
        ty: TypeId,
        cfa: Option<&Term>,
    ) -> Option<Compiled> {
        let (unit, offset) = self.find(id)?;
        let entry = unit.unit.entry(offset).ok()?;
        let value = entry.attr_value(constants::DW_AT_location).ok()??;
        let place = self.place(pc, &unit, value, cfa)?;
        Some(Compiled { info: Arc::clone(self), ty, place, nesting: 0 })
    }

    fn place(
        &self,
        pc: u64,
        unit: &UnitInfo,
        value: AttributeValue<Bytes>,
        cfa: Option<&Term>,
    ) -> Option<Place> {
        let expression = self.expression_at(unit, value, pc)?;
        let mut operations = expression.operations(unit.unit.encoding());
        let mut stack: Vec<Term> = Vec::new();
        let mut count = 0;
        while let Some(operation) = operations.next().ok()? {
            count += 1;
            if count > MAX_OPERATIONS {
                return None;
            }
            let term = match operation {
                Operation::Nop => continue,
                Operation::Register { register } if stack.is_empty() => {
                    // Nothing but a register: the value is in it.
                    let alone = operations.next().ok()?.is_none();
                    return alone.then_some(Place::Value(register_term(register)?));
                }
                Operation::RegisterOffset { register, offset, base_type } if base_type.0 == 0 => {
                    plus(register_term(register)?, offset.cast_unsigned())
                }
                Operation::FrameOffset { offset } => {
                    plus(self.frame_base(pc, cfa)?, offset.cast_unsigned())
                }
                Operation::CallFrameCFA => cfa?.clone(),
                // The program counter is known at the place, and the distance to it is.
                Operation::Address { address } => from_here(pc, address)?,
                Operation::AddressIndex { index } => {
                    from_here(pc, unit.dwarf.address(&unit.unit, index).ok()?)?
                }
                Operation::UnsignedConstant { value } => Term::Constant(value),
                Operation::SignedConstant { value } => Term::Constant(value.cast_unsigned()),
                Operation::PlusConstant { value } => plus(stack.pop()?, value),
                Operation::Plus => {
                    let (right, left) = (stack.pop()?, stack.pop()?);
                    Term::Arithmetic(Arithmetic::Add, Box::new(left), Box::new(right))
                }
                Operation::Deref { size: 8, space: false, .. } => {
                    Term::Memory(Width::U64, Box::new(stack.pop()?))
                }
                Operation::StackValue => {
                    let alone = operations.next().ok()?.is_none();
                    return alone.then_some(Place::Value(stack.pop()?));
                }
                _ => return None,
            };
            stack.push(term);
        }
        match stack.len() {
            1 => stack.pop().map(Place::Memory),
            _ => None,
        }
    }

    /// The expression that holds at a place.
    fn expression_at(
        &self,
        unit: &UnitInfo,
        value: AttributeValue<Bytes>,
        pc: u64,
    ) -> Option<Expression<Bytes>> {
        if let AttributeValue::Exprloc(expression) = value {
            return Some(expression);
        }
        let mut list = unit.dwarf.attr_locations(&unit.unit, value).ok()??;
        while let Some(entry) = list.next().ok()? {
            if (entry.range.begin..entry.range.end).contains(&pc) {
                return Some(entry.data);
            }
        }
        None
    }

    fn frame_base(&self, pc: u64, cfa: Option<&Term>) -> Option<Term> {
        let (unit, offset) = self.function_at(pc)?;
        let entry = unit.unit.entry(offset).ok()?;
        let value = entry.attr_value(constants::DW_AT_frame_base).ok()??;
        let expression = self.expression_at(&unit, value, pc)?;
        let mut operations = expression.operations(unit.unit.encoding());
        let first = operations.next().ok()??;
        if operations.next().ok()?.is_some() {
            return None;
        }
        match first {
            Operation::CallFrameCFA => cfa.cloned(),
            Operation::Register { register } => register_term(register),
            Operation::RegisterOffset { register, offset, .. } => {
                Some(plus(register_term(register)?, offset.cast_unsigned()))
            }
            _ => None,
        }
    }
}

impl Compiled {
    fn with(&self, ty: TypeId, place: Place) -> Option<Self> {
        let nesting = self.nesting + 1;
        let info = Arc::clone(&self.info);
        (nesting < MAX_NESTING).then_some(Self { info, ty, place, nesting })
    }

    fn kind(&self) -> Option<Kind> {
        self.info.plain(self.ty).1.map(|ty| ty.kind.clone())
    }

    /// A field, also through a pointer.
    pub fn field(&self, name: &str) -> Option<Self> {
        if let Kind::Pointer { .. } = self.kind()? {
            return self.target()?.field(name);
        }
        let mut searched = MAX_SEARCHED;
        self.find_field(name, MAX_DEPTH, &mut searched)
    }

    fn find_field(&self, name: &str, left: usize, searched: &mut usize) -> Option<Self> {
        let left = left.checked_sub(1)?;
        *searched = searched.checked_sub(1)?;
        let (Kind::Fields(fields), Place::Memory(at)) = (self.kind()?, &self.place) else {
            return None;
        };
        if fields.variants.is_some() {
            return None;
        }
        let inner = |member: &crate::dwarf::Member| match member.place {
            MemberPlace::At(skip) => self.with(member.ty, Place::Memory(plus(at.clone(), skip))),
            MemberPlace::Bits { .. } | MemberPlace::Computed(..) => None,
        };
        let own = fields.members.iter().find(|member| member.name.as_deref() == Some(name));
        if let Some(member) = own {
            return inner(member);
        }
        let unnamed = fields.members.iter().filter(|member| member.name.is_none());
        unnamed.into_iter().find_map(|member| inner(member)?.find_field(name, left, searched))
    }

    /// What it points to.
    pub fn target(&self) -> Option<Self> {
        let Kind::Pointer { to, .. } = self.kind()? else { return None };
        let at = match &self.place {
            Place::Value(term) => term.clone(),
            Place::Memory(term) => Term::Memory(Width::U64, Box::new(term.clone())),
        };
        self.with(to, Place::Memory(at))
    }

    /// An element of an array, or of what a pointer points to.
    pub fn element(&self, index: u64) -> Option<Self> {
        let (element, at) = match (self.kind()?, &self.place) {
            (Kind::Array { element, count }, Place::Memory(at)) => {
                if count.is_some_and(|count| count > 0 && index >= count) {
                    return None;
                }
                (element, at.clone())
            }
            (Kind::Pointer { to, .. }, _) => match self.target()?.place {
                Place::Memory(at) => (to, at),
                Place::Value(_) => return None,
            },
            _ => return None,
        };
        let skip = self.info.size_of(element)?.checked_mul(index)?;
        self.with(element, Place::Memory(plus(at, skip)))
    }

    /// Its integer, if it is one.
    pub fn int(&self) -> Option<CompiledInt> {
        let size = self.info.size_of(self.ty)?;
        let signed = match self.kind()? {
            Kind::Base(Encoding::Signed | Encoding::Char { signed: true }) => true,
            Kind::Base(Encoding::Unsigned | Encoding::Bool | Encoding::Char { .. }) => false,
            Kind::Enum { signed, .. } => signed,
            Kind::Pointer { form: crate::PointerForm::Pointer, .. } => false,
            _ => return None,
        };
        let width = match (size, signed) {
            (1, false) => Width::U8,
            (1, true) => Width::I8,
            (2, false) => Width::U16,
            (2, true) => Width::I16,
            (4, false) => Width::U32,
            (4, true) => Width::I32,
            (8, _) => Width::U64,
            _ => return None,
        };
        let bytes = width.bytes();
        let (term, extended) = match &self.place {
            Place::Value(term) => (term.clone(), false),
            Place::Memory(at) => (Term::Memory(width, Box::new(at.clone())), true),
        };
        Some(CompiledInt { term, bytes, signed, extended })
    }
}

fn register_term(register: Register) -> Option<Term> {
    general(register.0).map(Term::Register)
}

fn plus(term: Term, more: u64) -> Term {
    match (term, more) {
        (term, 0) => term,
        (Term::Arithmetic(Arithmetic::Add, left, right), more) => match *right {
            Term::Constant(first) => {
                let sum = Box::new(Term::Constant(first.wrapping_add(more)));
                Term::Arithmetic(Arithmetic::Add, left, sum)
            }
            right => {
                let sum = Term::Arithmetic(Arithmetic::Add, left, Box::new(right));
                Term::Arithmetic(Arithmetic::Add, Box::new(sum), Box::new(Term::Constant(more)))
            }
        },
        (term, more) => {
            Term::Arithmetic(Arithmetic::Add, Box::new(term), Box::new(Term::Constant(more)))
        }
    }
}

/// An address of the same module; none of what the linker has left out.
fn from_here(pc: u64, address: u64) -> Option<Term> {
    let is_there = address != 0 && address < u64::MAX - 1;
    is_there.then(|| plus(Term::Register(RegisterName::Rip), address.wrapping_sub(pc)))
}

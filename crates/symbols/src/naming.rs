//! The names that DWARF has for functions. An inlined copy and a method refer to the entry that has
//! the name, which may be in another unit: in Rust and with link-time optimization very often.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use gimli::{AttributeValue, DebuggingInformationEntry, UnitOffset, constants};

use crate::instance::joined;
use crate::module::Module;
use crate::names::FunctionName;
use crate::sections::Slice;
use crate::split::{DebugUnits, WholeUnit};

/// How far references between entries are followed; compilers need three.
const MAX_REFERENCES: usize = 8;

type Entry<'a, 'u> = DebuggingInformationEntry<'u, 'u, Slice<'a>>;

/// Finds names. It keeps the units that it came to.
pub(crate) struct Namer<'d, 'a> {
    module: &'a Module,
    all: &'d DebugUnits<Slice<'a>>,
    units: RefCell<BTreeMap<usize, Rc<WholeUnit<Slice<'a>>>>>,
    /// The types that functions of one unit are in.
    owners: &'d Owners,
}

/// Generic types that functions of a unit are in.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    /// The number of the unit's first byte.
    pub(crate) start: usize,
    /// By the entries of the functions.
    pub(crate) types: BTreeMap<UnitOffset, Arc<str>>,
}

impl Owners {
    fn of(&self, start: usize, entry: UnitOffset) -> Option<Arc<str>> {
        self.types.get(&entry).filter(|_| start == self.start).cloned()
    }
}

#[derive(Default)]
struct Names {
    name: Option<String>,
    linkage: Option<String>,
    owner: Option<Arc<str>>,
}

impl<'d, 'a> Namer<'d, 'a> {
    pub(crate) fn new(
        module: &'a Module,
        all: &'d DebugUnits<Slice<'a>>,
        owners: &'d Owners,
    ) -> Self {
        Self { module, all, units: RefCell::default(), owners }
    }

    /// The names of an entry, which may be said by another one that it refers to.
    pub(crate) fn name_of(
        &self,
        whole: &WholeUnit<Slice<'a>>,
        entry: &Entry<'a, '_>,
    ) -> Option<FunctionName> {
        let mut names = Names::default();
        self.collect(&mut names, whole, entry, MAX_REFERENCES);
        if let (Some(owner), Some(name)) = (&names.owner, &names.name) {
            names.name = Some(joined(owner, name));
        }
        FunctionName::from_dwarf(names.name.as_deref(), names.linkage.as_deref())
    }

    fn collect(
        &self,
        names: &mut Names,
        whole: &WholeUnit<Slice<'a>>,
        entry: &Entry<'a, '_>,
        left: usize,
    ) {
        if names.owner.is_none() {
            names.owner = self.owners.of(whole.start, entry.offset());
        }
        let text = |at| {
            let value = entry.attr_value(at).ok()??;
            let slice = whole.dwarf.attr_string(&whole.unit, value).ok()?;
            Some(String::from_utf8_lossy(slice.slice()).into_owned())
        };
        if names.linkage.is_none() {
            names.linkage = text(constants::DW_AT_linkage_name)
                .or_else(|| text(constants::DW_AT_MIPS_linkage_name));
        }
        if names.name.is_none() {
            names.name = text(constants::DW_AT_name);
        }
        let Some(left) = left.checked_sub(1) else { return };
        if names.name.is_some() && names.linkage.is_some() {
            return;
        }
        for at in [constants::DW_AT_abstract_origin, constants::DW_AT_specification] {
            match entry.attr_value(at) {
                // Most are in the same unit.
                Ok(Some(AttributeValue::UnitRef(offset))) => {
                    self.collect_at(names, whole, offset, left);
                }
                Ok(Some(value)) => {
                    let number = whole.references.number(whole.start, &value);
                    let Some((unit, offset)) = number.and_then(|at| self.elsewhere(at)) else {
                        continue;
                    };
                    self.collect_at(names, &unit, offset, left);
                }
                _ => {}
            }
        }
    }

    fn collect_at(
        &self,
        names: &mut Names,
        whole: &WholeUnit<Slice<'a>>,
        offset: UnitOffset,
        left: usize,
    ) {
        if let Ok(entry) = whole.unit.entry(offset) {
            self.collect(names, whole, &entry, left);
        }
    }

    /// The unit that a number is in, and where.
    fn elsewhere(&self, number: usize) -> Option<(Rc<WholeUnit<Slice<'a>>>, UnitOffset)> {
        let start = self.all.start_of(self.module, number)?;
        let inside = UnitOffset(number.checked_sub(start)?);
        let known = self.units.borrow().get(&start).cloned();
        let unit = match known {
            Some(known) => known,
            None => {
                let unit = Rc::new(self.all.at(self.module, start)?);
                self.units.borrow_mut().insert(start, Rc::clone(&unit));
                unit
            }
        };
        Some((unit, inside))
    }
}

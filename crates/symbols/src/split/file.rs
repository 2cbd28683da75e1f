//! The units of one file.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use gimli::{DebugInfoOffset, Dwarf, Reader, Unit, UnitHeader, UnitType};

use super::numbers::{Home, Inside, Signatures};

/// The units of one file, and where they begin.
pub(super) struct FileUnits<R: Reader<Offset = usize>> {
    home: Home,
    dwarf: Arc<Dwarf<R>>,
    /// Those of `.debug_info`, by their offsets.
    starts: Vec<usize>,
    /// Those of `.debug_types` (DWARF 4), by their offsets.
    types: Vec<(usize, UnitHeader<R>)>,
    /// Of both: the signature of a type, the unit's number and that of the type's entry.
    signed: Vec<(u64, usize, usize)>,
    signatures: OnceLock<Signatures>,
}

impl<R: Reader<Offset = usize>> FileUnits<R> {
    pub(super) fn of(dwarf: &Arc<Dwarf<R>>, home: Home) -> Self {
        let mut signed = Vec::new();
        let mut sign = |number: usize, header: &UnitHeader<R>| {
            if let UnitType::Type { type_signature, type_offset }
            | UnitType::SplitType { type_signature, type_offset } = header.type_()
            {
                signed.push((type_signature.0, number, number.saturating_add(type_offset.0)));
            }
        };
        let infos = headers(dwarf);
        for (offset, header) in &infos {
            sign(home.base().saturating_add(*offset), header);
        }
        let mut types = Vec::new();
        let mut all = dwarf.type_units();
        while let Ok(Some(header)) = all.next() {
            if let Some(offset) = header.offset().as_debug_types_offset() {
                sign(home.number_of_type(offset.0), &header);
                types.push((offset.0, header));
            }
        }
        Self {
            home,
            dwarf: Arc::clone(dwarf),
            starts: infos.into_iter().map(|(offset, _)| offset).collect(),
            types,
            signed,
            signatures: OnceLock::new(),
        }
    }

    pub(super) fn dwarf(&self) -> &Arc<Dwarf<R>> {
        &self.dwarf
    }

    /// Where the units of `.debug_info` begin, ascending.
    pub(super) fn starts(&self) -> &[usize] {
        &self.starts
    }

    /// The numbers of the units of `.debug_info`.
    pub(super) fn numbers(&self) -> impl Iterator<Item = usize> {
        self.starts.iter().map(|start| self.home.base().saturating_add(*start))
    }

    /// The numbers of the units that have one type each.
    pub(super) fn type_numbers(&self) -> impl Iterator<Item = usize> {
        self.signed.iter().map(|(_, unit, _)| *unit)
    }

    /// The types by their signatures. Of several with the same one they are the same.
    pub(super) fn signatures(&self) -> &Signatures {
        self.signatures.get_or_init(|| {
            let all = self.signed.iter().map(|(signature, _, entry)| (*signature, *entry));
            Arc::new(all.collect::<BTreeMap<_, _>>())
        })
    }

    /// The signature of the first type, and the number of its entry.
    pub(super) fn first_signature(&self) -> Option<(u64, usize)> {
        self.signed.first().map(|(signature, _, entry)| (*signature, *entry))
    }

    /// The number of the first byte of the unit that a number is in.
    pub(super) fn start_of(&self, number: usize) -> Option<usize> {
        match Home::of(number).1 {
            Inside::Info(at) => {
                let after = self.starts.partition_point(|start| *start <= at);
                let start = self.starts.get(after.checked_sub(1)?)?;
                Some(self.home.base().saturating_add(*start))
            }
            Inside::Types(at) => {
                let after = self.types.partition_point(|(start, _)| *start <= at);
                let (start, _) = self.types.get(after.checked_sub(1)?)?;
                Some(self.home.number_of_type(*start))
            }
        }
    }

    /// The unit that begins at a place.
    pub(super) fn unit(&self, at: Inside) -> Option<Unit<R>> {
        let header = match at {
            Inside::Info(at) => {
                self.dwarf.debug_info.header_from_offset(DebugInfoOffset(at)).ok()?
            }
            Inside::Types(at) => {
                let index = self.types.binary_search_by_key(&at, |(start, _)| *start).ok()?;
                self.types.get(index)?.1.clone()
            }
        };
        self.dwarf.unit(header).ok()
    }
}

/// The headers of all units of `.debug_info`, by their offsets.
pub(crate) fn headers<R: Reader<Offset = usize>>(dwarf: &Dwarf<R>) -> Vec<(usize, UnitHeader<R>)> {
    let (mut list, mut all) = (Vec::new(), dwarf.units());
    while let Ok(Some(header)) = all.next() {
        if let Some(offset) = header.offset().as_debug_info_offset() {
            list.push((offset.0, header));
        }
    }
    list
}

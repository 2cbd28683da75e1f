//! Units that others import: `dwz` moves what several units have in common to units that say no language.

use std::collections::BTreeMap;

use gimli::constants;
use retake_symbols::WholeUnit;

use super::types::Language;
use super::{Bytes, Info, info};

/// Imports are at the beginning of a unit; so many of them are looked at.
const MOST: usize = 1 << 16;
/// Units that import units.
const MAX_DEPTH: usize = 8;

impl Info {
    /// The languages of units that say none, by the numbers of their first bytes: those of the units that import them.
    pub(crate) fn imported(&self) -> &BTreeMap<usize, Language> {
        self.imported.get_or_init(|| {
            let mut found = BTreeMap::new();
            for start in self.unit_starts() {
                let Some(whole) = self.all.whole(self.module(), start) else { continue };
                let Some(language) = info::language_of(&whole.unit) else { continue };
                self.follow(&whole, language, &mut found, MAX_DEPTH);
            }
            found
        })
    }

    fn follow(
        &self,
        whole: &WholeUnit<Bytes>,
        language: Language,
        found: &mut BTreeMap<usize, Language>,
        left: usize,
    ) {
        let Some(left) = left.checked_sub(1) else { return };
        for number in imports_of(whole) {
            let Some(start) = self.all.start_of(self.module(), number) else { continue };
            if found.insert(start, language).is_none()
                && let Some(imported) = self.all.at(self.module(), start)
            {
                self.follow(&imported, language, found, left);
            }
        }
    }
}

/// The numbers of the first entries of units that a unit imports. They come before everything else in it.
fn imports_of(whole: &WholeUnit<Bytes>) -> Vec<usize> {
    let mut list = Vec::new();
    let mut entries = whole.unit.entries();
    // The unit's own entry.
    let Ok(Some(_)) = entries.next_dfs() else { return list };
    while let Ok(Some((_, entry))) = entries.next_dfs() {
        if entry.tag() != constants::DW_TAG_imported_unit || list.len() >= MOST {
            break;
        }
        let value = entry.attr_value(constants::DW_AT_import).ok().flatten();
        list.extend(value.and_then(|value| whole.references.number(whole.start, &value)));
    }
    list
}

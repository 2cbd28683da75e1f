//! Names of functions, as compilers wrote them: in one text, which is searched as a whole.

use memchr::memmem;

use crate::names::FunctionName;

/// Stands between the two names of a function.
const BETWEEN: char = '\0';

/// What DWARF or the linker calls a function; empty if there is no such name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NamePair<'a> {
    pub(crate) name: &'a str,
    pub(crate) linkage: &'a str,
}

impl NamePair<'_> {
    /// The name in the forms it can be asked by.
    pub(crate) fn full(&self) -> Option<FunctionName> {
        let given = |text| Some(text).filter(|text: &&str| !text.is_empty());
        FunctionName::from_dwarf(given(self.name), given(self.linkage))
    }
}

/// All names, each with a number.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct NameTable {
    text: String,
    /// Where each ends; ascending.
    ends: Vec<u64>,
}

impl NameTable {
    /// The table of parts that were kept; none if they do not belong together.
    pub(crate) fn from_parts(text: String, ends: Vec<u64>) -> Option<Self> {
        let ascending = ends.windows(2).all(|pair| matches!(pair, [a, b] if a <= b));
        let whole = u64::try_from(text.len()).ok()?;
        (ascending && ends.last().copied().unwrap_or(0) == whole).then_some(Self { text, ends })
    }

    pub(crate) fn parts(&self) -> (&str, &[u64]) {
        (&self.text, &self.ends)
    }

    /// Adds one, and returns its number.
    pub(crate) fn add(&mut self, name: &str, linkage: &str) -> u32 {
        self.text.push_str(name);
        self.text.push(BETWEEN);
        self.text.push_str(linkage);
        self.ends.push(u64::try_from(self.text.len()).unwrap_or(u64::MAX));
        self.len().saturating_sub(1)
    }

    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.ends.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn get(&self, number: u32) -> Option<NamePair<'_>> {
        let at = usize::try_from(number).ok()?;
        let end = usize::try_from(*self.ends.get(at)?).ok()?;
        let start = match at.checked_sub(1) {
            Some(before) => usize::try_from(*self.ends.get(before)?).ok()?,
            None => 0,
        };
        let (name, linkage) = self.text.get(start..end)?.split_once(BETWEEN)?;
        Some(NamePair { name, linkage })
    }

    /// The names that have a word in them, with their numbers: all of them for no word.
    pub(crate) fn containing(&self, word: &str) -> Vec<(u32, NamePair<'_>)> {
        if word.is_empty() {
            return (0..self.len()).filter_map(|at| Some((at, self.get(at)?))).collect();
        }
        let mut found: Vec<(u32, NamePair<'_>)> = Vec::new();
        for at in memmem::find_iter(self.text.as_bytes(), word) {
            let at = u64::try_from(at).unwrap_or(u64::MAX);
            let number = self.ends.partition_point(|end| *end <= at);
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            if found.last().is_none_or(|(last, _)| *last != number)
                && let Some(name) = self.get(number)
            {
                found.push((number, name));
            }
        }
        found
    }
}

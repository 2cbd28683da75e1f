//! The file that has what the debug information of several modules has in common.

use std::fmt;

use object::{Object, ObjectSection};

use super::{SplitFiles, Taken};
use crate::bytes::SharedBytes;
use crate::elf::{Elf, ElfFile};
use crate::sections::{DebugSections, section_bytes};

/// The version of `.debug_sup` (DWARF 5 §7.3.6).
const VERSION: [u8; 2] = 5_u16.to_le_bytes();
/// Longer identities are nobody's.
const MAX_ID: usize = 4096;

/// What a module says of the file that it shares with others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SharedName {
    /// The path, as it was written.
    pub path: Vec<u8>,
    /// Identifies the file: its build id, or a checksum.
    pub id: Vec<u8>,
}

impl fmt::Display for SharedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.path))
    }
}

/// What a file says of the one that it shares; none if it shares none.
pub(crate) fn named(elf: &Elf) -> Option<SharedName> {
    let file = elf.file()?;
    if let Ok(Some((path, id))) = file.gnu_debugaltlink() {
        return Some(SharedName { path: path.to_vec(), id: id.to_vec() });
    }
    file.section_by_name(".debug_sup")?;
    let said = supplementary(&section_bytes(elf, ".debug_sup")?)?;
    (!said.is_the_file).then_some(said.name)
}

/// What `.debug_sup` says: of another file, or of the one that it is in.
struct Supplementary {
    is_the_file: bool,
    name: SharedName,
}

fn supplementary(bytes: &[u8]) -> Option<Supplementary> {
    let (flag, rest) = bytes.strip_prefix(&VERSION)?.split_first()?;
    let end = rest.iter().position(|byte| *byte == 0)?;
    let (path, rest) = (rest.get(..end)?, rest.get(end + 1..)?);
    // The length is a LEB128 number; one byte of it is enough for 127.
    let mut input = gimli::EndianSlice::new(rest, gimli::LittleEndian);
    let length = gimli::Reader::read_uleb128(&mut input).ok()?;
    let length = usize::try_from(length).ok().filter(|length| *length <= MAX_ID)?;
    let id = input.slice().get(..length)?.to_vec();
    let name = SharedName { path: path.to_vec(), id };
    Some(Supplementary { is_the_file: *flag != 0, name })
}

/// Whether bytes are the file with an identity.
fn is_the_file(bytes: &SharedBytes, id: &[u8]) -> bool {
    let Ok(file) = ElfFile::parse(bytes.as_slice()) else { return false };
    if file.build_id().ok().flatten() == Some(id) {
        return true;
    }
    let section = file.section_by_name(".debug_sup");
    let said = section.and_then(|section| supplementary(section.data().ok()?));
    said.is_some_and(|said| said.is_the_file && said.name.id == id && !id.is_empty())
}

/// The sections of the file that a module shares.
pub(crate) fn load(source: Option<&dyn SplitFiles>, name: &SharedName) -> Option<DebugSections> {
    let mut found = None;
    source?.shared(name, &mut |bytes: SharedBytes| {
        if !is_the_file(&bytes, &name.id) {
            return Taken::No;
        }
        found = Some(DebugSections::load_bytes(&bytes));
        Taken::Yes
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_section_of_dwarf_5_says() {
        let section = b"\x05\x00\x00shared.debug\0\x03abc";
        let name = SharedName { path: b"shared.debug".to_vec(), id: b"abc".to_vec() };
        assert_eq!(supplementary(section).unwrap().name, name);
        assert!(supplementary(b"\x05\x00\x01\0\x02ab").unwrap().is_the_file);
        for cut in 0..section.len() {
            assert!(supplementary(&section[..cut]).is_none(), "{cut}");
        }
    }
}

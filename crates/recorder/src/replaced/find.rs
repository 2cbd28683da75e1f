//! Which bytes of a file are `rdrand` and `rdseed`, or `rdtsc`.
//!
//! The bytes of one may be a part of something else. Only those are taken that decoding comes to from the start of the
//! function that they are in, as the unwind table names it, which stripped files have too (`.eh_frame_hdr`, Linux
//! Standard Base, Core, 10.6.2), or else the symbol table.

use std::fs::File;

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic};
use object::read::{Object, ObjectSection, ObjectSymbol, ReadCache, SectionKind, SymbolKind};
use retake_model::{Addr, AddrRange, FileOffset};
use retake_recording::{FileKey, NoteSubject, RecordingWriter};

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// `rdrand` and `rdseed`.
    Random,
    /// `rdtsc`.
    Clock,
}

impl Wanted {
    fn opcode(self) -> &'static [u8; 2] {
        match self {
            Self::Random => &[0x0f, 0xc7],
            Self::Clock => &[0x0f, 0x31],
        }
    }

    /// Bytes from the opcode to the end.
    fn len(self) -> u64 {
        match self {
            Self::Random => 3,
            Self::Clock => 2,
        }
    }

    /// Whether what follows the opcode may be of such an instruction.
    fn may_go_on(self, next: Option<&u8>) -> bool {
        match self {
            Self::Random => next.is_some_and(|operand| *operand >= 0xf0),
            Self::Clock => true,
        }
    }

    fn is(self, instruction: &Instruction) -> bool {
        match self {
            Self::Random => matches!(instruction.mnemonic(), Mnemonic::Rdrand | Mnemonic::Rdseed),
            Self::Clock => instruction.mnemonic() == Mnemonic::Rdtsc,
        }
    }

    fn subject(self) -> NoteSubject {
        match self {
            Self::Random => NoteSubject::RandomInstructions,
            Self::Clock => NoteSubject::ClockInstructions,
        }
    }
}

/// An instruction in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// In the file.
    pub(super) offset: u64,
    pub(super) code: Vec<u8>,
}

impl Found {
    /// The one at this place in a file that these bytes are, if they are one.
    fn of_code(wanted: Wanted, offset: u64, code: Vec<u8>) -> Option<Self> {
        let found = Self { offset, code };
        found.instruction(wanted)?;
        Some(found)
    }

    /// Where it is in a part of the file that is mapped there from an offset on, if it is in that.
    pub(super) fn place_in(&self, (range, offset): (AddrRange, FileOffset)) -> Option<Addr> {
        let skip = self.offset.checked_sub(offset.get())?;
        range.start().checked_add(skip).filter(|at| range.contains(*at))
    }

    pub(super) fn instruction(&self, wanted: Wanted) -> Option<Instruction> {
        let one = Decoder::new(64, &self.code, DecoderOptions::NONE).decode();
        (wanted.is(&one) && one.len() == self.code.len()).then_some(one)
    }
}

/// Those in a file. A large one takes 30 ms to look through, so what was found is noted for later recordings.
pub(super) fn found_in(
    file: &File,
    key: FileKey,
    wanted: Wanted,
    writer: &RecordingWriter,
) -> Vec<Found> {
    let noted: Option<Vec<(u64, Vec<u8>)>> = writer.noted(key, wanted.subject());
    if let Some(noted) = noted {
        let found = |(at, code)| Found::of_code(wanted, at, code);
        return noted.into_iter().filter_map(found).collect();
    }
    let found = in_file(file, wanted);
    let to_note: Vec<(u64, &[u8])> =
        found.iter().map(|found| (found.offset, found.code.as_slice())).collect();
    writer.note(key, wanted.subject(), &to_note);
    found
}

/// All of them in a file. None where it is no ELF file, or cannot be read.
fn in_file(file: &File, wanted: Wanted) -> Vec<Found> {
    let cache = ReadCache::new(file);
    let Ok(object) = object::File::parse(&cache) else { return Vec::new() };
    let mut found = Vec::new();
    let mut functions = None;
    for section in object.sections().filter(|section| section.kind() == SectionKind::Text) {
        let (Some((offset, _)), Ok(code)) = (section.file_range(), section.data()) else {
            continue;
        };
        let mut candidates = candidates(code, wanted).peekable();
        if candidates.peek().is_none() {
            continue;
        }
        let functions: &Vec<u64> = functions.get_or_insert_with(|| functions_of(&object));
        for at in candidates {
            let one = instruction_at(code, section.address(), (at, wanted), functions);
            found.extend(one.and_then(|one| {
                let start = usize::try_from(one.ip() - section.address()).ok()?;
                let code = code.get(start..start + one.len())?.to_vec();
                Found::of_code(wanted, offset + start as u64, code)
            }));
        }
    }
    found
}

/// Where the two bytes of the opcode are, with what may follow.
fn candidates(code: &[u8], wanted: Wanted) -> impl Iterator<Item = usize> {
    let places = memchr::memmem::find_iter(code, wanted.opcode());
    places.filter(move |at| wanted.may_go_on(code.get(at + 2)))
}

/// The instruction whose opcode is at `at`, if decoding comes to it from the function that it is in.
fn instruction_at(
    code: &[u8],
    address: u64,
    (at, wanted): (usize, Wanted),
    functions: &[u64],
) -> Option<Instruction> {
    let opcode = address + at as u64;
    let next = functions.partition_point(|start| *start <= opcode);
    let start = *functions.get(next.checked_sub(1)?)?;
    let from = usize::try_from(start.checked_sub(address)?).ok()?;
    let decoder = Decoder::with_ip(64, code.get(from..)?, start, DecoderOptions::NONE);
    let found = decoder
        .into_iter()
        .take_while(|one| !one.is_invalid() && one.ip() <= opcode)
        .find(|one| one.next_ip() > opcode)?;
    // Of the instruction, no other bytes can be these.
    (found.next_ip() == opcode + wanted.len()).then_some(found)
}

/// Where functions start, in ascending order.
fn functions_of<'data>(object: &impl Object<'data>) -> Vec<u64> {
    let table = object.section_by_name(".eh_frame_hdr");
    let table = table.and_then(|table| listed(table.data().ok()?, table.address()));
    let mut starts = table.unwrap_or_else(|| {
        let all = object.symbols().chain(object.dynamic_symbols());
        all.filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.is_definition())
            .map(|symbol| symbol.address())
            .collect()
    });
    starts.sort_unstable();
    starts
}

/// The functions of an `.eh_frame_hdr` at `address`, in the form that all linkers give it: a count of four bytes, then for
/// each function the distances of its start and of its entry from the table.
fn listed(table: &[u8], address: u64) -> Option<Vec<u64>> {
    const HEAD: usize = 12;
    const UDATA4: u8 = 0x03;
    const DATAREL_SDATA4: u8 = 0x3b;
    /// With four bytes: `DW_EH_PE_udata4` and `DW_EH_PE_sdata4`, whatever they are relative to.
    const FOUR: [u8; 2] = [0x03, 0x0b];
    let [version, pointer, count, form] = *table.first_chunk()?;
    if version != 1 || !FOUR.contains(&(pointer & 0xf)) || (count, form) != (UDATA4, DATAREL_SDATA4)
    {
        return None;
    }
    let count = u32::from_le_bytes(*table.get(8..HEAD)?.first_chunk()?);
    let rows = table.get(HEAD..)?.as_chunks::<8>().0;
    let rows = rows.get(..usize::try_from(count).ok()?)?;
    let start = |row: &[u8; 8]| {
        let [a, b, c, d, ..] = *row;
        address.wrapping_add_signed(i32::from_le_bytes([a, b, c, d]).into())
    };
    Some(rows.iter().map(start).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: u64 = 0x1000;

    fn found(code: &[u8], functions: &[u64]) -> Vec<(u64, usize)> {
        wanted(Wanted::Random, code, functions)
    }

    fn wanted(wanted: Wanted, code: &[u8], functions: &[u64]) -> Vec<(u64, usize)> {
        candidates(code, wanted)
            .filter_map(|at| instruction_at(code, BASE, (at, wanted), functions))
            .map(|one| (one.ip(), one.len()))
            .collect()
    }

    #[test]
    fn all_forms() {
        // rdrand eax; rdseed r9; rdrand dx; ret
        let code = [0x0f, 0xc7, 0xf0, 0x49, 0x0f, 0xc7, 0xf9, 0x66, 0x0f, 0xc7, 0xf2, 0xc3];
        assert_eq!(found(&code, &[BASE]), [(BASE, 3), (BASE + 3, 4), (BASE + 7, 4)]);
    }

    #[test]
    fn clocks() {
        // rdtsc; mov eax, 0x310f; rdtsc; ret
        let code = [0x0f, 0x31, 0xb8, 0x0f, 0x31, 0, 0, 0x0f, 0x31, 0xc3];
        assert_eq!(wanted(Wanted::Clock, &code, &[BASE]), [(BASE, 2), (BASE + 7, 2)]);
    }

    #[test]
    fn what_was_noted_is_looked_at_again() {
        let found = |code: &[u8]| Found::of_code(Wanted::Random, 9, code.to_vec());
        assert_eq!(found(&[0x0f, 0xc7, 0xf0]).unwrap().offset, 9);
        assert_eq!(found(&[0x0f, 0xc7, 0xf0, 0x90]), None, "and more");
        assert_eq!(found(&[0x0f, 0xc7]), None, "cut");
        assert_eq!(found(&[0x90]), None, "another instruction");
    }

    #[test]
    fn bytes_within_another_instruction() {
        // mov eax, 0xf0c70f; ret
        let code = [0xb8, 0x0f, 0xc7, 0xf0, 0x00, 0xc3];
        assert_eq!(found(&code, &[BASE]), []);
        assert_eq!(found(&[0x0f, 0xc7, 0xf0], &[]), [], "in no function");
        assert_eq!(found(&[0x06, 0x0f, 0xc7, 0xf0], &[BASE]), [], "behind what is no instruction");
    }

    #[test]
    fn a_table_of_functions() {
        let mut table = vec![1, 0x1b, 3, 0x3b, 0, 0, 0, 0, 2, 0, 0, 0];
        for word in [-0x1000_i32, 0x20, 0x30, 0x40] {
            table.extend(word.to_le_bytes());
        }
        assert_eq!(listed(&table, 0x5000), Some(vec![0x4000, 0x5030]));
        table.truncate(20);
        assert_eq!(listed(&table, 0x5000), None, "cut");
        assert_eq!(listed(&[1, 0x1b, 3, 0x1b, 0, 0, 0, 0, 0, 0, 0, 0], 0), None, "another form");
    }
}

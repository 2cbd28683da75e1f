//! Which bytes of a file are `rdrand` and `rdseed`.
//!
//! The bytes of one may be a part of something else. Only those are taken that decoding comes to from the start of the
//! function that they are in, as the unwind table names it, which stripped files have too (`.eh_frame_hdr`, Linux
//! Standard Base, Core, 10.6.2), or else the symbol table.

use std::fs::File;

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic};
use object::read::{Object, ObjectSection, ObjectSymbol, ReadCache, SectionKind, SymbolKind};
use retake_ptrace::RandomInstruction;

use super::{Destination, Site, Width};

/// An instruction in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// In the file.
    pub(super) offset: u64,
    pub(super) code: Vec<u8>,
    pub(super) site: Site,
}

impl Found {
    /// The one at this place in a file that these bytes are, if they are one.
    pub(super) fn of_code(offset: u64, code: Vec<u8>) -> Option<Self> {
        let one = Decoder::new(64, &code, DecoderOptions::NONE).decode();
        let site = site(&one).filter(|_| one.len() == code.len())?;
        Some(Self { offset, code, site })
    }
}

/// All of them in a file. None where it is no ELF file, or cannot be read.
pub(super) fn in_file(file: &File) -> Vec<Found> {
    let cache = ReadCache::new(file);
    let Ok(object) = object::File::parse(&cache) else { return Vec::new() };
    let mut found = Vec::new();
    let mut functions = None;
    for section in object.sections().filter(|section| section.kind() == SectionKind::Text) {
        let (Some((offset, _)), Ok(code)) = (section.file_range(), section.data()) else {
            continue;
        };
        let mut candidates = candidates(code).peekable();
        if candidates.peek().is_none() {
            continue;
        }
        let functions: &Vec<u64> = functions.get_or_insert_with(|| functions_of(&object));
        for at in candidates {
            let one = instruction_at(code, section.address(), at, functions);
            found.extend(one.and_then(|one| {
                let start = usize::try_from(one.ip() - section.address()).ok()?;
                let code = code.get(start..start + one.len())?.to_vec();
                Found::of_code(offset + start as u64, code)
            }));
        }
    }
    found
}

/// Where the two bytes of the opcode are, with a register behind them.
fn candidates(code: &[u8]) -> impl Iterator<Item = usize> {
    let is_register = |at: &usize| code.get(at + 2).is_some_and(|operand| *operand >= 0xf0);
    memchr::memmem::find_iter(code, &[0x0f, 0xc7]).filter(is_register)
}

/// The instruction whose opcode is at `at`, if decoding comes to it from the function that it is in.
fn instruction_at(code: &[u8], address: u64, at: usize, functions: &[u64]) -> Option<Instruction> {
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
    (found.next_ip() == opcode + 3).then_some(found)
}

fn site(one: &Instruction) -> Option<Site> {
    let instruction = match one.mnemonic() {
        Mnemonic::Rdrand => RandomInstruction::Rand,
        Mnemonic::Rdseed => RandomInstruction::Seed,
        _ => return None,
    };
    let register = one.op0_register();
    let width = match register.size() {
        2 => Width::Two,
        4 => Width::Four,
        8 => Width::Eight,
        _ => return None,
    };
    let to = Destination { number: register.number(), width };
    Some(Site { instruction, len: u8::try_from(one.len()).ok()?, to })
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
        candidates(code)
            .filter_map(|at| instruction_at(code, BASE, at, functions))
            .map(|one| (one.ip(), one.len()))
            .collect()
    }

    #[test]
    fn all_forms() {
        // rdrand eax; rdseed r9; rdrand dx; ret
        let code = [0x0f, 0xc7, 0xf0, 0x49, 0x0f, 0xc7, 0xf9, 0x66, 0x0f, 0xc7, 0xf2, 0xc3];
        assert_eq!(found(&code, &[BASE]), [(BASE, 3), (BASE + 3, 4), (BASE + 7, 4)]);
        let sites: Vec<Site> = Decoder::with_ip(64, &code, BASE, DecoderOptions::NONE)
            .into_iter()
            .filter_map(|one| site(&one))
            .collect();
        let to = |number, width| Destination { number, width };
        assert_eq!(
            sites.iter().map(|site| site.to).collect::<Vec<_>>(),
            [to(0, Width::Four), to(9, Width::Eight), to(2, Width::Two)]
        );
        assert_eq!(sites.get(1).unwrap().instruction, RandomInstruction::Seed);
    }

    #[test]
    fn what_was_noted_is_looked_at_again() {
        let found = |code: &[u8]| Found::of_code(9, code.to_vec());
        let rdrand = found(&[0x0f, 0xc7, 0xf0]).unwrap();
        assert_eq!((rdrand.offset, usize::from(rdrand.site.len)), (9, 3));
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

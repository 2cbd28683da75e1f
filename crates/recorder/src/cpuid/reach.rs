//! Which `cpuid` instructions of a loader can be replaced by a jump, which is longer: those behind which instructions
//! stand that can be moved, and into which nothing jumps.

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic};
use retake_model::{Addr, AddrRange};
use retake_tracee::{MOST_SITES, Moved};

/// Bytes of a jump.
const JUMP: usize = 5;
/// How far before a site decoding begins, and at how many places one after the other: where instructions begin is
/// not known there. Instructions have 15 bytes at most, so one of the places is the start of one.
const BEFORE: usize = 320;
const STARTS: usize = 16;
/// So many of them must come to the site for it to be an instruction.
const WITNESSES: usize = 12;
/// How far a short jump reaches, and a bit.
const NEAR: usize = 144;
const CPUID: [u8; 2] = [0x0f, 0xa2];

/// Bytes as they are in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    pub(super) start: Addr,
    pub(super) bytes: &'a [u8],
}

impl Piece<'_> {
    fn decode(&self, from: usize, to: usize) -> Vec<Instruction> {
        let bytes = self.bytes.get(from..to.min(self.bytes.len())).unwrap_or_default();
        let at = self.start.get() + from as u64;
        Decoder::with_ip(64, bytes, at, DecoderOptions::NONE).into_iter().collect()
    }
}

/// The sites of the code, as far as they can be replaced. `data` is what stands beside it.
pub(super) fn sites(text: Piece<'_>, data: &[Piece<'_>]) -> Vec<Moved> {
    let found = text.bytes.windows(CPUID.len()).enumerate().filter(|(_, two)| *two == CPUID);
    let mut list: Vec<(Moved, Vec<u64>)> =
        found.filter_map(|(at, _)| site(text, at)).take(MOST_SITES).collect();
    let mut targets: Vec<u64> =
        list.iter_mut().flat_map(|(_, near)| std::mem::take(near)).collect();
    let spans: Vec<AddrRange> = list.iter().filter_map(|(moved, _)| span(moved)).collect();
    let (Some(first), Some(last)) = (spans.first(), spans.last()) else { return Vec::new() };
    let around = first.start().get()..last.end().get();
    targets.extend(far_targets(text).filter(|target| around.contains(target)));
    for piece in data {
        targets.extend(
            table_targets(text, *piece).into_iter().filter(|target| around.contains(target)),
        );
    }
    targets.sort_unstable();
    let is_free = |moved: &Moved| {
        let inside = span(moved).map(|span| span.start().get() + 1..span.end().get());
        inside.is_some_and(|inside| {
            let next = targets.partition_point(|target| *target < inside.start);
            targets.get(next).is_none_or(|target| !inside.contains(target))
        })
    };
    list.into_iter().map(|(moved, _)| moved).filter(is_free).collect()
}

fn span(moved: &Moved) -> Option<AddrRange> {
    AddrRange::with_len(moved.site, moved.code.len() as u64)
}

/// A site at `at`, if it is an instruction, with where instructions near it jump to.
fn site(text: Piece<'_>, at: usize) -> Option<(Moved, Vec<u64>)> {
    let mut targets = Vec::new();
    let first = at.checked_sub(BEFORE)?;
    let mut witnesses = 0;
    for start in first..first + STARTS {
        let code = text.decode(start, at);
        targets.extend(code.iter().filter_map(target));
        let end = code.last().filter(|last| !last.is_invalid()).map(Instruction::next_ip);
        witnesses += usize::from(end == Some(text.start.get() + at as u64));
    }
    let code = text.decode(at, at + NEAR);
    targets.extend(code.iter().filter_map(target));
    let mut len = 0;
    for (n, one) in code.iter().enumerate() {
        let is_last = len + one.len() >= JUMP;
        let can_be_moved = match one.flow_control() {
            FlowControl::Next => (one.mnemonic() == Mnemonic::Cpuid) == (n == 0),
            FlowControl::ConditionalBranch => is_last && one.is_jcc_short_or_near(),
            _ => false,
        };
        if !can_be_moved || one.is_invalid() {
            return None;
        }
        len += one.len();
        if is_last {
            break;
        }
    }
    let code = text.bytes.get(at..at + len).filter(|_| len >= JUMP)?.to_vec();
    let site = Addr::new(text.start.get() + at as u64);
    (witnesses >= WITNESSES).then_some((Moved { site, code }, targets))
}

/// Where an instruction jumps to, if it says so.
fn target(one: &Instruction) -> Option<u64> {
    let is_branch = matches!(
        one.flow_control(),
        FlowControl::ConditionalBranch | FlowControl::UnconditionalBranch
    );
    is_branch.then(|| one.near_branch_target())
}

/// Where the code jumps to by 32 bits, if each byte of it were the start of an instruction.
fn far_targets(text: Piece<'_>) -> impl Iterator<Item = u64> {
    (text.start.get()..).zip(text.bytes.windows(6)).filter_map(|(at, bytes)| {
        let (len, distance) = match *bytes {
            [0xe8 | 0xe9, a, b, c, d, _] => (5, [a, b, c, d]),
            [0x0f, 0x80..=0x8f, a, b, c, d] | [0xc7, 0xf8, a, b, c, d] => (6, [a, b, c, d]),
            _ => return None,
        };
        Some((at + len).wrapping_add_signed(i32::from_le_bytes(distance).into()))
    })
}

/// Where the code may jump to by tables that have distances from their starts, as compilers make them. A table is what
/// the code takes the address of: at most these places, if each byte of it were the start of an instruction.
fn table_targets(text: Piece<'_>, data: Piece<'_>) -> Vec<u64> {
    let starts = (text.start.get()..).zip(text.bytes.windows(7)).filter_map(|(at, bytes)| {
        // lea REG, [rip + DISTANCE]
        let [0x48 | 0x4c, 0x8d, modrm, a, b, c, d] = *bytes else { return None };
        let distance = i64::from(i32::from_le_bytes([a, b, c, d]));
        (modrm & 0xc7 == 5).then(|| (at + 7).wrapping_add_signed(distance))
    });
    let code = text.start.get()..text.start.get() + text.bytes.len() as u64;
    let mut targets = Vec::new();
    for start in starts {
        let at = start.checked_sub(data.start.get()).and_then(|at| usize::try_from(at).ok());
        let table = at.and_then(|at| data.bytes.get(at..)).unwrap_or_default();
        let entries = table.as_chunks::<4>().0.iter().map(|entry| i32::from_le_bytes(*entry));
        let places = entries.map(|distance| start.wrapping_add_signed(distance.into()));
        targets.extend(places.take_while(|target| code.contains(target)));
    }
    targets
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Addr = Addr::new(0x1000);
    /// push rax
    const PUSH: u8 = 0x50;
    /// cpuid; mov edx, eax; and edx, 31
    const CODE: [u8; 7] = [0x0f, 0xa2, 0x89, 0xc2, 0x83, 0xe2, 0x1f];

    fn text(code: &[u8], behind: &[u8]) -> Vec<u8> {
        let mut bytes = vec![PUSH; 400];
        bytes.extend(code);
        bytes.extend(behind);
        bytes.extend([PUSH; 200]);
        bytes
    }

    fn found(bytes: &[u8], data: &[u8]) -> Vec<(u64, usize)> {
        let data = Piece { start: Addr::new(0x9000), bytes: data };
        let list = sites(Piece { start: START, bytes }, &[data]);
        list.iter().map(|moved| (moved.site.get(), moved.code.len())).collect()
    }

    #[test]
    fn whole_instructions_are_moved() {
        assert_eq!(found(&text(&CODE, &[]), &[]), [(0x1190, 7)]);
        // cpuid; test ebx, ebx; jl +4
        assert_eq!(found(&text(&[0x0f, 0xa2, 0x85, 0xdb, 0x7c, 4], &[]), &[]), [(0x1190, 6)]);
        // cpuid; call: what returns would return elsewhere.
        assert_eq!(found(&text(&[0x0f, 0xa2, 0xe8, 0, 1, 0, 0], &[]), &[]), []);
        // cpuid; cpuid
        let twice = text(&[0x0f, 0xa2, 0x0f, 0xa2], &[]);
        assert_eq!(found(&twice, &[]), [(0x1192, 5)]);
    }

    #[test]
    fn bytes_of_another_instruction_are_none() {
        // mov eax, 0xa20f; nop …
        let bytes = text(&[0xb8, 0x0f, 0xa2, 0, 0, 0x90, 0x90, 0x90], &[]);
        assert_eq!(found(&bytes, &[]), []);
    }

    #[test]
    fn what_something_jumps_into_stays() {
        // jmp to the `mov`, from behind.
        assert_eq!(found(&text(&CODE, &[0xeb, 0xf9]), &[]), []);
        assert_eq!(found(&text(&CODE, &[0xeb, 0xf7]), &[]), [(0x1190, 7)], "to the site itself");
        // From far behind: the distance is from the end of the jump to the `and`.
        let mut bytes = text(&CODE, &[]);
        let distance = 0x1194_i32 - (0x1000 + i32::try_from(bytes.len()).unwrap() + 5);
        bytes.push(0xe9);
        bytes.extend(distance.to_le_bytes());
        bytes.push(PUSH);
        assert_eq!(found(&bytes, &[]), []);
    }

    #[test]
    fn what_a_table_names_stays() {
        // lea rax, [0x9004]
        let mut bytes = text(&CODE, &[]);
        let distance = 0x9004_i32 - (0x1000 + i32::try_from(bytes.len()).unwrap() + 7);
        bytes.extend([0x48, 0x8d, 0x05]);
        bytes.extend(distance.to_le_bytes());
        let entry = |target: i32| (target - 0x9004_i32).to_le_bytes();
        let table = |second| [[0; 4], entry(0x1100), entry(second), [0; 4]].concat();
        assert_eq!(found(&bytes, &table(0x1192)), []);
        assert_eq!(found(&bytes, &table(0x1197)), [(0x1190, 7)]);
        assert_eq!(found(&text(&CODE, &[]), &table(0x1192)), [(0x1190, 7)], "no table");
    }
}

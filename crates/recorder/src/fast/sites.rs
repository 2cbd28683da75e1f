//! The way from a call site to a stub.
//!
//! A `syscall` instruction has two bytes: room for a jump of 127 bytes at most. It goes to the padding
//! between functions, where there is room for a longer one. So the instructions around the call stay as
//! they are, for those who are just in the call, and for what jumps there.

use std::collections::VecDeque;

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic};
use retake_abi::ReadMemory;
use retake_model::{Addr, AddrRange};
use retake_tracee::fast::{jump, short_jump};

/// Bytes behind a call site in which padding is looked for.
pub(super) const SEARCHED: usize = 512;
/// Bytes before it.
pub(super) const SEARCHED_BEFORE: usize = 384;
/// Where instructions begin before a site is not known: decoding begins at so many places, one after the other.
const STARTS: usize = 32;
/// So many of them must come to the site, and agree on what is before it.
const WITNESSES: usize = 8;
/// Bytes of the longer jump.
const LONG: u64 = 5;
/// Bytes of the short one.
const SHORT: u64 = 2;
/// How many short jumps may lead to the long one.
const MOST_JUMPS: usize = 4;

/// The code around a `syscall` instruction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Around<'a> {
    /// Where that instruction is.
    pub(super) site: Addr,
    /// What stands before it.
    pub(super) before: &'a [u8],
    /// What stands behind it.
    pub(super) behind: &'a [u8],
}

/// Bytes that nobody executes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Padding {
    at: Addr,
    len: u64,
}

/// Bytes to be written, and where.
pub(super) type Patch = (Addr, Vec<u8>);

fn ends(instruction: &Instruction) -> bool {
    matches!(
        instruction.flow_control(),
        FlowControl::Return | FlowControl::UnconditionalBranch | FlowControl::IndirectBranch
    )
}

/// The instructions of code that starts at `start`, up to one that is none, and whether there is such a one.
fn decode(code: &[u8], start: Addr) -> (Vec<Instruction>, bool) {
    let mut list: Vec<_> =
        Decoder::with_ip(64, code, start.get(), DecoderOptions::NONE).into_iter().collect();
    let valid = list.iter().position(Instruction::is_invalid);
    list.truncate(valid.unwrap_or(list.len()));
    (list, valid.is_some())
}

/// The padding in code: what fills the room after an instruction that leads elsewhere.
fn paddings(code: &[Instruction]) -> Vec<Padding> {
    let mut list: Vec<Padding> = Vec::new();
    let mut after_end = false;
    for instruction in code {
        let fills = matches!(instruction.mnemonic(), Mnemonic::Nop | Mnemonic::Int3);
        if !(after_end && fills) {
            after_end = ends(instruction);
            continue;
        }
        let (at, len) = (Addr::new(instruction.ip()), instruction.len() as u64);
        match list.last_mut().filter(|last| last.at.checked_add(last.len) == Some(at)) {
            Some(last) => last.len += len,
            None => list.push(Padding { at, len }),
        }
    }
    list
}

/// The padding before the site: what all decoders that come to the site agree on.
fn paddings_before(around: &Around<'_>) -> Option<Vec<Padding>> {
    let start = around.site.checked_sub(around.before.len() as u64)?;
    let mut agreed: Option<Vec<Padding>> = None;
    let mut witnesses = 0;
    for skipped in 0..STARTS.min(around.before.len()) {
        let from = start.checked_add(skipped as u64)?;
        let (code, is_cut) = decode(around.before.get(skipped..)?, from);
        if is_cut {
            continue;
        }
        witnesses += 1;
        let found = paddings(&code);
        match &mut agreed {
            Some(list) => list.retain(|padding| found.contains(padding)),
            None => agreed = Some(found),
        }
    }
    agreed.filter(|_| witnesses >= WITNESSES)
}

/// Where a site is led.
#[derive(Clone, Debug)]
pub(super) struct Way {
    /// The short jumps: the site, and paddings.
    stops: Vec<Addr>,
    /// Where the long one goes.
    room: Addr,
}

impl Way {
    /// The one with the fewest jumps, to the smallest room that is large enough.
    pub(super) fn find(around: &Around<'_>) -> Option<Self> {
        let site = around.site;
        let mut rooms = paddings_before(around).unwrap_or_default();
        rooms.extend(paddings(&decode(around.behind, site.checked_add(SHORT)?).0));
        rooms.retain(|room| room.len >= SHORT);
        let mut ways = VecDeque::from([vec![site]]);
        let mut seen = vec![site];
        while let Some(stops) = ways.pop_front() {
            let from = *stops.last()?;
            let near = |room: &&Padding| short_jump(from, room.at).is_some();
            let large = rooms.iter().filter(near).filter(|room| room.len >= LONG);
            if let Some(room) = large.min_by_key(|room| room.len) {
                return Some(Self { stops, room: room.at });
            }
            for room in rooms.iter().filter(near).filter(|_| stops.len() < MOST_JUMPS) {
                if !seen.contains(&room.at) {
                    seen.push(room.at);
                    ways.push_back([stops.as_slice(), &[room.at]].concat());
                }
            }
        }
        None
    }

    /// The same way from a site elsewhere, with the same code around it.
    pub(super) fn moved(&self, from: Addr, to: Addr) -> Self {
        let moved = |at: &Addr| {
            let skip = at.get().wrapping_sub(from.get());
            Addr::new(to.get().wrapping_add(skip))
        };
        Self { stops: self.stops.iter().map(moved).collect(), room: moved(&self.room) }
    }

    /// Where there will be jumps.
    fn ranges(&self) -> impl Iterator<Item = AddrRange> {
        let short = self.stops.iter().map(|at| (*at, SHORT));
        short.chain([(self.room, LONG)]).filter_map(|(at, len)| AddrRange::with_len(at, len))
    }

    /// What stands there.
    pub(super) fn bytes(&self, memory: &impl ReadMemory) -> Option<Vec<Vec<u8>>> {
        let read = |range: AddrRange| {
            let mut bytes = vec![0; usize::try_from(range.len()).ok()?];
            memory.read(range.start(), &mut bytes).then_some(bytes)
        };
        self.ranges().map(read).collect()
    }

    /// Whether both need the same bytes.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.ranges().any(|own| other.ranges().any(|other| own.overlaps(other)))
    }

    /// Whether all of it lies in `range`.
    pub(super) fn is_within(&self, range: AddrRange) -> bool {
        self.ranges().all(|own| range.start() <= own.start() && own.end() <= range.end())
    }

    /// The jumps that lead to `stub`, the one at the site last.
    pub(super) fn patches(&self, stub: Addr) -> Option<Vec<Patch>> {
        let mut patches = vec![(self.room, jump(self.room, stub)?.to_vec())];
        let mut to = self.room;
        for from in self.stops.iter().rev() {
            patches.push((*from, short_jump(*from, to)?.to_vec()));
            to = *from;
        }
        Some(patches)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SITE: Addr = Addr::new(0x1000);
    const STUB: Addr = Addr::new(0x9000);

    /// `ret`, then `nop`s or `int3`s, with the code in between given by its length.
    fn code(parts: &[(usize, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (len, padding) in parts {
            // push rax
            bytes.extend(std::iter::repeat_n(0x50, *len));
            bytes.push(0xc3);
            bytes.extend_from_slice(padding);
        }
        bytes.extend([0x50; 200]);
        bytes
    }

    fn way(around: &Around<'_>) -> Option<Vec<Patch>> {
        Way::find(around)?.patches(STUB)
    }

    fn way_behind(code: &[u8]) -> Option<Vec<Patch>> {
        way(&Around { site: SITE, before: &[], behind: code })
    }

    #[test]
    fn room_behind_a_return_is_used() {
        // nop dword [rax + rax]; nop
        let code = code(&[(6, &[0x0f, 0x1f, 0x44, 0, 0, 0x90])]);
        let patches = way_behind(&code).unwrap();
        let at = Addr::new(0x1009);
        assert_eq!(patches, [(at, jump(at, STUB).unwrap().to_vec()), (SITE, vec![0xeb, 7])]);
    }

    #[test]
    fn small_room_leads_on_to_larger() {
        let code = code(&[(20, &[0xcc; 3]), (110, &[0xcc; 8])]);
        let patches = way_behind(&code).unwrap();
        let (small, large) = (Addr::new(0x1000 + 2 + 21), Addr::new(0x1000 + 2 + 21 + 3 + 111));
        assert_eq!(patches.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [large, small, SITE]);
        assert_eq!(patches[1].1, short_jump(small, large).unwrap());
        assert_eq!(patches[2].1, short_jump(SITE, small).unwrap());
    }

    #[test]
    fn room_before_the_site_is_used() {
        // A function that ends, padding, and the one with the site.
        let mut before = vec![0x50; 300];
        before.extend([0xc3, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0]);
        before.extend([0x50; 40]);
        let behind = [0x50; 100];
        let patches = way(&Around { site: SITE, before: &before, behind: &behind }).unwrap();
        let at = Addr::new(0x1000 - 50);
        assert_eq!(patches, [(at, jump(at, STUB).unwrap().to_vec()), (SITE, vec![0xeb, 0xcc])]);
        // The return is the end of a number: the padding is executed.
        let len = before.len();
        before[len - 55..len - 50].copy_from_slice(&[0xb8, 1, 2, 3, 0xc3]);
        assert_eq!(way(&Around { site: SITE, before: &before, behind: &behind }), None);
    }

    #[test]
    fn executed_padding_is_left_alone() {
        // A loop that is aligned by `nop`s which are passed on the way in.
        let mut code = vec![0x50; 4];
        code.extend([0x0f, 0x1f, 0x44, 0, 0, 0x0f, 0x1f, 0x44, 0, 0]);
        code.extend([0x50; 300]);
        assert_eq!(way_behind(&code), None);
    }

    #[test]
    fn padding_that_is_too_far_away_is_not_used() {
        assert_eq!(way_behind(&code(&[(130, &[0xcc; 8])])), None);
        assert_eq!(way_behind(&code(&[(20, &[0xcc; 1]), (110, &[0xcc; 8])])), None);
    }

    #[test]
    fn a_used_padding_is_not_used_again() {
        let mut code = code(&[(6, &[0xcc; 7])]);
        for (at, bytes) in way_behind(&code).unwrap() {
            if at != SITE {
                let place = usize::try_from(at.get() - 0x1002).unwrap();
                code[place..place + bytes.len()].copy_from_slice(&bytes);
            }
        }
        assert_eq!(way_behind(&code), None);
    }
}

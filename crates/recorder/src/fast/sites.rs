//! The way from a call site to a stub.
//!
//! A `syscall` instruction has two bytes: room for a jump of 127 bytes at most. It goes to the padding
//! between functions, where there is room for a longer one. So the instructions around the call stay as
//! they are, for those who are just in the call, and for what jumps there.

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic};
use retake_model::Addr;
use retake_tracee::fast::{jump, short_jump};

/// Bytes behind a call site in which padding is looked for.
pub(super) const SEARCHED: usize = 512;
/// Bytes of the longer jump.
const LONG: u64 = 5;
/// Bytes of the short one.
const SHORT: u64 = 2;
/// How many short jumps may lead to the long one.
const MOST_JUMPS: usize = 4;

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

/// The padding in code that starts at `start`: what fills the room after an instruction that leads
/// elsewhere.
fn paddings(code: &[u8], start: Addr) -> Vec<Padding> {
    let mut list: Vec<Padding> = Vec::new();
    let mut after_end = false;
    for instruction in Decoder::with_ip(64, code, start.get(), DecoderOptions::NONE) {
        if instruction.is_invalid() {
            break;
        }
        let fills = matches!(instruction.mnemonic(), Mnemonic::Nop | Mnemonic::Int3);
        if !(after_end && fills) {
            after_end = ends(&instruction);
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

/// The jumps that lead from the `syscall` instruction at `site` to `stub`, the one at the site last.
/// `code` is what stands behind that instruction.
pub(super) fn way(site: Addr, code: &[u8], stub: Addr) -> Option<Vec<Patch>> {
    let paddings = paddings(code, site.checked_add(SHORT)?);
    let mut stops = vec![site];
    while stops.len() <= MOST_JUMPS {
        let from = *stops.last()?;
        let near = |padding: &&Padding| padding.at > from && short_jump(from, padding.at).is_some();
        let Some(room) = paddings.iter().filter(near).find(|padding| padding.len >= LONG) else {
            stops.push(paddings.iter().filter(near).rfind(|padding| padding.len >= SHORT)?.at);
            continue;
        };
        let mut patches = vec![(room.at, jump(room.at, stub)?.to_vec())];
        let mut to = room.at;
        for from in stops.into_iter().rev() {
            patches.push((from, short_jump(from, to)?.to_vec()));
            to = from;
        }
        return Some(patches);
    }
    None
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

    #[test]
    fn room_behind_a_return_is_used() {
        // nop dword [rax + rax]; nop
        let code = code(&[(6, &[0x0f, 0x1f, 0x44, 0, 0, 0x90])]);
        let patches = way(SITE, &code, STUB).unwrap();
        let at = Addr::new(0x1009);
        assert_eq!(patches, [(at, jump(at, STUB).unwrap().to_vec()), (SITE, vec![0xeb, 7])]);
    }

    #[test]
    fn small_room_leads_on_to_larger() {
        let code = code(&[(20, &[0xcc; 3]), (110, &[0xcc; 8])]);
        let patches = way(SITE, &code, STUB).unwrap();
        let (small, large) = (Addr::new(0x1000 + 2 + 21), Addr::new(0x1000 + 2 + 21 + 3 + 111));
        assert_eq!(patches.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [large, small, SITE]);
        assert_eq!(patches[1].1, short_jump(small, large).unwrap());
        assert_eq!(patches[2].1, short_jump(SITE, small).unwrap());
    }

    #[test]
    fn executed_padding_is_left_alone() {
        // A loop that is aligned by `nop`s which are passed on the way in.
        let mut code = vec![0x50; 4];
        code.extend([0x0f, 0x1f, 0x44, 0, 0, 0x0f, 0x1f, 0x44, 0, 0]);
        code.extend([0x50; 300]);
        assert_eq!(way(SITE, &code, STUB), None);
    }

    #[test]
    fn padding_that_is_too_far_away_is_not_used() {
        assert_eq!(way(SITE, &code(&[(130, &[0xcc; 8])]), STUB), None);
        assert_eq!(way(SITE, &code(&[(20, &[0xcc; 1]), (110, &[0xcc; 8])]), STUB), None);
    }

    #[test]
    fn a_used_padding_is_not_used_again() {
        let mut code = code(&[(6, &[0xcc; 7])]);
        for (at, bytes) in way(SITE, &code, STUB).unwrap() {
            if at != SITE {
                let place = usize::try_from(at.get() - 0x1002).unwrap();
                code[place..place + bytes.len()].copy_from_slice(&bytes);
            }
        }
        assert_eq!(way(SITE, &code, STUB), None);
    }
}

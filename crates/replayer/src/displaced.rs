//! Executing the instruction under a breakpoint somewhere else.
//!
//! Taking the breakpoint out and stepping costs two stops, one of them a debug exception, which is dear
//! in virtual machines (20 µs and more). An instruction that does not depend on where it lies is
//! instead copied into retake's own page, with a jump back behind it.

use std::collections::BTreeMap;

use iced_x86::{Code, Decoder, DecoderOptions, FlowControl};
use retake_model::{Addr, Registers, SpaceId, TaskId};
use retake_tracee::InjectPage;

use crate::failure::Failure;
use crate::machine::Machine;
use crate::stepping::LONGEST;

/// Where the copies begin in our page; before that are the calls that tasks are made to execute.
const FIRST: u64 = 1024;
/// Room for a copy: the instruction, the jump, and the address that it jumps to.
const ROOM: u64 = 32;
const _: () = assert!(LONGEST as u64 + 14 <= ROOM, "the longest instruction and the jump");
/// So many fit into the page.
const MOST: usize = 96;

/// The copies that each address space has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Copies {
    spaces: BTreeMap<SpaceId, Vec<Copied>>,
}

impl Copies {
    /// The memory of `space` is gone, or another one's.
    pub(crate) fn forget_space(&mut self, space: SpaceId) {
        self.spaces.remove(&space);
    }

    /// All memory is gone.
    pub(crate) fn forget_all(&mut self) {
        self.spaces.clear();
    }

    /// A forked space starts with its parent's copies in its memory.
    pub(crate) fn copy_space(&mut self, from: SpaceId, to: SpaceId) {
        if let Some(copies) = self.spaces.get(&from).cloned() {
            self.spaces.insert(to, copies);
        }
    }
}

/// An instruction that has a copy.
#[derive(Clone, Debug)]
struct Copied {
    at: Addr,
    instruction: Vec<u8>,
}

/// Where a task goes on instead of at a breakpoint.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Displaced {
    at: Addr,
    len: u64,
    copy: Addr,
}

impl Displaced {
    #[cfg(test)]
    pub(crate) fn for_test(at: Addr) -> Self {
        Self { at, len: 1, copy: InjectPage::ADDR }
    }

    /// Where the copy begins.
    pub(crate) fn entry(self) -> Addr {
        self.copy
    }

    /// Where the task would be if it had executed the instruction in its place.
    pub(crate) fn real(self, registers: &Registers) -> Option<Registers> {
        let pc = registers.pc();
        let real = if pc == self.copy {
            self.at
        } else if Some(pc) == self.copy.checked_add(self.len) {
            self.at.checked_add(self.len)?
        } else {
            return None;
        };
        Some(Registers { rip: real.get(), ..*registers })
    }
}

/// The instruction that `code` begins with, if it does the same wherever it lies.
fn movable(code: &[u8], at: Addr) -> Option<&[u8]> {
    let mut decoder = Decoder::with_ip(64, code, at.get(), DecoderOptions::NONE);
    let instruction = decoder.decode();
    let stays = instruction.code() == Code::INVALID
        || instruction.flow_control() != FlowControl::Next
        || instruction.is_ip_rel_memory_operand();
    if stays { None } else { code.get(..instruction.len()) }
}

/// The copy with its jump back: `jmp [rip+0]` and the address (Intel SDM vol. 2, JMP).
fn with_jump(instruction: &[u8], behind: Addr) -> Vec<u8> {
    let mut bytes = instruction.to_vec();
    bytes.extend([0xff, 0x25, 0, 0, 0, 0]);
    bytes.extend(behind.get().to_le_bytes());
    bytes
}

impl Machine {
    /// A copy of the instruction under the breakpoint at `at`, if it can have one.
    pub(crate) fn displaced(&mut self, id: TaskId, at: Addr) -> Result<Option<Displaced>, Failure> {
        let space = self.task(id)?.space;
        let mut code = [0; LONGEST];
        // The vsyscall page cannot be read.
        let got = self.task(id)?.memory.read(at, &mut code).unwrap_or(0);
        let Some(code) = code.get_mut(..got) else { return Ok(None) };
        self.sites.mask(space, at, code);
        let known = self.sites.copies.spaces.entry(space).or_default();
        let n = known.iter().position(|copied| copied.at == at).unwrap_or(known.len());
        let Some(instruction) = movable(code, at).filter(|_| n < MOST) else { return Ok(None) };
        let len = instruction.len() as u64;
        let copy = InjectPage::ADDR.checked_add(FIRST + n as u64 * ROOM);
        let (Some(copy), Some(behind)) = (copy, at.checked_add(len)) else { return Ok(None) };
        if known.get(n).is_none_or(|copied| copied.instruction != instruction) {
            let copied = Copied { at, instruction: instruction.to_vec() };
            let bytes = with_jump(instruction, behind);
            match known.get_mut(n) {
                Some(old) => *old = copied,
                None => known.push(copied),
            }
            self.task(id)?.memory.write(copy, &bytes)?;
        }
        Ok(Some(Displaced { at, len, copy }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_depends_on_its_place_is_not_moved() {
        let at = Addr::new(0x40_1000);
        let moved = |code: &[u8]| movable(code, at).map(<[u8]>::len);
        assert_eq!(moved(&[0x55, 0x90]), Some(1), "push rbp");
        assert_eq!(moved(&[0xf3, 0x0f, 0x1e, 0xfa, 0x90]), Some(4), "endbr64");
        assert_eq!(moved(&[0x48, 0x89, 0x45, 0xf8]), Some(4), "mov [rbp-8], rax");
        assert_eq!(moved(&[0xf3, 0xa4]), Some(2), "rep movsb");
        assert_eq!(moved(&[0x48, 0x8b, 0x05, 1, 2, 3, 4]), None, "mov rax, [rip+...]");
        assert_eq!(moved(&[0xc3]), None, "ret");
        assert_eq!(moved(&[0xe8, 1, 2, 3, 4]), None, "call");
        assert_eq!(moved(&[0x75, 0xf0]), None, "jne");
        assert_eq!(moved(&[0x0f, 0x05]), None, "syscall");
        assert_eq!(moved(&[0xcc]), None, "int3");
        assert_eq!(moved(&[0x48]), None, "cut off");
    }

    #[test]
    fn a_place_in_the_copy_is_one_in_the_code() {
        let displaced = Displaced { at: Addr::new(0x1000), len: 3, copy: Addr::new(0x7000_0400) };
        let real = |rip| {
            displaced
                .real(&Registers { rip, ..Registers::default() })
                .map(|registers| registers.rip)
        };
        assert_eq!(real(0x7000_0400), Some(0x1000));
        assert_eq!(real(0x7000_0403), Some(0x1003));
        assert_eq!(real(0x1003), None);
        assert_eq!(with_jump(&[0x90], Addr::new(0x1122)).len(), 15);
    }
}

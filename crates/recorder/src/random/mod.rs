//! Random numbers of the processor: `rdrand` and `rdseed`.
//!
//! Nothing can make them fault, and where `cpuid` does not fault either the program sees that they are there. So they are
//! looked for in the code of each file that is mapped ([`find`]), and replaced by an instruction that does fault: the
//! recorder executes them then, and writes down the result. Only what surely is such an instruction is replaced. What is
//! not found (code that is made at run time, files without a list of their functions) makes a replay differ, which is
//! noticed and said.

mod find;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::rc::Rc;

use retake_model::{Addr, AddrRange, FileOffset, Registers};
use retake_ptrace::{ProcessMemory, RandomInstruction};
use retake_recording::{FileKey, NoteSubject, RecordingWriter, TrappedInstruction};
use retake_tracee::IN_ITS_PLACE;

use find::Found;

/// Carry, parity, auxiliary carry, zero, sign, overflow: the instructions set the first and clear the others.
const FLAGS: u64 = 0x8d5;
const CARRY: u64 = 1;
const NOP: u8 = 0x90;

/// Where the instruction puts its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Destination {
    /// As instructions number it: 0 is rax, 1 rcx, 2 rdx, 3 rbx, 4 rsp.
    number: usize,
    width: Width,
}

/// How much of the register it writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Width {
    /// The rest stays.
    Two,
    /// The rest becomes zero.
    Four,
    Eight,
}

/// An instruction that gives a random number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    instruction: RandomInstruction,
    /// In bytes.
    len: u8,
    to: Destination,
}

impl Site {
    /// What it is called in an event.
    pub(crate) fn instruction(self) -> TrappedInstruction {
        match self.instruction {
            RandomInstruction::Rand => TrappedInstruction::Rdrand,
            RandomInstruction::Seed => TrappedInstruction::Rdseed,
        }
    }

    /// Executes it, and gives the registers behind it.
    pub(crate) fn executed(self, registers: &Registers) -> Registers {
        let number = self.instruction.execute();
        let mut after = Registers {
            rip: registers.rip + u64::from(self.len),
            eflags: registers.eflags & !FLAGS | if number.is_some() { CARRY } else { 0 },
            ..*registers
        };
        // Without one it gives 0.
        self.to.set(&mut after, number.unwrap_or(0));
        after
    }
}

impl Destination {
    fn set(self, registers: &mut Registers, value: u64) {
        let place = match self.number {
            0 => &mut registers.rax,
            1 => &mut registers.rcx,
            2 => &mut registers.rdx,
            3 => &mut registers.rbx,
            4 => &mut registers.rsp,
            5 => &mut registers.rbp,
            6 => &mut registers.rsi,
            7 => &mut registers.rdi,
            8 => &mut registers.r8,
            9 => &mut registers.r9,
            10 => &mut registers.r10,
            11 => &mut registers.r11,
            12 => &mut registers.r12,
            13 => &mut registers.r13,
            14 => &mut registers.r14,
            _ => &mut registers.r15,
        };
        *place = match self.width {
            Width::Two => *place & !0xffff | value & 0xffff,
            Width::Four => value & 0xffff_ffff,
            Width::Eight => value,
        };
    }
}

/// The sites in one address space.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sites(BTreeMap<Addr, Site>);

impl Sites {
    /// The one at an address.
    pub(crate) fn at(&self, pc: Addr) -> Option<Site> {
        self.0.get(&pc).copied()
    }

    /// What was mapped there is gone.
    pub(crate) fn forget(&mut self, range: AddrRange) {
        self.0.retain(|at, _| !range.contains(*at));
    }

    /// What was mapped there is somewhere else, in the place of what was there.
    pub(crate) fn moved(&mut self, from: AddrRange, to: AddrRange) {
        let sites = self.0.range(from.start()..from.end());
        let there = sites.filter_map(|(at, site)| {
            let at = to.start().checked_add(at.offset_from(from.start())?)?;
            to.contains(at).then_some((at, *site))
        });
        let there: Vec<(Addr, Site)> = there.collect();
        self.forget(to);
        self.0.extend(there);
    }

    /// More of them.
    pub(crate) fn extend(&mut self, more: Self) {
        self.0.extend(more.0);
    }
}

/// What is known of files, for as long as the recording lasts.
#[derive(Debug, Default)]
pub(crate) struct Known(BTreeMap<FileKey, Rc<[Found]>>);

impl Known {
    /// Replaces the sites in a part of a file that has just been mapped privately, to be executed. `put` writes.
    pub(crate) fn replace(
        &mut self,
        file: &File,
        (range, offset): (AddrRange, FileOffset),
        (memory, writer): (&ProcessMemory, &RecordingWriter),
        mut put: impl FnMut(Addr, &[u8]),
    ) -> Sites {
        let mut sites = Sites::default();
        for found in self.of(file, writer).iter() {
            let at =
                found.offset.checked_sub(offset.get()).and_then(|at| range.start().checked_add(at));
            let Some(at) = at.filter(|at| range.contains(*at)) else { continue };
            let mut now = vec![0; found.code.len()];
            if memory.read_exact(at, &mut now).is_err() || now != found.code {
                continue;
            }
            let mut code = vec![NOP; found.code.len()];
            let Some(head) = code.first_chunk_mut() else { continue };
            *head = IN_ITS_PLACE;
            put(at, &code);
            sites.0.insert(at, found.site);
        }
        sites
    }

    fn of(&mut self, file: &File, writer: &RecordingWriter) -> Rc<[Found]> {
        // What cannot be looked at is mapped all the same, and has no sites.
        let Ok(key) = file.metadata().map(|meta| FileKey::of(&meta)) else { return Rc::default() };
        match self.0.entry(key) {
            Entry::Occupied(known) => Rc::clone(known.get()),
            Entry::Vacant(place) => Rc::clone(place.insert(found_in(file, key, writer).into())),
        }
    }
}

/// Those in a file. A large one takes 30 ms to look through, so what was found is noted for later recordings.
fn found_in(file: &File, key: FileKey, writer: &RecordingWriter) -> Vec<Found> {
    const SUBJECT: NoteSubject = NoteSubject::RandomInstructions;
    let noted: Option<Vec<(u64, Vec<u8>)>> = writer.noted(key, SUBJECT);
    if let Some(noted) = noted {
        return noted.into_iter().filter_map(|(at, code)| Found::of_code(at, code)).collect();
    }
    let found = find::in_file(file);
    let to_note: Vec<(u64, &[u8])> =
        found.iter().map(|found| (found.offset, found.code.as_slice())).collect();
    writer.note(key, SUBJECT, &to_note);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(number: usize, width: Width) -> Site {
        Site { instruction: RandomInstruction::Rand, len: 4, to: Destination { number, width } }
    }

    #[test]
    fn registers_behind_it() {
        if !RandomInstruction::Rand.is_here() {
            return;
        }
        let before = Registers { rip: 0x1000, r9: u64::MAX, eflags: 0xa46, ..Registers::default() };
        let after = site(9, Width::Four).executed(&before);
        assert_eq!((after.rip, after.eflags & !CARRY), (0x1004, 0x202));
        assert_eq!(after.r9 >> 32, 0, "a half is the whole register");
        assert_eq!(Registers { rip: 0x1000, r9: u64::MAX, eflags: 0xa46, ..after }, before);
        let after = site(9, Width::Two).executed(&before);
        assert_eq!(after.r9 >> 16, u64::MAX >> 16);
    }

    #[test]
    fn a_part_that_is_unmapped() {
        let range = |start| AddrRange::with_len(Addr::new(start), 0x1000).unwrap();
        let mut sites = Sites(BTreeMap::from([(Addr::new(0x1ff0), site(0, Width::Eight))]));
        sites.0.insert(Addr::new(0x5004), site(1, Width::Four));
        sites.moved(range(0x1000), range(0x5000));
        sites.forget(range(0x1000));
        assert_eq!(sites.at(Addr::new(0x1ff0)), None);
        assert_eq!(sites.at(Addr::new(0x5ff0)), Some(site(0, Width::Eight)));
        assert_eq!(sites.at(Addr::new(0x5004)), None, "what was there is gone");
    }
}

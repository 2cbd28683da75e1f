//! Random numbers of the processor: `rdrand` and `rdseed`.
//!
//! Nothing can make them fault, and where `cpuid` does not fault either the program sees that they are there. So they are
//! looked for in the code of each file that is mapped ([`super::find`]), and replaced by an instruction that does fault: the
//! recorder executes them then, and writes down the result. Only what surely is such an instruction is replaced. What is
//! not found (code that is made at run time, files without a list of their functions) makes a replay differ, which is
//! noticed and said.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::rc::Rc;

use retake_model::{Addr, AddrRange, FileOffset, Registers};
use retake_ptrace::{ProcessMemory, RandomInstruction};
use retake_recording::{FileKey, RecordingWriter, TrappedInstruction};
use retake_tracee::IN_ITS_PLACE;

use super::find::{Found, Wanted, found_in};

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
    /// The site that this instruction is.
    fn of(one: &iced_x86::Instruction) -> Option<Self> {
        let instruction = match one.mnemonic() {
            iced_x86::Mnemonic::Rdrand => RandomInstruction::Rand,
            iced_x86::Mnemonic::Rdseed => RandomInstruction::Seed,
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
        Some(Self { instruction, len: u8::try_from(one.len()).ok()?, to })
    }

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
pub(crate) struct Known(BTreeMap<FileKey, Rc<[(Found, Site)]>>);

impl Known {
    /// Replaces the sites in a part of a file that has just been mapped privately, to be executed. `put` writes.
    pub(crate) fn replace(
        &mut self,
        file: &File,
        place: (AddrRange, FileOffset),
        (memory, writer): (&ProcessMemory, &RecordingWriter),
        mut put: impl FnMut(Addr, &[u8]),
    ) -> Sites {
        let mut sites = Sites::default();
        for (found, site) in self.of(file, writer).iter() {
            let Some(at) = found.place_in(place) else { continue };
            let mut now = vec![0; found.code.len()];
            if memory.read_exact(at, &mut now).is_err() || now != found.code {
                continue;
            }
            let mut code = vec![NOP; found.code.len()];
            let Some(head) = code.first_chunk_mut() else { continue };
            *head = IN_ITS_PLACE;
            put(at, &code);
            sites.0.insert(at, *site);
        }
        sites
    }

    fn of(&mut self, file: &File, writer: &RecordingWriter) -> Rc<[(Found, Site)]> {
        // What cannot be looked at is mapped all the same, and has no sites.
        let Ok(key) = file.metadata().map(|meta| FileKey::of(&meta)) else { return Rc::default() };
        match self.0.entry(key) {
            Entry::Occupied(known) => Rc::clone(known.get()),
            Entry::Vacant(place) => Rc::clone(place.insert(sites_in(file, key, writer))),
        }
    }
}

fn sites_in(file: &File, key: FileKey, writer: &RecordingWriter) -> Rc<[(Found, Site)]> {
    let found = found_in(file, key, Wanted::Random, writer);
    let site = |found: Found| {
        let site = Site::of(&found.instruction(Wanted::Random)?)?;
        Some((found, site))
    };
    found.into_iter().filter_map(site).collect()
}

#[cfg(test)]
mod tests {
    use iced_x86::{Decoder, DecoderOptions};

    use super::*;

    #[test]
    fn sites_of_all_forms() {
        // rdrand eax; rdseed r9; rdrand dx; ret
        let code = [0x0f, 0xc7, 0xf0, 0x49, 0x0f, 0xc7, 0xf9, 0x66, 0x0f, 0xc7, 0xf2, 0xc3];
        let all = Decoder::new(64, &code, DecoderOptions::NONE).into_iter();
        let sites: Vec<Site> = all.filter_map(|one| Site::of(&one)).collect();
        let to = |number, width| Destination { number, width };
        assert_eq!(
            sites.iter().map(|site| site.to).collect::<Vec<_>>(),
            [to(0, Width::Four), to(9, Width::Eight), to(2, Width::Two)]
        );
        assert_eq!(sites.get(1).unwrap().instruction, RandomInstruction::Seed);
    }

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

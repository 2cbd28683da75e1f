//! What is translated at once, and how blocks are laid out in it.

use std::collections::VecDeque;

use retake_model::{Addr, AddrRange};

use crate::body;
use crate::conditions::Test;
use crate::emit::{Emitter, Hole};
use crate::hasher::NumberMap;
use crate::layout::Room;
use crate::points::{Point, PointKind, Points};
use crate::register::{Gpr, Spilled};
use crate::source::{Block, Branch, Code, Constancy, End, Extent, LONGEST_BLOCK, decode};
use crate::supply::SuppliedAt;
use crate::transfer;

/// Instructions of a block that is compared at each entry.
const COMPARED_BLOCK: usize = 12;
/// A loop of one block is laid out so many times, each with a clock word of its own.
const TURNS: usize = 4;
/// Instructions that such a loop has at most.
const SHORT_LOOP: usize = 16;

/// Bytes of a jump.
const JUMP_LEN: u32 = 5;

/// How a task leaves the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// By a branch to code that was not translated when the branch was.
    Direct { to: Addr, hole: Hole },
    /// At an instruction that cannot be executed from the cache.
    Outside { pc: Addr },
    /// At a test that holds. The clock is so far ahead there.
    Test { pc: Addr, ahead: i8 },
    /// The code is no longer what was translated.
    Changed { pc: Addr },
}

/// An indirect branch: where it is, and by how much it has moved the stack pointer when its target is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndirectBranch {
    pub(crate) pc: Addr,
    pub(crate) moved: i64,
}

/// What all units share.
pub(crate) struct Shared<'a> {
    pub(crate) room: Room,
    /// Bodies, by where their code is.
    pub(crate) bodies: &'a NumberMap<Addr, u32>,
    /// Where indirect transfers come in, by where their code is.
    pub(crate) entries: &'a NumberMap<Addr, u32>,
    pub(crate) tests: &'a std::collections::BTreeMap<Addr, Test>,
    pub(crate) constants: &'a mut Constants,
    /// Offsets of the code that all exits end in.
    pub(crate) common: u32,
    pub(crate) first_exit: usize,
    pub(crate) first_branch: usize,
    pub(crate) clock_words: &'a mut u32,
    pub(crate) limits: Limits,
    /// Where answers may be supplied.
    pub(crate) supplied_at: Option<SuppliedAt>,
    /// For each value of 16 bits the entry that the table leads to, or the common exit.
    pub(crate) heads: &'a dyn Fn(Addr) -> u32,
}

/// How much is translated at once, and which shortcuts are taken. Tests change them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Blocks that are translated at once.
    pub blocks: usize,
    /// Instructions of a block.
    pub instructions: usize,
    /// Whether short loops are laid out several times.
    pub unrolls: bool,
    /// Whether blocks go on where a jump or a call leads to.
    pub extends: bool,
    /// Whether each branch is noted, so that the last one is known.
    pub notes: bool,
    /// Bytes of translated code: when there is no room for more, all is dropped.
    pub code: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            blocks: 64,
            instructions: LONGEST_BLOCK,
            unrolls: true,
            extends: true,
            notes: false,
            code: u32::MAX,
        }
    }
}

impl Limits {
    /// A cache that is emptied all the time.
    #[must_use]
    pub fn small_cache() -> Self {
        Self { blocks: 4, code: 64 << 10, ..Self::default() }
    }

    /// Blocks of one instruction.
    #[must_use]
    pub fn single_instructions() -> Self {
        Self { instructions: 1, ..Self::default() }
    }

    /// None of the shortcuts: one block at once.
    #[must_use]
    pub fn plain() -> Self {
        Self { blocks: 1, unrolls: false, extends: false, ..Self::default() }
    }
}

/// Constants that instructions reach by an absolute address.
#[derive(Debug, Default)]
pub(crate) struct Constants {
    known: NumberMap<u64, u32>,
    fresh: Vec<u64>,
}

impl Constants {
    /// Offset of a constant from where they begin.
    pub(crate) fn offset(&mut self, value: u64) -> u32 {
        let next = u32::try_from(self.known.len()).unwrap_or(u32::MAX / 16) * 8;
        *self.known.entry(value).or_insert_with(|| {
            self.fresh.push(value);
            next
        })
    }

    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.known.len()).unwrap_or(u32::MAX / 16) * 8
    }

    /// Those that are not in memory yet: where they begin, and their bytes.
    pub(crate) fn take_fresh(&mut self) -> (u32, Vec<u8>) {
        let fresh = std::mem::take(&mut self.fresh);
        let bytes: Vec<u8> = fresh.iter().flat_map(|value| value.to_le_bytes()).collect();
        let len = u32::try_from(bytes.len()).unwrap_or(0);
        (self.len() - len, bytes)
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Code that is executed once or never: ways out of the cache. It lies by itself, so that what is executed again
/// and again lies dense.
#[derive(Debug)]
pub(crate) struct Cold {
    pub(crate) emitter: Emitter,
    pub(crate) points: Points,
}

impl Cold {
    fn between(&mut self, pc: Addr) {
        let (offset, spilled) = (self.emitter.here(), Spilled::NONE);
        self.points.push(Point { offset, pc, spilled, ahead: 0, kind: PointKind::Between });
    }
}

/// A unit, ready to be put into the cache.
#[derive(Debug)]
pub(crate) struct Unit {
    pub(crate) emitter: Emitter,
    pub(crate) points: Points,
    pub(crate) cold: Cold,
    pub(crate) bodies: Vec<(Addr, u32)>,
    pub(crate) entries: Vec<(Addr, u32)>,
    pub(crate) sources: Vec<(Addr, AddrRange)>,
    pub(crate) exits: Vec<Exit>,
    /// Indirect branches, by number from the first one of the unit.
    pub(crate) branches: Vec<IndirectBranch>,
    /// Where a task goes on behind a test that it stands at.
    pub(crate) passed: Vec<(Addr, u32)>,
}

/// A unit while it is put together.
pub(crate) struct Builder<'a, 'b> {
    pub(crate) shared: &'a mut Shared<'b>,
    pub(crate) unit: Unit,
    new: NumberMap<Addr, u32>,
    waiting: VecDeque<(Addr, Arrival)>,
    links: Vec<(Hole, Addr)>,
    misses: Vec<Miss>,
    blocks: usize,
    /// The one that is laid out.
    block: Block,
}

/// Where an indirect transfer goes on that came to the wrong place.
struct Miss {
    pc: Addr,
    hole: Hole,
    next: u32,
}

/// How a piece of code is come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    Direct,
    /// Also by returns and other indirect transfers.
    Indirect,
}

impl<'a, 'b> Builder<'a, 'b> {
    /// One whose code begins at `start`, and what is seldom executed of it at `cold`.
    pub(crate) fn new(shared: &'a mut Shared<'b>, start: u32, cold: u32) -> Self {
        let at = |start| Emitter::new(shared.room.addr(0), start);
        let unit = Unit {
            emitter: at(start),
            points: Points::default(),
            cold: Cold { emitter: at(cold), points: Points::default() },
            bodies: Vec::new(),
            entries: Vec::new(),
            sources: Vec::new(),
            exits: Vec::new(),
            branches: Vec::new(),
            passed: Vec::new(),
        };
        let (new, waiting) = (NumberMap::default(), VecDeque::new());
        let (links, misses, block) = (Vec::new(), Vec::new(), Block::default());
        Self { shared, unit, new, waiting, links, misses, blocks: 0, block }
    }

    /// Translates what is at `pc`, and what it leads to.
    pub(crate) fn build(mut self, pc: Addr, arrival: Arrival, code: &mut dyn Code) -> Unit {
        self.waiting.push_back((pc, arrival));
        while let Some((pc, arrival)) = self.waiting.pop_front() {
            if self.is_full() && !self.has(pc) {
                continue;
            }
            let new = match arrival {
                Arrival::Indirect => self.entry(pc) || !self.has(pc),
                Arrival::Direct => !self.has(pc),
            };
            if new {
                self.chain(pc, code);
            }
        }
        for miss in std::mem::take(&mut self.misses) {
            self.miss(miss);
        }
        for (hole, to) in std::mem::take(&mut self.links) {
            let place = match self.body(to) {
                Some(body) => body,
                None => self.stub(to, hole),
            };
            self.unit.emitter.fill(hole, place);
        }
        self.unit
    }

    fn body(&self, pc: Addr) -> Option<u32> {
        self.new.get(&pc).or_else(|| self.shared.bodies.get(&pc)).copied()
    }

    fn is_full(&self) -> bool {
        self.blocks >= self.shared.limits.blocks
    }

    /// Code that leaves the cache for `to`.
    fn stub(&mut self, to: Addr, hole: Hole) -> u32 {
        let number = self.number(Exit::Direct { to, hole });
        let (rax, common) = (self.shared.room.slot(Gpr::RAX), self.shared.common);
        let cold = &mut self.unit.cold;
        let here = cold.emitter.here();
        cold.between(to);
        cold.emitter.store(rax, Gpr::RAX);
        cold.emitter.leave(number, common);
        here
    }

    /// Leaves the cache; `rax` is in its slot already.
    pub(crate) fn exit(&mut self, exit: Exit) {
        let number = self.number(exit);
        self.unit.emitter.leave(number, self.shared.common);
    }

    fn number(&mut self, exit: Exit) -> u64 {
        let number = self.shared.first_exit + self.unit.exits.len();
        self.unit.exits.push(exit);
        number as u64
    }

    /// Notes that an indirect branch is executed: where it leads to an address that cannot be, the processor faults
    /// at the branch.
    pub(crate) fn note_branch(&mut self, branch: IndirectBranch) {
        let number = self.shared.first_branch + self.unit.branches.len();
        self.unit.branches.push(branch);
        let slot = self.shared.room.branch_slot();
        self.unit.emitter.note(slot, u32::try_from(number).unwrap_or(u32::MAX));
    }

    /// Notes that a direct branch is executed, if that is wanted.
    pub(crate) fn note_direct(&mut self, pc: Addr) {
        if self.shared.limits.notes {
            self.note_branch(IndirectBranch { pc, moved: 0 });
        }
    }

    /// Where indirect transfers come in: what they lead to is in `rcx`, and `rcx` and `r11` are in their slots.
    /// False if there is one already.
    fn entry(&mut self, pc: Addr) -> bool {
        let known = |(other, _): &(Addr, u32)| *other == pc;
        if self.shared.entries.contains_key(&pc) || self.unit.entries.iter().any(known) {
            return false;
        }
        let room = self.shared.room;
        let here = self.unit.emitter.here();
        self.between(pc, Spilled::NONE.with(Gpr::R11).with(Gpr::RCX));
        let emitter = &mut self.unit.emitter;
        emitter.set(Gpr::R11, pc.get().wrapping_neg());
        emitter.add_to_rcx(Gpr::R11);
        emitter.skip_if_rcx_is_zero(5);
        let miss = emitter.jump_hole();
        emitter.load(Gpr::RCX, room.slot(Gpr::RCX));
        emitter.load(Gpr::R11, room.slot(Gpr::R11));
        let next = self.latest_head(pc);
        self.misses.push(Miss { pc, hole: miss, next });
        self.unit.entries.push((pc, here));
        true
    }

    /// The transfer was to another place: on to the next one that has the same lower 16 bits.
    fn miss(&mut self, Miss { pc, hole, next }: Miss) {
        let cold = &mut self.unit.cold;
        let here = cold.emitter.here();
        cold.between(pc);
        cold.emitter.set(Gpr::R11, pc.get());
        cold.emitter.add_to_rcx(Gpr::R11);
        cold.emitter.jump(next);
        self.unit.emitter.fill(hole, here);
    }

    fn latest_head(&self, pc: Addr) -> u32 {
        let same = |(other, _): &&(Addr, u32)| other.get() & 0xffff == pc.get() & 0xffff;
        let new = self.unit.entries.iter().rev().find(same).map(|(_, entry)| *entry);
        new.unwrap_or_else(|| (self.shared.heads)(pc))
    }

    /// Lays out blocks one behind the other, as far as each goes on in another one.
    fn chain(&mut self, start: Addr, code: &mut dyn Code) {
        let mut next = Some(start);
        while let Some(pc) = next {
            if let Some(body) = self.body(pc) {
                self.exactly(pc);
                self.unit.emitter.jump(body);
                return;
            }
            let constancy = code.constancy(pc);
            let most = match constancy {
                Constancy::Told => self.shared.limits.instructions,
                Constancy::Compared => self.shared.limits.instructions.min(COMPARED_BLOCK),
            };
            let extent = match constancy {
                Constancy::Told if self.shared.limits.extends => Extent::Extended,
                _ => Extent::OnePiece,
            };
            let mut block = std::mem::take(&mut self.block);
            if self.is_full() || decode(pc, most, extent, code, &mut block).is_none() {
                self.block = block;
                self.exactly(pc);
                let hole = self.unit.emitter.jump_hole();
                self.links.push((hole, pc));
                return;
            }
            self.blocks += 1;
            let body = self.unit.emitter.here();
            self.new.insert(pc, body);
            self.unit.bodies.push((pc, body));
            self.unit.sources.extend(block.pieces.iter().map(|piece| (pc, *piece)));
            if constancy == Constancy::Compared {
                body::compare(self, &block);
            }
            let turns = if self.is_short_loop(&block, constancy) { TURNS } else { 1 };
            for _ in 1..turns {
                body::emit(self, &block, transfer::Last::TurnOfLoop);
            }
            next = body::emit(self, &block, transfer::Last::Block);
            self.block = block;
            if let Some(next) = next {
                // A dropped block begins with a jump, which must not reach into the next one.
                self.exactly(next);
                while self.unit.emitter.here() < body + JUMP_LEN {
                    self.unit.emitter.raw(&[0x90]);
                }
            }
        }
    }

    fn is_short_loop(&self, block: &Block, constancy: Constancy) -> bool {
        let End::Branch(Branch::JumpIf { to, .. }) = block.end else { return false };
        to == block.start
            && block.instructions.len() <= SHORT_LOOP
            && constancy == Constancy::Told
            && self.shared.limits.unrolls
    }

    /// A branch at `hole` leads to `to`, which is translated too if there is room.
    pub(crate) fn link(&mut self, hole: Hole, to: Addr) {
        self.links.push((hole, to));
        self.want(to, Arrival::Direct);
    }

    /// A branch at `hole` leads to `to`.
    pub(crate) fn link_only(&mut self, hole: Hole, to: Addr) {
        self.links.push((hole, to));
    }

    pub(crate) fn want(&mut self, pc: Addr, arrival: Arrival) {
        let room = self.waiting.len() + self.blocks < self.shared.limits.blocks;
        let known = match arrival {
            Arrival::Direct => self.body(pc).is_some(),
            Arrival::Indirect => self.shared.entries.contains_key(&pc),
        };
        if room && !known {
            self.waiting.push_back((pc, arrival));
        }
    }

    pub(crate) fn has(&self, pc: Addr) -> bool {
        self.body(pc).is_some()
    }

    pub(crate) fn point(&mut self, pc: Addr, spilled: Spilled, ahead: i8, kind: PointKind) {
        let offset = self.unit.emitter.here();
        self.unit.points.push(Point { offset, pc, spilled, ahead, kind });
    }

    pub(crate) fn exactly(&mut self, pc: Addr) {
        self.point(pc, Spilled::NONE, 0, PointKind::Exact);
    }

    pub(crate) fn between(&mut self, pc: Addr, spilled: Spilled) {
        self.point(pc, spilled, 0, PointKind::Between);
    }
}

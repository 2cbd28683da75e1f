//! The cache of one address space.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use retake_model::{Addr, AddrRange, PageAddr, Registers};

use crate::conditions::Test;
#[cfg(doc)]
use crate::conditions::Word;
use crate::emit::{Emitter, Hole};
use crate::hasher::NumberMap;
use crate::layout::{Left, Room, TABLE_ENTRIES};
use crate::memory::CacheMemory;
use crate::points::{Point, PointKind, Points};
use crate::register::{Gpr, Spilled};
use crate::source::{Code, Extent, decode};
use crate::supply::{self, SuppliedCall};
use crate::unit::{Arrival, Builder, Constants, Exit, IndirectBranch, Limits, Shared, Unit};

/// The number that an indirect transfer to unknown code leaves with.
const UNKNOWN: u32 = u32::MAX;
/// Room that one unit may take. The cache is emptied when there is less.
const UNIT_ROOM: u32 = 256 << 10;

/// Room that the way to a dropped block takes.
const WAY_ROOM: u32 = 64;

/// Where a task is to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// In the cache, at this address.
    Cache(Addr),
    /// Where it is: the instruction cannot be executed from the cache.
    Outside,
}

/// What a task that stopped in the cache came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The program is at another place, which is entered next.
    Moved(Registers),
    /// The program is at an instruction that cannot be executed from the cache.
    Outside(Registers),
    /// A test holds. The task goes on behind it at the address.
    Test {
        /// The program's registers.
        registers: Registers,
    },
    /// The state is the program's before the instruction that it stopped at, or behind the one that made a
    /// call.
    At(Registers),
    /// It stopped within something that was added: a step leads on.
    Between,
    /// A test read memory that is not there. The task goes on with these registers, as they are.
    TestFailed(Registers),
}

/// What the cache did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Units of code that were translated.
    pub units: u64,
    /// Blocks in them.
    pub blocks: u64,
    /// Bytes of translated code.
    pub bytes: u64,
    /// Exits to code that was not translated yet, or not linked.
    pub moved: u64,
    /// Exits of indirect transfers.
    pub unknown: u64,
    /// Exits at instructions that are not executed from the cache.
    pub outside: u64,
    /// Exits at tests.
    pub tests: u64,
    /// Blocks that were dropped because their code changed.
    pub dropped: u64,
    /// How often the cache was emptied.
    pub emptied: u64,
}

impl Statistics {
    /// Of two caches together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            units: self.units + other.units,
            blocks: self.blocks + other.blocks,
            bytes: self.bytes + other.bytes,
            moved: self.moved + other.moved,
            unknown: self.unknown + other.unknown,
            outside: self.outside + other.outside,
            tests: self.tests + other.tests,
            dropped: self.dropped + other.dropped,
            emptied: self.emptied + other.emptied,
        }
    }
}

/// Where all old translations of a block lead to: to the new one, or out of the cache.
#[derive(Clone, Copy, Debug)]
struct Way {
    start: u32,
    hole: Hole,
    stub: u32,
}

/// What is to be linked when the place that a task left for is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pending {
    Nothing,
    Link { to: Addr, hole: Hole },
    Unknown { to: Addr },
}

/// Translated code of one address space.
#[derive(Debug)]
pub struct Translator<M> {
    room: Room,
    memory: M,
    limits: Limits,
    next: u32,
    common: u32,
    common_stop: u32,
    miss: u32,
    miss_stop: u32,
    bodies: NumberMap<Addr, u32>,
    entries: NumberMap<Addr, u32>,
    heads: NumberMap<u16, u32>,
    passed: NumberMap<Addr, u32>,
    sources: BTreeMap<PageAddr, Vec<(Addr, AddrRange)>>,
    /// The pages that the code of each block lies in.
    pages: NumberMap<Addr, Vec<PageAddr>>,
    units: BTreeMap<u32, Points>,
    exits: Vec<Exit>,
    branches: Vec<IndirectBranch>,
    /// Of blocks that were dropped.
    ways: NumberMap<Addr, Way>,
    /// Blocks that were dropped, and that indirect transfers have led to.
    came_indirectly: BTreeSet<Addr>,
    constants: Constants,
    clock_words: u32,
    clock_zero: u64,
    supplied_at: Option<Addr>,
    tests: BTreeMap<Addr, Test>,
    pending: Pending,
    statistics: Statistics,
}

impl<M: CacheMemory> Translator<M> {
    /// An empty cache in memory that a task has mapped at `room`.
    ///
    /// # Errors
    /// When the memory cannot be written.
    pub fn new(room: Room, memory: M, limits: Limits) -> io::Result<Self> {
        let mut translator = Self {
            room,
            memory,
            limits,
            next: 0,
            common: 0,
            common_stop: 0,
            miss: 0,
            miss_stop: 0,
            bodies: NumberMap::default(),
            entries: NumberMap::default(),
            heads: NumberMap::default(),
            passed: NumberMap::default(),
            sources: BTreeMap::new(),
            pages: NumberMap::default(),
            units: BTreeMap::new(),
            exits: Vec::new(),
            branches: Vec::new(),
            ways: NumberMap::default(),
            came_indirectly: BTreeSet::new(),
            constants: Constants::default(),
            clock_words: 0,
            clock_zero: 0,
            supplied_at: None,
            tests: BTreeMap::new(),
            pending: Pending::Nothing,
            statistics: Statistics::default(),
        };
        translator.empty()?;
        Ok(translator)
    }

    /// Where it lies.
    pub fn room(&self) -> Room {
        self.room
    }

    /// What it did so far.
    pub fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// Drops all translations.
    ///
    /// # Errors
    /// When the memory cannot be written.
    pub fn empty(&mut self) -> io::Result<()> {
        self.bodies.clear();
        self.entries.clear();
        self.heads.clear();
        self.passed.clear();
        self.sources.clear();
        self.pages.clear();
        self.units.clear();
        self.exits.clear();
        self.branches.clear();
        self.ways.clear();
        self.came_indirectly.clear();
        self.constants.clear();
        self.pending = Pending::Nothing;
        let start = self.room.code().start;
        let mut emitter = Emitter::new(self.room.addr(0), start);
        self.common = emitter.here();
        emitter.store(self.room.slot(Gpr::RCX), Gpr::RCX);
        emitter.store(self.room.slot(Gpr::R11), Gpr::R11);
        emitter.raw(&[0x0f, 0x05]);
        self.common_stop = emitter.here();
        emitter.raw(&[0x0f, 0x0b]);
        self.miss = emitter.here();
        emitter.store(self.room.target_slot(), Gpr::RCX);
        emitter.store(self.room.slot(Gpr::RAX), Gpr::RAX);
        emitter.set(Gpr::RAX, UNKNOWN.into());
        emitter.raw(&[0x0f, 0x05]);
        self.miss_stop = emitter.here();
        emitter.raw(&[0x0f, 0x0b]);
        self.memory.write(start, &emitter.bytes)?;
        self.next = emitter.here();
        let miss = u64::from(self.room.addr(self.miss)).to_le_bytes();
        let table = miss.repeat(TABLE_ENTRIES as usize);
        self.memory.write(self.room.table() - self.room.addr(0), &table)
    }

    /// Where a task whose program counter is `pc` goes on.
    ///
    /// # Errors
    /// When the memory cannot be written.
    pub fn enter(&mut self, pc: Addr, code: &mut dyn Code) -> io::Result<Entry> {
        let pending = std::mem::replace(&mut self.pending, Pending::Nothing);
        let arrival = match pending {
            Pending::Unknown { to } if to == pc => Arrival::Indirect,
            _ if self.came_indirectly.remove(&pc) => Arrival::Indirect,
            _ => Arrival::Direct,
        };
        let known = match arrival {
            Arrival::Direct => self.bodies.contains_key(&pc),
            Arrival::Indirect => self.entries.contains_key(&pc),
        };
        let mut emptied = false;
        if !known {
            if !self.bodies.contains_key(&pc) && decode(pc, 1, Extent::OnePiece, code).is_none() {
                return Ok(Entry::Outside);
            }
            emptied = self.translate(pc, arrival, code)?;
        }
        let Some(body) = self.bodies.get(&pc).copied() else { return Ok(Entry::Outside) };
        if let Pending::Link { to, hole } = pending
            && to == pc
            && !emptied
        {
            self.memory.write(hole.at, &hole.displacement(body))?;
        }
        Ok(Entry::Cache(self.at(body)))
    }

    /// Where a task that stands at a test at `pc` goes on without making it.
    ///
    /// # Errors
    /// When the memory cannot be written.
    pub fn enter_behind_test(&mut self, pc: Addr, code: &mut dyn Code) -> io::Result<Entry> {
        let entry = self.enter(pc, code)?;
        match (entry, self.passed.get(&pc)) {
            (Entry::Cache(_), Some(passed)) => Ok(Entry::Cache(self.at(*passed))),
            _ => Ok(entry),
        }
    }

    /// Where code ends at the latest.
    fn end(&self) -> u32 {
        let area = self.room.code();
        area.end.min(area.start.saturating_add(self.limits.code))
    }

    fn at(&self, offset: u32) -> Addr {
        Addr::new(self.room.addr(offset).into())
    }

    /// Translates what is at `pc`. True if the cache was emptied for that.
    fn translate(&mut self, pc: Addr, arrival: Arrival, code: &mut dyn Code) -> io::Result<bool> {
        let constants = self.room.constants();
        let (start, end) = (self.room.code().start, self.end());
        let full = self.next + UNIT_ROOM.min((end - start) / 4) > end
            || self.constants.len() + 4096 > constants.end - constants.start;
        if full {
            self.statistics.emptied += 1;
            self.empty()?;
        }
        let (heads, miss) = (&self.heads, self.miss);
        let mut shared = Shared {
            room: self.room,
            bodies: &self.bodies,
            entries: &self.entries,
            tests: &self.tests,
            constants: &mut self.constants,
            common: self.common,
            first_exit: self.exits.len(),
            first_branch: self.branches.len(),
            clock_words: &mut self.clock_words,
            limits: self.limits,
            supplied_at: self.supplied_at,
            heads: &|pc| heads.get(&hash(pc)).copied().unwrap_or(miss),
        };
        let unit = Builder::new(&mut shared, self.next).build(pc, arrival, code);
        self.take(unit)?;
        Ok(full)
    }

    fn take(&mut self, unit: Unit) -> io::Result<()> {
        let start = unit.emitter.start();
        let (first, constants) = self.constants.take_fresh();
        self.memory.write(self.room.constants().start + first, &constants)?;
        self.memory.write(start, &unit.emitter.bytes)?;
        self.next = unit.emitter.here().next_multiple_of(16);
        self.statistics.units += 1;
        self.statistics.blocks += unit.bodies.len() as u64;
        self.statistics.bytes += unit.emitter.bytes.len() as u64;
        for (pc, entry) in &unit.entries {
            let hash = hash(*pc);
            self.heads.insert(hash, *entry);
            let place = self.room.table() - self.room.addr(0) + u32::from(hash) * 8;
            let target = u64::from(self.room.addr(*entry));
            self.memory.write(place, &target.to_le_bytes())?;
        }
        self.bodies.extend(unit.bodies);
        self.entries.extend(unit.entries);
        self.passed.extend(unit.passed);
        for (pc, range) in unit.sources {
            for page in range.to_pages().pages() {
                self.sources.entry(page).or_default().push((pc, range));
                self.pages.entry(pc).or_default().push(page);
            }
        }
        self.exits.extend(unit.exits);
        self.branches.extend(unit.branches);
        self.units.insert(start, unit.points);
        Ok(())
    }

    /// The code of `range` is, or may be, another one from now on.
    ///
    /// # Errors
    /// When the memory cannot be written.
    pub fn code_changed(&mut self, range: AddrRange) -> io::Result<()> {
        let Some(last) = range.end().checked_sub(1).filter(|_| !range.is_empty()) else {
            return Ok(());
        };
        let pages = range.start().page()..=last.page();
        let touched: Vec<Addr> = self
            .sources
            .range(pages)
            .flat_map(|(_, blocks)| blocks)
            .filter(|(_, source)| source.overlaps(range))
            .map(|(pc, _)| *pc)
            .collect();
        touched.into_iter().try_for_each(|pc| self.drop_block(pc))
    }

    /// Whether code of a page is translated.
    pub fn has_code_of(&self, page: PageAddr) -> bool {
        self.sources.get(&page).is_some_and(|blocks| !blocks.is_empty())
    }

    /// What leads to the block leaves the cache instead.
    fn drop_block(&mut self, pc: Addr) -> io::Result<()> {
        let Some(body) = self.bodies.remove(&pc) else { return Ok(()) };
        if self.next + WAY_ROOM > self.end() {
            self.statistics.emptied += 1;
            return self.empty();
        }
        self.passed.remove(&pc);
        self.statistics.dropped += 1;
        for page in self.pages.remove(&pc).unwrap_or_default() {
            if let Some(blocks) = self.sources.get_mut(&page) {
                blocks.retain(|(other, _)| *other != pc);
            }
        }
        if self.entries.remove(&pc).is_some() {
            self.came_indirectly.insert(pc);
        }
        let way = match self.ways.get(&pc) {
            Some(way) => *way,
            None => self.make_way(pc)?,
        };
        // It leads out of the cache until there is a new translation.
        self.memory.write(way.hole.at, &way.hole.displacement(way.stub))?;
        let mut patch = Emitter::new(self.room.addr(0), body);
        patch.jump(way.start);
        self.memory.write(body, &patch.bytes)
    }

    /// Makes the way that all old translations of a block lead to.
    fn make_way(&mut self, pc: Addr) -> io::Result<Way> {
        let mut code = Emitter::new(self.room.addr(0), self.next);
        let start = code.here();
        let hole = code.jump_hole();
        let stub = code.here();
        code.store(self.room.slot(Gpr::RAX), Gpr::RAX);
        code.set(Gpr::RAX, self.exits.len() as u64);
        code.jump(self.common);
        self.exits.push(Exit::Direct { to: pc, hole });
        self.memory.write(start, &code.bytes)?;
        let mut points = Points::default();
        let (spilled, kind) = (Spilled::NONE, PointKind::Between);
        points.push(Point { offset: start, pc, spilled, ahead: 0, kind });
        self.units.insert(start, points);
        self.next = code.here().next_multiple_of(16);
        let way = Way { start, hole, stub };
        self.ways.insert(pc, way);
        Ok(way)
    }

    /// Makes `tests` the places where tasks leave the cache.
    ///
    /// # Errors
    /// When the memory cannot be written.
    pub fn set_tests(&mut self, tests: BTreeMap<Addr, Test>) -> io::Result<()> {
        let changed: Vec<Addr> = self
            .tests
            .keys()
            .chain(tests.keys())
            .filter(|pc| self.tests.get(*pc) != tests.get(*pc))
            .copied()
            .collect();
        self.tests = tests;
        for pc in changed {
            if let Some(range) = AddrRange::with_len(pc, 1) {
                self.code_changed(range)?;
            }
        }
        Ok(())
    }

    /// What a task came to that stopped with these registers. `None` if it is not in the cache.
    ///
    /// # Errors
    /// When the memory cannot be read.
    pub fn stopped(&mut self, registers: &Registers) -> io::Result<Option<Stop>> {
        let Some(offset) = self.room.offset(registers.pc()) else { return Ok(None) };
        let left = self.left()?;
        if offset == self.common_stop || offset == self.miss_stop {
            return self.left_by_exit(registers, &left).map(Some);
        }
        let unit = self.units.range(..=offset).next_back();
        let Some(point) = unit.and_then(|(_, points)| points.find(offset)).copied() else {
            return Ok(Some(Stop::Between));
        };
        let mut program = restored(registers, &left, point.spilled);
        program.rip = point.pc.get();
        if matches!(point.kind, PointKind::Exact | PointKind::Call | PointKind::Comparing) {
            self.set_right(&left, point.ahead)?;
        }
        Ok(Some(match point.kind {
            PointKind::Exact => Stop::At(program),
            PointKind::Between => Stop::Between,
            PointKind::Comparing => Stop::Outside(program),
            // The processor keeps where a call returns to in `rcx` (Intel SDM vol. 2, SYSCALL).
            PointKind::Call => Stop::At(Registers { rcx: program.rip, ..program }),
            PointKind::Test { passed } => {
                Stop::TestFailed(Registers { rip: self.at(passed).get(), ..*registers })
            }
        }))
    }

    fn left_by_exit(&mut self, registers: &Registers, left: &Left) -> io::Result<Stop> {
        let pair = Spilled::NONE.with(Gpr::RAX).with(Gpr::RCX).with(Gpr::R11);
        let mut program = restored(registers, left, pair);
        program.orig_rax = u64::MAX;
        let number = u32::try_from(registers.orig_rax).unwrap_or(UNKNOWN);
        let exit = usize::try_from(number).ok().and_then(|n| self.exits.get(n)).copied();
        let Some(exit) = exit.filter(|_| number != UNKNOWN) else {
            self.statistics.unknown += 1;
            let to = Addr::new(left.target());
            if !is_canonical(to)
                && let Some(branch) = self.last_branch(left)
            {
                // It faults where it is (Intel SDM vol. 2, JMP, CALL and RET), and was counted already.
                self.set_right(left, 1)?;
                program.rip = branch.pc.get();
                program.rsp = program.rsp.wrapping_add_signed(-branch.moved);
                return Ok(Stop::Outside(program));
            }
            self.pending = Pending::Unknown { to };
            program.rip = to.get();
            return Ok(Stop::Moved(program));
        };
        Ok(match exit {
            Exit::Direct { to, hole } => {
                self.statistics.moved += 1;
                self.pending = Pending::Link { to, hole };
                program.rip = to.get();
                Stop::Moved(program)
            }
            Exit::Outside { pc } => {
                self.statistics.outside += 1;
                program.rip = pc.get();
                Stop::Outside(program)
            }
            Exit::Test { pc, ahead } => {
                self.set_right(left, ahead)?;
                self.statistics.tests += 1;
                program.rip = pc.get();
                Stop::Test { registers: program }
            }
            Exit::Changed { pc } => {
                program.rip = pc.get();
                // A fresh translation takes its place.
                self.drop_block(pc)?;
                Stop::Moved(program)
            }
        })
    }

    fn last_branch(&self, left: &Left) -> Option<IndirectBranch> {
        let number = usize::try_from(left.branch() & u64::from(u32::MAX)).ok()?;
        self.branches.get(number).copied()
    }

    /// The program counter of the program where a task is at an address in the cache.
    pub fn program_counter(&self, at: Addr) -> Option<Addr> {
        let offset = self.room.offset(at)?;
        let (_, points) = self.units.range(..=offset).next_back()?;
        points.find(offset).map(|point| point.pc)
    }

    /// The task has executed a branch outside the cache.
    ///
    /// # Errors
    /// When the memory cannot be read or written.
    pub fn count_outside(&mut self) -> io::Result<()> {
        let left = self.left()?;
        self.set_right(&left, -1)
    }

    /// Takes from the clock what it has counted ahead: the task goes on where a block begins.
    fn set_right(&mut self, left: &Left, ahead: i8) -> io::Result<()> {
        if ahead == 0 {
            return Ok(());
        }
        let (word, shown) = left.first_clock_word();
        let right = shown.wrapping_add_signed(-i64::from(ahead));
        self.memory.write(word, &right.to_le_bytes())
    }

    fn left(&self) -> io::Result<Left> {
        let mut bytes = [0; Left::LEN];
        self.memory.read(0, &mut bytes)?;
        Ok(Left::new(bytes))
    }

    /// Supplies the answers of the calls that the `syscall` at `at` is to make next, as many as there is room
    /// for; gives how many those are. The clock begins at zero.
    ///
    /// # Errors
    /// When the memory cannot be written.
    pub fn supply(&mut self, at: Addr, calls: &[SuppliedCall]) -> io::Result<usize> {
        if self.supplied_at != Some(at) {
            self.supplied_at = Some(at);
            if let Some(range) = AddrRange::with_len(at, 1) {
                self.code_changed(range)?;
            }
        }
        let some = calls.get(..calls.len().min(supply::MOST)).unwrap_or_default();
        let base = self.room.addr(0);
        let start = self.room.supply();
        self.memory.write(start - base, &supply::encode(self.room, some))?;
        self.memory.write(self.room.supply_next() - base, &u64::from(start).to_le_bytes())?;
        let (clock, zeroes) = Left::zero_clock();
        self.memory.write(clock, &zeroes)?;
        self.clock_zero = 0;
        Ok(some.len())
    }

    /// How many of the supplied calls the task has taken. The others are not supplied any more.
    ///
    /// # Errors
    /// When the memory cannot be read or written.
    pub fn end_supply(&mut self) -> io::Result<usize> {
        let taken = supply::taken(self.room, self.left()?.supply_next());
        let start = self.room.supply();
        let base = self.room.addr(0);
        self.memory.write(start - base, &supply::encode(self.room, &[]))?;
        self.memory.write(self.room.supply_next() - base, &u64::from(start).to_le_bytes())?;
        Ok(taken)
    }

    /// Sets the clock to zero: an event happened.
    ///
    /// # Errors
    /// When the memory cannot be read.
    pub fn reset_clock(&mut self) -> io::Result<()> {
        self.set_clock(0)
    }

    /// Sets the clock.
    ///
    /// # Errors
    /// When the memory cannot be read.
    pub fn set_clock(&mut self, branches: u64) -> io::Result<()> {
        self.clock_zero = self.left()?.clock().wrapping_sub(branches);
        Ok(())
    }

    /// Branches that the task has executed since the clock was set, up to where it stopped last.
    ///
    /// # Errors
    /// When the memory cannot be read.
    pub fn branches(&self) -> io::Result<u64> {
        Ok(self.left()?.clock().wrapping_sub(self.clock_zero))
    }

    /// What [`Word::Branches`] is when the task has executed `branches` since the clock was set.
    pub fn branches_from(&self, branches: u64) -> u64 {
        self.clock_zero.wrapping_add(branches)
    }
}

/// Whether an address can be one of a program: bits 47 to 63 are the same.
fn is_canonical(addr: Addr) -> bool {
    let high = addr.get().cast_signed() >> 47;
    high == 0 || high == -1
}

fn hash(pc: Addr) -> u16 {
    let [low, high, ..] = pc.get().to_le_bytes();
    u16::from_le_bytes([low, high])
}

fn restored(registers: &Registers, left: &Left, spilled: Spilled) -> Registers {
    let mut program = *registers;
    for register in spilled.iter() {
        register.set(&mut program, left.register(register));
    }
    program
}

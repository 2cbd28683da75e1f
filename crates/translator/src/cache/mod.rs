//! The cache of one address space.

mod clock;
mod statistics;
mod stops;

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use retake_model::{Addr, AddrRange, PageAddr, TaskId};

use crate::conditions::Test;
use crate::emit::{Emitter, Hole};
use crate::hasher::NumberMap;
use crate::layout::{Room, TABLE_ENTRIES};
use crate::memory::CacheMemory;
use crate::points::{Point, PointKind, Points};
use crate::register::{Gpr, Spilled};
use crate::source::{Block, Code, Extent, decode};
use crate::supply::{SuppliedAt, Supply};
use crate::unit::{Arrival, Builder, Constants, Exit, IndirectBranch, Limits, Shared, Unit};

pub use statistics::Statistics;
pub use stops::Stop;

/// The number that an indirect transfer to unknown code leaves with.
const UNKNOWN: u32 = u32::MAX;
/// Room that one unit may take. The cache is emptied when there is less.
const UNIT_ROOM: u32 = 256 << 10;
/// This part of all code is cold.
const COLD_SHARE: u32 = 3;

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

/// The pages that the code of a block lies in: mostly one.
#[derive(Debug)]
enum Pages {
    One(PageAddr),
    Several(Vec<PageAddr>),
}

impl Pages {
    fn all(&self) -> &[PageAddr] {
        match self {
            Self::One(page) => std::slice::from_ref(page),
            Self::Several(pages) => pages,
        }
    }

    fn add(&mut self, page: PageAddr) {
        if self.all().contains(&page) {
            return;
        }
        match self {
            Self::One(first) => *self = Self::Several(vec![*first, page]),
            Self::Several(pages) => pages.push(page),
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
    /// The next place for code that is seldom executed.
    cold: u32,
    common: u32,
    common_stop: u32,
    miss: u32,
    miss_stop: u32,
    bodies: NumberMap<Addr, u32>,
    entries: NumberMap<Addr, u32>,
    heads: NumberMap<u16, u32>,
    passed: NumberMap<Addr, u32>,
    sources: BTreeMap<PageAddr, Vec<(Addr, AddrRange)>>,
    pages: NumberMap<Addr, Pages>,
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
    supplied_at: Option<SuppliedAt>,
    supply: Option<Supply>,
    /// Who ran last.
    task: Option<TaskId>,
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
            cold: 0,
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
            supply: None,
            task: None,
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
        self.cold = self.end();
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
        let known = self.bodies.contains_key(&pc)
            && (arrival == Arrival::Direct || self.entries.contains_key(&pc));
        let mut emptied = false;
        if !known {
            let (one, block) = (Extent::OnePiece, &mut Block::default());
            if !self.bodies.contains_key(&pc) && decode(pc, 1, one, code, block).is_none() {
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
    fn last(&self) -> u32 {
        let area = self.room.code();
        area.end.min(area.start.saturating_add(self.limits.code))
    }

    /// The same of code that is not cold; that lies behind it.
    fn end(&self) -> u32 {
        let last = self.last();
        last - (last - self.room.code().start) / COLD_SHARE
    }

    fn at(&self, offset: u32) -> Addr {
        Addr::new(self.room.addr(offset).into())
    }

    /// Translates what is at `pc`. True if the cache was emptied for that.
    fn translate(&mut self, pc: Addr, arrival: Arrival, code: &mut dyn Code) -> io::Result<bool> {
        let constants = self.room.constants();
        let (end, last) = (self.end(), self.last());
        let least = UNIT_ROOM.min((last - self.room.code().start) / 5);
        let full = self.next + least > end
            || self.cold + least > last
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
        let unit = Builder::new(&mut shared, self.next, self.cold).build(pc, arrival, code);
        self.take(unit)?;
        Ok(full)
    }

    fn take(&mut self, unit: Unit) -> io::Result<()> {
        let start = unit.emitter.start();
        let (first, constants) = self.constants.take_fresh();
        self.memory.write(self.room.constants().start + first, &constants)?;
        self.memory.write(start, &unit.emitter.bytes)?;
        self.memory.write(unit.cold.emitter.start(), &unit.cold.emitter.bytes)?;
        self.next = unit.emitter.here().next_multiple_of(16);
        self.cold = unit.cold.emitter.here();
        self.statistics.units += 1;
        self.statistics.blocks += unit.bodies.len() as u64;
        self.statistics.bytes += unit.emitter.bytes.len() as u64;
        self.statistics.cold += unit.cold.emitter.bytes.len() as u64;
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
                self.pages.entry(pc).or_insert(Pages::One(page)).add(page);
            }
        }
        self.exits.extend(unit.exits);
        self.branches.extend(unit.branches);
        self.units.insert(start, unit.points);
        if !unit.cold.emitter.bytes.is_empty() {
            self.units.insert(unit.cold.emitter.start(), unit.cold.points);
        }
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

    /// What leads to the block leaves the cache instead.
    fn drop_block(&mut self, pc: Addr) -> io::Result<()> {
        let Some(body) = self.bodies.remove(&pc) else { return Ok(()) };
        if self.next + WAY_ROOM > self.end() {
            self.statistics.emptied += 1;
            return self.empty();
        }
        self.passed.remove(&pc);
        self.statistics.dropped += 1;
        for page in self.pages.remove(&pc).iter().flat_map(Pages::all) {
            if let Some(blocks) = self.sources.get_mut(page) {
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
    pub fn set_tests(&mut self, tests: &BTreeMap<Addr, Test>) -> io::Result<()> {
        if self.tests == *tests {
            return Ok(());
        }
        let before = std::mem::replace(&mut self.tests, tests.clone());
        let all = before.keys().chain(tests.keys());
        for pc in all.filter(|pc| before.get(*pc) != tests.get(*pc)) {
            if let Some(range) = AddrRange::with_len(*pc, 1) {
                self.code_changed(range)?;
            }
        }
        Ok(())
    }
}

fn hash(pc: Addr) -> u16 {
    let [low, high, ..] = pc.get().to_le_bytes();
    u16::from_le_bytes([low, high])
}

//! Finding out whether a task only waits.

use std::rc::Rc;
use std::time::Duration;

use retake_model::{Addr, Protection, Registers, Signal, VectorState};
use retake_ptrace::{
    PtraceStop, Resume, StopEvent, Stopped, WatchLen, Watchpoint, monotonic, own_cpu_time,
};
use retake_tracee::Glance;

use super::code::{Access, Known, LONGEST, Step};
use super::counting::{Counters, Turns, pauses};
use super::loops::{Kind, Loop};
use super::{MOST_WORDS, Waiting, Word};
use crate::error::RecordError;
use crate::next::normal;
use crate::places::{Ran, run_once_more, run_to_watchpoint};
use crate::session::Session;
use crate::tasks::Task;
use crate::world::World;

/// Longest loop whose instructions are looked at: each costs a step of 20 to 40 µs, once.
const MOST_STEPS: usize = 64;
/// So many turns of its loop are compared with the one before.
const TURNS: usize = 3;
/// So many turns of a long loop leave the registers as they were, before all pages are compared: that takes up
/// to some 20 ms.
const TURNS_BEFORE_PAGES: usize = 3;
/// CPU time in which a task comes around a loop that only waits.
const ONCE_AROUND: Duration = Duration::from_micros(200);
/// Stack above the stack pointer that is taken for the task's own frames, in bytes.
const OWN_FRAMES: u64 = 4096;

/// What a task in the middle of code is doing.
#[derive(Debug)]
pub(crate) enum Examined {
    /// Nothing, until memory changes.
    Waits(Stopped, Waiting, Way),
    /// Something.
    Computes(Stopped),
    /// It has just written to memory that is watched for others.
    Wrote(Stopped),
    /// It came to a stop of its own meanwhile.
    Stop(PtraceStop),
}

/// Whether it is sure that a task that waits has changed nothing since it first came to where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// It can only have gone around the known loop.
    Sure,
    /// It may have taken another way around, and written elsewhere.
    Open,
}

/// What stepping through one turn came to.
enum Turn {
    /// It is where it was, having executed this, and counted.
    Around(Stopped, Vec<(Addr, Step)>, Vec<Access>, Counters),
    /// It is somewhere.
    Elsewhere(Stopped),
    Stop(PtraceStop),
}

/// What is known of the loop where a task stands.
enum Seen {
    Nothing,
    Computes,
    /// It goes around until somebody writes to that.
    Waits(Waiting),
    /// What one turn accesses, if that can be told, and what is where it writes.
    Loop {
        known: Rc<Loop>,
        way: Way,
        steady: Option<Vec<Access>>,
        held: Option<Written>,
    },
}

/// What is at addresses, as far as it can be read.
type Written = Vec<(Addr, Option<u64>)>;

/// What a turn of a long loop came to.
enum Long {
    /// The registers are as they were.
    Same(Stopped),
    /// That tells what the task is doing.
    Examined(Examined),
}

impl World {
    /// What these accesses wait for: words that somebody can write, those of other tasks first.
    fn waiting(
        &mut self,
        task: &Task,
        memory: &Glance<'_>,
        registers: &Registers,
        accesses: &[Access],
    ) -> Result<Waiting, RecordError> {
        let space = self.space(task.space)?;
        let can_change = |access: &&Access| {
            access.reads
                && access.len > 0
                && space.table.find(access.addr).is_some_and(|mapping| {
                    mapping.prot.allows(Protection::WRITE)
                        || mapping.backing.shared_object().is_some()
                })
        };
        let is_own = |access: &&Access| {
            access.addr.offset_from(registers.sp()).is_some_and(|above| above < OWN_FRAMES)
        };
        let changing: Vec<&Access> = accesses.iter().filter(can_change).collect();
        let (own, foreign): (Vec<&Access>, Vec<&Access>) = changing.into_iter().partition(is_own);
        let mut words: Vec<Word> = Vec::new();
        for access in foreign.into_iter().chain(own) {
            let word = Word::at(memory, access.addr, access.len);
            let fresh = word.filter(|word| !words.iter().any(|known| known.addr == word.addr));
            words.extend(fresh.filter(|_| words.len() < MOST_WORDS));
        }
        Ok(Waiting { words, space: task.space })
    }

    /// What is known of the loop where a task stands, without letting it run.
    fn seen_of_loop(
        &mut self,
        task: &Task,
        stopped: &Stopped,
        before: &Registers,
    ) -> Result<Seen, RecordError> {
        let memory = Glance::of(&task.memory, stopped);
        let known = self.space(task.space)?.loops.at(before.pc());
        let Some(known) = known.filter(|known| known.is_there(&memory)) else {
            return Ok(Seen::Nothing);
        };
        if known.kind == Kind::Computes {
            return Ok(Seen::Computes);
        }
        let sure = known.sure_turn(before, &memory);
        if let Some(turn) = sure.as_ref().filter(|turn| turn.lasts && known.is_general) {
            return Ok(Seen::Waits(self.waiting(task, &memory, before, &turn.accesses)?));
        }
        let way = if sure.is_some() { Way::Sure } else { Way::Open };
        let steady = sure.map(|turn| turn.accesses).or_else(|| known.accesses(before, &memory));
        let held = steady.as_ref().map(|accesses| written_values(&memory, accesses));
        Ok(Seen::Loop { known, way, steady, held })
    }
}

impl Session {
    /// Lets a task that stopped in the middle of code run on for one turn of its loop, if it is in one, and
    /// compares.
    pub(crate) fn examine(
        &mut self,
        task: &mut Task,
        mut stopped: Stopped,
    ) -> Result<Examined, RecordError> {
        let mut earlier = Vec::new();
        for _ in 0..TURNS {
            let before = normal(&stopped.registers()?);
            let (known, way, steady, held) =
                match self.world.seen_of_loop(task, &stopped, &before)? {
                    Seen::Nothing => (None, Way::Open, None, None),
                    Seen::Computes => break,
                    Seen::Waits(waiting) => {
                        return Ok(Examined::Waits(stopped, waiting, Way::Sure));
                    }
                    Seen::Loop { known, way, steady, held } => (Some(known), way, steady, held),
                };
            let is_general = known.as_ref().is_some_and(|known| known.is_general);
            // Where none of its instructions touches that, it is the same.
            let vector =
                if is_general && steady.is_some() { None } else { Some(stopped.vector()?) };
            let Some(ticker) = &self.turns.ticker else { break };
            if !task.watch_arrivals_at(&mut stopped, before.pc())? {
                break;
            }
            match run_once_more(stopped, task, ticker, &before, ONCE_AROUND)? {
                Ran::Access(at) => stopped = at,
                Ran::Late(at) => {
                    stopped = at;
                    break;
                }
                Ran::Other(stop) => return Ok(Examined::Stop(task.forget_watches(stop))),
            }
            let now = normal(&stopped.registers()?);
            if task.came_to_its_loop(now.pc()) && now.pc() != before.pc() {
                continue;
            }
            if now.pc() != before.pc() {
                return Ok(Examined::Wrote(stopped));
            }
            // The first time around it can come from elsewhere.
            let leads_again = |known: Rc<Loop>| known.leads_again(&before, &now);
            let came_so_before = earlier.contains(&now);
            earlier.push(before);
            let is_new = known.is_none();
            if now != before && (vector.is_some() || !known.is_some_and(leads_again)) {
                if is_new
                    && earlier.len() == 1
                    && Counters::between(&before, &now).is_some()
                    && pauses(&Glance::of(&task.memory, &stopped), now.pc())
                {
                    task.disarm(&mut stopped)?;
                    return self.step_around(task, stopped, &now, Turns::Counted);
                }
                if is_new && came_so_before {
                    // One turn comes by here more than once, by calls from several places.
                    task.disarm(&mut stopped)?;
                    return self.compare_pages(task, stopped);
                }
                continue;
            }
            if let Some(vector) = vector
                && stopped.vector()? != vector
            {
                continue;
            }
            let Some(accesses) = steady else {
                task.disarm(&mut stopped)?;
                return self.step_around(task, stopped, &before, Turns::Same);
            };
            let memory = Glance::of(&task.memory, &stopped);
            if held != Some(written_values(&memory, &accesses)) {
                break;
            }
            let waiting = self.world.waiting(task, &memory, &before, &accesses)?;
            drop(memory);
            let way = if came_so_before { Way::Open } else { way };
            return Ok(Examined::Waits(stopped, waiting, way));
        }
        task.watch_as_before(&mut stopped)?;
        Ok(Examined::Computes(stopped))
    }

    /// The registers are the same after one turn, or all but those that count: steps through the next one, to see what it reads and
    /// whether it writes anything new.
    fn step_around(
        &mut self,
        task: &mut Task,
        stopped: Stopped,
        before: &Registers,
        turns: Turns,
    ) -> Result<Examined, RecordError> {
        // What it writes must be looked at before it writes: the first turn tells where that is.
        let (stopped, held, first) = match step_once_around(task, stopped, before, turns)? {
            Turn::Around(stopped, _, accesses, _) => {
                let held = written_values(&Glance::of(&task.memory, &stopped), &accesses);
                (stopped, held, accesses)
            }
            Turn::Elsewhere(stopped) if turns == Turns::Counted => {
                return Ok(Examined::Computes(stopped));
            }
            Turn::Elsewhere(stopped) => return self.compare_pages(task, stopped),
            Turn::Stop(stop) => return Ok(Examined::Stop(stop)),
        };
        let again = normal(&stopped.registers()?);
        let (stopped, list, accesses, counters) =
            match step_once_around(task, stopped, &again, turns)? {
                Turn::Around(stopped, list, accesses, counters) => {
                    (stopped, list, accesses, counters)
                }
                Turn::Elsewhere(stopped) => return Ok(Examined::Computes(stopped)),
                Turn::Stop(stop) => return Ok(Examined::Stop(stop)),
            };
        // It looks at the same memory each time: else it goes through some.
        let memory = Glance::of(&task.memory, &stopped);
        let same = held == written_values(&memory, &accesses)
            && (turns == Turns::Same || first == accesses);
        let waiting = self.world.waiting(task, &memory, before, &accesses)?;
        // What only counts and looks at nothing comes to its end by itself.
        let same = same && (turns == Turns::Same || !waiting.words.is_empty());
        let kind = if same { Kind::CanWait } else { Kind::Computes };
        if let Some(found) = Loop::new(kind, &list, counters, &memory) {
            self.world.space(task.space)?.loops.add(&list, found);
        }
        drop(memory);
        if !same {
            return Ok(Examined::Computes(stopped));
        }
        Ok(Examined::Waits(stopped, waiting, Way::Open))
    }

    /// For a long loop: whether one turn leaves all pages as they were.
    fn compare_pages(
        &mut self,
        task: &mut Task,
        stopped: Stopped,
    ) -> Result<Examined, RecordError> {
        if !self.turns.scheduler.may_compare_pages(monotonic()) {
            return Ok(Examined::Computes(stopped));
        }
        let started = own_cpu_time();
        let examined = self.compare_pages_of_turns(task, stopped)?;
        if !matches!(examined, Examined::Waits(..)) {
            let cost = own_cpu_time().saturating_sub(started);
            self.turns.scheduler.compared_pages(monotonic(), cost);
        }
        Ok(examined)
    }

    fn compare_pages_of_turns(
        &mut self,
        task: &mut Task,
        mut stopped: Stopped,
    ) -> Result<Examined, RecordError> {
        self.world.start_tracking_with(task, &mut stopped)?;
        let before = normal(&stopped.registers()?);
        let vector = stopped.vector()?;
        for _ in 0..TURNS_BEFORE_PAGES {
            match self.once_more_as_before(task, stopped, &before, &vector)? {
                Long::Same(at) => stopped = at,
                Long::Examined(found) => return Ok(found),
            }
        }
        let digest = self.world.digest(task)?;
        match self.once_more_as_before(task, stopped, &before, &vector)? {
            Long::Same(stopped) if self.world.digest(task)? == digest => {
                let waiting = Waiting { words: Vec::new(), space: task.space };
                Ok(Examined::Waits(stopped, waiting, Way::Open))
            }
            Long::Same(stopped) => Ok(Examined::Computes(stopped)),
            Long::Examined(found) => Ok(found),
        }
    }

    /// Lets a task run through its loop once, and compares its registers. A turn may come by the same place more
    /// than once.
    fn once_more_as_before(
        &mut self,
        task: &mut Task,
        mut stopped: Stopped,
        before: &Registers,
        vector: &VectorState,
    ) -> Result<Long, RecordError> {
        let Some(ticker) = &self.turns.ticker else {
            return Ok(Long::Examined(Examined::Computes(stopped)));
        };
        let here = [Watchpoint::Execute(before.pc())];
        for _ in 0..TURNS {
            let is_late;
            (stopped, is_late) = match run_to_watchpoint(stopped, task, ticker, &here, ONCE_AROUND)?
            {
                Ran::Access(at) => (at, false),
                Ran::Late(at) => (at, true),
                Ran::Other(stop) => {
                    return Ok(Long::Examined(Examined::Stop(task.forget_watches(stop))));
                }
            };
            task.disarm(&mut stopped)?;
            if is_late {
                break;
            }
            if normal(&stopped.registers()?) == *before && stopped.vector()? == *vector {
                return Ok(Long::Same(stopped));
            }
        }
        Ok(Long::Examined(Examined::Computes(stopped)))
    }
}

/// What is where these accesses write.
fn written_values(memory: &Glance<'_>, accesses: &[Access]) -> Written {
    let value = |access: &Access| memory.word(access.addr, WatchLen::holding(access.len)?);
    let writes = accesses.iter().filter(|access| access.writes);
    writes.map(|access| (access.addr, value(access))).collect()
}

/// Steps through code until the task has the registers `before` again.
fn step_once_around(
    task: &mut Task,
    mut stopped: Stopped,
    before: &Registers,
    turns: Turns,
) -> Result<Turn, RecordError> {
    const TRAP_TRACE: i32 = 2;
    let mut list = Vec::new();
    let mut accesses = Vec::new();
    let mut registers = *before;
    for _ in 0..MOST_STEPS {
        let mut code = [0; LONGEST];
        let got = task.memory.read(registers.pc(), &mut code).unwrap_or(0);
        let step = Step::decode(registers.pc(), code.get(..got).unwrap_or_default());
        let Some(step) = step else {
            return Ok(Turn::Elsewhere(stopped));
        };
        let Some(found) = step.accesses(&Known::all(&registers)) else {
            return Ok(Turn::Elsewhere(stopped));
        };
        if found.iter().any(|access| access.writes && access.len > 8) {
            return Ok(Turn::Elsewhere(stopped));
        }
        accesses.extend(found);
        list.push((registers.pc(), step));
        let event = stopped.resume_and_wait(Resume::Step, None)?;
        let is_step = event == StopEvent::Signal(Signal::TRAP)
            && stopped.siginfo().is_ok_and(|info| info.code() == TRAP_TRACE);
        if !is_step {
            return Ok(Turn::Stop(PtraceStop::Stopped(stopped, event)));
        }
        registers = normal(&stopped.registers()?);
        task.undo_forced(&mut stopped, Signal::TRAP, &registers)?;
        if registers.pc() == before.pc() {
            let counters = match turns {
                Turns::Same => (registers == *before).then(Counters::default),
                Turns::Counted => Counters::between(before, &registers),
            };
            return Ok(match counters {
                Some(counters) => Turn::Around(stopped, list, accesses, counters),
                None => Turn::Elsewhere(stopped),
            });
        }
    }
    Ok(Turn::Elsewhere(stopped))
}

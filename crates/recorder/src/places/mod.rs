//! Where to stop a task that is in the middle of code.
//!
//! Replay finds a place in the middle of code by testing each arrival at it. A place that is seldom
//! passed makes that cheap: the return into an outer frame, found by watching the word on the stack
//! that holds its return address. Deeper calls do not touch that word, however often they run the same
//! code.

pub(crate) mod leaving;
pub(crate) mod midcode;
pub(crate) mod nearby;
pub(crate) mod probes;
pub(crate) mod unfinished;
pub(crate) mod update;
pub(crate) mod updates;

use std::time::Duration;

use retake_model::{Addr, Protection, Registers, Signal};
use retake_ptrace::{
    PtraceStop, Resume, StopEvent, Stopped, Ticker, WATCHPOINTS, WaitFlags, WatchLen, Watchpoint,
    interrupt, monotonic, process_cpu_time, wait,
};

use crate::error::RecordError;
use crate::signals::holding::hold_meanwhile;
use crate::tasks::{Space, Task};

/// How long a task may run on to the coldest place.
const PATIENCE: Duration = Duration::from_millis(2);
/// After so much of that it stays at the place it has reached.
const CONTENT: Duration = Duration::from_millis(1);
/// How often that is looked at.
const LOOK: Duration = Duration::from_micros(500);
/// And at least so long after the last look.
const SHORTEST_LOOK: Duration = Duration::from_micros(20);
/// Longest search in real time, whoever else has the CPU.
const LONGEST: Duration = Duration::from_millis(20);
/// The same where another task waits.
const LONGEST_HASTE: Duration = Duration::from_millis(5);
/// Stack that is searched for return addresses, in words.
const STACK_WORDS: usize = 2048;
/// Return addresses that are looked at.
const MOST_FRAMES: usize = 64;
/// After so many accesses of watched words that are no return, watching costs too much.
const MISSES: u32 = 8;
/// How many levels inside of the outermost frame that was reached another one is looked for, when
/// nothing farther out comes in time.
const FALL_BACKS: [usize; 3] = [3, 8, 16];
/// Bytes of arguments that a return may take off the stack with it.
const MOST_ARGUMENTS: u64 = 1024;
/// Longest `call` instruction: an indirect one with SIB byte and 32-bit displacement, and a prefix.
const LONGEST_CALL: usize = 8;

/// A word on the stack that seems to be a return address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Frame {
    slot: Addr,
    returns_to: Addr,
}

impl Frame {
    /// Whether the task has just returned through it. Some functions take their arguments off the stack
    /// (`ret imm16`).
    fn is_left(self, registers: &Registers) -> bool {
        let taken = registers.sp().offset_from(self.slot);
        registers.pc() == self.returns_to
            && taken.is_some_and(|bytes| (8..=8 + MOST_ARGUMENTS).contains(&bytes))
    }
}

/// How the search ended.
#[derive(Debug)]
pub(crate) enum Found {
    /// The task stands in the middle of code; the word was accessed just before, if there is one.
    Place(Stopped, Option<Addr>),
    /// It came to a stop of its own.
    Stop(PtraceStop),
}

impl Found {
    /// A place where nothing is half done that must not be cut in two.
    pub(crate) fn past_steps(self, task: &mut Task, ticker: &Ticker) -> Result<Self, RecordError> {
        match self {
            Self::Place(stopped, None) => unfinished::let_past(stopped, task, ticker),
            other => Ok(other),
        }
    }
}

/// What a run of limited time came to.
#[derive(Debug)]
pub(crate) enum Ran {
    /// A watched word was accessed.
    Access(Stopped),
    /// The time is over.
    Late(Stopped),
    /// It came to a stop of its own.
    Other(PtraceStop),
}

/// Whether `code`, which ends where a return address points to, ends with a `call` (Intel SDM vol. 2).
fn ends_with_call(code: &[u8; LONGEST_CALL]) -> bool {
    let near = code[3] == 0xe8;
    // `ff /2`: the ModRM byte says how long it is.
    let indirect = (2..=7).any(|len| {
        let at = LONGEST_CALL - len;
        let (opcode, modrm) = (code[at], code[at + 1]);
        let has_sib = modrm >> 6 != 3 && modrm & 7 == 4;
        let base = if has_sib { code.get(at + 2).map_or(0, |sib| sib & 7) } else { modrm & 7 };
        let displacement = match (modrm >> 6, base) {
            // Without a base.
            (0, 5) | (2, _) => 4,
            (1, _) => 1,
            _ => 0,
        };
        opcode == 0xff && modrm >> 3 & 7 == 2 && len == 2 + usize::from(has_sib) + displacement
    });
    near || indirect
}

/// Where the `call` that ends at `returns_to` goes, if the instruction says it.
fn direct_target(code: &[u8; LONGEST_CALL], returns_to: Addr) -> Option<Addr> {
    let [.., 0xe8, a, b, c, d] = *code else { return None };
    let distance = i64::from(i32::from_le_bytes([a, b, c, d]));
    Some(Addr::new(returns_to.get().wrapping_add_signed(distance)))
}

/// Whether the code at `target` only jumps on to where the linker said (a PLT entry).
fn is_stub(task: &Task, target: Addr) -> bool {
    let mut code = [0_u8; 16];
    task.memory.read(target, &mut code).is_ok() && code.windows(2).any(|pair| pair == [0xff, 0x25])
}

/// Words that are no return address any more: the call went to a function that the frame below is
/// not in.
fn is_stale(task: &Task, space: &Space, target: Addr, inside: &[Addr]) -> bool {
    const LONGEST_FUNCTION: u64 = 1 << 20;
    let Some(mapping) = space.table.find(target) else { return true };
    let calls = |pc: &Addr| {
        mapping.range.contains(*pc)
            && pc.offset_from(target).is_some_and(|distance| distance < LONGEST_FUNCTION)
    };
    !inside.iter().any(calls) && !is_stub(task, target)
}

/// Return addresses on the stack, the innermost first.
fn frames(task: &Task, space: &Space, registers: &Registers) -> Vec<Frame> {
    let aligned = Addr::new(registers.rsp & !7);
    let mut bytes = [0_u8; STACK_WORDS * 8];
    // Behind it may be the guard of another stack.
    let room = space.table.find(aligned).and_then(|stack| stack.range.end().offset_from(aligned));
    let len = room.map_or(bytes.len(), |room| bytes.len().min(usize::try_from(room).unwrap_or(0)));
    let stack = bytes.get_mut(..len).unwrap_or_default();
    let got = task.memory.read(aligned, stack).unwrap_or(0);
    let executable = |addr: Addr| {
        space.table.find(addr).is_some_and(|mapping| mapping.prot.allows(Protection::EXEC))
    };
    let mut list = Vec::new();
    // The frame below, and what may have been frames below.
    let mut inside = [registers.pc(); 3];
    let words = bytes.get(..got).unwrap_or_default().as_chunks::<8>().0;
    for (n, word) in (0_u64..).zip(words) {
        let returns_to = Addr::new(u64::from_le_bytes(*word));
        if !executable(returns_to) {
            continue;
        }
        let mut code = [0; LONGEST_CALL];
        let before = returns_to.get().saturating_sub(LONGEST_CALL as u64);
        if task.memory.read_exact(Addr::new(before), &mut code).is_err() || !ends_with_call(&code) {
            continue;
        }
        let target = direct_target(&code, returns_to);
        if target.is_some_and(|target| is_stale(task, space, target, &inside)) {
            inside = [inside[0], returns_to, inside[1]];
            continue;
        }
        inside = [returns_to, inside[1], inside[2]];
        if let Some(slot) = aligned.checked_add(n * 8) {
            list.push(Frame { slot, returns_to });
        }
        if list.len() >= MOST_FRAMES {
            break;
        }
    }
    list
}

/// The time that a search has.
struct Budget {
    cpu: Duration,
    real: Duration,
    /// In real time, whoever else has the CPU.
    longest: Duration,
}

impl Budget {
    fn start(task: &Task, longest: Duration) -> Self {
        Self { cpu: process_cpu_time(task.pid), real: monotonic(), longest }
    }

    fn has_used(&self, task: &Task, limit: Duration) -> bool {
        process_cpu_time(task.pid).saturating_sub(self.cpu) >= limit
            || monotonic().saturating_sub(self.real) >= self.longest
    }
}

/// Runs the task until it stops or so much of the budget is used.
fn run_until(
    stopped: Stopped,
    task: &mut Task,
    ticker: &Ticker,
    budget: &Budget,
    limit: Duration,
) -> Result<Ran, RecordError> {
    let mut ran = run_without_signals(stopped, task, ticker, budget, limit)?;
    if let Ran::Access(stopped) | Ran::Late(stopped) = &mut ran {
        task.show_hidden(stopped)?;
    }
    Ok(ran)
}

fn run_without_signals(
    stopped: Stopped,
    task: &mut Task,
    ticker: &Ticker,
    budget: &Budget,
    limit: Duration,
) -> Result<Ran, RecordError> {
    let tid = stopped.tid();
    // The task has used a little less than the timer has waited.
    ticker.first_then(LOOK.min(limit), LOOK.min(limit / 4).max(SHORTEST_LOOK));
    let _running = stopped.resume(Resume::Continue, None)?;
    loop {
        match wait(tid, WaitFlags::Interruptible)? {
            Some(PtraceStop::Stopped(mut stopped, StopEvent::Signal(Signal::TRAP))) => {
                let registers = stopped.registers()?;
                if task.is_at_watchpoint(&stopped.siginfo()?, &registers) {
                    task.undo_forced(&mut stopped, Signal::TRAP, &registers)?;
                    return Ok(Ran::Access(stopped));
                }
                let stop = PtraceStop::Stopped(stopped, StopEvent::Signal(Signal::TRAP));
                return Ok(Ran::Other(stop));
            }
            Some(PtraceStop::Stopped(mut stopped, StopEvent::Signal(signal))) => {
                if !hold_meanwhile(task, &mut stopped, signal)? {
                    let stop = PtraceStop::Stopped(stopped, StopEvent::Signal(signal));
                    return Ok(Ran::Other(stop));
                }
                if !task.asked_to_stop && budget.has_used(task, limit) {
                    return Ok(Ran::Late(stopped));
                }
                let _running = stopped.resume(Resume::Continue, None)?;
            }
            Some(PtraceStop::Stopped(stopped, StopEvent::Stop(Signal::TRAP)))
                if task.asked_to_stop =>
            {
                task.asked_to_stop = false;
                if !stopped.has_queued_watchpoint()? {
                    return Ok(Ran::Late(stopped));
                }
                // It came at the same time, and would be taken for the program's later.
                let _running = stopped.resume(Resume::Continue, None)?;
            }
            Some(stop) => return Ok(Ran::Other(stop)),
            // Asking twice is asking once, and an injected call may have taken the first stop.
            None if budget.has_used(task, limit) => {
                interrupt(tid)?;
                task.asked_to_stop = true;
            }
            None => {}
        }
    }
}

/// The watched frame that the task has just returned through, with its number. In a recursion all frames
/// go on at the same address: it is the one next to the stack pointer.
fn left_frame(
    frames: &[Frame],
    watched: &[Watchpoint],
    registers: &Registers,
) -> Option<(usize, Frame)> {
    let is_watched =
        |frame: &Frame| watched.contains(&Watchpoint::Access(frame.slot, WatchLen::Eight));
    let left = |frame: &Frame| is_watched(frame) && frame.is_left(registers);
    frames.iter().copied().enumerate().rfind(|(_, frame)| left(frame))
}

/// Which frames to watch when those below `first` have been left: near ones and far ones.
fn spread(frames: &[Frame], first: usize) -> Vec<Watchpoint> {
    let at = |distance: usize| frames.get(first + distance);
    let chosen = [0, 1, 3, 7].into_iter().filter_map(at).take(WATCHPOINTS);
    chosen.map(|frame| Watchpoint::Access(frame.slot, WatchLen::Eight)).collect()
}

/// The word to watch once nothing farther out is reached in time: that of a frame so many levels
/// inside of the one that was reached. The farther inside, the sooner it comes.
fn fall_back(frames: &[Frame], reached: Option<usize>, levels: usize) -> Option<Watchpoint> {
    let frame = frames.get(reached?.saturating_sub(levels))?;
    Some(Watchpoint::Access(frame.slot, WatchLen::Eight))
}

/// Lets a task run on to its next arrival at `pc`, for so much CPU time at most.
pub(crate) fn run_to(
    mut stopped: Stopped,
    task: &mut Task,
    ticker: &Ticker,
    pc: Addr,
    time: Duration,
) -> Result<Found, RecordError> {
    task.disarm(&mut stopped)?;
    if stopped.set_watchpoints(&[Watchpoint::Execute(pc)]).is_err() {
        return Ok(Found::Place(stopped, None));
    }
    let registers = stopped.registers()?;
    if registers.pc() == pc {
        stopped.set_registers(&registers.with_resume_flag())?;
    }
    Ok(match run_for(stopped, task, ticker, time)? {
        Found::Place(mut stopped, word) => {
            stopped.set_watchpoints(&[])?;
            Found::Place(stopped, word)
        }
        Found::Stop(stop) => Found::Stop(stop.without_watchpoints()),
    })
}

/// Lets a task run on to one of these watchpoints, for so much CPU time at most. They stay in place.
pub(crate) fn run_to_watchpoint(
    mut stopped: Stopped,
    task: &mut Task,
    ticker: &Ticker,
    list: &[Watchpoint],
    time: Duration,
) -> Result<Ran, RecordError> {
    if stopped.set_watchpoints(list).is_err() {
        return Ok(Ran::Late(stopped));
    }
    let registers = stopped.registers()?;
    run_once_more(stopped, task, ticker, &registers, time)
}

/// The same for a task that has these registers, and whose debug registers are set.
pub(crate) fn run_once_more(
    mut stopped: Stopped,
    task: &mut Task,
    ticker: &Ticker,
    registers: &Registers,
    time: Duration,
) -> Result<Ran, RecordError> {
    // Of its own place only the next arrival counts.
    stopped.set_registers(&registers.with_resume_flag())?;
    let budget = Budget::start(task, LONGEST.max(time * 2));
    run_until(stopped, task, ticker, &budget, time)
}

/// Lets a task run on for so much CPU time, and stops it wherever it is then.
pub(crate) fn run_for(
    stopped: Stopped,
    task: &mut Task,
    ticker: &Ticker,
    time: Duration,
) -> Result<Found, RecordError> {
    let budget = Budget::start(task, LONGEST.max(time * 2));
    Ok(match run_until(stopped, task, ticker, &budget, time)? {
        Ran::Late(stopped) | Ran::Access(stopped) => Found::Place(stopped, None),
        Ran::Other(stop) => Found::Stop(stop),
    })
}

/// How far a task is let run on to a better place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Search {
    /// CPU time of its process until the first return.
    pub(crate) patience: Duration,
    /// After so much of that it stays at the place it has reached.
    pub(crate) content: Duration,
    /// After so many returns it stays as well.
    pub(crate) returns: usize,
    /// The longest time, whoever else has the CPU.
    pub(crate) longest: Duration,
}

impl Search {
    /// For the coldest place.
    pub(crate) const THOROUGH: Self =
        Self { patience: PATIENCE, content: CONTENT, returns: usize::MAX, longest: LONGEST };

    /// For one that comes soon.
    pub(crate) const HASTY: Self = Self {
        patience: Duration::from_micros(200),
        content: Duration::from_micros(100),
        returns: 2,
        longest: LONGEST_HASTE,
    };

    /// For the place where the task stands.
    pub(crate) const HERE: Self = Self {
        patience: Duration::ZERO,
        content: Duration::ZERO,
        returns: 0,
        longest: Duration::ZERO,
    };
}

/// Lets a task that was stopped in the middle of code run on to the return into the outermost frame
/// that it reaches in time.
pub(crate) fn find_cold_place(
    mut stopped: Stopped,
    task: &mut Task,
    space: &Space,
    ticker: &Ticker,
    search: Search,
) -> Result<Found, RecordError> {
    let Search { patience, content, returns, longest } = search;
    let mut returned = 0;
    let mut budget = Budget::start(task, longest);
    if patience.is_zero() {
        return Found::Place(stopped, None).past_steps(task, ticker);
    }
    let frames = frames(task, space, &stopped.registers()?);
    let mut watched = spread(&frames, 0);
    let mut reached: Option<usize> = None;
    let mut misses = 0;
    let mut fall_backs = FALL_BACKS.iter();
    let mut falls_back = false;
    loop {
        if watched.is_empty() || stopped.set_watchpoints(&watched).is_err() {
            break;
        }
        let limit = if reached.is_some() { content } else { patience };
        match run_until(stopped, task, ticker, &budget, limit)? {
            Ran::Access(at) => {
                stopped = at;
                let registers = stopped.registers()?;
                if falls_back && unfinished::end_of_step(task, registers.pc()).is_some() {
                    break;
                }
                if falls_back {
                    // By a call or by the return from it: the word is passed as seldom.
                    stopped.set_watchpoints(&[])?;
                    return Ok(Found::Place(stopped, watched.first().map(|word| word.address())));
                }
                if let Some((n, frame)) = left_frame(&frames, &watched, &registers) {
                    watched = spread(&frames, n + 1);
                    reached = Some(n);
                    returned += 1;
                    let enough = watched.is_empty() || returned >= returns;
                    if enough || budget.has_used(task, content) {
                        stopped.set_watchpoints(&[])?;
                        return Ok(Found::Place(stopped, Some(frame.slot)));
                    }
                    continue;
                }
                misses += 1;
                if misses <= MISSES {
                    continue;
                }
            }
            Ran::Late(at) => stopped = at,
            Ran::Other(stop) => return Ok(Found::Stop(stop.without_watchpoints())),
        }
        let next = fall_backs.next().and_then(|levels| fall_back(&frames, reached, *levels));
        let Some(word) = next else { break };
        watched = vec![word];
        falls_back = true;
        budget = Budget::start(task, longest);
    }
    let _ = stopped.set_watchpoints(&[]);
    Found::Place(stopped, None).past_steps(task, ticker)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_told_from_other_code() {
        let check = |tail: &[u8]| {
            let mut code = [0x90; LONGEST_CALL];
            code[LONGEST_CALL - tail.len()..].copy_from_slice(tail);
            ends_with_call(&code)
        };
        assert!(check(&[0xe8, 1, 2, 3, 4]), "call rel32");
        assert!(check(&[0xff, 0xd0]), "call rax");
        assert!(check(&[0x41, 0xff, 0xd4]), "call r12");
        assert!(check(&[0xff, 0x15, 1, 2, 3, 4]), "call [rip+disp32]");
        assert!(check(&[0xff, 0x50, 0x18]), "call [rax+disp8]");
        assert!(check(&[0xff, 0x54, 0x24, 0x08]), "call [rsp+disp8]");
        assert!(check(&[0xff, 0x14, 0xc5, 1, 2, 3, 4]), "call [rax*8+disp32]");
        assert!(check(&[0xff, 0x14, 0xc3]), "call [rbx+rax*8]");
        assert!(!check(&[0xff, 0xe0]), "jmp rax");
        assert!(!check(&[0xe9, 1, 2, 3, 4]), "jmp rel32");
        assert!(!check(&[0x90, 0x90]));
    }

    #[test]
    fn the_frame_that_was_left_is_told_from_others() {
        let frame = |slot: u64| Frame { slot: Addr::new(slot), returns_to: Addr::new(0x500) };
        // A recursion, and a frame that is not watched.
        let frames = [frame(0x1000), frame(0x1020), frame(0x1040), frame(0x1060)];
        let watched = [0x1000, 0x1020, 0x1060]
            .map(|slot| Watchpoint::Access(Addr::new(slot), WatchLen::Eight));
        let left = |rip: u64, rsp: u64| {
            let registers = Registers { rip, rsp, ..Registers::default() };
            left_frame(&frames, &watched, &registers).map(|(n, _)| n)
        };
        assert_eq!(left(0x500, 0x1028), Some(1), "ret");
        assert_eq!(left(0x500, 0x1068), Some(3));
        assert_eq!(left(0x500, 0x1078), Some(3), "ret 16");
        assert_eq!(left(0x501, 0x1068), None, "elsewhere");
        assert_eq!(left(0x500, 0x1000), None, "called, not left");
    }

    #[test]
    fn near_and_far_frames_are_watched() {
        let frame = |n: u64| Frame { slot: Addr::new(n * 8), returns_to: Addr::new(n) };
        let frames: Vec<Frame> = (0..6).map(frame).collect();
        let access = |n: u64| Watchpoint::Access(Addr::new(n * 8), WatchLen::Eight);
        assert_eq!(spread(&frames, 0), [access(0), access(1), access(3)]);
        assert_eq!(spread(&frames, 2), [access(2), access(3), access(5)]);
        assert_eq!(spread(&frames, 6), []);
    }
}

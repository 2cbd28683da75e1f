//! Ending the turn of a task in the middle of code: at which instruction.
//!
//! Replay finds any of them. A cold place ([`crate::places`]) is taken where one comes within 0.2 ms, as it is
//! found faster; a task in a loop without calls is left where it stands.

use std::time::Duration;

use retake_ptrace::{PtraceStop, Resume, Stopped, monotonic};

use crate::error::RecordError;
use crate::next::normal;
use crate::next::{Next, resumed};
use crate::places::nearby::{step_on, step_to_write};
use crate::places::unfinished::end_of_step;
use crate::places::{Found, Search, find_cold_place, run_for};
use crate::scheduler::{Chaos, Nearby, SearchResult, Soon, TICK};
use crate::session::Session;
use crate::tasks::Task;
use crate::turns::{AGAIN, Turns};

/// How long a task may run on to its next call, if its calls are made without a stop.
const TO_NEXT_CALL: Duration = Duration::from_millis(10);

/// What an event in the middle of code is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Another task runs next.
    Turn,
    /// A signal is delivered there.
    Signal,
    /// A checkpoint is taken there.
    Checkpoint,
}

/// What became of a task that was to lose the CPU soon.
#[derive(Debug)]
pub(crate) enum Left {
    /// It stands at an event.
    There(Next),
    /// It came to a stop of its own.
    Stop(PtraceStop),
}

impl Turns {
    /// Brings a task to a place where it may be left.
    fn settle(&mut self, task: &mut Task, stopped: Stopped) -> Result<Found, RecordError> {
        let stepped = match self.scheduler.nearby() {
            Nearby::Here => Found::Place(stopped, None),
            Nearby::Steps(count) => step_on(task, stopped, count)?,
            Nearby::Write => step_to_write(task, stopped)?,
        };
        let Some(ticker) = &self.ticker else { return Ok(stepped) };
        let found = stepped.past_steps(task, ticker);
        ticker.every(TICK);
        found
    }
}

impl Session {
    /// The turn of a task in the middle of code ends, near where it stands.
    pub(crate) fn leave(
        &mut self,
        task: &mut Task,
        mut stopped: Stopped,
    ) -> Result<Next, RecordError> {
        if task.is_watched_by_tracer() {
            return self.leave_watched(task, stopped, Purpose::Turn);
        }
        let now = monotonic();
        if task.makes_fast_calls(now) && task.to_next_call.is_none() {
            // Its next call is a better place, and not far.
            task.disarm(&mut stopped)?;
            task.to_next_call = Some(now + TO_NEXT_CALL);
            if let Some(ticker) = &self.turns.ticker {
                ticker.first_then(TO_NEXT_CALL, AGAIN);
            }
            return Ok(resumed(stopped.resume(Resume::Syscall, None)?, Next::Soon));
        }
        task.to_next_call = None;
        task.expects = None;
        let ran = self.turns.scheduler.ran(now);
        if self.turns.scheduler.stays_here(ran) {
            task.disarm(&mut stopped)?;
            self.turns.scheduler.end_turn();
            return self.preempt_near(task, stopped);
        }
        let search = self.turns.scheduler.chaos().map_or(Search::HASTY, Chaos::search);
        self.place_event(task, stopped, search, Purpose::Turn)
    }

    /// Makes an event of a place near the one where a task stands in the middle of code: a cold one, if one
    /// comes in time.
    pub(crate) fn place_event(
        &mut self,
        task: &mut Task,
        mut stopped: Stopped,
        search: Search,
        purpose: Purpose,
    ) -> Result<Next, RecordError> {
        if task.is_watched_by_tracer() {
            return self.leave_watched(task, stopped, purpose);
        }
        task.disarm(&mut stopped)?;
        let Some(ticker) = &self.turns.ticker else {
            return Ok(resumed(stopped.resume(Resume::Continue, None)?, Next::Soon));
        };
        let space = self
            .world
            .spaces
            .get(&task.space)
            .ok_or_else(|| RecordError::Unsupported("a task without memory".to_owned()))?;
        let found = find_cold_place(stopped, task, space, ticker, search);
        ticker.every(TICK);
        match found? {
            Found::Place(stopped, watch) => {
                if purpose != Purpose::Checkpoint {
                    self.turns.scheduler.end_turn();
                }
                if purpose == Purpose::Turn {
                    let is_cold = watch.is_some();
                    let result = if is_cold { SearchResult::Cold } else { SearchResult::Futile };
                    self.turns.scheduler.searched(result);
                    if !is_cold {
                        return self.preempt_near(task, stopped);
                    }
                }
                let aside = match purpose {
                    Purpose::Turn => self.turns.scheduler.step_aside(),
                    Purpose::Signal | Purpose::Checkpoint => None,
                };
                if let Some(time) = aside
                    && self.turns.scheduler.ends_are_expensive()
                {
                    return self.preempt_aside(task, stopped, time);
                }
                let stopped = self.preempt(task, stopped, watch)?;
                match aside {
                    Some(time) => self.preempt_aside(task, stopped, time),
                    None => self.go_on_at_event(task, stopped),
                }
            }
            Found::Stop(stop) => self.handle_stop(task, stop),
        }
    }

    /// Makes an event of the place where a task stands whose debug registers are its tracer's. A search for a better one
    /// would need them, and a step or an update made for it would pass what they wait for.
    fn leave_watched(
        &mut self,
        task: &mut Task,
        stopped: Stopped,
        purpose: Purpose,
    ) -> Result<Next, RecordError> {
        if end_of_step(task, stopped.registers()?.pc()).is_some() {
            return self.turns.go_on_meanwhile(task, stopped);
        }
        if purpose != Purpose::Checkpoint {
            self.turns.scheduler.end_turn();
        }
        let stopped = self.preempt(task, stopped, None)?;
        self.go_on_at_event(task, stopped)
    }

    /// From a cold place, mostly an event, to an event some time later.
    fn preempt_aside(
        &mut self,
        task: &mut Task,
        stopped: Stopped,
        time: Duration,
    ) -> Result<Next, RecordError> {
        let Some(ticker) = &self.turns.ticker else {
            return self.go_on_at_event(task, stopped);
        };
        let found = run_for(stopped, task, ticker, time);
        ticker.every(TICK);
        match found? {
            Found::Place(stopped, _) => self.preempt_near(task, stopped),
            Found::Stop(stop) => self.handle_stop(task, stop),
        }
    }

    /// Leaves a task where it stands, or some instructions on.
    fn preempt_near(&mut self, task: &mut Task, stopped: Stopped) -> Result<Next, RecordError> {
        match self.turns.settle(task, stopped)? {
            Found::Place(stopped, watch) => {
                let stopped = self.preempt(task, stopped, watch)?;
                self.begin_update(task);
                self.go_on_at_event(task, stopped)
            }
            Found::Stop(stop) => self.handle_stop(task, stop),
        }
    }

    /// A task goes on, and loses the CPU this soon.
    pub(crate) fn leave_soon(
        &mut self,
        task: &mut Task,
        stopped: Stopped,
        soon: Soon,
    ) -> Result<Left, RecordError> {
        let Some(ticker) = &self.turns.ticker else { return Ok(Left::There(Next::Ready(stopped))) };
        let found = match soon {
            Soon::Steps(count) => {
                self.turns.scheduler.stepped(monotonic(), count);
                step_on(task, stopped, count).and_then(|found| found.past_steps(task, ticker))
            }
            Soon::After(time) => run_for(stopped, task, ticker, time),
        };
        ticker.every(TICK);
        let stopped = match found? {
            Found::Place(stopped, _) => stopped,
            Found::Stop(stop) => return Ok(Left::Stop(stop)),
        };
        self.turns.scheduler.end_turn();
        if matches!(soon, Soon::After(_)) {
            return self.preempt_near(task, stopped).map(Left::There);
        }
        let has_moved = task.mid_code || normal(&stopped.registers()?) != task.registers;
        let stopped = if has_moved { self.preempt(task, stopped, None)? } else { stopped };
        self.begin_update(task);
        self.go_on_at_event(task, stopped).map(Left::There)
    }
}

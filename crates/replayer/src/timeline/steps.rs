//! Exactly so many instructions of one task, in both directions.
//!
//! Backwards there is nothing to execute: the moment before is found by going there again. Code between two
//! branches is straight, so the instruction before a place is one of the few that end there, or the branch
//! that was executed last.

use iced_x86::FlowControl;
use retake_execution::{Steps, Stop, StopReason};
use retake_model::{Addr, EventIndex, Exact, Place, Position, TaskId};
use retake_recording::EventKind;

use super::Timeline;
use super::ends::last_pc;
use super::scan::{Arrived, What};
use super::travel::no_sink;
use crate::failure::Failure;
use crate::run::{Step, fingerprint, must_run};
use crate::stepping::Stepped;
use crate::translated::CountFor;

/// Where a task is, as its own events tell.
#[derive(Clone, Copy, Debug)]
enum At {
    /// It has done nothing since so many events.
    Boundary(EventIndex),
    /// It runs after so many events.
    Within(EventIndex, Exact),
}

impl Timeline {
    /// Executes so many instructions of a task. Others run meanwhile as they did.
    pub(super) fn step_forward(&mut self, steps: Steps) -> Result<Stop, Failure> {
        let Steps { task, count } = steps;
        if self.lost {
            self.bring(self.position)?;
        }
        self.machine.task(task)?;
        self.machine.want_sites(&[])?;
        let mut left = count.get();
        let mut waits = self.waits(task);
        let mut before = self.position;
        while left > 0 {
            let next = self.machine.peek()?.map(|(index, event)| (*index, event.task));
            let Some((index, runs)) = next.filter(|_| self.machine.tasks.contains_key(&task))
            else {
                return self.end_of(before, task);
            };
            if runs != task {
                if index == self.last_moment {
                    return self.last();
                }
                self.step_together(Some(self.last_moment), &mut no_sink)?;
                self.snapshots.consider(&mut self.machine);
                continue;
            }
            let done = match self.machine.step_instruction(task)? {
                Stepped::Place(exact) => {
                    before = Position::at_place(index, Place::Exact(exact));
                    !self.is_in_added_code(task)?
                }
                Stepped::Event | Stepped::EventHere if index == self.last_moment => {
                    return self.end_of(before, task);
                }
                // It was its last one.
                Stepped::Event | Stepped::EventHere if !self.machine.tasks.contains_key(&task) => {
                    return self.end_of(before, task);
                }
                Stepped::Event => {
                    waits = self.waits(task);
                    !waits && !self.is_in_added_code(task)?
                }
                Stepped::EventHere => {
                    // The call that it waited in is over.
                    let over = waits && !self.waits(task);
                    waits = self.waits(task);
                    over
                }
            };
            left -= u64::from(done);
        }
        let pc = self.machine.standing_at;
        self.position = match (pc, before.place()) {
            (Some(_), Place::Exact(_)) => before,
            _ => Position::at_event(self.machine.done()),
        };
        self.task = self.task_of_next_event()?;
        let stop = self.stop(StopReason::Stepped);
        Ok(Stop { task, ..stop })
    }

    /// The task, or the recording, ends with its next instruction.
    fn end_of(&mut self, before: Position, task: TaskId) -> Result<Stop, Failure> {
        self.bring(before)?;
        let stop = self.stop(StopReason::End);
        Ok(Stop { task, ..stop })
    }

    fn waits(&self, task: TaskId) -> bool {
        self.machine.tasks.get(&task).is_some_and(|task| task.in_syscall.is_some())
    }

    /// Whether a task stands in code that the recorder has added, which is no step of the program.
    fn is_in_added_code(&mut self, task: TaskId) -> Result<bool, Failure> {
        let Some(live) = self.machine.tasks.get(&task) else { return Ok(false) };
        let registers = match self.machine.standing_at {
            Some(_) => live.stopped.registers()?,
            None => live.registers,
        };
        let mut read = |addr, out: &mut [u8]| live.memory.read_exact(addr, out).is_ok();
        Ok(retake_tracee::fast::call_site(&registers, &mut read).is_some())
    }

    /// Goes back by so many instructions of a task.
    pub(super) fn step_backward(&mut self, steps: Steps) -> Result<Stop, Failure> {
        let Steps { task, count } = steps;
        if self.lost {
            self.bring(self.position)?;
        }
        self.machine.task(task)?;
        let mut at = match self.position.place() {
            Place::Exact(exact) if task == self.task => At::Within(self.position.event(), exact),
            _ => At::Boundary(self.position.event()),
        };
        let mut left = count.get();
        while left > 0 {
            let Some((event, exact)) = self.instruction_before(task, at)? else {
                let stop = self.stand_at(self.start, StopReason::Start)?;
                return Ok(Stop { task, ..stop });
            };
            at = At::Within(event, exact);
            left -= u64::from(!self.is_in_added_code(task)?);
        }
        let stop = self.stop(StopReason::Stepped);
        Ok(Stop { task, ..stop })
    }

    /// Goes right before an access of memory, from behind it.
    pub(super) fn back_before(&mut self, found: Arrived) -> Result<(), Failure> {
        let at = match (found.what, found.at.place()) {
            (What::Access(_), Place::Exact(exact)) => At::Within(found.at.event(), exact),
            _ => At::Boundary(found.at.event()),
        };
        self.instruction_before(found.task, at)?;
        Ok(())
    }

    /// Goes to the last instruction of a task before where it is; `None` if there is none.
    fn instruction_before(
        &mut self,
        task: TaskId,
        at: At,
    ) -> Result<Option<(EventIndex, Exact)>, Failure> {
        let mut at = at;
        loop {
            at = match at {
                At::Within(event, exact) => match self.before_in_stretch(task, event, exact)? {
                    Some(found) => return Ok(Some((event, found))),
                    None => At::Boundary(event),
                },
                At::Boundary(event) => {
                    let Some(index) = self.event_before(task, event)? else { return Ok(None) };
                    match self.place_before(task, index)? {
                        Some((exact, Led::ByInstruction)) => {
                            self.bring(Position::at_place(index, Place::Exact(exact)))?;
                            return Ok(Some((index, exact)));
                        }
                        Some((exact, Led::Interrupted)) => At::Within(index, exact),
                        None => At::Boundary(index),
                    }
                }
            };
        }
    }

    /// The last event of a task before `event` that is the end of something that it executed. The first
    /// event of a recording makes its first task.
    fn event_before(&self, task: TaskId, event: EventIndex) -> Result<Option<EventIndex>, Failure> {
        let mut index = event.get();
        while index > self.start.event().get() {
            index -= 1;
            let found = self.recording.event(EventIndex::new(index))?;
            let executed =
                !matches!(found.kind, EventKind::SyscallExit { .. } | EventKind::Restart);
            if found.task == task && executed {
                return Ok(Some(EventIndex::new(index)));
            }
        }
        Ok(None)
    }

    /// Where a task stood when event `index`, which is one of its own, came; `None` if it had not executed
    /// anything since the event before.
    fn place_before(
        &mut self,
        task: TaskId,
        index: EventIndex,
    ) -> Result<Option<(Exact, Led)>, Failure> {
        self.bring_to_event(index)?;
        let registers = self.machine.task(task)?.registers;
        let event = self.recording.event(index)?;
        if !must_run(&registers, &event) {
            return Ok(None);
        }
        self.machine.count.wanted = CountFor::NextEvent;
        let step = self.step_keeping(&mut no_sink);
        self.machine.count.wanted = CountFor::Nothing;
        step?;
        self.lost = true;
        let Some(branches) = self.machine.count.at_last_event() else {
            let why = format!("the branches before event {index} cannot be counted");
            return Err(Failure::Refused(why));
        };
        Ok(Some(match (fingerprint(&event), last_pc(&registers, &event)) {
            (None, Some(pc)) => (Exact { branches, pc }, Led::ByInstruction),
            _ => (Exact { branches, pc: event.before.pc() }, Led::Interrupted),
        }))
    }

    /// Goes to the instruction before `place` that the task has executed since event `event`; `None` if
    /// `place` is where it began.
    fn before_in_stretch(
        &mut self,
        task: TaskId,
        event: EventIndex,
        place: Exact,
    ) -> Result<Option<Exact>, Failure> {
        // From before its last branch, which is to be noted.
        let earlier = Exact { branches: place.branches, pc: Addr::NULL };
        self.bring_near(Position::at_place(event, Place::Exact(earlier)))?;
        self.lost = true;
        self.machine.caches.note_branches()?;
        let begins_at = self.machine.task(task)?.registers.pc();
        if place.branches == 0 {
            if place.pc == begins_at {
                return Ok(None);
            }
            // It need not stop where it stands.
            let first = self.machine.instruction_at(task, begins_at)?;
            let leads =
                first.flow_control() == FlowControl::Next && first.next_ip() == place.pc.get();
            if leads {
                self.stand(task, Position::at_event(event));
                self.lost = false;
                return Ok(Some(Exact { branches: 0, pc: begins_at }));
            }
        }
        let mut wanted = vec![place];
        for instruction in self.machine.instructions_before(task, place.pc)? {
            if instruction.flow_control() == FlowControl::Next {
                let pc = Addr::new(instruction.ip());
                wanted.push(Exact { branches: place.branches, pc });
            }
        }
        self.machine.want_sites(&[])?;
        self.machine.count.wanted = CountFor::Places(wanted.clone());
        let found = self.first_of(task, event, &wanted, place);
        self.machine.count.wanted = CountFor::Nothing;
        match found? {
            Some(found) if found != place => {
                self.stand(task, Position::at_place(event, Place::Exact(found)));
                self.lost = false;
                Ok(Some(found))
            }
            _ => self.last_branch_before(task, event, place).map(Some),
        }
    }

    /// Lets a task run to the first of some places that leads straight to `place`, or to that itself.
    fn first_of(
        &mut self,
        task: TaskId,
        event: EventIndex,
        wanted: &[Exact],
        place: Exact,
    ) -> Result<Option<Exact>, Failure> {
        loop {
            let found = match self.step_keeping(&mut no_sink)? {
                Step::Hit { place: Place::Exact(found), .. } => found,
                Step::Hit { .. } | Step::Watched { .. } | Step::Paused => continue,
                Step::Event | Step::End => {
                    let at = Position::at_place(event, Place::Exact(place));
                    return Err(Failure::NotFound(format!("there is no moment {at}")));
                }
            };
            let behind = self.machine.instruction_at(task, found.pc)?.next_ip();
            if found == place || wanted.contains(&found) && behind == place.pc.get() {
                return Ok(Some(found));
            }
        }
    }

    /// Goes to the branch that led to `place`, where the task stands.
    fn last_branch_before(
        &mut self,
        task: TaskId,
        event: EventIndex,
        place: Exact,
    ) -> Result<Exact, Failure> {
        let branch = self.machine.last_branch(task)?;
        let (Some(pc), Some(branches)) = (branch, place.branches.checked_sub(1)) else {
            let at = Position::at_place(event, Place::Exact(place));
            return Err(Failure::Refused(format!("nothing leads to {at}: a fault of retake")));
        };
        let found = Exact { branches, pc };
        self.bring(Position::at_place(event, Place::Exact(found)))?;
        Ok(found)
    }
}

/// What an event ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Led {
    /// An instruction led to it.
    ByInstruction,
    /// It came between two instructions.
    Interrupted,
}

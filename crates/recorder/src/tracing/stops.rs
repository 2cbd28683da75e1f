//! Stops of traced tasks, and telling their tracers.

use retake_abi::nr;
use retake_model::{Registers, SigInfo, Signal, SyscallNo, Tid};
use retake_ptrace::{PtraceError, Stopped, TaskStatus, interrupt, send_signal};
use retake_recording::{Delivery, EventKind, Where};

use super::told::{self, Event, Why};
use super::{Mode, Resumption, Standing, Stop, Tracer};
use crate::book::Book;
use crate::calls::convention::Made;
use crate::error::RecordError;
use crate::next::normal;
use crate::next::{Next, call_number};
use crate::tasks::{Run, Task};
use crate::world::World;

impl World {
    /// The task stands: its tracer is told.
    pub(super) fn begin_stop(&mut self, task: &mut Task, why: Why, standing: Standing) {
        let Some(traced) = &mut task.traced else { return };
        if let Why::Event(_, message) = &why {
            traced.message = *message;
        }
        traced.stop = Stop::Unreported(why);
        traced.marks_calls = traced.wants(told::TRACESYSGOOD);
        traced.steps = None;
        let by = traced.by;
        task.resumes = Some(Resumption::at(standing));
        self.tell_tracer(by, task.tid);
    }

    /// Something happened to a traced task: those that wait for that come out of the kernel, and the process gets
    /// SIGCHLD.
    pub(super) fn tell_tracer(&mut self, by: Tracer, tid: Tid) {
        let waits = |other: &&Task| {
            let in_kernel = matches!(other.run, Run::Kernel);
            other.pid == by.pid && in_kernel && other.waits_for_traced(tid)
        };
        for waiter in self.tasks.values().filter(waits) {
            // One that is gone waits no more.
            let _ = interrupt(waiter.tid);
        }
        // Where that cannot be known it may come once too often: what is ignored does nothing.
        if takes_child_signals(by.pid).unwrap_or(true) {
            send_signal(by.pid, Signal::CHLD);
        }
    }

    /// A task stands at an event, and could go on: does it stop there for its tracer?
    pub(crate) fn stop_for_tracer(&mut self, task: &mut Task) {
        let is_in_call = task.open.is_some();
        let Some(traced) = task.traced.as_mut().filter(|traced| !traced.is_stopped()) else {
            return;
        };
        if !is_in_call
            && let Some(call) = traced.call.take()
            && traced.mode == Mode::Calls
        {
            let events = traced.due.iter().take_while(|why| matches!(why, Why::Event(..))).count();
            traced.due.insert(events, Why::CallExit(call));
        }
        if let Some(step) = traced.steps.take_if(|_| !is_in_call) {
            traced.due.push_back(Why::step(step, task.registers.rip, task.pid));
        }
        if let Some(why) = traced.due.pop_front() {
            self.begin_stop(task, why, Standing::Event);
        }
    }

    /// A traced task is in a group-stop, at an event: its tracer is told.
    pub(crate) fn tell_of_group_stop(
        &mut self,
        task: &mut Task,
        stopped: Stopped,
        signal: Signal,
    ) -> Next {
        self.begin_stop(task, Why::Group(signal), Standing::Event);
        Next::Ready(stopped)
    }

    /// The end of a group-stop is told to a tracer that listens for it. Gives the task back otherwise.
    pub(crate) fn tell_of_continuing(
        &mut self,
        task: &mut Task,
        stopped: Stopped,
    ) -> Result<Next, Stopped> {
        let Some(traced) = task.traced.as_mut() else { return Err(stopped) };
        if std::mem::take(&mut traced.listens) {
            self.begin_stop(task, Why::Interrupted, Standing::Event);
        }
        if task.is_stopped_by_tracer() { Ok(Next::Ready(stopped)) } else { Err(stopped) }
    }

    /// What a SIGCHLD says that the recorder has sent for the stop of a traced task.
    pub(crate) fn describe_child_signal(&self, task: &Task, info: SigInfo) -> SigInfo {
        const CLD_TRAPPED: i32 = 4;
        let own = i32::try_from(std::process::id()).unwrap_or(0);
        let is_ours = info.signal() == Ok(Signal::CHLD)
            && info.code() == 0
            && (info.sender() == own || info.sender() == 0);
        if !is_ours {
            return info;
        }
        let stopped = self.tasks.values().find_map(|other| {
            let traced = other.traced.as_ref().filter(|traced| traced.by.pid == task.pid)?;
            Some((other.tid, traced.status(traced.why()?) >> 8))
        });
        let Some((tid, status)) = stopped else { return info };
        let mut bytes = told::description(Signal::CHLD, CLD_TRAPPED);
        told::put(&mut bytes, 16, tid.get().to_le_bytes());
        told::put(&mut bytes, 24, status.to_le_bytes());
        SigInfo::from_bytes(bytes)
    }

    /// A signal is to be delivered to a traced task: its tracer decides. `before` are the registers where it came, as
    /// for its delivery.
    pub(crate) fn report_signal(
        &mut self,
        book: &mut Book,
        task: &mut Task,
        stopped: Stopped,
        before: &Registers,
        info: SigInfo,
    ) -> Result<Next, RecordError> {
        if *before != task.registers {
            let at_call = before.orig_rax.cast_signed() >= 0;
            // A call that was entered is undone.
            let after = if at_call { normal(&stopped.registers()?) } else { *before };
            let (info, at) = (info.clone(), Where::Located);
            let draft = book.draft();
            let kind = EventKind::Signal { info, delivery: Delivery::Ignored, at };
            book.append(task, draft, &kind, before, &after)?;
        }
        self.begin_stop(task, Why::Signal(info), Standing::Event);
        Ok(Next::Ready(stopped))
    }

    /// It does: the entry is an event, and the task stands there.
    pub(crate) fn stop_at_call(
        &mut self,
        book: &mut Book,
        task: &mut Task,
        stopped: Stopped,
        entry: &Registers,
    ) -> Result<Next, RecordError> {
        let no = Made::at(&stopped, entry)?.no;
        book.record_told_entry(task, no, entry)?;
        if let Some(traced) = &mut task.traced {
            traced.call = Some(entry.orig_rax);
            traced.emulates = traced.mode.emulates();
        }
        self.begin_stop(task, Why::CallEntry, Standing::CallEntry);
        Ok(Next::Ready(stopped))
    }

    /// A filter asks the tracer about a call (seccomp(2), `SECCOMP_RET_TRACE`): the task stands at its entry. Gives
    /// the task back if its tracer does not want to know.
    pub(crate) fn stop_for_filter(
        &mut self,
        book: &mut Book,
        task: &mut Task,
        stopped: Stopped,
        (entry, no): (&Registers, SyscallNo),
        data: u16,
    ) -> Result<Result<Next, Stopped>, RecordError> {
        let Some(traced) =
            task.traced.as_mut().filter(|traced| traced.wants(Event::Seccomp.option()))
        else {
            return Ok(Err(stopped));
        };
        traced.call = Some(entry.orig_rax);
        traced.emulates = false;
        if !task.entry_recorded {
            book.record_told_entry(task, no, entry)?;
        }
        self.begin_stop(task, Why::Event(Event::Seccomp, data.into()), Standing::FilterAsked);
        Ok(Ok(Next::Ready(stopped)))
    }
}

impl Book {
    /// The entry of a call that a tracer is told of is an event of its own.
    fn record_told_entry(
        &mut self,
        task: &mut Task,
        no: SyscallNo,
        entry: &Registers,
    ) -> Result<(), RecordError> {
        let draft = self.draft();
        self.append(task, draft, &EventKind::SyscallEnter { no }, entry, entry)?;
        task.entry_recorded = true;
        Ok(())
    }
}

impl Task {
    /// It is at the entry of a call: does its tracer want to know?
    pub(crate) fn stops_at_call(&self, entry: &Registers) -> bool {
        let wants = self.traced.as_ref().is_some_and(|traced| traced.mode.stops_at_calls());
        wants && !is_of_vdso(self, entry)
    }
}

/// Whether SIGCHLD does anything to a process: it has a handler for it, or blocks it and looks for it.
fn takes_child_signals(pid: Tid) -> Result<bool, PtraceError> {
    let status = TaskStatus::of(pid)?;
    let wanted = status.mask("SigCgt:")? | status.mask("SigBlk:")?;
    Ok(wanted & Signal::CHLD.mask_bit() != 0)
}

/// Whether a call is one of those that functions of the vdso make only while they are recorded.
fn is_of_vdso(task: &Task, entry: &Registers) -> bool {
    let no = call_number(entry);
    let by_vdso = [nr::CLOCK_GETTIME, nr::GETTIMEOFDAY, nr::TIME, nr::CLOCK_GETRES, nr::GETCPU];
    by_vdso.contains(&no)
        && retake_tracee::read_maps(task.tid).is_ok_and(|maps| {
            maps.iter().any(|part| part.path == "[vdso]" && part.range.contains(entry.pc()))
        })
}

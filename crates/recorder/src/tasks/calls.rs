//! Calls that make, replace and end tasks.

use std::collections::BTreeMap;

use retake_model::{Addr, Registers, SpaceId, TaskId, Tid};
use retake_ptrace::{
    ProcessMemory, PtraceStop, Resume, StopEvent, Stopped, WaitFlags, monotonic, wait,
};
use retake_recording::{Effect, EventKind, Where};

use crate::book::Draft;
use crate::calls::begun::Begun;
use crate::calls::retire::Ended;
use crate::error::RecordError;
use crate::next::{Next, resumed};
use crate::session::Session;
use crate::start::exec::check_program;
use crate::tasks::new_task::NewTask;
use crate::tasks::{Identity, OpenCall, Run, Task};
use crate::world::World;

impl World {
    /// The task that a task waited for in its call has left its memory.
    pub(crate) fn vfork_done(
        &mut self,
        task: &mut Task,
        stopped: Stopped,
    ) -> Result<Next, RecordError> {
        if task.traced.is_some() && self.stops_after_vfork(task, stopped.event_message()?) {
            return Ok(Next::Ready(stopped));
        }
        Ok(resumed(stopped.resume(Resume::Syscall, None)?, Next::Soon))
    }

    fn first_stop(&mut self, tid: Tid) -> Result<Option<Stopped>, RecordError> {
        if let Some(stopped) = self.early.remove(&tid) {
            return Ok(Some(stopped));
        }
        match wait(tid, WaitFlags::Block)? {
            Some(PtraceStop::Stopped(_, StopEvent::Exit)) | None => Ok(None),
            Some(PtraceStop::Stopped(stopped, _)) => Ok(Some(stopped)),
            Some(_) => Ok(None),
        }
    }

    pub(crate) fn free_space_of(&mut self, task: &Task) {
        if self.shares_memory(task) {
            if let Some(space) = self.spaces.get_mut(&task.space) {
                space.rseq.remove(&task.id);
                space.slots.remove(&task.id);
            }
        } else {
            self.spaces.remove(&task.space);
        }
    }
}

impl Session {
    /// `clone`, `fork` or `vfork` made a task: the parent is in the middle of its call.
    pub(crate) fn task_created(
        &mut self,
        task: &mut Task,
        stopped: Stopped,
    ) -> Result<Next, RecordError> {
        let tid = Tid::new(i32::try_from(stopped.event_message()?).unwrap_or(0));
        let Some(open) = task.open.take() else {
            return Ok(Next::Ready(stopped));
        };
        let new = open.new_task;
        let child = self.world.first_stop(tid)?;
        let no = open.call.no;
        let entry = open.entry;
        let mut draft = self.book.draft();
        let has_child = child.is_some();
        if let Some(child) = child {
            self.adopt(&mut draft, task, child, &new, &entry)?;
        }
        // A child with the same memory sees that, too.
        crate::tasks::made::add_told(&mut draft, task, &new);
        if new.is_waited_for() {
            // The parent waits until the child executes or ends; the child runs now.
            if !open.begun.is_recorded() {
                self.book.append(task, draft, &EventKind::SyscallEnter { no }, &entry, &entry)?;
            } else if !draft.is_empty() {
                let at = Where::Located;
                self.book.append(task, draft, &EventKind::Preempt { at }, &entry, &entry)?;
            }
            task.open = Some(OpenCall { begun: Begun::Recorded, ..open });
            if has_child && self.world.stops_in_vfork(task, &new, tid) {
                return Ok(Next::Ready(stopped));
            }
            return Ok(resumed(stopped.resume(Resume::Syscall, None)?, Next::Waiting));
        }
        let mut stopped = stopped;
        let event = loop {
            match stopped.resume_and_wait(Resume::Syscall, None) {
                Ok(StopEvent::Stop(_)) => {}
                other => break other,
            }
        };
        let mut after = stopped.registers()?;
        if after.rdi != entry.rdi {
            after.rdi = entry.rdi;
            stopped.set_registers(&after)?;
        }
        self.audit_after(&mut draft, task, &open, after.rax.cast_signed())?;
        self.book.retire(
            task,
            draft,
            Ended { no, begun: open.begun, before: &entry, after: &after },
        )?;
        match event? {
            StopEvent::Syscall => {
                if has_child {
                    self.world.tell_of_new_task(task, &new, tid);
                }
                Ok(Next::Ready(stopped))
            }
            StopEvent::Exit => self.task_ends(task, stopped),
            other => Err(RecordError::Unsupported(format!("{other:?} in the middle of clone"))),
        }
    }

    /// Takes in a task that `parent` has made by a call with the registers `entry`.
    fn adopt(
        &mut self,
        draft: &mut Draft,
        parent: &Task,
        mut child: Stopped,
        new: &NewTask,
        entry: &Registers,
    ) -> Result<(), RecordError> {
        let tid = child.tid();
        crate::calls::outer_filter::set_back(&mut child, entry)?;
        let registers = child.registers()?;
        let id = self.world.next_task;
        self.world.next_task = id.next();
        let pid = if new.is_thread() { parent.pid } else { tid };
        let space = if new.shares_memory() {
            parent.space
        } else {
            let fresh = self.world.next_space;
            self.world.next_space = fresh.next();
            let copy = self.world.space(parent.space)?.fork();
            self.world.spaces.insert(fresh, copy);
            fresh
        };
        draft.add(&Effect::Spawn { child: id, tid, pid, space, registers });
        self.ending.add_process(pid);
        if space != parent.space {
            self.world.inherit(draft, space)?;
        }
        self.world.descriptors_inherited(draft, parent, (tid, space), new)?;
        let memory = ProcessMemory::new(tid);
        if let Some(addr) = new.own_tid() {
            let mut bytes = [0; 4];
            if memory.read_exact(addr, &mut bytes).is_ok() {
                draft.add(&Effect::ForeignWrite { space, addr, bytes: bytes.to_vec() });
            }
        }
        let identity = Identity { id, tid, pid, space };
        let mut signal_state = parent.signal_state.inherited(new.shares_actions());
        if new.loses_handlers() {
            signal_state.lose_handlers();
        }
        let mut task = Task {
            maker: Some(parent.id),
            name: parent.name.clone(),
            run: Run::Ready(child),
            registers,
            clear_tid: new.clear_tid(),
            fast_code: parent.fast_code.clone(),
            has_own_fds: new.shares_memory() && !new.shares_descriptors(),
            counter_faults: parent.counter_faults,
            confinement: parent.confinement.clone(),
            ..Task::new(identity, signal_state)
        };
        self.seat_new(draft, parent, &mut task);
        self.turns.scheduler.made_a_task();
        self.world.trace_new_task(parent, &mut task, new);
        self.world.tasks.insert(tid, task);
        Ok(())
    }

    /// `execve` by a task that is not its process's leader takes over the leader's number: gives the
    /// task that stopped with that number. `leader` is the one that has had it, if it is known.
    pub(crate) fn settle_exec_identity(
        &mut self,
        tid: Tid,
        stopped: &Stopped,
        leader: Option<Task>,
    ) -> Result<Option<Task>, RecordError> {
        let former = Tid::new(i32::try_from(stopped.event_message()?).unwrap_or(0));
        if former == tid {
            return Ok(leader);
        }
        let Some(mut task) = self.world.tasks.remove(&former) else {
            return Ok(leader);
        };
        if let Some(mut leader) = leader {
            self.record_end(&mut leader, retake_recording::ExitStatus::Exited(0), None)?;
            self.world.free_space_of(&leader);
        }
        task.tid = tid;
        task.own_number = None;
        task.memory = ProcessMemory::new(tid);
        self.turns.scheduler.renamed(former, tid);
        Ok(Some(task))
    }

    /// `execve` succeeded: `stopped` is at its exit.
    pub(crate) fn program_replaced(
        &mut self,
        task: &mut Task,
        mut draft: Draft,
        mut stopped: Stopped,
        open: &OpenCall,
    ) -> Result<Next, RecordError> {
        let old = task.space;
        self.world.add_last_words(&mut draft, task, &open.last_words);
        self.leave_locks(&mut draft, task)?;
        let space = self.world.next_space;
        self.world.next_space = space.next();
        task.memory = ProcessMemory::new(task.tid);
        // The kernel has cleared its debug registers.
        task.armed = crate::waiting::armed::Armed::default();
        task.waited_at = crate::waiting::armed::WaitedAt::default();
        task.space = space;
        task.clear_tid = Addr::NULL;
        task.robust = Addr::NULL;
        task.dispatch = None;
        task.has_own_fds = false;
        task.signal_state = crate::signals::state::SignalState::of_new_program(&stopped)?;
        self.world.echo.forget();
        self.world.descriptors.forget();
        let path = crate::memory::image::program_path(task.tid);
        task.name = crate::memory::image::task_name(task.tid);
        check_program(task, &stopped.registers()?)?;
        let after = self.take_image(&mut draft, task, &mut stopped, path)?;
        let no = open.call.no;
        self.book.retire(
            task,
            draft,
            Ended { no, begun: open.begun, before: &open.entry, after: &after },
        )?;
        if !self.world.tasks.values().any(|other| other.space == old) {
            self.world.spaces.remove(&old);
        }
        task.tell_of_program();
        Ok(Next::Ready(stopped))
    }

    /// The first task, right after its `execve`.
    pub(crate) fn adopt_root(&mut self, mut stopped: Stopped) -> Result<(), RecordError> {
        let tid = stopped.tid();
        // From the event stop to the exit of execve: only there are the registers final.
        let event = stopped.resume_and_wait(Resume::Syscall, None)?;
        if event != StopEvent::Syscall {
            return Err(RecordError::Unsupported(format!("{event:?} right after execve")));
        }
        let id: TaskId = self.world.next_task;
        self.world.next_task = id.next();
        let space: SpaceId = self.world.next_space;
        self.world.next_space = space.next();
        let identity = Identity { id, tid, pid: tid, space };
        let signal_state = crate::signals::state::SignalState::of_new_program(&stopped)?;
        let mut task = Task {
            name: crate::memory::image::task_name(tid),
            fast_code: self.fast_code.take(),
            ..Task::new(identity, signal_state)
        };
        self.hardware.seat_first(&mut task);
        let mut draft = self.book.draft();
        let path = crate::memory::image::program_path(tid);
        let after = self.take_image(&mut draft, &mut task, &mut stopped, path)?;
        let no = retake_abi::nr::EXECVE;
        let before = Registers::default();
        let begun = Begun::Unseen;
        self.book.retire(&mut task, draft, Ended { no, begun, before: &before, after: &after })?;
        task.run = Run::Ready(stopped);
        self.world.tasks = BTreeMap::from([(tid, task)]);
        self.ending.add_process(tid);
        self.turns.scheduler.start_with(tid, monotonic());
        Ok(())
    }
}

//! Entry and completion of system calls.

pub(crate) mod answer;
pub(crate) mod audit;
pub(crate) mod begun;
pub(crate) mod clocks;
pub(crate) mod convention;
pub(crate) mod dispatch;
pub(crate) mod locks;
pub(crate) mod memory_before;
pub(crate) mod outer_filter;
pub(crate) mod refusals;
pub(crate) mod retire;
pub(crate) mod threads;
pub(crate) mod user_dispatch;
pub(crate) mod view;
pub(crate) mod violations;
pub(crate) mod vsyscall;
pub(crate) mod waits;

use retake_abi::{
    Blocks, Class, Convention, Errno, FdEffect, MemoryCall, SignalCall, TaskCall, ThreadCall, nr,
};
use retake_model::{Registers, Signal, SyscallNo};
use retake_ptrace::{Resume, StopEvent, Stopped};
use retake_recording::Effect;

use crate::book::Draft;
use crate::calls::answer::Answer;
use crate::calls::convention::Made;
use crate::calls::retire::Ended;
use crate::calls::view::View;
use crate::error::RecordError;
use crate::next::Next;
use crate::seccomp::act::{Filters, Judged};
use crate::session::Session;
use crate::tasks::new_task::NewTask;
use crate::tasks::{OpenCall, Task};
use crate::world::World;

/// Errors of calls that were refused before they did anything.
fn wrote_nothing(errno: Errno) -> bool {
    matches!(errno, Errno::ENOSYS | Errno::ENOTTY | Errno::EINVAL | Errno::EBADF | Errno::EPERM)
}

/// Whether the call has made another task go on that waited for this one (futex(2)).
fn wakes(open: &OpenCall, result: i64) -> bool {
    const COMMAND: u64 = 0x7f;
    const FUTEX_WAKE: u64 = 1;
    const FUTEX_WAKE_OP: u64 = 5;
    const FUTEX_WAKE_BITSET: u64 = 10;
    let [_, op, ..] = open.args;
    open.call.no == nr::FUTEX
        && result > 0
        && matches!(op & COMMAND, FUTEX_WAKE | FUTEX_WAKE_OP | FUTEX_WAKE_BITSET)
}

impl World {
    /// Makes a task that was borrowed at the entry of a call, or was asked to stop before it, come to
    /// that entry again: the instruction is executed once more.
    pub(crate) fn enter_again(
        &mut self,
        task: &mut Task,
        stopped: &mut Stopped,
        entry: &Registers,
    ) -> Result<(), RecordError> {
        stopped.set_registers(&crate::next::before_call(entry))?;
        let mut stopped_by_group = false;
        loop {
            match stopped.resume_and_wait(Resume::Continue, None)? {
                StopEvent::Seccomp => break,
                StopEvent::Signal(_) => task.held.push_back(stopped.siginfo()?),
                StopEvent::Stop(Signal::TRAP) => task.asked_to_stop = false,
                // It comes again in the call.
                StopEvent::Stop(_) => stopped_by_group = true,
                other => {
                    let what = format!("{other:?} instead of a call's entry");
                    return Err(RecordError::Unsupported(what));
                }
            }
        }
        task.undo_trap(stopped)?;
        if stopped_by_group {
            stopped.stop_again()?;
        }
        Ok(())
    }

    /// Points the outputs of a call that may wait to scratch memory.
    fn redirect(
        &mut self,
        task: &mut Task,
        stopped: &mut Stopped,
        open: &mut OpenCall,
    ) -> Result<(), RecordError> {
        let plan = retake_abi::redirect(&open.call, &open.args, &open.before, &View(&task.memory));
        if plan.is_empty() || plan.room() > retake_tracee::SCRATCH_ROOM {
            return Ok(());
        }
        let (id, space_id) = (task.id, task.space);
        // What the kernel would refuse to write to, it is asked to write to.
        let space = self.space(space_id)?;
        let writable = |piece: &retake_abi::Piece| space.can_write(piece.caller, piece.len);
        if !plan.pieces().iter().all(writable) {
            return Ok(());
        }
        let Some((scratch, fresh)) = crate::memory::scratch::slot(self.space(space_id)?, id) else {
            return Ok(());
        };
        if fresh && !self.map_scratch(task, stopped, &open.entry, scratch)? {
            self.space(space_id)?.slots.remove(&id);
            return Ok(());
        }
        let Some(placed) = plan.place(scratch, &open.args) else {
            return Ok(());
        };
        for (from, to, len) in placed.copies_in() {
            let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
            // What cannot be read the kernel cannot read either; it says so itself.
            let got = task.memory.read(from, &mut bytes).unwrap_or(0);
            task.memory.write(to, bytes.get(..got).unwrap_or_default())?;
        }
        for (at, pointer) in placed.pointers() {
            task.memory.write(at, &pointer.to_le_bytes())?;
        }
        let [rdi, rsi, rdx, r10, r8, r9] = placed.args;
        stopped.set_registers(&Registers { rdi, rsi, rdx, r10, r8, r9, ..open.entry })?;
        open.redirect = Some(placed);
        open.writes_directly = false;
        Ok(())
    }

    /// Adds what the kernel wrote to the event, and moves it out of scratch memory.
    pub(crate) fn capture_outputs(
        &mut self,
        draft: &mut Draft,
        task: &mut Task,
        open: &OpenCall,
        result: i64,
    ) -> Result<(), RecordError> {
        if let Some(pages) = &open.pages {
            let failed = Errno::from_result(result);
            if !failed.is_some_and(wrote_nothing) {
                let space = self.spaces.get(&task.space);
                if let Some(space) = space {
                    pages.changes(&space.table, &task.memory, draft.effects())?;
                }
            }
            return Ok(());
        }
        if open.call.outputs.is_empty() {
            return Ok(());
        }
        if let Some(redirected) = &open.redirect {
            return self.copy_back(draft, task, open, redirected, result);
        }
        if !open.call.outputs_are_exact(result) || self.goes_too_far(task, open)? {
            return self.capture_possible_outputs(draft, task, open);
        }
        // What a program says of its memory may be far from true.
        const LARGE: u64 = 1 << 20;
        let space = self.spaces.get(&task.space);
        let writable = |addr, len| space.map_or(0, |space| space.writable_len(addr, len));
        let effects = draft.effects();
        let memory = &task.memory;
        retake_abi::outputs(
            &open.call,
            &open.args,
            &open.before,
            result,
            &View(memory),
            &mut |addr, len| {
                let len = if len > LARGE { writable(addr, len) } else { len };
                // All of it is memory of a process: it fits.
                let len = usize::try_from(len).unwrap_or(0);
                effects.write_with(addr, len, |out| memory.read(addr, out).unwrap_or(0));
            },
        );
        Ok(())
    }
}

impl Session {
    pub(crate) fn call_entered(
        &mut self,
        task: &mut Task,
        mut stopped: Stopped,
    ) -> Result<Next, RecordError> {
        task.entry_recorded = false;
        task.undo_trap(&mut stopped)?;
        let entry = stopped.registers()?;
        if retake_tracee::is_vsyscall(&entry) {
            return self.vsyscall_entered(task, stopped, &entry);
        }
        if task.asked_to_stop {
            // Left pending, the stop would end a call that waits.
            self.world.enter_again(task, &mut stopped, &entry)?;
        }
        task.to_next_call = None;
        self.book.restart_if_interrupted(task)?;
        if let Some(info) = task.take_deliverable(&stopped)? {
            task.patience = crate::tasks::PATIENCE;
            if !task.must_go_on_first(&info) {
                return self.deliver_at_entry(task, stopped, &entry, &info);
            }
            task.send_again(info)?;
        }
        if task.stops_at_call(&entry) {
            return self.world.stop_at_call(&mut self.book, task, stopped, &entry);
        }
        self.make_call(task, stopped, &entry, Filters::Ask)
    }

    /// A call is made from its entry on, with these registers.
    pub(crate) fn make_call(
        &mut self,
        task: &mut Task,
        mut stopped: Stopped,
        entry: &Registers,
        filters: Filters,
    ) -> Result<Next, RecordError> {
        let entry = *entry;
        let made = Made::at(&stopped, &entry)?;
        if task.dispatch.is_some() && filters == Filters::Ask {
            match self.dispatch(task, stopped, &entry, &made)? {
                Judged::Allowed(allowed) => stopped = allowed,
                Judged::Done(next) => return Ok(next),
            }
        }
        if !task.confinement.is_free() {
            match self.judge(task, stopped, &entry, &made, filters)? {
                Judged::Allowed(allowed) => stopped = allowed,
                Judged::Done(next) => return Ok(next),
            }
        }
        if made.is_refused() {
            return self.refuse_made(task, stopped, &made, &entry);
        }
        let Made { by, no, args } = made;
        let call = retake_abi::resolve(no, &args);
        if crate::checkpoints::copies::waits_for_all_kinds(call.no, &args) {
            self.hide_copies(task, &mut stopped, &entry)?;
        }
        let mut draft = self.book.draft();
        let answer = match call.class {
            Class::Refuse(errno) => {
                self.book.note_refused(&call, errno);
                Answer::Now(errno.to_result())
            }
            Class::Pretend(result) => Answer::Now(result),
            Class::Thread(ThreadCall::Clock) => self.world.clock_call(&mut draft, task, no, &args),
            Class::Thread(kind) => self.thread_call(&mut draft, task, kind, call.no, &args)?,
            Class::Emulate
                if let Some(answer) = self.told_file_call(
                    &mut draft,
                    task,
                    &mut stopped,
                    &entry,
                    call.no,
                    &args,
                )? =>
            {
                answer
            }
            Class::Memory(MemoryCall::Map) if self.book.is_refused_mapping(task, &args) => {
                Answer::Now(Errno::EPERM.to_result())
            }
            Class::Memory(MemoryCall::Map)
                if let Some(refused) = self.world.served_mapping(&mut self.book, task, &args) =>
            {
                refused
            }
            Class::Memory(MemoryCall::Map) => self.world.map_anonymous_shared(
                &mut self.book,
                &mut draft,
                task,
                &mut stopped,
                &entry,
                &args,
            )?,
            _ if call.no == nr::SCHED_YIELD => {
                self.turns.scheduler.end_turn();
                Answer::Now(0)
            }
            Class::Task(kind @ (TaskCall::Exec | TaskCall::ExecAt)) => {
                self.world.exec_call(&mut self.book, task, kind, &args)
            }
            Class::Task(kind @ (TaskCall::Clone | TaskCall::Clone3)) => {
                crate::tasks::made::keep_traced(task, &mut stopped, &entry, kind)?
            }
            _ => match self.world.wait_for_traced(&mut draft, task, call.no, &args) {
                Some(answer) => answer,
                None => self.world.output_call(task, call.no, &args),
            },
        };
        if let Answer::Now(result) = answer {
            return self.answer(task, draft, stopped, no, &entry, result);
        }
        let alone = self.world.tasks.is_empty();
        let waits = call.blocks == Blocks::May;
        let before = retake_abi::capture_before(&call, &args, &View(&task.memory));
        if let Some(open) =
            task.interrupted.take().filter(|_| no == retake_abi::nr::RESTART_SYSCALL)
        {
            let audit = self.audit_before(task)?;
            let begun = task.take_begun();
            task.open = Some(OpenCall { entry, begun, audit, ..open });
            return self.enter_kernel(task, stopped, Next::Waiting);
        }
        let mut open = OpenCall {
            call,
            by,
            args,
            before,
            entry,
            begun: task.take_begun(),
            vector: if waits && !alone { Some(stopped.vector()?) } else { None },
            redirect: None,
            writes_directly: waits && !call.outputs.is_empty(),
            pages: None,
            audit: None,
            new_task: NewTask::of_call(&call, &args, &task.memory),
            last_words: Vec::new(),
            lock_wait: None,
        };
        match call.class {
            Class::Unknown => {
                let space = self.world.space(task.space)?;
                open.pages =
                    Some(crate::memory::page_diff::PagesBefore::take(&space.table, &task.memory)?);
                open.writes_directly = true;
            }
            _ if open.replaces_memory() => open.last_words = self.world.last_words(task),
            Class::Memory(kind) => {
                self.world.prepare_memory_call(task, &mut stopped, kind, &entry)?
            }
            Class::Thread(ThreadCall::InheritedLock) => {
                self.wait_for_lock(task, &mut stopped, &mut open, draft)?;
            }
            // Scratch memory is beyond the reach of 32-bit pointers.
            _ if waits && !alone && by == Convention::Native => {
                self.world.redirect(task, &mut stopped, &mut open)?
            }
            _ => {}
        }
        if waits && self.world.waits_beside_kernel(task, &open) {
            crate::tracing::state::wait_for_any_signal(&mut stopped)?;
        }
        open.audit = self.audit_before(task)?;
        task.open = Some(open);
        if matches!(call.class, Class::Task(TaskCall::Exit | TaskCall::ExitGroup)) {
            self.book.record_entry(task)?;
        }
        // `vfork` waits too, but the child is reported first; its entry is recorded with the child.
        let makes_task = matches!(call.class, Class::Task(kind) if kind.makes_a_task());
        // What the kernel writes by an `execve` nobody may see before that is an event. (With other threads,
        // these have to come to their ends first.)
        let leaves_words = task.open.as_ref().is_some_and(|open| !open.last_words.is_empty())
            && !self.world.tasks.values().any(|other| other.pid == task.pid);
        let next = match waits && !makes_task && !leaves_words {
            true => Next::Waiting,
            false => Next::Soon,
        };
        self.enter_kernel(task, stopped, next)
    }

    /// Ends a call without the kernel: it is skipped, with `result`.
    pub(crate) fn answer(
        &mut self,
        task: &mut Task,
        mut draft: Draft,
        mut stopped: Stopped,
        no: SyscallNo,
        entry: &Registers,
        result: i64,
    ) -> Result<Next, RecordError> {
        let after = Registers { rax: result.cast_unsigned(), orig_rax: u64::MAX, ..*entry };
        stopped.set_registers(&after)?;
        // The call is made, also where the task is killed while its site is led elsewhere.
        let led = self.world.speed_up(&mut draft, task, &mut stopped, entry, &after);
        let begun = task.take_begun();
        self.book.retire(task, draft, Ended { no, begun, before: entry, after: &after })?;
        led?;
        Ok(Next::Ready(stopped))
    }

    pub(crate) fn call_completed(
        &mut self,
        task: &mut Task,
        stopped: Stopped,
    ) -> Result<Next, RecordError> {
        let Some(open) = task.open.take() else {
            // The exit of a call that was skipped or injected.
            return Ok(Next::Ready(stopped));
        };
        let events = self.book.event_count();
        let completed = self.complete(task, stopped, &open);
        match &completed {
            Ok((_, Some(Errno::ERESTART_RESTARTBLOCK))) => task.interrupted = Some(open),
            // Killed before the call became an event: it is still in the call.
            Err(_) if self.book.event_count() == events => task.open = Some(open),
            _ => {}
        }
        completed.map(|(next, _)| next)
    }

    /// Makes an event of a call that has ended. Gives the error that it ended with, too.
    fn complete(
        &mut self,
        task: &mut Task,
        mut stopped: Stopped,
        open: &OpenCall,
    ) -> Result<(Next, Option<Errno>), RecordError> {
        self.world.end_wait(task, open, &mut stopped)?;
        let mut after = stopped.registers()?;
        let result = self.world.lock_result(task, open, &mut stopped, after.rax.cast_signed())?;
        let sigreturn = matches!(open.call.class, Class::Signal(SignalCall::Return));
        let executed = open.replaces_memory() && result == 0;
        if !sigreturn && !executed && open.by == Convention::Native {
            let [rdi, rsi, rdx, r10, r8, r9] = open.args;
            let rax = result.cast_unsigned();
            let restored = Registers { rdi, rsi, rdx, r10, r8, r9, rax, ..after };
            if restored != after {
                stopped.set_registers(&restored)?;
                after = restored;
            }
        }
        let mut draft = self.book.draft();
        if executed {
            return Ok((self.program_replaced(task, draft, stopped, open)?, None));
        }
        self.world.capture_outputs(&mut draft, task, open, result)?;
        if open.call.fds == FdEffect::Changes {
            self.world.fds_changed();
        }
        match open.call.class {
            Class::Memory(kind) => {
                let call = (kind, &open.args, result);
                crate::memory::own::unmap_below(task, &mut stopped, call, &after)?;
                self.world.memory_call_done(
                    &mut self.book,
                    &mut draft,
                    task,
                    kind,
                    &open.args,
                    result,
                )?;
            }
            Class::Task(_) => crate::tasks::made::add_told(&mut draft, task, &open.new_task),
            Class::Signal(kind) => {
                if kind == SignalCall::Return {
                    let state = stopped.vector()?;
                    draft.add(&Effect::Vector { state });
                }
                if kind == SignalCall::Return || result == 0 {
                    task.signal_call_done(&stopped, kind, &open.args)?;
                }
            }
            Class::Thread(kind) => {
                self.thread_call_done(&mut draft, task, kind, &open.args, result)?
            }
            _ => self.world.note_output(&mut draft, task, open, result),
        }
        self.world.note_file_changes(&mut self.book, &mut draft, task, open, result)?;
        self.world.note_descriptors(&mut draft, task, open, result)?;
        self.note_taken(task, open, result);
        if result >= 0 {
            self.world.note_served(task, open.call.no, &open.args);
        }
        self.world.follow_stack_limit(&mut draft, task, &mut stopped, open, result)?;
        self.audit_after(&mut draft, task, open, result)?;
        // The call is made, also where the task is killed while its site is led elsewhere.
        let led = self.world.speed_up(&mut draft, task, &mut stopped, &open.entry, &after);
        let no = open.number();
        self.book.retire(
            task,
            draft,
            Ended { no, begun: open.begun, before: &open.entry, after: &after },
        )?;
        led?;
        self.turns.woke_somebody |= wakes(open, result);
        // The parent of a vfork could have gone on long ago, and mostly it only wants to wait.
        task.woken |= open.waited_for_child();
        Ok((Next::Ready(stopped), Errno::from_result(result)))
    }
}

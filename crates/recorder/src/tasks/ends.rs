//! Ends of tasks.

use retake_model::{AddrRange, Signal, Tid};
use retake_ptrace::{
    PtraceStop, Resume, StopEvent, Stopped, TaskStat, TaskStatus, WaitFlags, wait, yield_cpu,
};
use retake_recording::{EventKind, ExitStatus, Where};
use retake_tracee::InjectPage;

use crate::book::{Book, Draft};
use crate::error::RecordError;
use crate::next::{Next, resumed};
use crate::session::Session;
use crate::tasks::Task;
use crate::world::World;

fn decode(status: u64) -> ExitStatus {
    let signal = i64::try_from(status & 0x7f).unwrap_or(0);
    match Signal::from_number(signal) {
        Ok(signal) => ExitStatus::Killed(signal),
        Err(_) => ExitStatus::Exited(u8::try_from(status >> 8 & 0xff).unwrap_or(0)),
    }
}

impl World {
    fn place_of(
        &mut self,
        book: &mut Book,
        task: &mut Task,
        stopped: Option<&Stopped>,
    ) -> Result<(Where, retake_model::Registers), RecordError> {
        if task.dying {
            return Ok((Where::Located, task.registers));
        }
        if let Some(open) = &task.open {
            // In a call, also one that it sent the signal with.
            return Ok((Where::Located, open.entry));
        }
        let Some(stopped) = stopped else {
            return Ok((Where::Located, task.registers));
        };
        let now = stopped.registers()?;
        let for_us = AddrRange::with_len(InjectPage::ADDR, InjectPage::LEN);
        if for_us.is_some_and(|page| page.contains(now.pc())) {
            // Killed in a call that it made for us: it is where it was before.
            return Ok((Where::Located, task.registers));
        }
        // Killed where it was preempted: whether it ran in between makes no difference any more.
        let preempted_here = task.mid_code && crate::next::normal(&now) == task.registers;
        if preempted_here {
            return Ok((Where::Located, task.registers));
        }
        if book.is_where_it_was(task, &now)? {
            // `now` may have flags of the recorder's own.
            return Ok((Where::Located, task.registers));
        }
        if now.orig_rax.cast_signed() >= 0 {
            // Killed at the entry of a call.
            book.restart_if_interrupted(task)?;
            let rax = (-i64::from(retake_abi::Errno::ENOSYS.number())).cast_unsigned();
            return Ok((Where::Located, retake_model::Registers { rax, ..now }));
        }
        let now = crate::next::normal(&now);
        Ok((self.fingerprint(task, stopped, &now, None)?, now))
    }
}

impl Session {
    /// The task is at its exit stop: it runs no user code any more.
    pub(crate) fn task_ends(
        &mut self,
        task: &mut Task,
        stopped: Stopped,
    ) -> Result<Next, RecordError> {
        let word = stopped.event_message()?;
        let stopped = match self.world.stops_at_end(task, word, stopped) {
            Ok(next) => return Ok(next),
            Err(stopped) => stopped,
        };
        let status = decode(word);
        let others_in_process = self.world.tasks.values().any(|other| other.pid == task.pid);
        let is_leader = task.tid == task.pid;
        let words = self.world.last_words(task);
        let tid = task.tid;
        if !self.world.shares_memory(task) && words.is_empty() {
            self.record_end(task, status, Some(&stopped))?;
            return Ok(resumed(stopped.resume(Resume::Continue, None)?, Next::Waiting));
        }
        // Others see what the kernel writes when the task goes: wait until it has.
        let at = self.world.place_of(&mut self.book, task, Some(&stopped))?;
        let waits_for_dump = is_dumping(tid);
        let _running = stopped.resume(Resume::Continue, None)?;
        if waits_for_dump {
            // Before Linux 5.16 threads come here first, and then a dump waits for all of them: it must
            // not wait for one. These kernels leave the word of `set_tid_address` alone.
            let draft = self.book.draft();
            self.append_end(task, draft, status, at)?;
            return Ok(Next::Waiting);
        }
        if is_leader && others_in_process {
            // Its end is reported only when the last of its threads is gone.
            until_memory_is_left(tid);
            let mut draft = self.book.draft();
            self.world.add_last_words(&mut draft, task, &words);
            self.append_end(task, draft, status, at)?;
            return Ok(Next::Waiting);
        }
        let is_reported = is_reported_soon(tid)?;
        if !is_reported {
            // The last thread of the first process of a PID namespace waits until all others there have
            // ended, which they do not without us.
            until_memory_is_left(tid);
        }
        let mut draft = self.book.draft();
        self.world.add_last_words(&mut draft, task, &words);
        self.append_end(task, draft, status, at)?;
        if !is_reported {
            return Ok(Next::Waiting);
        }
        self.world.free_space_of(task);
        Ok(Next::Gone)
    }

    /// Records the end of a task.
    pub(crate) fn record_end(
        &mut self,
        task: &mut Task,
        status: ExitStatus,
        stopped: Option<&Stopped>,
    ) -> Result<(), RecordError> {
        if task.ended {
            return Ok(());
        }
        let at = self.world.place_of(&mut self.book, task, stopped)?;
        let draft = self.book.draft();
        self.append_end(task, draft, status, at)
    }

    fn append_end(
        &mut self,
        task: &mut Task,
        mut draft: Draft,
        status: ExitStatus,
        (at, before): (Where, retake_model::Registers),
    ) -> Result<(), RecordError> {
        if task.ended {
            return Ok(());
        }
        task.ended = true;
        self.world.release_traced_by(task.id);
        self.world.tell_of_end(task, status);
        self.leave_locks(&mut draft, task)?;
        if task.tid == self.world.root {
            self.status = Some(status);
        }
        self.book.append(task, draft, &EventKind::Exit { status, at }, &before, &before)
    }

    /// Records the end of a task that was killed with no exit stop. What the kernel wrote when it went is read from
    /// whoever shares its memory; what was there before, nobody knows.
    pub(crate) fn record_unseen_end(
        &mut self,
        task: &mut Task,
        status: ExitStatus,
    ) -> Result<(), RecordError> {
        if task.ended {
            return Ok(());
        }
        let at = self.world.place_of(&mut self.book, task, None)?;
        let mut draft = self.book.draft();
        until_memory_is_left(task.tid);
        self.world.add_unseen_last_words(&mut self.book, &mut draft, task);
        self.append_end(task, draft, status, at)
    }

    /// The task was reported dead.
    pub(crate) fn reaped(
        &mut self,
        task: &mut Task,
        status: ExitStatus,
    ) -> Result<(), RecordError> {
        self.record_unseen_end(task, status)?;
        if task.tid == self.world.root {
            self.status = Some(status);
        }
        self.world.free_space_of(task);
        Ok(())
    }
}

/// Whether a task's process writes a core file now.
fn is_dumping(tid: Tid) -> bool {
    // Without the line (before Linux 4.15), or without the task, none that would wait for it is known.
    TaskStatus::of(tid).is_ok_and(|status| status.field("CoreDumping:") == Some("1"))
}

/// How often a task that ends is given the CPU before its end is looked for in another way.
const CHANCES: usize = 10;

/// Whether the end of a task that is past its exit stop is reported at once, as most are.
fn is_reported_soon(tid: Tid) -> Result<bool, RecordError> {
    for _ in 0..CHANCES {
        yield_cpu();
        match wait(tid, WaitFlags::Poll) {
            Ok(Some(PtraceStop::Stopped(stopped, StopEvent::Exit | StopEvent::Signal(_)))) => {
                let _running = stopped.resume(Resume::Continue, None)?;
            }
            Ok(Some(PtraceStop::Stopped(..)) | None) => {}
            Ok(Some(_)) | Err(_) => return Ok(true),
        }
    }
    Ok(false)
}

/// How often a task that ends is given the CPU before it is taken to have left its memory.
const PATIENCE: usize = 10_000;

/// Waits until a task that is past its exit stop does not use its memory any more: it is a zombie,
/// or procfs shows no memory of it (proc_pid_stat(5), `state` and `vsize`).
fn until_memory_is_left(tid: Tid) {
    for _ in 0..PATIENCE {
        // Stopped: a thread has taken over its number by `execve`.
        let stat = TaskStat::read(tid).filter(|stat| stat.is_in(&['R', 'S', 'D']));
        if stat.is_none_or(|stat| stat.field(23) == Some("0")) {
            return;
        }
        yield_cpu();
    }
}

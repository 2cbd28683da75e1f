//! Ends of tasks.

use retake_model::{Addr, Signal};
use retake_ptrace::{PtraceStop, Resume, StopEvent, Stopped, WaitFlags, wait};
use retake_recording::{Effect, EventKind, ExitStatus, Where};

use crate::error::RecordError;
use crate::session::{Next, Session, resumed};
use crate::task::Task;

/// How many robust futexes are looked at; the kernel's own limit is 2048 (`ROBUST_LIST_LIMIT`).
const ROBUST_LIMIT: usize = 2048;

fn decode(status: u64) -> ExitStatus {
    let signal = i64::try_from(status & 0x7f).unwrap_or(0);
    match Signal::from_number(signal) {
        Ok(signal) => ExitStatus::Killed(signal),
        Err(_) => ExitStatus::Exited(u8::try_from(status >> 8 & 0xff).unwrap_or(0)),
    }
}

impl Session {
    /// The task is at its exit stop: it runs no user code any more.
    pub(crate) fn task_ends(
        &mut self,
        task: &mut Task,
        stopped: Stopped,
    ) -> Result<Next, RecordError> {
        let status = decode(stopped.event_message()?);
        let others_in_process = self.tasks.values().any(|other| other.pid == task.pid);
        let is_leader = task.tid == task.pid;
        let shared = self.shares_memory(task);
        let words = if shared { words_the_kernel_writes(task) } else { Vec::new() };
        let tid = task.tid;
        if !shared || (is_leader && others_in_process) {
            self.record_end(task, status, Some(&stopped))?;
            return Ok(resumed(stopped.resume(Resume::Continue, None)?, Next::Waiting));
        }
        // Others see what the kernel writes when the task goes: wait until it has.
        let at = self.place_of(task, Some(&stopped))?;
        let waits_for_dump = matches!(status, ExitStatus::Killed(_));
        let _running = stopped.resume(Resume::Continue, None)?;
        if waits_for_dump {
            // A dumping process waits for all its threads: it must not wait for one.
            self.append_end(task, status, at)?;
            return Ok(Next::Waiting);
        }
        loop {
            match wait(tid, WaitFlags::Block) {
                Ok(Some(PtraceStop::Stopped(stopped, StopEvent::Exit | StopEvent::Signal(_)))) => {
                    let _running = stopped.resume(Resume::Continue, None)?;
                }
                Ok(Some(PtraceStop::Stopped(..)) | None) => {}
                Ok(Some(_)) | Err(_) => break,
            }
        }
        let reader = self.tasks.values().find(|other| other.space == task.space);
        let mut effects = Vec::new();
        if let Some(reader) = reader {
            for (addr, old) in words {
                let mut bytes = [0; 4];
                if reader.memory.read_exact(addr, &mut bytes).is_ok() && bytes != old {
                    effects.push(Effect::Write { addr, bytes: bytes.to_vec() });
                }
            }
        }
        self.effects.clear();
        for effect in &effects {
            self.effect(effect);
        }
        self.append_end(task, status, at)?;
        self.free_space_of(task);
        Ok(Next::Gone)
    }

    fn place_of(&mut self, task: &Task, stopped: Option<&Stopped>) -> Result<(Where, retake_model::Registers), RecordError> {
        let Some(stopped) = stopped.filter(|_| task.open.is_none()) else {
            return Ok((Where::Located, task.registers));
        };
        let now = stopped.registers()?;
        if now == task.registers || now.orig_rax.cast_signed() >= 0 {
            // No user code since its last event, or killed at the entry of a call.
            let before = if now == task.registers { now } else { task.registers };
            if now == task.registers {
                return Ok((Where::Located, before));
            }
            let entered = retake_model::Registers {
                rax: (-i64::from(retake_abi::Errno::ENOSYS.number())).cast_unsigned(),
                ..now
            };
            return Ok((Where::Located, entered));
        }
        Ok((crate::signals::fingerprint(task, stopped, &now)?, now))
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
        self.effects.clear();
        let at = self.place_of(task, stopped)?;
        self.append_end(task, status, at)
    }

    fn append_end(
        &mut self,
        task: &mut Task,
        status: ExitStatus,
        (at, before): (Where, retake_model::Registers),
    ) -> Result<(), RecordError> {
        if task.ended {
            return Ok(());
        }
        task.ended = true;
        if task.tid == self.root {
            self.status = Some(status);
        }
        self.append(task, &EventKind::Exit { status, at }, &before, &before)
    }

    /// The task was reported dead.
    pub(crate) fn reaped(&mut self, task: &mut Task, status: ExitStatus) -> Result<(), RecordError> {
        self.record_end(task, status, None)?;
        if task.tid == self.root {
            self.status = Some(status);
            retake_ptrace::stop_forwarding();
        }
        self.free_space_of(task);
        Ok(())
    }
}

/// Words that the kernel writes when the task ends, with what they hold now: the one of
/// `set_tid_address`, and robust futexes (linux/futex.h, `struct robust_list_head`).
fn words_the_kernel_writes(task: &Task) -> Vec<(Addr, [u8; 4])> {
    let mut words = Vec::new();
    let mut add = |addr: Addr| {
        let mut bytes = [0; 4];
        if !addr.is_null() && task.memory.read_exact(addr, &mut bytes).is_ok() {
            words.push((addr, bytes));
        }
    };
    add(task.clear_tid);
    let head = task.robust;
    let read = |addr: u64| task.memory.read_u64(Addr::new(addr)).unwrap_or(0);
    if !head.is_null() {
        let offset = read(head.get() + 8);
        let mut entry = read(head.get());
        for _ in 0..ROBUST_LIMIT {
            if entry == 0 || entry & !1 == head.get() {
                break;
            }
            add(Addr::new((entry & !1).wrapping_add(offset)));
            entry = read(entry & !1);
        }
        let pending = read(head.get() + 16);
        if pending != 0 {
            add(Addr::new((pending & !1).wrapping_add(offset)));
        }
    }
    words
}

//! Instructions that read, change and write memory without a lock (`add qword [n], 1`), cut in two.
//!
//! No interrupt does that, but a second CPU writes in between as it likes. With `--chaos` a task that is left
//! at such an instruction has read what is there by then. When it goes on after others have written there,
//! it is given what it has read, executes the instruction, and its result takes the place of what the others
//! wrote. Replay executes nothing: the event has the registers and the bytes.

use retake_model::{Addr, Backing, Protection};
use retake_ptrace::{PtraceError, StopEvent, Stopped};
use retake_recording::{Effect, EventKind, Where};

use crate::book::Book;
use crate::error::RecordError;
use crate::next::normal;
use crate::places::nearby::{step_once, update_at};
use crate::places::update::Update;
use crate::session::Session;
use crate::tasks::Task;
use crate::world::World;

impl World {
    /// Whether memory is of the task's process alone, and may be read and written. (What another process
    /// sees must never hold what is put there for a moment.)
    fn can_be_updated(&self, task: &Task, addr: Addr, len: usize) -> bool {
        let Some(space) = self.spaces.get(&task.space) else { return false };
        let Some(mapping) = space.table.find(addr) else { return false };
        let last = addr.checked_add(len as u64 - 1);
        matches!(mapping.backing, Backing::Anonymous | Backing::File { .. })
            && mapping.prot.allows(Protection::READ.union(Protection::WRITE))
            && last.is_some_and(|last| mapping.range.contains(last))
    }

    /// The task goes on. Gives the stop that came instead of the end of its update: then nothing has
    /// happened.
    pub(crate) fn end_update(
        &mut self,
        book: &mut Book,
        task: &mut Task,
        stopped: &mut Stopped,
        update: &Update,
    ) -> Result<Option<StopEvent>, RecordError> {
        match self.try_end_update(book, task, stopped, update) {
            // Killed: its end is reported next.
            Err(error) if error.is_gone() => Ok(None),
            other => other,
        }
    }

    fn try_end_update(
        &mut self,
        book: &mut Book,
        task: &mut Task,
        stopped: &mut Stopped,
        update: &Update,
    ) -> Result<Option<StopEvent>, RecordError> {
        let Update { addr, read } = update;
        let before = task.registers;
        let mut now = vec![0; read.len()];
        let can_be = self.can_be_updated(task, *addr, read.len())
            && task.memory.read_exact(*addr, &mut now).is_ok();
        // What nobody has written in between it updates as it does without the recorder.
        if !can_be || now == *read || normal(&stopped.registers()?) != before {
            return Ok(None);
        }
        task.disarm(stopped)?;
        task.memory.write(*addr, read)?;
        let stepped = step_once(task, stopped);
        let mut result = vec![0; read.len()];
        match stepped {
            Ok(None) => task.memory.read_exact(*addr, &mut result)?,
            other => {
                // Others may still see this memory.
                let put_back: Result<_, PtraceError> = task.memory.write(*addr, &now);
                let event = other?;
                put_back?;
                return Ok(event);
            }
        }
        let after = normal(&stopped.registers()?);
        let mut draft = book.draft();
        draft.add(&Effect::Write { addr: *addr, bytes: result });
        let kind = EventKind::Preempt { at: Where::Located };
        book.append(task, draft, &kind, &before, &after)?;
        task.mid_code = true;
        Ok(None)
    }
}

impl Session {
    /// A task is left where it stands: if it updates memory there, it has read it by now.
    pub(crate) fn begin_update(&mut self, task: &mut Task) {
        if self.turns.scheduler.chaos().is_none() {
            return;
        }
        let Some(access) = update_at(task, &task.registers) else { return };
        let mut read = vec![0; access.len];
        if self.world.can_be_updated(task, access.addr, access.len)
            && task.memory.read_exact(access.addr, &mut read).is_ok()
        {
            task.update = Some(Update { addr: access.addr, read });
        }
    }
}

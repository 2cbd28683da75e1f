//! Having a task make the tracker of writes to its memory.

use retake_abi::nr;
use retake_model::SpaceId;
use retake_ptrace::{Stopped, WriteTracker, copy_fd};
use retake_tracee::inject;

use crate::error::RecordError;
use crate::session::Session;
use crate::tasks::{Run, Task};
use crate::world::World;

impl World {
    /// The same with a task that is not listed, as it is being handled.
    pub(crate) fn start_tracking_with(
        &mut self,
        task: &mut Task,
        stopped: &mut Stopped,
    ) -> Result<(), RecordError> {
        if self.space(task.space)?.tracking.tried {
            return Ok(());
        }
        let made = make_tracker(task, stopped)?;
        self.tracking_tried(task.space, made)
    }

    fn tracking_tried(
        &mut self,
        id: SpaceId,
        tracker: Option<WriteTracker>,
    ) -> Result<(), RecordError> {
        let space = self.space(id)?;
        space.tracking.tried = true;
        if let Some(tracker) = tracker {
            space.tracking.set_tracker(tracker);
        }
        Ok(())
    }
}

impl Session {
    /// Borrows a task that can be made to execute calls. `None`: there is none like that now.
    pub(super) fn with_ready_task<T>(
        &mut self,
        is_wanted: impl Fn(&Task) -> bool,
        act: impl FnOnce(&mut Self, &mut Task, &mut Stopped) -> Result<T, RecordError>,
    ) -> Result<Option<T>, RecordError> {
        let usable = |task: &&Task| {
            task.run.is_ready()
                && task.can_make_calls()
                && is_wanted(task)
                && retake_abi::Errno::from_result(task.registers.rax.cast_signed())
                    .is_none_or(|errno| !errno.is_restart())
        };
        let Some(tid) = self.world.tasks.values().find(usable).map(|task| task.tid) else {
            return Ok(None);
        };
        let Some(mut task) = self.world.tasks.remove(&tid) else { return Ok(None) };
        let done = match std::mem::replace(&mut task.run, Run::Away) {
            Run::Ready(mut stopped) => {
                let done = act(self, &mut task, &mut stopped).map(Some);
                task.run = Run::Ready(stopped);
                done
            }
            other => {
                task.run = other;
                Ok(None)
            }
        };
        self.world.tasks.insert(tid, task);
        done
    }

    /// Makes a write-tracker for a space that has none, where the kernel can.
    pub(super) fn start_tracking(&mut self, id: SpaceId) -> Result<(), RecordError> {
        if self.world.space(id)?.tracking.tried {
            return Ok(());
        }
        let made = self.with_ready_task(
            |task| task.space == id,
            |_, task, stopped| make_tracker(task, stopped),
        )?;
        match made {
            Some(tracker) => self.world.tracking_tried(id, tracker),
            None => Ok(()),
        }
    }
}

/// Has the task make a userfaultfd, and takes it from there.
fn make_tracker(
    task: &mut Task,
    stopped: &mut Stopped,
) -> Result<Option<WriteTracker>, RecordError> {
    const USER_MODE_ONLY_CLOEXEC: u64 = 1 | 0o2_000_000;
    let registers = stopped.registers()?;
    let args = [USER_MODE_ONLY_CLOEXEC, 0, 0, 0, 0, 0];
    let made = inject(stopped, &registers, nr::USERFAULTFD, args)?;
    task.held.extend(made.signals);
    let mut tracker = None;
    if let Ok(fd) = i32::try_from(made.result)
        && fd >= 0
    {
        let copy = copy_fd(task.tid, task.pid, fd);
        tracker = copy.and_then(|fd| WriteTracker::new(task.tid, fd)).ok();
        let args = [made.result.cast_unsigned(), 0, 0, 0, 0, 0];
        let closed = inject(stopped, &registers, nr::CLOSE, args)?;
        task.held.extend(closed.signals);
    }
    stopped.set_registers(&registers)?;
    Ok(tracker)
}

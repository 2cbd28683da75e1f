//! The tasks that are recorded, and what they have: memory, files, descriptors, locks.

use std::collections::BTreeMap;

use retake_model::{SpaceId, TaskId, Tid};
use retake_ptrace::{CallStops, Stopped};

use crate::calls::waits::InheritedLocks;
use crate::error::RecordError;
use crate::files::Files;
use crate::files::descriptors::Descriptors;
use crate::files::echo::Echo;
use crate::tasks::{Space, Task};

/// Everything that lives.
#[derive(Debug)]
pub(crate) struct World {
    /// The first process.
    pub(crate) root: Tid,
    pub(crate) tasks: BTreeMap<Tid, Task>,
    pub(crate) spaces: BTreeMap<SpaceId, Space>,
    pub(crate) files: Files,
    pub(crate) descriptors: Descriptors,
    /// Which of them are the program's output.
    pub(crate) echo: Echo,
    /// Instructions in files that are replaced. Nothing where the program is to stay as it is.
    pub(crate) replaced: Option<crate::replaced::Replaced>,
    /// How tasks stop at calls.
    pub(crate) call_stops: CallStops,
    /// Call sites in files that were led to the code for calls without a stop.
    pub(crate) remembered: crate::fast::remembered::Remembered,
    /// Locks that the recorder keeps.
    pub(crate) locks: InheritedLocks,
    /// Ends that tracers in the recording have not been told of.
    pub(crate) traced_ends: crate::tracing::ends::Ends,
    /// New tasks whose first stop came before their parent's event.
    pub(crate) early: BTreeMap<Tid, Stopped>,
    /// A task has mounted a file system that the recording may serve itself.
    pub(crate) serves_files: bool,
    /// A task made or joined namespaces: its clocks may not be ours.
    pub(crate) changed_namespaces: bool,
    pub(crate) next_task: TaskId,
    pub(crate) next_space: SpaceId,
}

impl World {
    pub(crate) fn new(root: Tid) -> Self {
        Self {
            root,
            tasks: BTreeMap::new(),
            spaces: BTreeMap::new(),
            files: Files::default(),
            descriptors: Descriptors::default(),
            echo: Echo::new(),
            replaced: Some(crate::replaced::Replaced::default()),
            call_stops: CallStops::AtEntry,
            remembered: crate::fast::remembered::Remembered::default(),
            locks: InheritedLocks::default(),
            traced_ends: crate::tracing::ends::Ends::default(),
            early: BTreeMap::new(),
            serves_files: false,
            changed_namespaces: false,
            next_task: TaskId::new(0),
            next_space: SpaceId::new(0),
        }
    }

    /// Whether a task is stopped and may go on.
    pub(crate) fn is_ready(&self, tid: Tid) -> bool {
        self.tasks.get(&tid).is_some_and(|task| task.can_run())
    }

    /// Whether others see the memory of a task.
    pub(crate) fn shares_memory(&self, task: &Task) -> bool {
        self.sharer(task).is_some()
    }

    /// Another task that sees the same memory.
    pub(crate) fn sharer(&self, task: &Task) -> Option<&Task> {
        self.sharers(task).next()
    }

    /// The other tasks that see the same memory.
    pub(crate) fn sharers(&self, task: &Task) -> impl Iterator<Item = &Task> {
        let (space, id) = (task.space, task.id);
        self.tasks.values().filter(move |other| other.space == space && other.id != id)
    }

    /// An address space.
    ///
    /// # Errors
    /// Never for that of a task that is listed; a missing space is a bug that ends the recording.
    pub(crate) fn space(&mut self, space: SpaceId) -> Result<&mut Space, RecordError> {
        self.spaces
            .get_mut(&space)
            .ok_or_else(|| RecordError::Unsupported(format!("address space {space} is not known")))
    }
}

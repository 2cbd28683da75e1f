//! The tasks of a recording, each over its whole life.

use std::collections::BTreeMap;

use retake_model::{EventIndex, TaskId, Tid};
use retake_recording::{Effect, EventKind, ExitStatus, Recording};

/// A task over its whole life.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    /// Its number in the program's eyes.
    pub(crate) tid: Option<Tid>,
    /// Its process in the program's eyes.
    pub(crate) pid: Option<Tid>,
    /// The process that created it.
    pub(crate) parent: Option<Tid>,
    /// Its last name.
    pub(crate) name: String,
    /// What it executed last, itself.
    pub(crate) executed: Option<Vec<u8>>,
    /// The first event that it belongs to.
    pub(crate) first: EventIndex,
    /// How it ended.
    pub(crate) status: Option<ExitStatus>,
}

/// All tasks there ever were, as far as the events can be read.
pub(crate) fn tasks(recording: &Recording) -> BTreeMap<TaskId, Task> {
    let root = recording.manifest().root_tid.map(Tid::new);
    let mut tasks: BTreeMap<TaskId, Task> = BTreeMap::new();
    for (index, event) in recording.events(EventIndex::ZERO).flatten() {
        let new = |tid, pid, parent, name| Task {
            tid,
            pid,
            parent,
            name,
            executed: None,
            first: index,
            status: None,
        };
        // Only the first task was created by nobody.
        let first = || new(root, root, None, String::new());
        let task = tasks.entry(event.task).or_insert_with(first);
        if let EventKind::Exit { status, .. } = event.kind {
            task.status = Some(status);
        }
        for effect in &event.effects {
            match effect {
                Effect::Exec { image } => {
                    let path = String::from_utf8_lossy(&image.path);
                    task.name =
                        path.rsplit('/').next().unwrap_or_default().chars().take(15).collect();
                    task.executed = Some(image.path.clone());
                }
                Effect::Name { name } => task.name = String::from_utf8_lossy(name).into_owned(),
                _ => {}
            }
        }
        let (name, parent) = (task.name.clone(), task.pid);
        for effect in event.effects {
            if let Effect::Spawn { child, tid, pid, .. } = effect {
                tasks.insert(child, new(Some(tid), Some(pid), parent, name.clone()));
            }
        }
    }
    tasks
}

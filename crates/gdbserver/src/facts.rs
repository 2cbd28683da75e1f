//! The processes of a recording: when each begins and ends, and what it executes.

use std::collections::BTreeMap;

use retake_model::{Addr, EventIndex, TaskId, Tid};
use retake_recording::{Effect, Event, EventKind, Recording, RecordingError};

/// A program that a process executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecInfo {
    /// The event by which it did.
    pub event: EventIndex,
    /// The path, as the program gave it.
    pub path: Vec<u8>,
    /// The stack pointer at its first instruction: the arguments, the environment and the auxiliary vector
    /// lie there.
    pub stack: Addr,
}

/// A process of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessInfo {
    /// Its number in the program's eyes.
    pub pid: Tid,
    /// The process that made it; none of the first one.
    pub parent: Option<Tid>,
    /// How many events had taken effect when it was there first.
    pub born: EventIndex,
    /// The first of the events with which it ends, if it does.
    pub ends: Option<EventIndex>,
    /// What it executed, in order. One that was forked begins with the program of its parent.
    pub executed: Vec<ExecInfo>,
    /// Its tasks, in ascending order.
    pub tasks: Vec<TaskId>,
}

/// All processes of a recording, in the order of their beginnings.
///
/// # Errors
/// When an event cannot be read.
pub fn processes(recording: &Recording) -> Result<Vec<ProcessInfo>, RecordingError> {
    let mut gathered = Gathered::default();
    for found in recording.events(EventIndex::ZERO) {
        let (index, event) = found?;
        gathered.add(index, &event, recording);
    }
    Ok(gathered.finish())
}

#[derive(Default)]
struct Gathered {
    all: Vec<ProcessInfo>,
    /// Which process each living task belongs to, by its place in `all`.
    of_task: BTreeMap<TaskId, usize>,
}

impl Gathered {
    fn add(&mut self, index: EventIndex, event: &Event, recording: &Recording) {
        if self.all.is_empty() {
            let pid = Tid::new(recording.manifest().root_tid.unwrap_or(1));
            self.begin(index, event.task, pid, None);
        }
        let Some(&of) = self.of_task.get(&event.task) else { return };
        self.look(index, event, of, &event.effects);
        let Some(process) = self.all.get_mut(of) else { return };
        match event.kind {
            EventKind::Exit { .. } => {
                process.ends = process.ends.or(Some(index));
                self.of_task.remove(&event.task);
            }
            // Others of it go on.
            _ => process.ends = None,
        }
    }

    fn look(&mut self, index: EventIndex, event: &Event, of: usize, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Spawn { child, pid, .. } => self.spawn(index, *child, *pid, of),
                Effect::Exec { image } => {
                    let (path, stack) = (image.path.clone(), event.after.sp());
                    if let Some(process) = self.all.get_mut(of) {
                        process.executed.push(ExecInfo { event: index, path, stack });
                    }
                }
                _ => {}
            }
        }
    }

    fn spawn(&mut self, index: EventIndex, child: TaskId, pid: Tid, by: usize) {
        if let Some(process) = self.all.get_mut(by).filter(|process| process.pid == pid) {
            process.tasks.push(child);
            self.of_task.insert(child, by);
            return;
        }
        self.begin(index.next(), child, pid, Some(by));
    }

    fn begin(&mut self, born: EventIndex, task: TaskId, pid: Tid, by: Option<usize>) {
        let parent = by.and_then(|by| self.all.get(by));
        let executed = parent.and_then(|parent| parent.executed.last()).cloned();
        let info = ProcessInfo {
            pid,
            parent: parent.map(|parent| parent.pid),
            born,
            ends: None,
            executed: executed.into_iter().collect(),
            tasks: vec![task],
        };
        self.of_task.insert(task, self.all.len());
        self.all.push(info);
    }

    fn finish(mut self) -> Vec<ProcessInfo> {
        for process in &mut self.all {
            process.tasks.sort_unstable();
        }
        self.all
    }
}

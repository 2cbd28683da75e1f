//! Memory at whose accesses runs stop.

use retake_execution::{self as execution, WatchId};
use retake_model::{Addr, AddrRange, TaskId};
use serde::{Deserialize, Serialize};

use crate::DebugError;

/// Which accesses of memory count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Writes, by the program or by the kernel for it.
    Write,
    /// Reads and writes.
    ReadWrite,
}

/// A watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchView {
    /// Its number, from 1; never used twice in a session.
    pub id: u32,
    /// The first byte.
    pub addr: Addr,
    /// How many bytes.
    pub len: u64,
    /// Which accesses count.
    pub access: Access,
}

/// All watches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Watches {
    last: u32,
    all: Vec<WatchView>,
}

impl Watches {
    pub(crate) fn add(&mut self, addr: Addr, len: u64, access: Access) -> WatchView {
        self.last += 1;
        let watch = WatchView { id: self.last, addr, len, access };
        self.all.push(watch);
        watch
    }

    pub(crate) fn all(&self) -> &[WatchView] {
        &self.all
    }

    pub(crate) fn remove(&mut self, id: u32) -> Result<WatchView, DebugError> {
        let found = self.all.iter().position(|watch| watch.id == id);
        let missing = || DebugError::NotFound(format!("there is no watch {id}"));
        Ok(self.all.remove(found.ok_or_else(missing)?))
    }

    /// As the execution wants them, in the address space of a task.
    pub(crate) fn of(&self, task: TaskId) -> Vec<execution::Watch> {
        self.all.iter().filter_map(|watch| watch.of(task)).collect()
    }
}

impl WatchView {
    /// As the execution wants it; nothing if its end is no address.
    pub(crate) fn of(&self, task: TaskId) -> Option<execution::Watch> {
        let access = match self.access {
            Access::Write => execution::Access::Write,
            Access::ReadWrite => execution::Access::Any,
        };
        let range = AddrRange::with_len(self.addr, self.len)?;
        Some(execution::Watch { id: WatchId::new(self.id), range, task, access })
    }
}

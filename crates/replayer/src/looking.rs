//! What is seen of the replayed tasks.

use retake_execution::TaskInfo;
use retake_model::{Addr, Mapping, TaskId};

use crate::failure::Failure;
use crate::live::LiveTask;
use crate::machine::Machine;

impl Machine {
    pub(crate) fn infos(&self) -> Vec<TaskInfo> {
        let info = |task: &LiveTask| TaskInfo {
            task: task.id,
            tid: task.tid,
            pid: task.pid,
            space: task.space,
            name: String::from_utf8_lossy(&task.name).into_owned(),
            in_syscall: task.in_syscall,
        };
        self.tasks.values().map(info).collect()
    }

    pub(crate) fn living(&self, id: TaskId) -> Result<&LiveTask, Failure> {
        let missing = || Failure::NotFound(format!("there is no task {id} at this moment"));
        self.tasks.get(&id).ok_or_else(missing)
    }

    /// Reads up to the first byte that is not mapped, without any trace of breakpoints.
    pub(crate) fn read_some(
        &self,
        id: TaskId,
        addr: Addr,
        out: &mut [u8],
    ) -> Result<usize, Failure> {
        let live = self.living(id)?;
        let read = live.memory.read(addr, out).map_err(|error| self.explain(error.into()));
        let got = match read {
            Ok(got) => got,
            Err(killed @ Failure::Killed(_)) => return Err(killed),
            // Nothing is there.
            Err(_) => 0,
        };
        self.sites.mask(live.space, addr, out.get_mut(..got).unwrap_or_default());
        Ok(got)
    }

    pub(crate) fn mappings(&self, id: TaskId) -> Result<Vec<Mapping>, Failure> {
        let space = self.living(id)?.space;
        Ok(self.spaces.get(&space).map(|space| space.table.to_vec()).unwrap_or_default())
    }
}

//! Threads: which there are, and which one is looked at.

use retake_execution::TaskInfo;
use retake_model::{TaskId, Tid};

use super::{REFUSED, Session, ok};
use crate::hex;
use crate::packet::{ThreadRef, ThreadUse, Which};

impl Session<'_> {
    /// The living threads of the process that is shown.
    pub(super) fn threads(&self) -> Vec<TaskInfo> {
        let mut tasks = self.state().tasks();
        tasks.retain(|info| info.pid == self.life.pid);
        tasks
    }

    /// The living task of this number.
    pub(super) fn task_of(&self, tid: Tid) -> Option<TaskId> {
        self.threads().iter().find(|info| info.tid == tid).map(|info| info.task)
    }

    fn named(&self, thread: ThreadRef) -> Option<TaskInfo> {
        let Which::One(tid) = thread.thread else { return None };
        self.threads().into_iter().find(|info| info.tid == tid)
    }

    /// The id of a task for this client.
    pub(super) fn id(&self, tid: Tid) -> String {
        match self.client.multiprocess {
            true => format!("p{:x}.{:x}", self.life.pid.get(), tid.get()),
            false => format!("{:x}", tid.get()),
        }
    }

    pub(super) fn current_thread(&self) -> Vec<u8> {
        format!("QC{}", self.id(self.tid_of_stop())).into_bytes()
    }

    pub(super) fn thread_list(&self) -> Vec<u8> {
        let ids: Vec<String> = self.threads().iter().map(|info| self.id(info.tid)).collect();
        match ids.is_empty() {
            true => b"l".to_vec(),
            false => format!("m{}", ids.join(",")).into_bytes(),
        }
    }

    pub(super) fn thread_text(&self, thread: ThreadRef) -> Vec<u8> {
        self.named(thread).map_or(REFUSED.to_vec(), |info| hex::encode(info.name.as_bytes()).into())
    }

    pub(super) fn is_alive(&self, thread: ThreadRef) -> Vec<u8> {
        self.named(thread).map_or(REFUSED.to_vec(), |_| ok())
    }

    pub(super) fn set_thread(&mut self, usage: ThreadUse, thread: ThreadRef) -> Vec<u8> {
        let chosen = match thread.thread {
            Which::One(_) => match self.named(thread) {
                Some(info) => Some(info.tid),
                // Where the next movement is answered at once, its thread may be one of another place.
                None if self.held && usage == ThreadUse::Move => None,
                None => return REFUSED.to_vec(),
            },
            Which::Any | Which::All => None,
        };
        match usage {
            ThreadUse::Look => self.chosen.look = chosen,
            ThreadUse::Move => self.chosen.step = chosen,
        }
        ok()
    }
}

//! Tasks that a call names by a number.

use retake_model::Tid;

use crate::session::Session;
use crate::tasks::Task;
use crate::world::World;

/// Who is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// The task that asks.
    Itself,
    /// Another one of the recording.
    Other(Tid),
    /// Somebody who is not recorded, or nobody.
    Outside,
}

impl World {
    /// The task that has this number for `task`; 0 is `task` itself.
    pub(super) fn named(&mut self, task: &mut Task, number: u64) -> Named {
        #[expect(clippy::cast_possible_truncation, reason = "the kernel takes 32 bits too")]
        let number = number as i32;
        if number == 0 {
            return Named::Itself;
        }
        if !self.changed_namespaces {
            return self.of_tid(task, Tid::new(number));
        }
        let own = |task: &mut Task| crate::calls::locks::own_number(task).ok();
        let wanted = u32::try_from(number).ok();
        if own(task) == wanted {
            return Named::Itself;
        }
        let space = number_space(task.tid);
        let mut others = self.tasks.values_mut();
        let is_meant = |other: &mut Task| own(other) == wanted && number_space(other.tid) == space;
        match others.find_map(|other| is_meant(other).then_some(other.tid)) {
            Some(tid) => Named::Other(tid),
            // Of a namespace around it.
            None => self.of_tid(task, Tid::new(number)),
        }
    }

    fn of_tid(&self, task: &Task, tid: Tid) -> Named {
        if tid == task.tid {
            Named::Itself
        } else if self.tasks.contains_key(&tid) {
            Named::Other(tid)
        } else {
            Named::Outside
        }
    }
}

impl Session {
    /// Lets `look` look at who is meant. Nothing if it is nobody of the recording.
    pub(super) fn with_named<T>(
        &mut self,
        task: &mut Task,
        number: u64,
        look: impl FnOnce(&mut Self, &mut Task, Option<&mut Task>) -> T,
    ) -> Option<T> {
        match self.world.named(task, number) {
            Named::Itself => Some(look(self, task, None)),
            Named::Other(tid) => {
                let mut other = self.world.tasks.remove(&tid)?;
                let looked = look(self, task, Some(&mut other));
                self.world.tasks.insert(tid, other);
                Some(looked)
            }
            Named::Outside => None,
        }
    }
}

/// The PID namespace of a task.
fn number_space(tid: Tid) -> Option<std::path::PathBuf> {
    std::fs::read_link(format!("/proc/{tid}/ns/pid")).ok()
}

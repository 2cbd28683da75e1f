//! Tasks that only wait: in a loop that makes no calls, and leaves everything as it was until another
//! task writes to the memory that it looks at.
//!
//! Natively the two run side by side. Here the one that waits keeps the other from running, so it is
//! found soon and gives way. [`examine`] finds it: a task whose registers, vector state and written
//! memory are the same after one turn of its loop only waits, and one that pauses may count as well ([`counting`]). [`code`] decodes what the loop looks at,
//! [`path`] tells whether a turn takes the known way through it, and [`watch`] has a debug register tell when a
//! task that runs next writes there.

pub(crate) mod armed;
pub(crate) mod code;
mod counting;
mod examine;
pub(crate) mod loops;
mod path;
mod watch;
pub(crate) mod word;

use crate::tasks::Task;
use crate::waiting::word::{MOST_WORDS, Waiting, Word};

pub(crate) use examine::{Examined, Way};

impl Task {
    /// It is about to run.
    pub(crate) fn goes_on(&mut self) {
        if let Some(waiting) = self.waiting.take() {
            self.expects = Some(waiting);
        }
        self.woken = false;
    }
}

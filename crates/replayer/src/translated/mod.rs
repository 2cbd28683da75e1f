//! Running a task from a code cache, where an exact place is needed.

mod caches;
mod count;
mod find;
mod guards;
mod order;
mod patience;
mod run;
mod supply;
mod taken;

pub(crate) use caches::Caches;
pub(crate) use count::{Count, CountFor};
pub(crate) use find::Learned;
pub(crate) use guards::Guards;
pub(crate) use patience::Patience;
pub(crate) use run::{First, Halt};

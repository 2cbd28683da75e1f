//! Starting a program: which file it is, who stands for it in the shell, on which CPU it runs.

pub(crate) mod exec;
pub(crate) mod executable;
pub(crate) mod follow;
pub(crate) mod front;
pub(crate) mod program;
pub(crate) mod seat;

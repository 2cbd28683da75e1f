//! What the trait `Execution` promises, asked of the fake one that tests use and of a replay: whatever holds of one
//! of them holds of the other.
//!
//! Both tell of the same run (`fixtures/c/contract.c`): twenty visits of a function with numbers from 1 on, each of
//! which writes its number to a word that is read then; between the tenth and the eleventh a clock read, output, a
//! `read` by which the kernel writes, and a signal that is handled. It exits with 3.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::print_stderr, reason = "over which execution a check failed")]

#[path = "contract/choosing.rs"]
mod choosing;
#[path = "contract/looking.rs"]
mod looking;
#[path = "contract/moving.rs"]
mod moving;
#[path = "contract/stopping.rs"]
mod stopping;
#[path = "contract/subject.rs"]
mod subject;
#[path = "contract/telling.rs"]
mod telling;
#[path = "contract/watching.rs"]
mod watching;

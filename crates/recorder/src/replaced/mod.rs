//! Instructions of a program's files that are replaced by others while it is recorded: random numbers of the processor
//! ([`random`]), and the loader's looks at a clock ([`loader`]). [`find`] tells which bytes of a file are such
//! instructions.

mod find;
pub(crate) mod loader;
pub(crate) mod random;

/// What is known of the instructions in files.
#[derive(Debug, Default)]
pub(crate) struct Replaced {
    pub(crate) random: random::Known,
    pub(crate) clocks: loader::Clocks,
}

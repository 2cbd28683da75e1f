//! Sub-commands: calls that are many calls behind one number, one file a family.

pub(crate) mod fcntl;
pub(crate) mod futex;
pub(crate) mod ioctl;
pub(crate) mod ipc;
pub(crate) mod madvise;
pub(crate) mod prctl;
pub(crate) mod system;

use crate::Errno;
use crate::call::{Blocks, Class, FdEffect, Output, Syscall};

/// One sub-command: what it is different in from the row of its call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Command {
    pub(crate) value: u64,
    pub(crate) name: &'static str,
    blocks: Blocks,
    class: Class,
    pub(crate) outputs: &'static [Output],
    fds: FdEffect,
}

impl Command {
    /// A command that never waits, is emulated at replay, and writes nothing.
    pub(crate) const fn new(value: u64, name: &'static str) -> Self {
        Self {
            value,
            name,
            blocks: Blocks::Never,
            class: Class::Emulate,
            outputs: &[],
            fds: FdEffect::None,
        }
    }

    pub(crate) const fn may_block(mut self) -> Self {
        self.blocks = Blocks::May;
        self
    }

    pub(crate) const fn is(mut self, class: Class) -> Self {
        self.class = class;
        self
    }

    pub(crate) const fn refused(self, error: Errno) -> Self {
        self.is(Class::Refuse(error))
    }

    pub(crate) const fn writes(mut self, outputs: &'static [Output]) -> Self {
        self.outputs = outputs;
        self
    }

    pub(crate) const fn changes_fds(mut self) -> Self {
        self.fds = FdEffect::Changes;
        self
    }

    /// The row of `call` with this sub-command.
    pub(crate) const fn apply(self, call: Syscall) -> Syscall {
        Syscall {
            command: Some(self.name),
            blocks: self.blocks,
            class: self.class,
            outputs: self.outputs,
            fds: self.fds,
            ..call
        }
    }
}

/// The row for a command from this table; if the table does not have it, one whose outputs are
/// not known and that may wait.
pub(crate) fn pick(call: Syscall, table: &[Command], value: u64) -> Syscall {
    match table.iter().find(|c| c.value == value) {
        Some(command) => command.apply(call),
        None => call.is(Class::Unknown).may_block().changes_fds(),
    }
}

/// Makes one family's sub-commands: `VALUE "NAME" .method(…)…;`.
macro_rules! commands {
    ($table:ident: $($value:expr, $name:literal $(. $method:ident ($($arg:expr),* $(,)?))* ;)*) => {
        /// The sub-commands.
        pub(crate) const $table: &[$crate::commands::Command] = &[$(
            $crate::commands::Command::new($value, $name)
            $(.$method($(const { $arg }),*))*
        ),*];
    };
}
pub(crate) use commands;

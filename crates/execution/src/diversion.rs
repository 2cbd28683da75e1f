//! Trying something out, away from what was recorded.

use retake_model::{Addr, Registers, Signal, TaskId, VectorState};

use crate::{ExecutionError, State};

/// How far a diverted task runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Go {
    /// To a breakpoint, a signal, or its end.
    On,
    /// One instruction.
    OneInstruction,
}

/// Why a diverted task stands still.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Diverted {
    /// It is at a breakpoint.
    Breakpoint(Addr),
    /// It has executed one instruction.
    Stepped,
    /// It is about to get a signal.
    Signal(Signal),
    /// It cannot go on here; the sentence says why: it would wait for another task, ends the process, has run
    /// for too long, or was interrupted.
    Over(String),
}

/// Who runs besides the task that is let run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Company {
    /// Nobody: a task that would wait for another one cannot go on.
    #[default]
    Alone,
    /// All others that can, in turn with it.
    Others,
}

/// Where the program prints to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StandardStream {
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

/// A throw-away copy of the recorded processes at one moment, in which memory and registers can be changed and
/// one task runs, alone unless the others are to run too. Nothing of it touches the recording, the moment, or the
/// host: of its system calls only those that shape its own memory are made; clocks are those of the recording,
/// what it prints is kept for whoever asks, and everything else fails with an error number.
///
/// It has ended when it is dropped.
pub trait Diversion: State {
    /// Changes memory, whatever the program itself may do there.
    ///
    /// # Errors
    /// When the task does not exist or part of the range is not mapped.
    fn write_memory(
        &mut self,
        task: TaskId,
        addr: Addr,
        bytes: &[u8],
    ) -> Result<(), ExecutionError>;

    /// Changes general registers.
    ///
    /// # Errors
    /// When the task does not exist, or the processor refuses the values.
    fn set_registers(&mut self, task: TaskId, registers: &Registers) -> Result<(), ExecutionError>;

    /// Changes vector registers.
    ///
    /// # Errors
    /// As [`Self::set_registers`].
    fn set_vector_registers(
        &mut self,
        task: TaskId,
        vector: &VectorState,
    ) -> Result<(), ExecutionError>;

    /// Lets one task run, with these breakpoints. One where it stands does not count.
    ///
    /// # Errors
    /// When the task does not exist, or the system lets us down.
    fn run(
        &mut self,
        task: TaskId,
        go: Go,
        breakpoints: &[Addr],
    ) -> Result<Diverted, ExecutionError>;

    /// Says who runs besides the task that is let run, from now on; nobody does without this.
    fn keep_company(&mut self, company: Company);

    /// What the program has printed in the diversion since this was asked last.
    fn take_output(&mut self) -> Vec<(StandardStream, Vec<u8>)>;
}

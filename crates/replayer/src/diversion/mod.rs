//! A throw-away copy of the replayed processes, in which one task runs and may be changed, alone or
//! with the others beside it.

mod calls;
mod clocks;
mod others;
mod run;

use retake_execution::{
    Company, Diversion, Diverted, ExecutionError, Go, StandardStream, State, TaskInfo,
};
use retake_model::{Addr, Mapping, Position, Registers, TaskId, VectorState};

use crate::failure::Failure;
use crate::machine::Machine;
use clocks::Clocks;
use others::Others;

/// The copy.
#[derive(Debug)]
pub(crate) struct Divert {
    machine: Machine,
    position: Position,
    task: TaskId,
    output: Vec<(StandardStream, Vec<u8>)>,
    clocks: Clocks,
    others: Others,
    /// What the time-stamp counter said last.
    counter: u64,
}

impl Divert {
    /// A copy of `from`, which stands at `position`.
    pub(crate) fn of(
        from: &mut Machine,
        position: Position,
        task: TaskId,
    ) -> Result<Self, Failure> {
        let mut machine = from.copy()?;
        // It runs its own code, as it is.
        machine.want_sites(&[])?;
        machine.unguard_all()?;
        for task in machine.tasks.values_mut() {
            task.give_back()?;
        }
        let (clocks, others) = (Clocks::before(position), Others::of(&machine));
        Ok(Self { machine, position, task, output: Vec::new(), clocks, others, counter: 0 })
    }
}

impl State for Divert {
    fn position(&self) -> Position {
        self.position
    }

    fn current_task(&self) -> TaskId {
        self.task
    }

    fn tasks(&self) -> Vec<TaskInfo> {
        self.machine.infos()
    }

    fn registers(&self, task: TaskId) -> Result<Registers, ExecutionError> {
        let read = || Ok(self.machine.living(task)?.stopped.registers()?);
        read().map_err(|failure: Failure| failure.while_doing("read registers"))
    }

    fn vector_registers(&self, task: TaskId) -> Result<VectorState, ExecutionError> {
        let read = || Ok(self.machine.living(task)?.stopped.vector()?);
        read().map_err(|failure: Failure| failure.while_doing("read vector registers"))
    }

    fn read_some(&self, task: TaskId, addr: Addr, out: &mut [u8]) -> Result<usize, ExecutionError> {
        let read = self.machine.read_some(task, addr, out);
        read.map_err(|failure| failure.while_doing(format!("read memory at {addr}")))
    }

    fn mappings(&self, task: TaskId) -> Result<Vec<Mapping>, ExecutionError> {
        self.machine.mappings(task).map_err(|failure| failure.while_doing("look at mappings"))
    }
}

impl Diversion for Divert {
    fn write_memory(
        &mut self,
        task: TaskId,
        addr: Addr,
        bytes: &[u8],
    ) -> Result<(), ExecutionError> {
        let mut write = || Ok(self.machine.task(task)?.memory.write(addr, bytes)?);
        write().map_err(|failure: Failure| failure.while_doing(format!("write memory at {addr}")))
    }

    fn set_registers(&mut self, task: TaskId, registers: &Registers) -> Result<(), ExecutionError> {
        // With a call's number in place the kernel might take a result for a call to restart.
        let registers = Registers { orig_rax: u64::MAX, ..*registers };
        let mut set = || self.machine.task(task)?.go_on_with(&registers);
        set().map_err(|failure| failure.while_doing("set registers"))
    }

    fn set_vector_registers(
        &mut self,
        task: TaskId,
        vector: &VectorState,
    ) -> Result<(), ExecutionError> {
        let mut set = || Ok(self.machine.task(task)?.stopped.set_vector(vector)?);
        set().map_err(|failure: Failure| failure.while_doing("set vector registers"))
    }

    fn run(
        &mut self,
        task: TaskId,
        go: Go,
        breakpoints: &[Addr],
    ) -> Result<Diverted, ExecutionError> {
        let ran = self.go(task, go, breakpoints);
        ran.map_err(|failure| failure.while_doing("run the program away from the recording"))
    }

    fn keep_company(&mut self, company: Company) {
        self.others.set(company);
    }

    fn take_output(&mut self) -> Vec<(StandardStream, Vec<u8>)> {
        std::mem::take(&mut self.output)
    }
}

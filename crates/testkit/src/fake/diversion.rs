//! A diversion of a script: calls return the sum of their first two arguments, and print a line, which says
//! whether other tasks were to run too.

use retake_execution::{
    Company, Diversion, Diverted, ErrorKind, ExecutionError, Go, StandardStream, State, TaskInfo,
};
use retake_model::{Addr, Mapping, Position, RegisterName, Registers, TaskId, VectorState};

use super::FakeExecution;

/// It begins as the moment is; what is changed in it is kept.
#[derive(Debug)]
pub(super) struct FakeDiversion {
    /// At the moment, for what was not changed.
    of: FakeExecution,
    tasks: Vec<(TaskInfo, Registers)>,
    written: Vec<(Addr, Vec<u8>)>,
    output: Vec<(StandardStream, Vec<u8>)>,
    company: Company,
}

impl FakeDiversion {
    pub(super) fn of(execution: &FakeExecution) -> Self {
        let registers = |info: TaskInfo| {
            let registers = execution.registers(info.task).unwrap_or_default();
            (info, registers)
        };
        Self {
            of: execution.clone(),
            tasks: execution.tasks().into_iter().map(registers).collect(),
            written: Vec::new(),
            output: Vec::new(),
            company: Company::default(),
        }
    }

    fn task(&mut self, task: TaskId) -> Result<&mut Registers, ExecutionError> {
        let found = self.tasks.iter_mut().find(|(info, _)| info.task == task);
        found.map(|(_, registers)| registers).ok_or_else(|| missing(task))
    }
}

fn missing(task: TaskId) -> ExecutionError {
    let what = format!("task {task} does not exist");
    ExecutionError::new("look at a diversion", ErrorKind::NotFound(what))
}

impl State for FakeDiversion {
    fn position(&self) -> Position {
        self.of.position()
    }

    fn current_task(&self) -> TaskId {
        self.of.current_task()
    }

    fn tasks(&self) -> Vec<TaskInfo> {
        self.tasks.iter().map(|(info, _)| info.clone()).collect()
    }

    fn registers(&self, task: TaskId) -> Result<Registers, ExecutionError> {
        let found = self.tasks.iter().find(|(info, _)| info.task == task);
        found.map(|(_, registers)| *registers).ok_or_else(|| missing(task))
    }

    fn vector_registers(&self, task: TaskId) -> Result<VectorState, ExecutionError> {
        self.registers(task)?;
        Ok(VectorState::from_bytes(vec![0; 576]))
    }

    fn read_some(&self, task: TaskId, addr: Addr, out: &mut [u8]) -> Result<usize, ExecutionError> {
        let got = self.of.read_some(task, addr, out)?;
        for (n, byte) in out.iter_mut().enumerate().take(got) {
            let here = addr.get() + n as u64;
            for (at, bytes) in &self.written {
                let byte_here = here.checked_sub(at.get()).and_then(|n| usize::try_from(n).ok());
                if let Some(written) = byte_here.and_then(|n| bytes.get(n)) {
                    *byte = *written;
                }
            }
        }
        Ok(got)
    }

    fn mappings(&self, task: TaskId) -> Result<Vec<Mapping>, ExecutionError> {
        self.of.mappings(task)
    }
}

impl Diversion for FakeDiversion {
    fn write_memory(
        &mut self,
        task: TaskId,
        addr: Addr,
        bytes: &[u8],
    ) -> Result<(), ExecutionError> {
        self.of.read_memory(task, addr, &mut vec![0; bytes.len()])?;
        self.written.push((addr, bytes.to_vec()));
        Ok(())
    }

    fn set_registers(&mut self, task: TaskId, registers: &Registers) -> Result<(), ExecutionError> {
        *self.task(task)? = *registers;
        Ok(())
    }

    fn set_vector_registers(
        &mut self,
        task: TaskId,
        _vector: &VectorState,
    ) -> Result<(), ExecutionError> {
        self.task(task).map(|_| ())
    }

    fn run(
        &mut self,
        task: TaskId,
        _go: Go,
        breakpoints: &[Addr],
    ) -> Result<Diverted, ExecutionError> {
        let registers = self.task(task)?;
        let sum = registers.rdi.wrapping_add(registers.rsi);
        registers.set(RegisterName::Rax, sum);
        registers.rsp = registers.rsp.wrapping_add(8);
        let line: &[u8] = match self.company {
            Company::Alone => b"called\n",
            Company::Others => b"called beside others\n",
        };
        self.output.push((StandardStream::Output, line.to_vec()));
        let Some(back) = breakpoints.first() else {
            return Ok(Diverted::Over("it has no end".to_owned()));
        };
        self.task(task)?.rip = back.get();
        Ok(Diverted::Breakpoint(*back))
    }

    fn keep_company(&mut self, company: Company) {
        self.company = company;
    }

    fn take_output(&mut self) -> Vec<(StandardStream, Vec<u8>)> {
        std::mem::take(&mut self.output)
    }
}

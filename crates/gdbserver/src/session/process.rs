//! The process that a client sees, in a recording that may have several.

use retake_execution::Execution;
use retake_model::{Position, TaskId, Tid};

use super::Session;
use super::stops::Why;
use crate::error::ServeError;
use crate::facts::{ExecInfo, ProcessInfo};
use crate::server::{Facts, ServeOptions};

/// A process and when it lives. It is all there is to a client.
#[derive(Clone, Debug)]
pub(super) struct Life {
    pub(super) pid: Tid,
    /// Its first moment, where that is not the recording's.
    pub(super) born: Option<Position>,
    /// Its last moment, where that is not the recording's.
    pub(super) ends: Option<Position>,
}

impl Life {
    /// Of the process that is to be shown.
    pub(super) fn of(
        execution: &dyn Execution,
        facts: &mut Facts,
        options: &ServeOptions,
    ) -> Result<Self, ServeError> {
        let task = execution.current_task();
        let tasks = execution.tasks();
        let first = tasks.iter().find(|info| info.task == task).map(|info| info.pid);
        let Some(pid) = options.process.filter(|pid| Some(*pid) != first) else {
            let pid = first.unwrap_or(Tid::new(1));
            return Ok(Self { pid, born: None, ends: None });
        };
        let processes = facts.processes();
        let Some(process) = processes.iter().find(|process| process.pid == pid) else {
            let known: Vec<String> = processes.iter().map(|p| p.pid.to_string()).collect();
            return Err(ServeError::NoProcess { pid: pid.get(), known: known.join(", ") });
        };
        // What it did before the program that it is shown with is of no interest.
        let execs = process.executed.iter().filter(|exec| exec.event >= process.born);
        let mut begins = execs.map(|exec| Position::at_event(exec.event.next()));
        let shown_later = |at: &Position| options.start.is_some_and(|start| start >= *at);
        let begins = begins.next().filter(shown_later);
        let born = Some(begins.unwrap_or(Position::at_event(process.born)));
        Ok(Self { pid, born, ends: process.ends.map(Position::at_event) })
    }

    /// The moment of its life that is nearest to `position`.
    pub(super) fn nearest(&self, position: Position) -> Position {
        match (self.born, self.ends) {
            (Some(born), _) if position < born => born,
            (_, Some(ends)) if position > ends => ends,
            _ => position,
        }
    }
}

impl Session<'_> {
    /// What the process executes at this moment.
    pub(super) fn executes(&mut self) -> Option<ExecInfo> {
        let event = self.position().event();
        let executed = &self.process()?.executed;
        let before = executed.iter().rev().find(|exec| exec.event < event);
        before.or_else(|| executed.first()).cloned()
    }

    /// The moment right behind the next exec of the process, for a client that follows it.
    pub(super) fn next_exec(&mut self) -> Option<Position> {
        let here = self.position().event();
        let process = self.process().filter(|process| process.executed.len() > 1)?;
        let next = process.executed.iter().find(|exec| exec.event >= here)?;
        Some(Position::at_event(next.event.next())).filter(|_| self.client.execs)
    }

    /// The process has executed another program by the last event. Its breakpoints were in the one before.
    pub(super) fn exec_here(&mut self) -> Why {
        self.points.clear();
        // The thread that was looked at may be gone.
        self.chosen.look = None;
        self.stopped = self.here(Why::Trap);
        Why::Exec(self.executable().unwrap_or_default())
    }

    fn process(&mut self) -> Option<&ProcessInfo> {
        let pid = self.life.pid;
        self.facts.processes().iter().find(|process| process.pid == pid)
    }

    /// Tasks of other processes; none where there are no others.
    pub(super) fn foreign_tasks(&mut self) -> Vec<TaskId> {
        let pid = self.life.pid;
        let others = self.facts.processes().iter().filter(|process| process.pid != pid);
        others.flat_map(|process| process.tasks.iter().copied()).collect()
    }

    /// Whether a task belongs to the process that is shown.
    pub(super) fn is_ours(&self, task: TaskId) -> bool {
        let pid = self.life.pid;
        self.state().tasks().iter().any(|info| info.task == task && info.pid == pid)
    }
}

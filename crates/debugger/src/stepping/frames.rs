//! The frames of a task, as stepping tells them apart: by their canonical frame addresses.

use std::rc::Rc;
use std::sync::Arc;

use retake_model::{
    Addr, Arithmetic, Comparison, FileId, FileOffset, Predicate, RegisterName, Registers, TaskId,
    Term, Width,
};

use crate::code::{Cfa, CodeModule, FrameKind, FunctionCode, PcKind, file_at};
use crate::{DebugError, Debugger};

/// Frames that are looked at, outwards.
const MOST: usize = 24;

/// A frame of a stopped task.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) registers: Registers,
    /// The canonical frame address: the stack pointer that the caller has after the return.
    pub(crate) cfa: Option<Addr>,
    pub(crate) code: Option<Code>,
    /// A signal interrupted the frame around it.
    pub(crate) is_of_signal: bool,
}

/// Code of a file, at one byte of it.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    pub(crate) file: FileId,
    /// Inside the call, for a return address.
    pub(crate) offset: FileOffset,
    pub(crate) module: Rc<dyn CodeModule>,
    pub(crate) function: Option<Arc<FunctionCode>>,
}

impl Debugger {
    /// The code at an address of a task.
    pub(crate) fn code_at(&self, task: TaskId, addr: Addr) -> Option<Code> {
        let execution = self.execution.as_ref();
        let (file, offset) = file_at(execution, task, addr)?;
        let info = execution.files().into_iter().find(|info| info.file == file)?;
        let module = self.catalog.module(execution, &info).ok()?;
        let function = module.function_code(offset);
        Some(Code { file, offset, module, function })
    }

    /// The frames of a task, innermost first.
    pub(crate) fn frames(&self, task: TaskId) -> Result<Vec<Frame>, DebugError> {
        self.frames_up_to(task, MOST)
    }

    /// The same, so many at most.
    pub(crate) fn frames_up_to(&self, task: TaskId, most: usize) -> Result<Vec<Frame>, DebugError> {
        let registers = self.execution.program_registers(task)?;
        Ok(self.frames_from(task, registers, most))
    }

    /// The frames of a stack of a task that these registers are on top of.
    pub(crate) fn frames_from(
        &self,
        task: TaskId,
        mut registers: Registers,
        most: usize,
    ) -> Vec<Frame> {
        let mut kind = PcKind::Exact;
        let mut frames = Vec::new();
        let mut read = |addr| {
            let mut word = [0; 8];
            self.execution.read_memory(task, addr, &mut word).ok()?;
            Some(u64::from_le_bytes(word))
        };
        while frames.len() < most {
            let code = self.code_at(task, Addr::new(kind.lookup(registers.rip)));
            let pc = |code: &Code| match kind {
                PcKind::Exact => code.offset,
                PcKind::Return => FileOffset::new(code.offset.get().wrapping_add(1)),
            };
            let rule = code.as_ref().and_then(|code| code.module.rule_of_frame(pc(code), kind));
            let cfa = rule.as_ref().and_then(|rule| rule.cfa(&registers, &mut read));
            let is_of_signal = rule.as_ref().is_some_and(|rule| rule.kind == FrameKind::Signal);
            let caller = rule.and_then(|rule| rule.caller(&registers, &mut read));
            frames.push(Frame { registers, cfa, code, is_of_signal });
            let Some(caller) = caller else { break };
            // Outwards, the stack only grows shorter.
            if caller.registers.rsp <= registers.rsp && !is_of_signal && frames.len() > 1 {
                break;
            }
            (registers, kind) = (caller.registers, caller.pc);
        }
        frames
    }
}

impl Code {
    /// What holds where the frame with this canonical frame address is at `offset`: nothing if call frame
    /// information does not say it in words that can be judged there.
    pub(crate) fn is_frame(&self, offset: FileOffset, cfa: Addr) -> Option<Predicate> {
        let term = match self.module.frame_rule(offset)?.cfa {
            Cfa::Register { register, offset } => sum(register, offset),
            Cfa::Memory { register, offset } => {
                Term::Memory(Width::U64, Box::new(sum(register, offset)))
            }
            Cfa::Expression(_) => return None,
        };
        Some(Predicate::Compare(Comparison::Equal, term, Term::Constant(cfa.get())))
    }
}

fn sum(register: RegisterName, offset: i64) -> Term {
    let offset = Term::Constant(offset.cast_unsigned());
    Term::Arithmetic(Arithmetic::Add, Box::new(Term::Register(register)), Box::new(offset))
}

/// What holds when a task has left the frame with this canonical frame address, and all inside it.
pub(crate) fn has_left(cfa: Addr) -> Predicate {
    let sp = Term::Register(RegisterName::Rsp);
    let below = Predicate::Compare(Comparison::Below, sp, Term::Constant(cfa.get()));
    Predicate::Not(Box::new(below))
}

/// The same task, and more.
pub(crate) fn of_task(task: TaskId, more: Predicate) -> Predicate {
    Predicate::All(vec![Predicate::Task(task), more])
}

//! The variables that are visible in a frame.

use std::sync::Arc;

use retake_model::{Addr, RegisterName, TaskId};
use retake_values::{
    At, Frame, FunctionScope, Info, KnownRegisters, Language, Space, TypeId, Value, Variable,
};

use crate::code::not_found;
use crate::{DebugError, Debugger};

/// A frame with the functions that run in it.
pub(crate) struct FrameScope {
    task: TaskId,
    /// The frame, its caller, and so on.
    frames: Vec<Frame>,
    /// The functions that are inlined at its place, innermost first, and the one that has the code.
    functions: Arc<Vec<FunctionScope>>,
    /// Which of them is looked at.
    level: usize,
    /// The line that it is at.
    line: Option<u32>,
    thread: Addr,
}

/// A variable with its value.
pub(crate) struct Seen<'s> {
    pub(crate) variable: &'s Variable,
    pub(crate) value: Value,
    /// Whether a variable of an inner block has its name.
    pub(crate) is_shadowed: bool,
}

/// Frames behind the one that is looked at: what was passed to it may be said by several of them.
const CALLERS: usize = 4;

impl FrameScope {
    /// The frame of a number, as a stack shows them: inlined functions are frames of their own.
    pub(crate) fn of(debugger: &Debugger, task: TaskId, number: usize) -> Result<Self, DebugError> {
        let most = number.saturating_add(1 + CALLERS);
        let parked = debugger.parked.filter(|_| task == debugger.task());
        let registers = debugger.execution.program_registers(task)?;
        let walked = match parked {
            Some(parked) => debugger.frames_from(task, parked.over(registers), most),
            None => debugger.frames_from(task, registers, most),
        };
        let none = || DebugError::NotFound(format!("there is no frame {number}: see stack"));
        let mut left = number;
        let mut known = match parked {
            Some(_) => KnownRegisters::CalleeSaved,
            None => KnownRegisters::All,
        };
        let mut start = None;
        let mut frames = Vec::new();
        for (index, frame) in walked.iter().enumerate() {
            let code = frame.code.as_ref();
            let info = code.and_then(|code| code.module.values());
            let at = code.and_then(|code| code.module.file_addr(code.offset));
            let count = code.map_or(1, |code| code.module.frames_at(code.offset).len().max(1));
            let chosen = start.is_none() && left < count;
            if chosen {
                let line = code.and_then(|code| {
                    let frame = code.module.frames_at(code.offset).into_iter().nth(left)?;
                    frame.source.map(|source| source.line)
                });
                start = Some((frames.len(), left, line, info.is_some()));
            }
            left = left.saturating_sub(count);
            if let (Some(info), Some(pc), true) = (info, at, start.is_some()) {
                let vectors = (index == 0 && parked.is_none())
                    .then(|| debugger.execution.vector_registers(task).ok().map(Arc::new))
                    .flatten();
                // The place to look up lies inside the call, one byte before the return address.
                let back = u64::from(index > 0 && known == KnownRegisters::CalleeSaved);
                let real = frame.registers.rip.wrapping_sub(back);
                frames.push(Frame {
                    info,
                    bias: real.wrapping_sub(pc.get()),
                    pc,
                    registers: frame.registers,
                    known,
                    vectors,
                    cfa: frame.cfa,
                });
            } else if start.is_some() {
                break;
            }
            known = match frame.is_of_signal {
                true => KnownRegisters::All,
                false => KnownRegisters::CalleeSaved,
            };
        }
        let (_, level, line, has_info) = start.ok_or_else(none)?;
        let functions = match frames.first().filter(|_| has_info) {
            Some(frame) => frame.info.scopes_at(frame.pc.get()),
            None => {
                frames.clear();
                Arc::default()
            }
        };
        let thread = Addr::new(debugger.execution.registers(task)?.get(RegisterName::FsBase));
        Ok(Self { task, frames, functions, level, line, thread })
    }

    pub(super) fn new(
        task: TaskId,
        frames: Vec<Frame>,
        functions: Arc<Vec<FunctionScope>>,
        line: Option<u32>,
        thread: Addr,
    ) -> Self {
        Self { task, frames, functions, level: 0, line, thread }
    }

    /// The function that is looked at.
    pub(crate) fn function(&self) -> Option<&FunctionScope> {
        self.functions.get(self.level)
    }

    /// Why there are no variables at all, if so.
    pub(crate) fn nothing_known(&self) -> Option<String> {
        let Some(frame) = self.frames.first() else {
            return Some("there is no debug information for the code of this frame".to_owned());
        };
        if self.function().is_some() {
            return None;
        }
        Some(match frame.info.module().missing_file_at(frame.pc) {
            Some(missing) => not_found(&[missing]),
            None => "the debug information has no function at this place".to_owned(),
        })
    }

    pub(crate) fn at<'a>(&'a self, space: &'a dyn Space) -> At<'a> {
        At { frames: &self.frames, space, thread: Some(self.thread) }
    }

    pub(crate) fn task(&self) -> TaskId {
        self.task
    }

    pub(crate) fn info(&self) -> Option<&Arc<Info>> {
        self.frames.first().map(|frame| &frame.info)
    }

    /// The variables of the function, inner blocks first.
    pub(crate) fn variables(&self, space: &dyn Space) -> Vec<Seen<'_>> {
        let (Some(function), Some(info)) = (self.function(), self.info()) else {
            return Vec::new();
        };
        let mut seen: Vec<Seen<'_>> = Vec::new();
        for variable in visible(function, self.line) {
            let is_shadowed = seen.iter().any(|other| other.variable.name == variable.name);
            let value = self.at(space).variable(info, variable);
            seen.push(Seen { variable, value, is_shadowed });
        }
        seen
    }

    /// The variable of a name: of the function, else outside of functions.
    pub(crate) fn find(&self, name: &str, space: &dyn Space) -> Option<Value> {
        let info = self.info()?;
        let own = self.function().and_then(|function| {
            visible(function, self.line).find(|variable| variable.name == name)
        });
        let at = self.at(space);
        if let Some(variable) = own {
            let value = at.variable(info, variable);
            // A function may say that a variable outside of it is used.
            let outside = || at.globals(info, name).into_iter().next();
            return if variable.is_declared { outside().or(Some(value)) } else { Some(value) };
        }
        self.global_in(info, name, space).or_else(|| {
            let is_go = self.function().is_some_and(|f| f.language == Language::Go);
            let of_main = || At::constant(info, &format!("main.{name}")).filter(|_| is_go);
            At::constant(info, name).or_else(of_main)
        })
    }

    /// The names of what the functions of the frame see, inner ones first.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let functions = self.function().into_iter();
        functions.flat_map(|function| visible(function, self.line)).map(|seen| seen.name.as_str())
    }

    /// A variable outside of functions, in one module.
    fn global_in(&self, info: &Arc<Info>, name: &str, space: &dyn Space) -> Option<Value> {
        let at = self.at(space);
        let mut found = at.globals(info, name);
        if found.is_empty() && self.function().is_some_and(|f| f.language == Language::Go) {
            found = at.globals(info, &format!("main.{name}"));
        }
        let has_value = found.iter().position(|value| value.why_missing().is_none());
        match has_value {
            Some(index) => Some(found.swap_remove(index)),
            None => found.into_iter().next(),
        }
    }

    /// A type by the name that one of the languages has for it.
    pub(crate) fn find_type(&self, info: &Arc<Info>, name: &str) -> Option<TypeId> {
        let name = name.trim();
        // `*T` and `T *` are pointers, of Rust and Go, and of C.
        let inner = name.strip_prefix('*').or_else(|| name.strip_suffix('*'));
        if let Some(inner) = inner {
            let inner = inner.trim();
            let inner = ["const ", "mut "]
                .iter()
                .fold(inner, |name, word| name.strip_prefix(word).unwrap_or(name));
            if inner == "void" {
                return Some(info.pointer_to(TypeId::VOID));
            }
            return Some(info.pointer_to(self.find_type(info, inner)?));
        }
        let is_go = self.function().is_some_and(|function| function.language == Language::Go);
        let found = info.types_named(name).into_iter().next();
        found
            .or_else(|| {
                if is_go {
                    info.types_named(&format!("main.{name}")).into_iter().next()
                } else {
                    None
                }
            })
            .or_else(|| info.number_named(name))
    }
}

/// The variables of a function that are declared at its line. Go has them before that, with garbage in them.
pub(super) fn visible(
    function: &FunctionScope,
    line: Option<u32>,
) -> impl Iterator<Item = &Variable> {
    let hides = function.language == Language::Go;
    function.variables.iter().filter(move |variable| {
        let declared = variable.line.zip(line).is_none_or(|(declared, line)| {
            declared < line || variable.role != retake_values::Role::Local
        });
        !hides || declared
    })
}

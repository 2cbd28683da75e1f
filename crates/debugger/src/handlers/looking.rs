//! Stacks, tasks, registers and memory at the current moment.

use retake_execution::TaskInfo;
use retake_model::{RegisterName, Registers, TaskId};

use super::{names, values};
use crate::answers::{FrameView, MemoryView, PlaceView, RegisterView, ThreadView};
use crate::requests::{Detail, MemoryRange};
use crate::{Answer, DebugError, Debugger, RequestControl};

/// The frames of the selected task, inlined ones included.
pub(super) fn stack(
    debugger: &Debugger,
    depth: usize,
    detail: Detail,
) -> Result<Vec<FrameView>, DebugError> {
    let task = debugger.task();
    let mut registers = debugger.execution.program_registers(task)?;
    if let Some(parked) = debugger.parked {
        registers = parked.over(registers);
    }
    let mut frames = frames_of(debugger, task, &registers, depth)?;
    if detail == Detail::Full {
        for frame in &mut frames {
            // A frame without debug information has no variables.
            frame.variables = values::of_frame(debugger, frame.n).unwrap_or_default();
        }
    }
    Ok(frames)
}

/// The frames of a stack that these registers are on top of.
pub(super) fn frames_of(
    debugger: &Debugger,
    task: TaskId,
    registers: &Registers,
    depth: usize,
) -> Result<Vec<FrameView>, DebugError> {
    let execution = debugger.execution.as_ref();
    let found = debugger.catalog.unwind(execution, task, registers, depth)?;
    let mut frames = Vec::new();
    for raw in found {
        let code = debugger.catalog.frames_at(execution, task, raw.lookup);
        let count = code.len().max(1);
        for index in 0..count {
            let place = PlaceView::new(raw.pc, code.get(index));
            let (n, inlined) = (frames.len(), index + 1 < count);
            frames.push(FrameView { n, place, inlined, variables: Vec::new() });
        }
    }
    frames.truncate(depth);
    Ok(frames)
}

pub(super) fn threads(debugger: &Debugger) -> Answer {
    let tasks = debugger.execution.tasks();
    Answer::Threads(tasks.iter().map(|task| thread(debugger, task)).collect())
}

pub(super) fn select(debugger: &mut Debugger, number: u32) -> Result<Answer, DebugError> {
    let found = living(debugger, number).ok_or_else(|| {
        DebugError::NotFound(format!("there is no thread {number} at this moment"))
    })?;
    debugger.selected = Some(found.task);
    debugger.parked = None;
    debugger.frame = 0;
    Ok(Answer::Thread(thread(debugger, &found)))
}

/// The living thread of a number in the recording, else of a tid in the program.
pub(super) fn living(debugger: &Debugger, number: u32) -> Option<TaskInfo> {
    let tasks = debugger.execution.tasks();
    let by_number = tasks.iter().find(|info| info.task.get() == number);
    let by_tid = || tasks.iter().find(|info| u32::try_from(info.tid.get()) == Ok(number));
    by_number.or_else(by_tid).cloned()
}

fn thread(debugger: &Debugger, info: &TaskInfo) -> ThreadView {
    ThreadView {
        task: info.task,
        tid: info.tid,
        pid: info.pid,
        name: info.name.clone(),
        place: debugger.place_of(info.task),
        in_syscall: info.in_syscall,
        running: info.task == debugger.execution.current_task(),
        selected: info.task == debugger.task(),
    }
}

pub(super) fn registers(debugger: &Debugger, names: &[RegisterName]) -> Result<Answer, DebugError> {
    let registers = debugger.execution.registers(debugger.task())?;
    let names = if names.is_empty() { &RegisterName::ALL[..] } else { names };
    let view = |&name: &RegisterName| RegisterView { name, value: registers.get(name) };
    Ok(Answer::Registers(names.iter().map(view).collect()))
}

pub(super) fn memory(
    debugger: &mut Debugger,
    range: &MemoryRange,
    control: &RequestControl,
) -> Result<Answer, DebugError> {
    if range.len > MemoryRange::MAX_LEN {
        let text = format!("at most {} bytes are shown", MemoryRange::MAX_LEN);
        return Err(DebugError::NotFound(text));
    }
    let addr = names::address(debugger, &range.addr, control)?;
    let mut bytes = vec![0; range.len];
    debugger.execution.read_memory(debugger.task(), addr, &mut bytes)?;
    Ok(Answer::Memory(MemoryView { addr, bytes }))
}

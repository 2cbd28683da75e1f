//! The goroutines of a Go program at the current moment.

use retake_execution::TaskInfo;
use retake_model::{Addr, Registers, TaskId};
use retake_values::{Goroutine, GoroutineStatus, goroutines};

use super::looking;
use crate::answers::{GoroutineView, PlaceView};
use crate::goroutine::Parked;
use crate::variables::TaskMemory;
use crate::{Answer, DebugError, Debugger};

/// Frames that are looked through for one outside of the runtime.
const DEPTH: usize = 50;

pub(super) fn list(debugger: &Debugger) -> Result<Answer, DebugError> {
    let all = living(debugger)?;
    Ok(Answer::Goroutines(all.iter().map(|one| view(debugger, one)).collect()))
}

/// Selects a goroutine, or tells which one is selected.
pub(super) fn select(debugger: &mut Debugger, wanted: Option<u64>) -> Result<Answer, DebugError> {
    let all = living(debugger)?;
    let found = match wanted {
        Some(id) => all.iter().find(|one| one.id == id).ok_or_else(|| {
            let what = format!("there is no goroutine {id} at this moment: see goroutines");
            DebugError::NotFound(what)
        })?,
        None => all.iter().find(|one| is_selected(debugger, one)).ok_or_else(|| {
            let what = "no goroutine is on the selected thread: see goroutines";
            DebugError::NotFound(what.to_owned())
        })?,
    };
    if wanted.is_some() {
        let task = task_of(debugger, found).map(|info| info.task);
        debugger.parked = match task {
            Some(_) => None,
            None => Some(Parked { id: found.id, saved: found.saved }),
        };
        debugger.selected = Some(task.unwrap_or_else(|| debugger.task()));
        debugger.frame = 0;
    }
    Ok(Answer::Goroutine(view(debugger, found)))
}

/// The goroutine of a number, if it is on no thread at this moment.
pub(crate) fn parked(debugger: &Debugger, id: Option<u64>) -> Option<Parked> {
    let id = id?;
    let found = living(debugger).ok()?.into_iter().find(|one| one.id == id)?;
    task_of(debugger, &found).is_none().then_some(Parked { id: found.id, saved: found.saved })
}

fn living(debugger: &Debugger) -> Result<Vec<Goroutine>, DebugError> {
    let memory = TaskMemory::new(debugger.execution.as_ref(), &debugger.catalog, debugger.task());
    let found = debugger.infos().iter().find_map(|info| goroutines(info, &memory));
    found.ok_or_else(|| {
        let what = "there are no goroutines to list: no Go runtime is described in the debug information of what is loaded at this moment";
        DebugError::NotFound(what.to_owned())
    })
}

/// The thread that a goroutine is on.
fn task_of(debugger: &Debugger, goroutine: &Goroutine) -> Option<TaskInfo> {
    let tid = i32::try_from(goroutine.thread?).ok()?;
    let here = debugger.execution.tasks();
    let own = here.iter().find(|info| info.task == debugger.task()).map(|info| info.pid);
    let all = here.iter().filter(|info| Some(info.pid) == own);
    all.into_iter().find(|info| info.tid.get() == tid).cloned()
}

fn is_selected(debugger: &Debugger, goroutine: &Goroutine) -> bool {
    match debugger.parked {
        Some(parked) => parked.id == goroutine.id,
        None => task_of(debugger, goroutine).is_some_and(|info| info.task == debugger.task()),
    }
}

fn view(debugger: &Debugger, goroutine: &Goroutine) -> GoroutineView {
    let on = task_of(debugger, goroutine);
    let task = on.as_ref().map_or_else(|| debugger.task(), |info| info.task);
    let registers =
        match &on {
            Some(info) => debugger.execution.program_registers(info.task).ok(),
            None => debugger.execution.program_registers(task).ok().map(|registers| {
                Parked { id: goroutine.id, saved: goroutine.saved }.over(registers)
            }),
        };
    let places = registers.map_or_else(Vec::new, |registers| places(debugger, task, &registers));
    let nowhere = || place(debugger, task, goroutine.saved.pc);
    let current = places.first().cloned().unwrap_or_else(nowhere);
    let user = places.into_iter().find(is_users).unwrap_or_else(|| current.clone());
    GoroutineView {
        id: goroutine.id,
        status: status(goroutine.status),
        wait_reason: goroutine.wait_reason.clone(),
        thread: on.map(|info| info.tid),
        current,
        user,
        // The statement is before what is done after it.
        go: place(debugger, task, Addr::new(goroutine.go.get().saturating_sub(1))),
        start: place(debugger, task, goroutine.start),
        selected: is_selected(debugger, goroutine),
    }
}

fn places(debugger: &Debugger, task: TaskId, registers: &Registers) -> Vec<PlaceView> {
    let frames = looking::frames_of(debugger, task, registers, DEPTH).unwrap_or_default();
    frames.into_iter().map(|frame| frame.place).collect()
}

fn place(debugger: &Debugger, task: TaskId, pc: Addr) -> PlaceView {
    let frames = debugger.catalog.frames_at(debugger.execution.as_ref(), task, pc);
    PlaceView::new(pc, frames.first())
}

/// What Delve takes for the user's: a function of a package that is not the runtime's own, or one that the
/// runtime has for everybody.
fn is_users(place: &PlaceView) -> bool {
    let Some(name) = &place.function else { return false };
    let exported = |name: &str| name.starts_with(|c: char| c.is_uppercase());
    match name.strip_prefix("runtime.") {
        Some(rest) => exported(rest),
        None => {
            name.contains('.')
                && !["internal/", "runtime/internal/", "iter."].iter().any(|p| name.starts_with(p))
        }
    }
}

fn status(status: GoroutineStatus) -> String {
    match status {
        GoroutineStatus::Idle => "idle".to_owned(),
        GoroutineStatus::Runnable => "runnable".to_owned(),
        GoroutineStatus::Running => "running".to_owned(),
        GoroutineStatus::Syscall => "in a system call".to_owned(),
        GoroutineStatus::Waiting => "waiting".to_owned(),
        GoroutineStatus::CopyingStack => "copying its stack".to_owned(),
        GoroutineStatus::Preempted => "preempted".to_owned(),
        GoroutineStatus::Other(number) => format!("status {number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runtimes_own_functions_are_not_the_users() {
        let of = |name: &str| {
            let function = Some(name.to_owned());
            is_users(&PlaceView { pc: Addr::new(1), function, source: None })
        };
        assert!(of("main.main") && of("main.(*Server).work") && of("sync.(*Mutex).Lock"));
        assert!(of("runtime.GC"));
        assert!(!of("runtime.gopark") && !of("internal/poll.runtime_pollWait"));
        assert!(!of("memmove"));
    }
}

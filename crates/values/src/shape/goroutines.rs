//! The goroutines of a Go program (runtime/runtime2.go), as its runtime keeps them.

use std::sync::Arc;

use retake_model::Addr;

use super::elements::text_of;
use super::walk::{number, walk};
use crate::dwarf::Info;
use crate::location::At;
use crate::space::Space;
use crate::value::Value;

/// Goroutines that are looked at; garbage may say that there are more.
const MAX_GOROUTINES: u64 = 1 << 18;
/// The garbage collector is at the goroutine's stack (`_Gscan`).
const SCAN: u64 = 0x1000;

/// What a goroutine does (`_Grunnable` and others).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GoroutineStatus {
    /// It was made, and has not begun.
    Idle,
    /// It could run.
    Runnable,
    /// It runs on a thread.
    Running,
    /// It is in a system call, on a thread.
    Syscall,
    /// It waits.
    Waiting,
    /// Its stack is moved.
    CopyingStack,
    /// It was interrupted, and waits for being continued.
    Preempted,
    /// Something that no runtime known here says.
    Other(u64),
}

/// A goroutine.
#[derive(Clone, Debug)]
pub struct Goroutine {
    /// Its number.
    pub id: u64,
    /// What it does.
    pub status: GoroutineStatus,
    /// What it waits for, in the runtime's words.
    pub wait_reason: Option<String>,
    /// The thread that it is on, by its tid.
    pub thread: Option<u64>,
    /// Where it goes on: program counter, stack pointer and frame pointer. Of no use while it is on a thread.
    pub saved: SavedRegisters,
    /// The `go` statement that started it.
    pub go: Addr,
    /// The function that it began with.
    pub start: Addr,
}

/// The registers that are kept of a goroutine that is on no thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavedRegisters {
    /// The program counter.
    pub pc: Addr,
    /// The stack pointer.
    pub sp: Addr,
    /// The frame pointer.
    pub bp: Addr,
}

/// The goroutines that live, in the order in which they were made; none if the module has no Go runtime that is
/// described.
pub fn goroutines(info: &Arc<Info>, space: &dyn Space) -> Option<Vec<Goroutine>> {
    let all = global(info, "runtime.allgs", space)?;
    let count = number(&all, "len", space)?.min(MAX_GOROUTINES);
    let array = walk(&all, "array", space)?;
    let reasons = global(info, "runtime.waitReasonStrings", space);
    let one = |index: u64| {
        let pointer = array.element(index.into(), space).ok()?;
        let goroutine = pointer.deref(space).ok()?;
        goroutine_of(&goroutine, reasons.as_ref(), space)
    };
    let mut list: Vec<Goroutine> = (0..count).filter_map(one).collect();
    list.sort_by_key(|goroutine| goroutine.id);
    Some(list)
}

fn global(info: &Arc<Info>, name: &str, space: &dyn Space) -> Option<Value> {
    let at = At { frames: &[], space, thread: None };
    at.globals(info, name).into_iter().find(|value| value.why_missing().is_none())
}

/// None of those that have ended, and whose place is kept for the next one.
fn goroutine_of(value: &Value, reasons: Option<&Value>, space: &dyn Space) -> Option<Goroutine> {
    const DEAD: u64 = 6;
    // A number until Go 1.19, then `atomic.Uint32`.
    let status = match number(value, "atomicstatus.value|atomicstatus", space)? & !SCAN {
        0 => GoroutineStatus::Idle,
        1 => GoroutineStatus::Runnable,
        2 => GoroutineStatus::Running,
        3 => GoroutineStatus::Syscall,
        4 => GoroutineStatus::Waiting,
        DEAD => return None,
        8 => GoroutineStatus::CopyingStack,
        9 => GoroutineStatus::Preempted,
        other => GoroutineStatus::Other(other),
    };
    let addr = |path: &str| number(value, path, space).map_or(Addr::new(0), Addr::new);
    let reason = || {
        let reason = number(value, "waitreason", space)?;
        let text = reasons?.element(reason.into(), space).ok()?;
        text_of(&text, space).filter(|text| !text.is_empty())
    };
    let waits = matches!(status, GoroutineStatus::Waiting);
    let on_thread = matches!(status, GoroutineStatus::Running | GoroutineStatus::Syscall);
    Some(Goroutine {
        id: number(value, "goid", space)?,
        status,
        wait_reason: if waits { reason() } else { None },
        thread: number(value, "m*.procid", space).filter(|_| on_thread),
        saved: SavedRegisters { pc: addr("sched.pc"), sp: addr("sched.sp"), bp: addr("sched.bp") },
        go: addr("gopc"),
        start: addr("startpc"),
    })
}

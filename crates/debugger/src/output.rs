//! What commands give: plain data, rendered elsewhere.

use retake_model::{Addr, TaskId, Tid};
use serde::{Deserialize, Serialize};

use crate::BreakpointId;
use crate::code::SourceLine;

/// The result of one command. What `retake debug --json` prints can be read back into this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "data", rename_all = "snake_case")]
pub enum Output {
    /// Nothing to say.
    Done,
    /// Breakpoints that were set.
    Set(Vec<BreakpointView>),
    /// Breakpoints that were removed.
    Cleared(Vec<BreakpointView>),
    /// All breakpoints.
    Breakpoints(Vec<BreakpointView>),
    /// The end of a movement.
    Stop(StopView),
    /// Hits over the whole recording.
    Hits(HitsView),
    /// A stack, innermost frame first.
    Stack(Vec<FrameView>),
    /// The living tasks.
    Threads(Vec<ThreadView>),
    /// The task that was selected.
    Thread(ThreadView),
    /// General registers.
    Registers(Vec<RegisterView>),
    /// Memory.
    Memory(MemoryView),
    /// Source text.
    List(ListView),
    /// The current moment.
    When(WhenView),
    /// All checkpoints.
    Checkpoints(Vec<CheckpointView>),
    /// A script that ran to its end.
    Script(Vec<ScriptStep>),
    /// An assertion that holds.
    Assert(AssertView),
    /// What the commands are.
    Help(Vec<HelpView>),
    /// The debugger is left.
    Exit,
}

/// A place in code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceView {
    /// The address, or the offset in the file where there is no address.
    pub pc: Addr,
    /// The function.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// The source line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceLine>,
}

/// A breakpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakpointView {
    /// Its number.
    pub id: BreakpointId,
    /// As it was written.
    pub location: String,
    /// Where it stops, one text each.
    pub places: Vec<String>,
}

/// The end of a movement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopView {
    /// The moment.
    pub position: String,
    /// The task that runs there.
    pub task: TaskId,
    /// Where it is.
    pub place: PlaceView,
    /// Why it ended: `reached`, `breakpoint`, `start`, `end`, or the signal that kills.
    pub reasons: Vec<String>,
    /// The breakpoints that were hit.
    pub breakpoints: Vec<BreakpointId>,
}

/// A list of hits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HitsView {
    /// How many.
    pub count: usize,
    /// All of them, in order.
    pub hits: Vec<HitView>,
}

/// One hit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HitView {
    /// Its number in this list, from 1.
    pub n: usize,
    /// The breakpoints that were hit.
    pub breakpoints: Vec<BreakpointId>,
    /// The moment.
    pub position: String,
    /// The task that arrived.
    pub task: TaskId,
    /// Where.
    pub place: PlaceView,
}

/// One frame of a stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameView {
    /// Its number, from 0.
    pub n: usize,
    /// Where it is.
    pub place: PlaceView,
    /// Whether its function is inlined into the next frame's.
    pub inlined: bool,
}

/// A task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadView {
    /// Which one.
    pub task: TaskId,
    /// The program's number for it.
    pub tid: Tid,
    /// Its process.
    pub pid: Tid,
    /// Its name.
    pub name: String,
    /// Where it is.
    pub place: PlaceView,
    /// The system call it waits in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_syscall: Option<u32>,
    /// Whether it is the one that runs.
    pub running: bool,
    /// Whether commands look at it.
    pub selected: bool,
}

/// A register.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterView {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: u64,
}

/// Memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryView {
    /// The first address.
    pub addr: Addr,
    /// Bytes in each item.
    pub size: usize,
    /// The items as text, in the format that was asked for.
    pub items: Vec<String>,
}

/// Source text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListView {
    /// The file.
    pub file: String,
    /// The lines.
    pub lines: Vec<LineView>,
    /// The frame that this is the source of, where that is not the innermost one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame: Option<FrameView>,
}

/// One line of source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineView {
    /// Its number.
    pub line: u32,
    /// Its text.
    pub text: String,
    /// Whether it is the one that was asked for.
    pub here: bool,
}

/// The current moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhenView {
    /// The moment.
    pub position: String,
    /// How many events there are in all.
    pub events: u64,
    /// The task that runs.
    pub task: TaskId,
    /// Where it is.
    pub place: PlaceView,
    /// The last event that took effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_event: Option<String>,
    /// The event that comes next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_event: Option<String>,
}

/// A checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointView {
    /// Its number, from 0.
    pub checkpoint: u32,
    /// How many events had taken effect.
    pub event: u64,
    /// Run time of the program up to there.
    pub run_time_ns: u64,
}

/// One command of a script.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptStep {
    /// The line, from 1.
    pub line: usize,
    /// The command.
    pub command: String,
    /// What it gave.
    pub output: Output,
}

/// An assertion that holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssertView {
    /// The expression.
    pub expression: String,
}

/// A command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelpView {
    /// How it is written.
    pub usage: String,
    /// Its other names.
    pub aliases: Vec<String>,
    /// What it does.
    pub summary: String,
}

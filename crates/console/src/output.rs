//! What lines give: plain data, in the shape that `--json` prints.

use retake_debugger::{
    BreakpointId, CheckpointView, FrameView, HitView, PlaceView, RegisterView, Shown, SourceView,
    StopView, ThreadView, TraceView, TypeView, VariableView, WatchView,
};
use retake_model::{Addr, TaskId};
use serde::{Deserialize, Serialize};

/// The result of one line. What `retake debug --json` prints can be read back into this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "data", rename_all = "snake_case")]
pub enum Output {
    /// Breakpoints that were set.
    Set(Vec<BreakpointView>),
    /// Breakpoints that were removed.
    Cleared(Vec<BreakpointView>),
    /// All breakpoints.
    Breakpoints(Vec<BreakpointView>),
    /// Watches.
    Watches(Vec<WatchView>),
    /// The end of a movement.
    Stop(StopView),
    /// Hits over the whole recording.
    Hits(HitsView),
    /// Arrivals at a place over the whole recording.
    Trace(TraceView),
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
    List(SourceView),
    /// The current moment.
    When(WhenView),
    /// All checkpoints.
    Checkpoints(Vec<CheckpointView>),
    /// A script that ran to its end.
    Script(Vec<ScriptStep>),
    /// The value of an expression, in decimal.
    Value(String),
    /// A value, as it looks.
    Shown(Shown),
    /// Variables.
    Variables(Vec<VariableView>),
    /// A type.
    Type(TypeView),
    /// An assertion that holds.
    Assert(AssertView),
    /// What the commands are.
    Help(Vec<HelpView>),
    /// The debugger is left.
    Exit,
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

/// A list of hits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HitsView {
    /// How many there are.
    pub count: usize,
    /// Those that were asked for, in order.
    pub hits: Vec<HitView>,
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

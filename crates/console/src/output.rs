//! What lines give: plain data, in the shape that `--json` prints.

use retake_debugger::{
    BookmarkView, BreakpointId, CalledView, CheckpointView, CodeView, DisplayView, EventView,
    FrameView, GoroutineView, HitView, NamesView, Page, PlaceView, PrintedView, RegisterView,
    Shown, SourceView, StopView, Substitution, ThreadView, TraceView, TypeView, VariableView,
    WatchView,
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
    Stop(Box<StopOutput>),
    /// Hits over the whole recording.
    Hits(HitsView),
    /// Arrivals at a place over the whole recording.
    Trace(TraceView),
    /// Hits as a table, a row a line, in the form that was asked for.
    Table(Vec<String>),
    /// A stack, innermost frame first.
    Stack(Vec<FrameView>),
    /// The living tasks.
    Threads(Vec<ThreadView>),
    /// The task that was selected.
    Thread(ThreadView),
    /// The living goroutines.
    Goroutines(Vec<GoroutineView>),
    /// The goroutine that is selected now.
    Goroutine(GoroutineView),
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
    /// What a script of another language printed.
    Said(String),
    /// The value of an expression, in decimal.
    Value(String),
    /// A value, as it looks.
    Shown(Shown),
    /// Variables.
    Variables(Vec<VariableView>),
    /// A type.
    Type(TypeView),
    /// Names.
    Names(NamesView),
    /// An assertion that holds.
    Assert(AssertView),
    /// A text that was expected is there.
    Expect(ExpectView),
    /// An assertion or expectation that does not hold, where that ends nothing.
    Failed(FailedView),
    /// What the program printed.
    Output(Vec<PrintedView>),
    /// Events.
    Events(Page<EventView>),
    /// The frame that was selected.
    Frame(FrameView),
    /// Machine code.
    Code(CodeView),
    /// Displays.
    Displays(Vec<DisplayView>),
    /// Bookmarks.
    Bookmarks(Vec<BookmarkView>),
    /// What a call of a function led to.
    Called(CalledView),
    /// Where sources are looked for.
    Substitutions(Vec<Substitution>),
    /// The settings.
    Config(Vec<SettingView>),
    /// The file that is written to from now on.
    Transcript(TranscriptView),
    /// What the commands are.
    Help(Vec<HelpView>),
    /// The debugger is left.
    Exit,
}

/// The end of a movement, and what was run there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopOutput {
    /// Where it is, and why.
    #[serde(flatten)]
    pub view: StopView,
    /// The commands of the breakpoints that were hit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<RanView>,
}

/// A command that a breakpoint has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RanView {
    /// The command.
    pub command: String,
    /// What it gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Output>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A breakpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakpointView {
    /// Its number.
    pub id: BreakpointId,
    /// Its name, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// As it was written.
    pub location: String,
    /// Where it stops, one text each.
    pub places: Vec<String>,
    /// What is run at its stops.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
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
    /// The program's run time up to the last event, in nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_time_ns: Option<u64>,
    /// The same in thousandths of the whole run time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_mille: Option<u32>,
    /// What the program's clock said last, in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<String>,
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

/// A text that was expected and is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectView {
    /// The text.
    pub text: String,
}

/// An assertion or expectation that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedView {
    /// What is wrong.
    pub problem: String,
}

/// A setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingView {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A file that commands and answers are written to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TranscriptView {
    /// The file; none if nothing is written any longer.
    pub file: Option<String>,
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

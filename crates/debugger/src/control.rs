//! What goes beside a request: how to cancel it, who is told how far it is, and where it came from.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use retake_model::EventIndex;

use crate::answers::TraceLine;

/// How far a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Up to which event of the recording the search has come.
    pub event: EventIndex,
    /// How many events the recording holds.
    pub events: EventIndex,
    /// How many hits were found so far.
    pub hits: u64,
}

/// Who is told how far a request is. Told often, by the thread that runs the request: who shows
/// it decides how often.
pub trait ProgressSink: Send + Sync {
    /// The request goes on.
    fn progress(&self, progress: &Progress);

    /// The request is over, well or not.
    fn over(&self) {}
}

impl<F: Fn(&Progress) + Send + Sync> ProgressSink for F {
    fn progress(&self, progress: &Progress) {
        self(progress);
    }
}

/// Who is given what a trace sees, as it is found. In order, by the thread that runs the request.
pub trait TraceSink: Send + Sync {
    /// The next arrival; breaking off ends the request, well.
    fn line(&self, line: &TraceLine) -> ControlFlow<()>;
}

/// Beside one request. [`crate::Debugger::control`] makes it.
#[derive(Clone)]
pub struct RequestControl {
    /// The execution's own.
    interrupt: Arc<AtomicBool>,
    progress: Option<Arc<dyn ProgressSink>>,
    trace: Option<Arc<dyn TraceSink>>,
    line: Option<String>,
}

impl RequestControl {
    /// For one request to an execution with this interrupter. A cancellation that came too late for
    /// an earlier request is forgotten.
    pub(crate) fn new(interrupt: Arc<AtomicBool>) -> Self {
        interrupt.store(false, Ordering::SeqCst);
        Self { interrupt, progress: None, trace: None, line: None }
    }

    /// Tells `sink` how far the request is.
    #[must_use]
    pub fn with_progress(self, sink: Arc<dyn ProgressSink>) -> Self {
        Self { progress: Some(sink), ..self }
    }

    /// Gives what a trace sees to `sink`, and not with the answer.
    #[must_use]
    pub fn with_trace(self, sink: Arc<dyn TraceSink>) -> Self {
        Self { trace: Some(sink), ..self }
    }

    /// Says what a person wrote; the journal keeps it beside the request.
    #[must_use]
    pub fn with_line(self, line: impl Into<String>) -> Self {
        Self { line: Some(line.into()), ..self }
    }

    /// Ends the request early, from any thread: it fails as interrupted, and the position stays what
    /// it was before.
    pub fn cancel(&self) {
        self.interrupt.store(true, Ordering::SeqCst);
    }

    /// Whether somebody cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.interrupt.load(Ordering::SeqCst)
    }

    pub(crate) fn line(&self) -> Option<&str> {
        self.line.as_deref()
    }

    pub(crate) fn trace_sink(&self) -> Option<&dyn TraceSink> {
        self.trace.as_deref()
    }

    pub(crate) fn report(&self, progress: &Progress) {
        if let Some(sink) = &self.progress {
            sink.progress(progress);
        }
    }

    pub(crate) fn over(&self) {
        if let Some(sink) = &self.progress {
            sink.over();
        }
    }
}

impl fmt::Debug for RequestControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("RequestControl");
        out.field("interrupt", &self.interrupt).field("line", &self.line).finish_non_exhaustive()
    }
}

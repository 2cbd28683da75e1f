//! Goroutines of a Go program.

use retake_model::Tid;
use serde::{Deserialize, Serialize};

use super::PlaceView;

/// A goroutine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoroutineView {
    /// Its number.
    pub id: u64,
    /// What it does: `running`, `waiting` and so on.
    pub status: String,
    /// What it waits for, in the runtime's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_reason: Option<String>,
    /// The thread that it is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<Tid>,
    /// Where it is.
    pub current: PlaceView,
    /// The innermost place that is not in the runtime.
    pub user: PlaceView,
    /// The `go` statement that started it.
    pub go: PlaceView,
    /// The function that it began with.
    pub start: PlaceView,
    /// Whether requests look at it.
    pub selected: bool,
}

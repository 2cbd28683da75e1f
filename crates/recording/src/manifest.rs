//! The manifest: what was recorded, where, by which version, and how it ended.

use std::collections::BTreeMap;
use std::time::Duration;

use retake_model::Addr;
use serde::{Deserialize, Serialize};

use crate::events::event::ExitStatus;

/// `recording.json` (finished) or `recording.partial` (being written, or its recorder was killed).
///
/// Byte strings (arguments, environment, paths) are kept as bytes: they need not be UTF-8.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Format version that wrote it.
    pub format: String,
    /// retake version that wrote it.
    pub tool: String,
    /// Unique name of this recording.
    pub id: String,
    /// Unix time of the start, in nanoseconds.
    pub started_ns: u64,
    /// Program and arguments.
    pub command: Vec<Vec<u8>>,
    /// Path of the executed file.
    pub program: Vec<u8>,
    /// Environment, `NAME=VALUE`.
    pub env: Vec<Vec<u8>>,
    /// The first process's number in the program's eyes.
    #[serde(default)]
    pub root_tid: Option<i32>,
    /// Working folder.
    pub cwd: Vec<u8>,
    /// The machine.
    pub machine: Machine,
    /// What could not be neutralised or tracked here, a sentence each.
    pub warnings: Vec<String>,
    /// System calls that were refused, by name, each with the error that the program got.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refused: BTreeMap<String, String>,
    /// What tasks were scheduled by at random.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chaos_seed: Option<u64>,
    /// How many CPUs the program was told of, where that is not the machine's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<usize>,
    /// Where the calls of the code end that makes calls without a stop: its own, the question whether one would wait,
    /// and the look at an opened file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fast_code: Option<[Addr; 3]>,
    /// How it ended; absent while recording or when the recorder was killed.
    pub end: Option<End>,
}

/// The machine a recording was made on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// `uname -r`.
    pub kernel: String,
    /// cpuid leaves that were read: leaf, subleaf, eax, ebx, ecx, edx.
    pub cpuid: Vec<[u32; 6]>,
    /// The CPU that all tasks were bound to: without trapped cpuid it shows in what they see.
    #[serde(default)]
    pub cpu: Option<usize>,
    /// Size of the XSAVE area in bytes.
    pub xsave_size: u32,
    /// Whether cpuid was trapped and its answers are events.
    pub cpuid_trapped: bool,
}

/// How a recording ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// How the recorded program (its first process) ended.
    pub status: ExitStatus,
    /// What ended the recording, and the program with it, where the program did not end by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<Cut>,
    /// Events.
    pub events: u64,
    /// Checkpoints.
    pub checkpoints: u32,
    /// Wall-clock time of the recording, in nanoseconds.
    pub wall_ns: u64,
}

impl End {
    /// One of a recording that has nothing: [`crate::RecordingWriter::close`] sets what was written.
    pub fn new(status: ExitStatus, cut: Option<Cut>, wall: Duration) -> Self {
        let wall_ns = u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX);
        Self { status, cut, events: 0, checkpoints: 0, wall_ns }
    }
}

/// What ended a recording before the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cut {
    /// All tasks waited for each other, and nothing else could wake one.
    Deadlock,
    /// The recording had a time limit.
    TimeLimit,
    /// Somebody asked for it.
    Request,
}

//! The parts of a scripted recording.

use std::collections::BTreeMap;

use retake_execution::TaskInfo;
use retake_model::{Addr, AddrRange, Mapping, Position, Registers, SpaceId, TaskId};

/// A living task at one moment.
#[derive(Clone, Debug)]
pub(super) struct FakeTask {
    pub(super) info: TaskInfo,
    pub(super) registers: Registers,
}

/// One moment of the script.
#[derive(Clone, Debug)]
pub(super) struct Moment {
    pub(super) position: Position,
    pub(super) task: TaskId,
    pub(super) tasks: BTreeMap<TaskId, FakeTask>,
    /// How many of the script's writes have happened.
    pub(super) writes: usize,
}

/// Bytes that the program wrote.
#[derive(Clone, Debug)]
pub(super) struct Write {
    pub(super) space: SpaceId,
    pub(super) addr: Addr,
    pub(super) bytes: Vec<u8>,
}

/// Bytes that the program read.
#[derive(Clone, Debug)]
pub(super) struct Read {
    /// The index of the moment right behind it.
    pub(super) moment: usize,
    pub(super) space: SpaceId,
    pub(super) range: AddrRange,
}

/// A file of the recording.
#[derive(Clone, Debug)]
pub(super) struct FakeFile {
    pub(super) path: String,
    pub(super) bytes: Vec<u8>,
}

/// Everything that the builder wrote.
#[derive(Clone, Debug, Default)]
pub(super) struct Script {
    pub(super) moments: Vec<Moment>,
    pub(super) events: Vec<String>,
    /// Of which kinds events are, by their numbers.
    pub(super) kinds: Vec<(u64, retake_execution::EventFilter)>,
    pub(super) writes: Vec<Write>,
    pub(super) reads: Vec<Read>,
    pub(super) files: Vec<FakeFile>,
    pub(super) mappings: BTreeMap<SpaceId, Vec<Mapping>>,
    pub(super) checkpoints: Vec<u64>,
    pub(super) diverges_at: Option<u64>,
    pub(super) fatal: Option<retake_model::Signal>,
    pub(super) end: Option<retake_execution::ProgramEnd>,
    pub(super) clock_reads: Vec<retake_execution::ClockRead>,
}

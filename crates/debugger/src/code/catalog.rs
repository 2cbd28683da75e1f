//! The files of a recording, each parsed when it is first needed.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

use retake_execution::{Execution, FileInfo, State};
use retake_model::{Addr, Backing, FileId, FileOffset, Mapping, Protection, Registers, TaskId};

use super::{CodeFile, CodeFrame, CodeModule, CodeReader, Loaded, RawFrame};
use crate::DebugError;

type Parsed = Result<Rc<dyn CodeModule>, String>;

/// Parsed modules of a recording.
#[derive(Debug)]
pub(crate) struct Catalog {
    reader: Box<dyn CodeReader>,
    parsed: RefCell<BTreeMap<FileId, Parsed>>,
}

impl Catalog {
    pub(crate) fn new(reader: Box<dyn CodeReader>) -> Self {
        Self { reader, parsed: RefCell::default() }
    }

    /// The code of a file.
    pub(crate) fn module(
        &self,
        execution: &dyn Execution,
        info: &FileInfo,
    ) -> Result<Rc<dyn CodeModule>, DebugError> {
        let known = self.parsed.borrow().get(&info.file).cloned();
        let parsed = match known {
            Some(parsed) => parsed,
            None => {
                let bytes = execution.file_bytes(info.file)?;
                let (path, hash) = (PathBuf::from(&info.path), execution.file_hash(info.file));
                let file = CodeFile { path, bytes, hash, kept: execution.kept_files() };
                let parsed = self.reader.parse(file).map(Rc::from);
                self.parsed.borrow_mut().insert(info.file, parsed.clone());
                parsed
            }
        };
        parsed.map_err(|problem| DebugError::Code { path: info.path.clone(), problem })
    }

    /// What runs at a byte of a file; nothing if that is not known.
    pub(crate) fn frames_in(
        &self,
        execution: &dyn Execution,
        file: FileId,
        offset: FileOffset,
    ) -> Vec<CodeFrame> {
        // A list of hits asks for the same few files very often.
        let known = self.parsed.borrow().get(&file).cloned();
        let module = known.and_then(Result::ok).or_else(|| {
            let info = execution.files().into_iter().find(|info| info.file == file)?;
            self.module(execution, &info).ok()
        });
        module.map_or_else(Vec::new, |module| module.frames_at(offset))
    }

    /// What runs at a byte of a file that was read before; nothing if that is not known.
    pub(crate) fn known_frames(&self, file: FileId, offset: FileOffset) -> Vec<CodeFrame> {
        let known = self.parsed.borrow().get(&file).cloned();
        known.and_then(Result::ok).map_or_else(Vec::new, |module| module.frames_at(offset))
    }

    /// What runs at an address of a task; nothing if that is not known.
    pub(crate) fn frames_at(
        &self,
        execution: &dyn Execution,
        task: TaskId,
        addr: Addr,
    ) -> Vec<CodeFrame> {
        file_at(execution, task, addr)
            .map_or_else(Vec::new, |(file, offset)| self.frames_in(execution, file, offset))
    }

    /// The stack of a task, innermost frame first.
    pub(crate) fn unwind(
        &self,
        execution: &dyn Execution,
        task: TaskId,
        registers: &Registers,
        max: usize,
    ) -> Result<Vec<RawFrame>, DebugError> {
        let files = execution.files();
        let mut modules = Vec::new();
        let mappings = execution.mappings(task)?;
        for mapping in &mappings {
            let Backing::File { file, offset } = mapping.backing else {
                continue;
            };
            let info = files.iter().find(|info| info.file == file);
            let (true, Some(info)) = (mapping.prot.allows(Protection::EXEC), info) else {
                continue;
            };
            if let Ok(module) = self.module(execution, info) {
                modules.push((module, mapping.range, offset));
            }
        }
        let loaded: Vec<Loaded<'_>> = modules
            .iter()
            .map(|(module, range, offset)| Loaded {
                module: module.as_ref(),
                range: *range,
                offset: *offset,
            })
            .collect();
        let mut read = |addr| {
            let mut word = [0; 8];
            execution.read_memory(task, addr, &mut word).ok()?;
            Some(u64::from_le_bytes(word))
        };
        let mut frames = self.reader.unwind(&loaded, registers, &mut read, max);
        // Where the last frame has no caller, an unwinder may take any word for one.
        let is_code = |addr| {
            let holds = |mapping: &&Mapping| mapping.range.contains(addr);
            mappings.iter().find(holds).is_some_and(|m| m.prot.allows(Protection::EXEC))
        };
        let ends = frames.iter().skip(1).position(|frame| !is_code(frame.lookup));
        frames.truncate(ends.map_or(frames.len(), |callers| callers + 1));
        Ok(frames)
    }
}

/// The byte of a file that is executed at an address of a task.
pub(crate) fn file_at(state: &dyn State, task: TaskId, addr: Addr) -> Option<(FileId, FileOffset)> {
    let mappings = state.mappings(task).ok()?;
    let mapping = mappings.iter().find(|mapping| mapping.range.contains(addr))?;
    match mapping.backing_at(addr)? {
        Backing::File { file, offset } => Some((file, offset)),
        Backing::Anonymous | Backing::Copied | Backing::Shared { .. } | Backing::Private { .. } => {
            None
        }
    }
}

//! The memory of a task, as values see it.

use std::cell::RefCell;

use retake_execution::{Execution, State};
use retake_model::{Addr, Backing, TaskId};
use retake_values::{Info, Space};

use crate::code::{Catalog, file_at};

/// Words next to each other are read together: so many bytes.
pub(crate) const LINE: usize = 256;

/// The memory of a task at the current moment, with what the recorded files say of it.
pub(crate) struct TaskMemory<'a> {
    pub(crate) execution: &'a dyn Execution,
    pub(crate) catalog: &'a Catalog,
    pub(crate) task: TaskId,
    /// What was read last: where, and how much of it is there.
    last: RefCell<(u64, usize, [u8; LINE])>,
}

impl<'a> TaskMemory<'a> {
    pub(crate) fn new(execution: &'a dyn Execution, catalog: &'a Catalog, task: TaskId) -> Self {
        Self { execution, catalog, task, last: RefCell::new((0, 0, [0; LINE])) }
    }
}

impl Space for TaskMemory<'_> {
    fn read(&self, addr: Addr, out: &mut [u8]) -> usize {
        read_cached(self.execution, self.task, &self.last, addr, out)
    }

    fn symbol(&self, addr: Addr) -> Option<String> {
        let (file, offset) = file_at(self.execution, self.task, addr)?;
        let info = self.execution.files().into_iter().find(|info| info.file == file)?;
        self.catalog.module(self.execution, &info).ok()?.symbol(offset)
    }

    fn bias(&self, info: &Info) -> Option<u64> {
        let files = self.execution.files();
        for mapping in self.execution.mappings(self.task).ok()? {
            let Backing::File { file, offset } = mapping.backing else { continue };
            let Some(found) = files.iter().find(|info| info.file == file) else { continue };
            let Ok(module) = self.catalog.module(self.execution, found) else { continue };
            let is_it = module.values().is_some_and(|own| std::ptr::eq(&*own, info));
            if is_it && let Some(bias) = module.bias(mapping.range.start(), offset) {
                return Some(bias);
            }
        }
        None
    }
}

/// Reads memory a line at a time: following a pointer field by field reads the same few lines again and again.
pub(crate) fn read_cached(
    state: &(impl State + ?Sized),
    task: TaskId,
    last: &RefCell<(u64, usize, [u8; LINE])>,
    addr: Addr,
    out: &mut [u8],
) -> usize {
    let read = |addr: Addr, out: &mut [u8]| state.read_some(task, addr, out).unwrap_or(0);
    if out.len() > LINE / 2 {
        return read(addr, out);
    }
    let mut last = last.borrow_mut();
    let inside = |last: &(u64, usize, [u8; LINE])| {
        let skip = usize::try_from(addr.get().checked_sub(last.0)?).ok()?;
        let end = skip.checked_add(out.len())?;
        (end <= last.1).then_some(skip..end)
    };
    if inside(&last).is_none() {
        let mut line = [0; LINE];
        let got = read(addr, &mut line);
        *last = (addr.get(), got.min(LINE), line);
    }
    match inside(&last).and_then(|range| last.2.get(range)) {
        Some(found) => {
            out.copy_from_slice(found);
            out.len()
        }
        None => read(addr, out),
    }
}

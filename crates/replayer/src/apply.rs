//! Effects of events.

use std::os::unix::fs::FileExt;

use retake_execution::Divergence;
use retake_model::{Addr, AddrRange, Backing, Mapping, SpaceId, TaskId};
use retake_recording::{Effect, OutputHash, Stream};

use crate::failure::Failure;
use crate::live::{Identity, LiveTask};
use crate::machine::{Machine, Sink};

impl Machine {
    pub(crate) fn apply_effect(
        &mut self,
        task: TaskId,
        effect: &Effect,
        sink: Sink<'_>,
    ) -> Result<(), Failure> {
        match effect {
            Effect::Write { addr, bytes } => self.write(task, *addr, bytes),
            Effect::ForeignWrite { space, addr, bytes } => {
                let target = self.task_in(*space).map(|task| task.id);
                self.write(target.unwrap_or(task), *addr, bytes)
            }
            Effect::Map { mapping } => self.map(task, mapping),
            Effect::Unmap { range } => {
                let space = self.task(task)?.space;
                self.caches.make_room(space, *range);
                self.task(task)?.unmap(*range)?;
                self.changed(task, *range, |table| table.unmap(*range))
            }
            Effect::Protect { range, prot } => {
                self.task(task)?.protect(*range, *prot)?;
                let space = self.task(task)?.space;
                self.caches.code_changed(space, *range)?;
                self.forget_protections(space, *range);
                self.space(space).table.protect(*range, *prot);
                self.refresh_sites(space)
            }
            Effect::Move { from, to, keep } => {
                self.forget_sites(task, *from)?;
                let space = self.task(task)?.space;
                self.caches.code_changed(space, *from)?;
                self.caches.make_room(space, *to);
                self.forget_protections(space, *from);
                self.forget_protections(space, *to);
                self.task(task)?.move_range(*from, *to, *keep)?;
                self.changed(task, *to, |table| table.move_range(*from, *to, *keep))
            }
            Effect::Discard { range } => {
                self.task(task)?.discard(*range)?;
                self.changed(task, *range, |_| ())
            }
            Effect::NewShared { shared, len, pages } => self.make_shared(*shared, *len, pages),
            Effect::ResizeShared { shared, len } => {
                if let Some(file) = self.shared.get(shared) {
                    file.set_len(*len)?;
                }
                Ok(())
            }
            Effect::SharedWrite { shared, offset, bytes } => {
                if let Some(file) = self.shared.get(shared) {
                    file.write_all_at(bytes, *offset)?;
                }
                Ok(())
            }
            Effect::ZeroShared { shared, offset, len } => {
                if let Some(file) = self.shared.get(shared) {
                    retake_ptrace::punch_hole(file, *offset, *len)?;
                }
                Ok(())
            }
            Effect::In { space, effect } => match self.task_in(*space).map(|task| task.id) {
                Some(task) => self.apply_effect(task, effect, sink),
                None => Ok(()),
            },
            Effect::Spawn { child, tid, pid, space, registers } => {
                let identity = Identity { id: *child, tid: *tid, pid: *pid, space: *space };
                self.spawn(task, identity, registers)
            }
            Effect::Exec { image } => self.exec(task, image),
            Effect::Vector { state } => Ok(self.task(task)?.stopped.set_vector(state)?),
            Effect::Name { name } => {
                self.task(task)?.name.clone_from(name);
                Ok(())
            }
            Effect::Segment { segment } => {
                self.task(task)?.set_segment(segment)?;
                let space = self.task(task)?.space;
                self.space(space).segments.insert(segment.entry(), *segment);
                Ok(())
            }
            Effect::Output { stream, addr, len, hash } => {
                self.output(task, *stream, (*addr, *len), *hash, sink)
            }
        }
    }

    fn write(&mut self, task: TaskId, addr: Addr, bytes: &[u8]) -> Result<(), Failure> {
        let space = self.task(task)?.space;
        let range = AddrRange::with_len(addr, bytes.len() as u64);
        if let Some(range) = range {
            self.caches.code_changed(space, range)?;
        }
        let Some(range) = range.filter(|range| self.sites.in_range(space, *range)) else {
            return Ok(self.task(task)?.memory.write(addr, bytes)?);
        };
        // What is written replaces what stands below the breakpoints.
        self.remove_sites_in(space, range)?;
        self.task(task)?.memory.write(addr, bytes)?;
        self.refresh_sites(space)
    }

    fn map(&mut self, task: TaskId, mapping: &Mapping) -> Result<(), Failure> {
        self.map_into(task, mapping)?;
        self.changed(task, mapping.range, |table| table.map(mapping.clone()))
    }

    /// Whatever stood in `range` is gone; breakpoints too.
    fn changed(
        &mut self,
        task: TaskId,
        range: AddrRange,
        change: impl FnOnce(&mut retake_tracee::MappingTable),
    ) -> Result<(), Failure> {
        let space = self.task(task)?.space;
        self.caches.code_changed(space, range)?;
        self.forget_protections(space, range);
        let table = &mut self.space(space).table;
        change(table);
        let exec = retake_model::Protection::EXEC;
        let runs = table.parts(range).iter().any(|mapping| mapping.prot.allows(exec));
        self.sites.forget_range(space, range);
        if runs { self.refresh_sites(space) } else { Ok(()) }
    }

    /// The protection of `range` is another one, or its memory is: pages there are neither guarded nor shut any more.
    pub(crate) fn forget_protections(&mut self, space: SpaceId, range: AddrRange) {
        self.guards.forget_range(space, range);
        self.watched.forget_range(space, range);
    }

    fn forget_sites(&mut self, task: TaskId, range: AddrRange) -> Result<(), Failure> {
        let space = self.task(task)?.space;
        self.remove_sites_in(space, range)
    }

    fn spawn(
        &mut self,
        parent: TaskId,
        identity: Identity,
        registers: &retake_model::Registers,
    ) -> Result<(), Failure> {
        self.open_watched_pages()?;
        let parent_task = self.task(parent)?;
        let parent_space = parent_task.space;
        let vector = parent_task.stopped.vector()?;
        let mut child: LiveTask = parent_task.spawn(identity)?;
        child.stopped.set_vector(&vector)?;
        child.set_registers(registers)?;
        self.tasks.insert(identity.id, child);
        if identity.space != parent_space {
            let copy = self.space(parent_space).clone();
            self.spaces.insert(identity.space, copy);
            self.sites.copy_space(parent_space, identity.space);
            self.guards.copy_space(parent_space, identity.space);
        }
        Ok(())
    }

    fn exec(&mut self, task: TaskId, image: &retake_recording::Image) -> Result<(), Failure> {
        let old = self.tasks.remove(&task);
        let (tid, pid) = old.as_ref().map_or_else(
            || {
                let tid = self.recorded_tid(task);
                (tid, tid)
            },
            |old| (old.tid, old.pid),
        );
        let fresh = self.start_task(Identity { id: task, tid, pid, space: image.space })?;
        let old_space = old.as_ref().map(|old| old.space);
        drop(old);
        self.tasks.insert(task, fresh);
        self.caches.forget_space(image.space);
        self.guards.forget_space(image.space);
        if let Some(space) = old_space {
            self.forget_empty_space(space);
        }
        self.change_space(task, image.space, &image.mappings, &image.pages)?;
        self.refresh_sites(image.space)
    }

    pub(crate) fn forget_empty_space(&mut self, space: SpaceId) {
        if self.task_in(space).is_none() {
            self.spaces.remove(&space);
            self.sites.forget_space(space);
            self.caches.forget_space(space);
            self.guards.forget_space(space);
        }
    }

    /// The number of a task that exists from the start: checkpoints know it, else it is its process's.
    fn recorded_tid(&self, _task: TaskId) -> retake_model::Tid {
        retake_model::Tid::new(self.recording.manifest().root_tid.unwrap_or(0))
    }

    /// A call takes bytes from memory, which is as it was then.
    pub(crate) fn output(
        &mut self,
        task: TaskId,
        stream: Option<Stream>,
        (addr, len): (Addr, u64),
        recorded: u64,
        sink: Sink<'_>,
    ) -> Result<(), Failure> {
        let mut hash = OutputHash::default();
        let mut buffer = [0_u8; 16 << 10];
        let mut at = addr;
        let mut left = usize::try_from(len).unwrap_or(0);
        while left > 0 {
            let part = buffer.get_mut(..left.min(16 << 10)).unwrap_or_default();
            let space = self.task(task)?.space;
            self.task(task)?.memory.read_exact(at, part)?;
            self.sites.mask(space, at, part);
            hash.update(part);
            if let Some(stream) = stream {
                sink(stream, part);
            }
            left -= part.len();
            at = Addr::new(at.get() + part.len() as u64);
        }
        self.check_output(task, (addr, len), recorded, hash.finish())
    }

    /// Compares the hash of what a call of the next event takes from memory.
    pub(crate) fn check_output(
        &self,
        task: TaskId,
        (addr, len): (Addr, u64),
        recorded: u64,
        actual: u64,
    ) -> Result<(), Failure> {
        if actual == recorded {
            return Ok(());
        }
        Err(Failure::Divergence(Box::new(Divergence {
            event: self.done,
            task: Some(task),
            what: format!("the {len} bytes at {addr} that it writes"),
            expected: format!("hash {recorded:016x}"),
            actual: format!("hash {actual:016x}"),
            context: crate::describe::context(&self.recording, self.done),
        })))
    }

    /// Where a byte of a kept file is mapped executable in a space.
    pub(crate) fn addresses_of(
        table: &retake_tracee::MappingTable,
        file: retake_model::FileId,
        offset: retake_model::FileOffset,
    ) -> Vec<Addr> {
        let exec = retake_model::Protection::EXEC;
        table
            .iter()
            .filter(|mapping| mapping.prot.allows(exec))
            .filter_map(|mapping| match mapping.backing {
                Backing::File { file: f, offset: start } if f == file => {
                    let skip = offset.get().checked_sub(start.get())?;
                    let addr = mapping.range.start().checked_add(skip)?;
                    mapping.range.contains(addr).then_some(addr)
                }
                _ => None,
            })
            .collect()
    }
}

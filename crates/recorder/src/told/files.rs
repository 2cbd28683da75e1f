//! Files of procfs and sysfs that tell of CPUs and of who runs.
//!
//! The program opens the kernel's files. What it reads from them is a text of the recorder's, made from the kernel's:
//! the read is answered without the kernel, and the position is moved as far as that would have moved it.

use std::os::unix::ffi::OsStrExt;

use retake_abi::{Errno, nr};
use retake_model::{Addr, Registers, SyscallNo, Tid};
use retake_ptrace::Stopped;
use retake_tracee::inject;

use super::contents::{self, Content, Facts};
use super::cpu_set::CpuSet;
use super::named::Named;
use crate::book::Draft;
use crate::calls::answer::Answer;
use crate::error::RecordError;
use crate::files::descriptors::{Target, descriptor, fd_info};
use crate::hardware::Hardware;
use crate::session::Session;
use crate::start::exec::path_at;
use crate::tasks::Task;

/// Most pieces of memory that one call reads into (`UIO_MAXIOV`).
const MOST_PIECES: u64 = 1024;
/// `O_ACCMODE`, `O_WRONLY`.
const ACCESS: u64 = 3;
const WRITES: u64 = 1;

/// Where a call reads from, and where to.
struct Reading {
    /// Where in the file; nothing for the file's own position.
    at: Option<u64>,
    /// Memory: address and length.
    pieces: Vec<(u64, u64)>,
}

impl Reading {
    fn of(task: &Task, no: SyscallNo, args: &[u64; 6]) -> Option<Self> {
        let [_, memory, count, offset, ..] = *args;
        let at = match no {
            nr::READ | nr::READV => None,
            // -1 is the file's own (preadv2(2)).
            nr::PREADV2 if offset == u64::MAX => None,
            _ => Some(offset),
        };
        if matches!(no, nr::READ | nr::PREAD64) {
            return Some(Self { at, pieces: vec![(memory, count)] });
        }
        let piece = |n: u64| {
            let word = |at: u64| task.memory.read_u64(Addr::new(memory.checked_add(at)?)).ok();
            Some((word(n * 16)?, word(n * 16 + 8)?))
        };
        let pieces = (0..count.min(MOST_PIECES)).map(piece).collect::<Option<_>>()?;
        Some(Self { at, pieces })
    }
}

impl Hardware {
    fn note_opened(&mut self, task: &Task, path: u64) {
        let path = path_at(&task.memory, path);
        self.told_files.opened =
            path.is_some_and(|path| Content::may_be(path.as_os_str().as_bytes()));
    }
}

impl Session {
    /// A call that opens or reads a file, and the answer if the file is one of these.
    pub(crate) fn told_file_call(
        &mut self,
        draft: &mut Draft,
        task: &mut Task,
        stopped: &mut Stopped,
        entry: &Registers,
        no: SyscallNo,
        args: &[u64; 6],
    ) -> Result<Option<Answer>, RecordError> {
        let [first, second, ..] = *args;
        match no {
            nr::OPEN if !self.hardware.told_files.opened => self.hardware.note_opened(task, first),
            nr::OPENAT | nr::OPENAT2 if !self.hardware.told_files.opened => {
                self.hardware.note_opened(task, second)
            }
            nr::READ | nr::PREAD64 | nr::READV | nr::PREADV | nr::PREADV2
                if self.hardware.told_files.opened =>
            {
                return self.read_told(draft, task, stopped, entry, no, args);
            }
            _ => {}
        }
        Ok(None)
    }

    fn read_told(
        &mut self,
        draft: &mut Draft,
        task: &mut Task,
        stopped: &mut Stopped,
        entry: &Registers,
        no: SyscallNo,
        args: &[u64; 6],
    ) -> Result<Option<Answer>, RecordError> {
        const SEEK_SET: u64 = 0;
        let [fd_argument, ..] = *args;
        let fd = descriptor(fd_argument);
        let Target::Told(content) = self.world.descriptors.target(task.process(), fd) else {
            return Ok(None);
        };
        let Some(info) = fd_info(task.tid, fd) else { return Ok(None) };
        let Some(reading) = Reading::of(task, no, args) else { return Ok(None) };
        if info.flags & ACCESS == WRITES {
            return Ok(None);
        }
        let from = reading.at.unwrap_or(info.position);
        let Some(text) = self.text_of(task, fd, content, from) else { return Ok(None) };
        let mut rest = text.get(usize::try_from(from).unwrap_or(usize::MAX)..).unwrap_or_default();
        let mut read = 0_u64;
        for (memory, room) in reading.pieces {
            let (now, later) = rest.split_at(rest.len().min(usize::try_from(room).unwrap_or(0)));
            if now.is_empty() {
                continue;
            }
            if !self.world.give(draft, task, Addr::new(memory), now) {
                if read == 0 {
                    return Ok(Some(Answer::Now(Errno::EFAULT.to_result())));
                }
                break;
            }
            read += now.len() as u64;
            rest = later;
        }
        if reading.at.is_none() && read > 0 {
            let to = from.saturating_add(read);
            let done = inject(stopped, entry, nr::LSEEK, [fd_argument, to, SEEK_SET, 0, 0, 0])?;
            task.held.extend(done.signals);
        }
        Ok(Some(Answer::Now(i64::try_from(read).unwrap_or(0))))
    }

    /// The text of a file that is read from `from` on.
    fn text_of(
        &mut self,
        task: &mut Task,
        fd: i32,
        content: Content,
        from: u64,
    ) -> Option<Vec<u8>> {
        if let Some((pid, known, text)) = &self.hardware.told_files.text
            && (*pid, *known) == (task.pid, fd)
            && from > 0
        {
            return Some(text.clone());
        }
        let kernels = std::fs::read(format!("/proc/{}/fd/{fd}", task.tid)).ok()?;
        // A task's name may hold any bytes: each is a character here.
        let kernels: String = kernels.into_iter().map(char::from).collect();
        let text = self.told_text(task, &kernels, content)?;
        let text: Vec<u8> = text.chars().filter_map(|byte| u8::try_from(byte).ok()).collect();
        self.hardware.told_files.text = Some((task.pid, fd, text.clone()));
        Some(text)
    }

    fn told_text(&mut self, task: &mut Task, kernels: &str, content: Content) -> Option<String> {
        let counted = self.hardware.processors.asked();
        let (Content::Status(tid) | Content::Stat(tid)) = content else {
            let count = counted?;
            return Some(match content {
                Content::CpuInfo => contents::cpu_info(kernels, count),
                Content::Times => contents::times(kernels, count),
                Content::NoCpus => "\n".to_owned(),
                _ => CpuSet::first(count).to_list() + "\n",
            });
        };
        let of = |task: &Task| {
            let facts = Facts {
                cpus: &task.told.cpus,
                cpu: task.told.cpu,
                real_time: task.told.real_time,
                tracer: task.traced.as_ref().map_or(Tid::new(0), |traced| traced.tracer()),
                is_stopped: task.is_stopped_by_tracer(),
                counted,
            };
            match content {
                Content::Status(_) => Some(contents::status(kernels, &facts)),
                _ => contents::stat(kernels, &facts),
            }
        };
        match self.world.named(task, u64::from(tid.get().unsigned_abs())) {
            Named::Itself => of(task),
            Named::Other(tid) => of(self.world.tasks.get(&tid)?),
            Named::Outside => None,
        }
    }
}

//! Memory that processes share without a file: anonymous mappings, System V segments.
//!
//! Their contents have to be read at checkpoints, whoever maps them by then. Through
//! `/proc/PID/map_files` only privileged users may. So the program's shared anonymous memory is memory
//! of a memfd, of which the recorder keeps a descriptor; segments are read where they are mapped.

use std::fs::File;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use retake_abi::nr;
use retake_model::{Addr, AddrRange, Backing, FileOffset, Mapping, Protection, Registers};
use retake_ptrace::{Stopped, copy_fd};
use retake_recording::Effect;
use retake_tracee::inject;

use crate::book::{Book, Draft};
use crate::calls::answer::Answer;
use crate::error::RecordError;
use crate::tasks::Task;
use crate::world::World;

const MAP_TYPE: u64 = 0xf;
const MAP_SHARED: u64 = 1;
const MAP_ANONYMOUS: u64 = 0x20;
const MAP_GROWSDOWN: u64 = 0x100;
const MFD_CLOEXEC: u64 = 1;

impl World {
    /// A task at the entry of mmap(2): makes shared anonymous memory of a memfd instead.
    pub(crate) fn map_anonymous_shared(
        &mut self,
        book: &mut Book,
        draft: &mut Draft,
        task: &mut Task,
        stopped: &mut Stopped,
        entry: &Registers,
        args: &[u64; 6],
    ) -> Result<Answer, RecordError> {
        let [addr, len, prot, flags, fd, _] = *args;
        let anonymous = flags & MAP_ANONYMOUS != 0 || is_zero_device(task, fd);
        // What is to grow is refused by the kernel.
        let grows = flags & MAP_GROWSDOWN != 0;
        if flags & MAP_TYPE != MAP_SHARED || !anonymous || len == 0 || grows {
            return Ok(Answer::Kernel);
        }
        let mut call = |no, args| -> Result<i64, RecordError> {
            let done = inject(stopped, entry, no, args)?;
            task.held.extend(done.signals);
            Ok(done.result)
        };
        // Any string will do for a name: the null-terminated rest of our page.
        let name = retake_tracee::InjectPage::ADDR.get() + retake_tracee::InjectPage::LEN - 8;
        let made = call(nr::MEMFD_CREATE, [name, MFD_CLOEXEC, 0, 0, 0, 0])?;
        let Ok(fd) = u32::try_from(made) else {
            self.enter_again(task, stopped, entry)?;
            return Ok(Answer::Kernel);
        };
        let (fd, number) = (u64::from(fd), i32::try_from(fd).unwrap_or(-1));
        let sized = call(nr::FTRUNCATE, [fd, len, 0, 0, 0, 0])? == 0;
        let file = copy_fd(task.tid, task.pid, number).map(File::from);
        let meta = file.as_ref().ok().and_then(|file| file.metadata().ok());
        let mut result = None;
        if let (true, Ok(file), Some(meta)) = (sized, file, meta) {
            let flags = flags & !MAP_ANONYMOUS;
            let at = call(nr::MMAP, [addr, len, prot, flags, fd, 0])?;
            result = Some((at, file, (meta.dev(), meta.ino())));
        }
        call(nr::CLOSE, [fd, 0, 0, 0, 0, 0])?;
        let Some((at, file, identity)) = result else {
            self.enter_again(task, stopped, entry)?;
            return Ok(Answer::Kernel);
        };
        let range = AddrRange::with_len(Addr::new(at.cast_unsigned()), len);
        if let Some(range) = range.filter(|_| retake_abi::Errno::from_result(at).is_none()) {
            let shared =
                self.files.shared_object(&mut book.writer, draft, identity, len, Some(file));
            let backing = Backing::Shared { shared, offset: FileOffset::new(0) };
            let prot = Protection::from_bits(prot);
            let mapping = Mapping { range: range.to_pages(), prot, backing, grows_down: false };
            self.change(draft, task, Effect::Map { mapping })?;
        }
        Ok(Answer::Now(at))
    }
}

/// Whether a descriptor is `/dev/zero` (device 1, 5): mapped shared, it is shared anonymous memory.
fn is_zero_device(task: &Task, fd: u64) -> bool {
    #[expect(clippy::cast_possible_truncation, reason = "the kernel takes 32 bits too")]
    let link = format!("/proc/{}/fd/{}", task.tid, fd as i32);
    std::fs::metadata(link)
        .is_ok_and(|meta| meta.file_type().is_char_device() && meta.rdev() == 0x105)
}

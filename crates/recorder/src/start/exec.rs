//! `execve` and `execveat`: programs that cannot be recorded are refused, as by a kernel that cannot
//! execute them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use retake_abi::{Errno, TaskCall};
use retake_model::{Addr, Registers, Tid};
use retake_ptrace::{ProcessMemory, find_file};

use crate::book::Book;
use crate::calls::answer::Answer;
use crate::calls::convention::USER_CS;
use crate::error::RecordError;
use crate::start::executable::{Found, View, look, look_at};
use crate::tasks::Task;
use crate::world::World;

/// `PATH_MAX` (linux/limits.h)
const PATH_MAX: usize = 4096;

/// Whether a program that was just executed is one of 64 bits.
pub(crate) fn is_64_bit(registers: &Registers) -> bool {
    registers.cs == USER_CS
}

pub(crate) fn path_at(memory: &ProcessMemory, addr: u64) -> Option<PathBuf> {
    let mut bytes = [0; PATH_MAX];
    let read = memory.read(Addr::new(addr), &mut bytes).ok()?;
    let bytes = bytes.get(..read)?;
    let end = bytes.iter().position(|&byte| byte == 0)?;
    Some(PathBuf::from(OsStr::from_bytes(bytes.get(..end)?)))
}

/// What a call of `execveat` is going to find.
fn look_from(tid: Tid, folder: u64, path: &Path, flags: u64) -> Found {
    const AT_FDCWD: i32 = -100;
    const AT_EMPTY_PATH: u64 = 0x1000;
    #[expect(clippy::cast_possible_truncation, reason = "the kernel takes 32 bits too")]
    let folder = folder as i32;
    let is_empty = path.as_os_str().is_empty();
    if path.is_absolute() || folder == AT_FDCWD && !is_empty {
        return look(View::Of(tid), path);
    }
    let at_fd = PathBuf::from(format!("/proc/{tid}/fd/{folder}"));
    if is_empty && flags & AT_EMPTY_PATH == 0 {
        return Found::Other;
    }
    let wanted = if is_empty { at_fd.clone() } else { at_fd.join(path) };
    let Ok(file) = find_file(&wanted) else { return Found::Other };
    let shown = std::fs::read_link(&at_fd).unwrap_or(at_fd);
    let shown = if is_empty { shown } else { shown.join(path) };
    look_at(View::Of(tid), &shown, &file)
}

/// What a recorded task has become, whatever was in the file when it was looked at: it may have been
/// replaced, or may not be read.
pub(crate) fn check_program(task: &Task, registers: &Registers) -> Result<(), RecordError> {
    if is_64_bit(registers) {
        return Ok(());
    }
    let name = String::from_utf8_lossy(&task.name);
    Err(RecordError::Unsupported(format!("the program has executed a 32-bit program, {name}")))
}

impl World {
    pub(crate) fn exec_call(
        &mut self,
        book: &mut Book,
        task: &Task,
        kind: TaskCall,
        args: &[u64; 6],
    ) -> Answer {
        let [first, second, _, _, flags, _] = *args;
        let path = if kind == TaskCall::Exec { first } else { second };
        if let Some(refused) = self.served_program(book, task, path) {
            return refused;
        }
        let found = match kind {
            TaskCall::Exec => path_at(&task.memory, first)
                .map_or(Found::Other, |path| look(View::Of(task.tid), &path)),
            TaskCall::ExecAt => path_at(&task.memory, second)
                .map_or(Found::Other, |path| look_from(task.tid, first, &path, flags)),
            _ => Found::Other,
        };
        let Found::ThirtyTwoBit(file) = found else { return Answer::Kernel };
        book.warn_once(format!(
            "the program executed {}, which is a 32-bit program: that is refused (ENOEXEC) while it is recorded",
            file.display()
        ));
        Answer::Now(Errno::ENOEXEC.to_result())
    }
}

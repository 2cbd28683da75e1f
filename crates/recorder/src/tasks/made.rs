//! What a call that makes a task is given, and what it tells.

use retake_abi::consts::clone::CLONE_UNTRACED;
use retake_abi::{Errno, TaskCall};
use retake_model::{Addr, Registers};
use retake_ptrace::Stopped;
use retake_recording::Effect;
use retake_tracee::InjectPage;

use crate::book::Draft;
use crate::calls::answer::Answer;
use crate::error::RecordError;
use crate::tasks::Task;
use crate::tasks::new_task::NewTask;

/// Where the arguments of a clone3(2) stand that are not quite the program's.
const OWN_ARGUMENTS: u64 = InjectPage::ADDR.get() + InjectPage::LEN / 4;
/// Room for them. (`struct clone_args` has 88 bytes in Linux 6.)
const ROOM: u64 = InjectPage::LEN / 4;

/// Adds what the kernel has told the maker of a task to the event. A call that fails may have done
/// that before.
pub(crate) fn add_told(draft: &mut Draft, task: &Task, new: &NewTask) {
    for addr in new.told() {
        let mut bytes = [0; 4];
        // What cannot be written is no error for the kernel.
        if task.memory.read_exact(addr, &mut bytes).is_ok() {
            draft.add(&Effect::Write { addr, bytes: bytes.to_vec() });
        }
    }
}

/// A task at the entry of clone(2) or clone3(2): what it makes must not escape the recorder
/// (`CLONE_UNTRACED`).
pub(crate) fn keep_traced(
    task: &mut Task,
    stopped: &mut Stopped,
    entry: &Registers,
    kind: TaskCall,
) -> Result<Answer, RecordError> {
    match kind {
        TaskCall::Clone if entry.rdi & CLONE_UNTRACED != 0 => {
            stopped.set_registers(&Registers { rdi: entry.rdi & !CLONE_UNTRACED, ..*entry })?;
        }
        TaskCall::Clone3 => {
            let (at, len) = (Addr::new(entry.rdi), entry.rsi);
            let Ok(flags) = task.memory.read_u64(at) else { return Ok(Answer::Kernel) };
            if flags & CLONE_UNTRACED == 0 {
                return Ok(Answer::Kernel);
            }
            if len > ROOM {
                // As where the kernel does not know what is behind its own structure.
                return Ok(Answer::Now(Errno::E2BIG.to_result()));
            }
            let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
            if task.memory.read_exact(at, &mut bytes).is_err() {
                return Ok(Answer::Kernel);
            }
            let own = Addr::new(OWN_ARGUMENTS);
            task.memory.write(own, &bytes)?;
            task.memory.write(own, &(flags & !CLONE_UNTRACED).to_le_bytes())?;
            stopped.set_registers(&Registers { rdi: own.get(), ..*entry })?;
        }
        _ => {}
    }
    Ok(Answer::Kernel)
}

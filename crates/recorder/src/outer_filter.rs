//! Calls that a seccomp filter from outside answers: that of a container, for one.
//!
//! Of several filters' actions the most severe is taken (seccomp(2)). What one from outside answers with
//! an error, as Docker's default profile does with `clone3`, never comes to the recorder's own filter,
//! which asks for less. ptrace(2) sees each call before all filters do (since Linux 4.8). So where there
//! is such a filter tasks are resumed with `PTRACE_SYSCALL`, at the price of a stop more for each call: a
//! call that ends without having come to our filter was answered.
//!
//! Not covered: a call that both the program's own filter and one from outside reject gets the answer of
//! the one from outside.

use retake_abi::Errno;
use retake_model::Registers;
use retake_ptrace::{Resume, Stopped};
use retake_recording::EventKind;

use crate::error::RecordError;
use crate::seccomp::own_status;
use crate::session::{Next, Session, call_number, resumed};
use crate::task::Task;

/// How tasks go on with their own code so that each of their calls is seen.
pub(crate) fn onward() -> Resume {
    /// `SECCOMP_MODE_FILTER`
    const FILTER: &str = "2";
    if own_status("Seccomp:").as_deref() == Some(FILTER) {
        Resume::Syscall
    } else {
        Resume::Continue
    }
}

impl Session {
    /// A task stopped at the entry or the end of a call that did not come to our filter.
    pub(crate) fn call_passes(
        &mut self,
        task: &mut Task,
        stopped: Stopped,
    ) -> Result<Next, RecordError> {
        if stopped.is_entering_call()? {
            task.passing = true;
            return Ok(resumed(stopped.resume(Resume::Syscall, None)?, Next::Soon));
        }
        if !std::mem::take(&mut task.passing) {
            // The end of one that was skipped, or of the clone that made the task.
            return Ok(resumed(stopped.resume(task.onward, None)?, Next::Soon));
        }
        let after = stopped.registers()?;
        // As they are at the entry of each call (arch/x86/entry/entry_64.S).
        let entry = Registers { rax: Errno::ENOSYS.to_result().cast_unsigned(), ..after };
        self.restart_if_interrupted(task)?;
        self.effects.clear();
        self.append(task, &EventKind::Syscall { no: call_number(&entry) }, &entry, &after)?;
        Ok(Next::Ready(stopped))
    }
}

//! Calls of the vsyscall page, which old static programs ask for the time with.
//!
//! The kernel is let return from the page without the call; the call is made after that, as an injected one. So
//! the task is never left in the page. Where a pointer is bad the program gets `EFAULT`, and not SIGSEGV. Filters
//! of the program's are not asked about these three harmless calls.

use retake_abi::nr;
use retake_model::Registers;
use retake_ptrace::Stopped;
use retake_tracee::{inject, skip_vsyscall};

use crate::calls::answer::Answer;
use crate::calls::begun::Begun;
use crate::calls::retire::Ended;
use crate::calls::view::View;
use crate::error::RecordError;
use crate::next::{Next, call_number};
use crate::session::Session;
use crate::tasks::{OpenCall, Task};

impl Session {
    /// A task is at the seccomp stop of such a call.
    pub(crate) fn vsyscall_entered(
        &mut self,
        task: &mut Task,
        mut stopped: Stopped,
        entry: &Registers,
    ) -> Result<Next, RecordError> {
        self.book.restart_if_interrupted(task)?;
        let returned = skip_vsyscall(&mut stopped, &task.memory, entry)?;
        task.held.extend(returned.signals);
        // Whoever asked for a stop has one now.
        task.asked_to_stop = false;
        let (no, args) = (call_number(entry), entry.args());
        let call = retake_abi::resolve(no, &args);
        let mut draft = self.book.draft();
        let answer = match no {
            nr::GETCPU => Answer::Now(self.tell_cpu(&mut draft, task, &args)),
            _ => self.world.clock_call(&mut draft, task, no, &args),
        };
        let result = match answer {
            Answer::Now(result) => result,
            Answer::Kernel => {
                let before = retake_abi::capture_before(&call, &args, &View(&task.memory));
                let done = inject(&mut stopped, &returned.registers, no, args)?;
                task.held.extend(done.signals);
                let open = OpenCall {
                    call,
                    by: retake_abi::Convention::Native,
                    args,
                    before,
                    entry: *entry,
                    begun: Begun::Unseen,
                    vector: None,
                    redirect: None,
                    writes_directly: false,
                    pages: None,
                    audit: None,
                    new_task: crate::tasks::new_task::NewTask::default(),
                    last_words: Vec::new(),
                    lock_wait: None,
                };
                self.world.capture_outputs(&mut draft, task, &open, done.result)?;
                done.result
            }
        };
        let after = Registers { rax: result.cast_unsigned(), ..returned.registers };
        stopped.set_registers(&after)?;
        let begun = Begun::Unseen;
        self.book.retire(task, draft, Ended { no, begun, before: entry, after: &after })?;
        match task.take_deliverable(&stopped)? {
            Some(info) => self.deliver_here(task, stopped, &after, &info),
            None => Ok(Next::Ready(stopped)),
        }
    }
}

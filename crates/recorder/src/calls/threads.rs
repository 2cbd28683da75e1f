//! Calls about the calling task or its process that need code in the recorder.

use retake_abi::{Errno, ThreadCall};
use retake_model::{Addr, SyscallNo};
use retake_ptrace::ProcessMemory;
use retake_recording::{Effect, LocalSegment};

use crate::book::Draft;
use crate::calls::answer::Answer;
use crate::error::RecordError;
use crate::session::Session;
use crate::tasks::Task;
use crate::world::World;

/// Writes to the task's memory, as the kernel would have, and records it.
pub(crate) fn write_now(draft: &mut Draft, task: &Task, addr: Addr, bytes: &[u8]) {
    if ProcessMemory::new(task.tid).write(addr, bytes).is_ok() {
        draft.write(addr, bytes);
    }
}

impl World {
    /// prctl(2) `PR_SET_TSC` and `PR_GET_TSC`. The counter is trapped in any case: whether that is a fault
    /// is for the recorder to say.
    fn counter_call(&mut self, draft: &mut Draft, task: &mut Task, args: &[u64; 6]) -> Answer {
        const PR_GET_TSC: u64 = 25;
        const PR_TSC_ENABLE: u64 = 1;
        const PR_TSC_SIGSEGV: u64 = 2;
        let [option, value, ..] = *args;
        let efault = Errno::EFAULT.to_result();
        Answer::Now(match (option & 0xffff_ffff, value & 0xffff_ffff) {
            (PR_GET_TSC, _) => {
                let state: u32 = if task.counter_faults { 2 } else { 1 };
                let given = self.give(draft, task, Addr::new(value), &state.to_le_bytes());
                if given { 0 } else { efault }
            }
            (_, mode @ (PR_TSC_ENABLE | PR_TSC_SIGSEGV)) => {
                task.counter_faults = mode == PR_TSC_SIGSEGV;
                0
            }
            _ => Errno::EINVAL.to_result(),
        })
    }

    /// prctl(2) `PR_SET_DUMPABLE` and `PR_GET_DUMPABLE`. The kernel is not told: it would lock the
    /// recorder out of the process's memory.
    fn dumpable(&mut self, task: &Task, args: &[u64; 6]) -> Result<Answer, RecordError> {
        const PR_GET_DUMPABLE: u64 = 3;
        let [option, value, ..] = *args;
        let space = self.space(task.space)?;
        if option == PR_GET_DUMPABLE {
            return Ok(Answer::Now(i64::from(space.dumpable)));
        }
        if value > 1 {
            return Ok(Answer::Now(Errno::EINVAL.to_result()));
        }
        space.dumpable = value == 1;
        Ok(Answer::Now(0))
    }

    /// rseq(2): success is pretended, the kernel never writes the area. The CPU changes only where a task binds
    /// itself to another one; tasks that lose the CPU in a critical section leave it as by the kernel.
    fn rseq(
        &mut self,
        draft: &mut Draft,
        task: &Task,
        args: &[u64; 6],
    ) -> Result<i64, RecordError> {
        const UNREGISTER: u64 = 1;
        let [area, len, flags, ..] = *args;
        let id = task.id;
        let known = self.space(task.space)?.rseq.get(&id).copied();
        if flags == UNREGISTER {
            if known != Some(Addr::new(area)) {
                return Ok(Errno::EINVAL.to_result());
            }
            self.space(task.space)?.rseq.remove(&id);
            write_now(draft, task, Addr::new(area), &[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
            return Ok(0);
        }
        if flags != 0 || len < 32 || area % 32 != 0 {
            return Ok(Errno::EINVAL.to_result());
        }
        if known.is_some() {
            return Ok(Errno::EBUSY.to_result());
        }
        let cpu = self.cpu_of_rseq(task);
        write_now(draft, task, Addr::new(area), &cpu);
        self.space(task.space)?.rseq.insert(id, Addr::new(area));
        Ok(0)
    }
}

impl Session {
    /// Handles calls that the recorder has to know about before the kernel sees them.
    pub(crate) fn thread_call(
        &mut self,
        draft: &mut Draft,
        task: &mut Task,
        kind: ThreadCall,
        no: SyscallNo,
        args: &[u64; 6],
    ) -> Result<Answer, RecordError> {
        let einval = Errno::EINVAL.to_result();
        Ok(match kind {
            ThreadCall::Rseq => Answer::Now(self.world.rseq(draft, task, args)?),
            ThreadCall::CpuidFaulting => Answer::Now(Errno::ENODEV.to_result()),
            ThreadCall::Tsc => self.world.counter_call(draft, task, args),
            ThreadCall::Dumpable => self.world.dumpable(task, args)?,
            ThreadCall::Seccomp | ThreadCall::NoNewPrivs => {
                let result = self.world.confine(task, no, args);
                if !task.confinement.is_free() {
                    // Calls without a stop would pass by the filter.
                    self.world.trace_all_calls(draft, task)?;
                }
                Answer::Now(result)
            }
            ThreadCall::Trace => self.world.trace_call(&mut self.book, draft, task, args)?,
            ThreadCall::XcompPermission => Answer::Now(einval),
            ThreadCall::InheritedLock => self.lock_call(draft, task, args)?,
            ThreadCall::Affinity => self.affinity_call(draft, task, no, args),
            ThreadCall::SetPolicy => self.set_policy(task, no, args),
            ThreadCall::TellPolicy => self.tell_policy(draft, task, no, args),
            ThreadCall::Counter => crate::calls::refusals::counter_call(task, args),
            ThreadCall::UserDispatch => {
                Answer::Now(self.world.set_user_dispatch(draft, task, args)?)
            }
            _ => Answer::Kernel,
        })
    }

    pub(crate) fn thread_call_done(
        &mut self,
        draft: &mut Draft,
        task: &mut Task,
        kind: ThreadCall,
        args: &[u64; 6],
        result: i64,
    ) -> Result<(), RecordError> {
        if result < 0 {
            return Ok(());
        }
        let [first, second, ..] = *args;
        match kind {
            ThreadCall::SetTidAddress => task.clear_tid = Addr::new(first),
            ThreadCall::Namespace => self.world.changed_namespaces = true,
            ThreadCall::SetNice => self.world.nice_was_set(task),
            ThreadCall::SetPolicy => self.policy_was_set(task, args),
            ThreadCall::SetRobustList => task.robust = Addr::new(first),
            // Its errors are no negative numbers.
            ThreadCall::ModifyLdt if result == 0 => {
                let mut descriptor = [0; 16];
                task.memory.read_exact(Addr::new(second), &mut descriptor)?;
                // It was one of two small numbers, or the call would have failed.
                let function = u8::try_from(first & 0xff).unwrap_or(0);
                let segment = LocalSegment { function, descriptor };
                self.world.space(task.space)?.segments.insert(segment.entry(), segment);
                draft.add(&Effect::Segment { segment });
                // What stands in segment registers is not written down by calls without a stop.
                self.world.trace_all_calls(draft, task)?;
            }
            ThreadCall::SetName => {
                let mut name = [0_u8; 16];
                let _ = task.memory.read(Addr::new(second), &mut name);
                task.name = name.split(|&b| b == 0).next().unwrap_or_default().to_vec();
                let name = task.name.clone();
                draft.add(&Effect::Name { name });
            }
            _ => {}
        }
        Ok(())
    }
}

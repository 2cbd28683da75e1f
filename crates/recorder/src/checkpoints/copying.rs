//! Making copies, and collecting them.

use std::fs;

use retake_abi::consts::clone::CLONE_FILES;
use retake_abi::consts::close_range::CLOSE_RANGE_UNSHARE;
use retake_abi::consts::prctl::PR_SET_NAME;
use retake_abi::consts::wait as w;
use retake_abi::nr;
use retake_model::{Addr, PageAddr, Registers, SyscallNo, Tid};
use retake_ptrace::{ProcessHandle, ProcessMemory, PtraceStop, Stopped, WaitFlags, unpin, wait};
use retake_recording::PageSource;
use retake_tracee::{InjectPage, inject};

use super::copies::{Copied, Pages, Progress};
use crate::error::RecordError;
use crate::session::Session;
use crate::tasks::Task;

/// What the copy is called, for people who list processes.
pub(super) const NAME: &[u8; 12] = b"retake-copy\0";

/// Where in our page that name is put.
pub(super) const NAME_AT: u64 = InjectPage::ADDR.get() + InjectPage::LEN / 2;

impl Session {
    /// Has a stopped task make a copy of its address space, and takes `pages` to read them from it. `None`: the
    /// system refuses.
    pub(super) fn copy_space(
        &mut self,
        task: &mut Task,
        stopped: &mut Stopped,
        pages: &mut Vec<PageAddr>,
    ) -> Result<Option<Box<dyn PageSource>>, RecordError> {
        let registers = stopped.registers()?;
        let made = inject(stopped, &registers, nr::CLONE, [CLONE_FILES, 0, 0, 0, 0, 0])?;
        task.held.extend(made.signals);
        stopped.set_registers(&registers)?;
        let (Some(tid), Ok(number)) = (made.child, u64::try_from(made.result)) else {
            return Ok(None);
        };
        let lives = match wait(tid, WaitFlags::Block) {
            Ok(Some(PtraceStop::Stopped(copy, _))) => Some(copy),
            // Somebody has killed it.
            Ok(_) | Err(_) => None,
        };
        let mut copied = Copied { maker: task.pid, number, lives };
        let handle = match &mut copied.lives {
            Some(copy) => settle(copy, &registers)
                .is_ok_and(|is_settled| is_settled)
                .then(|| ProcessHandle::open(tid).ok())
                .flatten(),
            None => None,
        };
        if handle.is_none() {
            // Killed, or the kernel does not let it go by itself.
            copied.end();
        }
        self.copies.copies.insert(tid, copied);
        let Some(handle) = handle else { return Ok(None) };
        let progress = Progress::default();
        self.book.schedule.wait_for(progress.clone());
        let left = std::mem::take(pages).into_iter();
        Ok(Some(Box::new(Pages { copy: handle, left, progress })))
    }

    /// Lets processes collect those of their copies that have ended.
    pub(super) fn collect_copies(&mut self) -> Result<(), RecordError> {
        self.copies.look();
        let ended = self.copies.copies.iter().filter(|(_, copied)| copied.lives.is_none());
        let ended: Vec<_> = ended.map(|(tid, c)| (*tid, c.maker, c.number)).collect();
        for (tid, maker, number) in ended {
            let of_maker = |task: &Task| task.pid == maker;
            let collected =
                self.with_ready_task(of_maker, |_, task, stopped| collect(task, stopped, number))?;
            let maker_is_gone = !self.world.tasks.values().any(of_maker);
            if collected.is_some() || maker_is_gone {
                self.copies.copies.remove(&tid);
            }
        }
        Ok(())
    }

    /// A task at the entry of a call waits for children of its process of every kind: what would show a copy
    /// goes, and no more are made.
    pub(crate) fn hide_copies(
        &mut self,
        task: &mut Task,
        stopped: &mut Stopped,
        entry: &Registers,
    ) -> Result<(), RecordError> {
        self.copies.refused.insert(task.pid);
        let of_process = |copied: &Copied| copied.maker == task.pid;
        let tids: Vec<Tid> = self
            .copies
            .copies
            .iter()
            .filter_map(|(tid, copied)| of_process(copied).then_some(*tid))
            .collect();
        for tid in &tids {
            if let Some(mut copied) = self.copies.copies.remove(tid) {
                copied.end();
                collect(task, stopped, copied.number)?;
            }
        }
        if tids.is_empty() { Ok(()) } else { self.world.enter_again(task, stopped, entry) }
    }
}

/// Takes from a copy all that it shares with the program but memory.
pub(super) fn settle(copy: &mut Stopped, base: &Registers) -> Result<bool, RecordError> {
    let mut call = |no: SyscallNo, args| inject(copy, base, no, args).map(|done| done.result);
    if call(nr::CLOSE_RANGE, [0, u64::from(u32::MAX), CLOSE_RANGE_UNSHARE, 0, 0, 0])? != 0
        || call(nr::SETPGID, [0; 6])? != 0
    {
        return Ok(false);
    }
    let tid = copy.tid();
    ProcessMemory::new(tid).write(Addr::new(NAME_AT), NAME)?;
    // What follows is a courtesy: its name, who is killed first where memory is short, where it ends.
    let _ = inject(copy, base, nr::PRCTL, [PR_SET_NAME, NAME_AT, 0, 0, 0, 0])?;
    let _ = fs::write(format!("/proc/{tid}/oom_score_adj"), "1000");
    unpin(tid);
    Ok(true)
}

/// Has a task of its maker collect a copy that has ended.
pub(super) fn collect(
    task: &mut Task,
    stopped: &mut Stopped,
    number: u64,
) -> Result<(), RecordError> {
    let registers = stopped.registers()?;
    let done =
        inject(stopped, &registers, nr::WAIT4, [number, 0, w::WNOHANG | w::__WALL, 0, 0, 0])?;
    task.held.extend(done.signals);
    Ok(stopped.set_registers(&registers)?)
}

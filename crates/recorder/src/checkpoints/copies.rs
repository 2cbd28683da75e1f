//! Copies of address spaces, from which the pages of a checkpoint are read while the program goes on.
//!
//! A copy is a process that the program's own task is made to fork (clone(2)) and in which nothing runs: it stands
//! in a stop until its pages are read, then it is killed. The kernel shares each page until somebody writes to it.
//! The copy has no descriptors, a process group of its own, and no signal for its end; the task that made it
//! collects it at the next checkpoint (wait4(2), `__WALL`). A program that itself waits for children of that kind
//! gets no copies: it would see them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use retake_abi::consts::clone::CLONE_FILES;
use retake_abi::consts::close_range::CLOSE_RANGE_UNSHARE;
use retake_abi::consts::prctl::PR_SET_NAME;
use retake_abi::consts::wait as w;
use retake_abi::nr;
use retake_model::{Addr, PAGE_LEN, PageAddr, Registers, SyscallNo, Tid};
use retake_ptrace::{
    ProcessHandle, ProcessMemory, PtraceStop, Resume, Stopped, WaitFlags, private_page_count,
    unpin, wait,
};
use retake_recording::{PageBatch, PageSource};
use retake_tracee::{InjectPage, inject};

use crate::error::RecordError;
use crate::session::Session;
use crate::tasks::Task;

/// What the copy is called, for people who list processes.
const NAME: &[u8; 12] = b"retake-copy\0";
/// Where in our page that name is put.
const NAME_AT: u64 = InjectPage::ADDR.get() + InjectPage::LEN / 2;

/// Fewer pages than this are copied while the program waits: it takes some milliseconds.
pub(super) const FEW: usize = 4096;
/// Forking takes this part of the time that copying takes, a page.
const FORK_SHARE: u64 = 16;
/// What the kernel takes to copy a page that the program writes to while there is a copy.
const PAGE_COST: Duration = Duration::from_nanos(700);

/// How far the reading of a copy is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress(Arc<AtomicU8>);

impl Progress {
    pub(super) const DONE: u8 = 1;
    pub(super) const LOST: u8 = 2;

    pub(crate) fn is_going_on(&self) -> bool {
        self.0.load(Ordering::Acquire) == 0
    }

    /// It ended, and not with all pages.
    pub(crate) fn is_lost(&self) -> bool {
        self.0.load(Ordering::Acquire) == Self::LOST
    }

    pub(super) fn set(&self, how: u8) {
        // What it is first it stays.
        let _ = self.0.compare_exchange(0, how, Ordering::AcqRel, Ordering::Acquire);
    }
}

/// The pages of a copy that are still to be read. Dropping it kills the copy.
#[derive(Debug)]
struct Pages {
    copy: ProcessHandle,
    left: std::vec::IntoIter<PageAddr>,
    progress: Progress,
}

impl PageSource for Pages {
    fn read(&mut self, batch: &mut PageBatch) -> io::Result<bool> {
        let left = self.left.as_slice();
        if left.is_empty() {
            self.progress.set(Progress::DONE);
            return Ok(false);
        }
        let room = batch.room(left.len());
        let wanted = left.get(..room.len() / PAGE_LEN).unwrap_or(left);
        let done = self.copy.read_pages(wanted, room)?;
        batch.commit(wanted.get(..done).unwrap_or(wanted));
        if let Some(last) = done.checked_sub(1) {
            self.left.nth(last);
        }
        Ok(true)
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.progress.set(Progress::LOST);
        self.copy.kill();
    }
}

/// A copy's process.
#[derive(Debug)]
struct Copied {
    /// Whose child it is: a process of the program.
    maker: Tid,
    /// Its number as that process knows it, which can be in a namespace of its own (pid_namespaces(7)).
    number: u64,
    /// `None`: the tracer has seen its end, and the maker can collect it.
    lives: Option<Stopped>,
}

impl Copied {
    fn end(&mut self) {
        if let Some(mut stopped) = self.lives.take() {
            stopped.end();
        }
    }
}

/// The copies there are, by the numbers of their processes.
#[derive(Debug, Default)]
pub(crate) struct Copies {
    copies: BTreeMap<Tid, Copied>,
    /// Processes that wait for children of every kind.
    refused: BTreeSet<Tid>,
}

impl Copies {
    /// Takes in what a copy stopped for, or that it ended: gives `stop` back if the task is no copy.
    pub(crate) fn take_in(&mut self, tid: Tid, stop: PtraceStop) -> Option<PtraceStop> {
        let Some(copy) = self.copies.get_mut(&tid) else { return Some(stop) };
        match stop {
            PtraceStop::Stopped(stopped, _) => {
                // Killed: it is at its exit stop. Where it is gone already its end is reported next.
                let _ = stopped.resume(Resume::Continue, None);
            }
            PtraceStop::Exited { .. } | PtraceStop::Killed { .. } => copy.lives = None,
        }
        None
    }

    /// Takes in what happened to copies, so that it is not taken for something that happened to a task.
    pub(crate) fn look(&mut self) {
        let living = self.copies.iter().filter(|(_, copied)| copied.lives.is_some());
        for tid in living.map(|(tid, _)| *tid).collect::<Vec<_>>() {
            while let Ok(Some(stop)) = wait(tid, WaitFlags::Poll) {
                self.take_in(tid, stop);
            }
        }
    }

    /// Whether a process is to have none.
    pub(super) fn refuses(&self, pid: Tid) -> bool {
        self.refused.contains(&pid)
    }
}

/// Whether so many pages of task `tid` are better left to be read from a copy.
pub(super) fn is_worth_it(tid: Tid, pages: usize) -> bool {
    // Of a process that cannot be asked nothing is known: it is copied as small ones are.
    pages > FEW
        && private_page_count(tid).is_some_and(|all| all <= FORK_SHARE.saturating_mul(pages as u64))
}

/// What it takes the program to write to pages that a copy shares.
pub(super) fn cost(pages: usize) -> Duration {
    PAGE_COST.saturating_mul(u32::try_from(pages).unwrap_or(u32::MAX))
}

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

/// Whether a call waits for children whose end sends no SIGCHLD (wait(2), `__WALL`, `__WCLONE`).
pub(crate) fn waits_for_all_kinds(no: SyscallNo, args: &[u64; 6]) -> bool {
    let [.., third, fourth, _, _] = *args;
    let options = match no {
        nr::WAIT4 => third,
        nr::WAITID => fourth,
        _ => 0,
    };
    options & (w::__WALL | w::__WCLONE) != 0
}

/// Takes from a copy all that it shares with the program but memory.
fn settle(copy: &mut Stopped, base: &Registers) -> Result<bool, RecordError> {
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
fn collect(task: &mut Task, stopped: &mut Stopped, number: u64) -> Result<(), RecordError> {
    let registers = stopped.registers()?;
    let done =
        inject(stopped, &registers, nr::WAIT4, [number, 0, w::WNOHANG | w::__WALL, 0, 0, 0])?;
    task.held.extend(done.signals);
    Ok(stopped.set_registers(&registers)?)
}

//! Copies of address spaces, from which the pages of a checkpoint are read while the program goes on.
//!
//! A copy is a process that the program's own task is made to fork (clone(2)) and in which nothing runs: it stands
//! in a stop until its pages are read, then it is killed. The kernel shares each page until somebody writes to it.
//! The copy has no descriptors, a process group of its own, and no signal for its end; the task that made it
//! collects it at the next checkpoint (wait4(2), `__WALL`). A program that itself waits for children of that kind
//! gets no copies: it would see them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use retake_abi::consts::wait as w;
use retake_abi::nr;
use retake_model::{PAGE_LEN, PageAddr, SyscallNo, Tid};
use retake_ptrace::{
    ProcessHandle, PtraceStop, Resume, Stopped, WaitFlags, private_page_count, wait,
};
use retake_recording::{PageBatch, PageSource};

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
pub(super) struct Pages {
    pub(super) copy: ProcessHandle,
    pub(super) left: std::vec::IntoIter<PageAddr>,
    pub(super) progress: Progress,
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
pub(super) struct Copied {
    /// Whose child it is: a process of the program.
    pub(super) maker: Tid,
    /// Its number as that process knows it, which can be in a namespace of its own (pid_namespaces(7)).
    pub(super) number: u64,
    /// `None`: the tracer has seen its end, and the maker can collect it.
    pub(super) lives: Option<Stopped>,
}

impl Copied {
    pub(super) fn end(&mut self) {
        if let Some(mut stopped) = self.lives.take() {
            stopped.end();
        }
    }
}

/// The copies there are, by the numbers of their processes.
#[derive(Debug, Default)]
pub(crate) struct Copies {
    pub(super) copies: BTreeMap<Tid, Copied>,
    /// Processes that wait for children of every kind.
    pub(super) refused: BTreeSet<Tid>,
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

//! The requests of ptrace(2).

use retake_abi::{Errno, consts::ptrace as request};
use retake_model::{SigInfo, Signal, Tid};
use retake_ptrace::{TaskStatus, interrupt, kill_process, kill_task};

use super::told::{self, Why};
use super::{Kind, Mode, Resumption, Standing, Stop, Traced, Tracer, number_in};
use crate::book::{Book, Draft};
use crate::calls::answer::Answer;
use crate::error::RecordError;
use crate::tasks::{Run, Task};
use crate::world::World;

const REFUSED: &str = "the program used a request of ptrace that is refused (EPERM, EIO) while it is recorded: a \
                       debugger or tracer in it may not work";

/// How a task goes on by a request, if it is one of those.
fn mode(what: u64) -> Option<Mode> {
    Some(match what {
        request::PTRACE_CONT => Mode::Continues,
        request::PTRACE_SYSCALL => Mode::Calls,
        request::PTRACE_SINGLESTEP => Mode::Steps,
        request::PTRACE_SYSEMU => Mode::EmulatesCalls,
        request::PTRACE_SYSEMU_SINGLESTEP => Mode::EmulatesSteps,
        _ => return None,
    })
}

impl World {
    fn parent_of(&self, task: &Task) -> Option<Tracer> {
        let parent = status_line(task.pid, "PPid:")?.first().and_then(|pid| (*pid).try_into().ok());
        let parent = Tid::new(parent?);
        let of_parent = |other: &&Task| other.pid == parent && !other.ended;
        let maker =
            self.tasks.values().filter(of_parent).find(|other| Some(other.id) == task.maker);
        let found = maker.or_else(|| self.tasks.get(&parent).filter(|other| of_parent(other)))?;
        Some(Tracer { task: found.id, pid: found.pid })
    }

    /// The task of that number, which `task` traces.
    pub(super) fn traced(&mut self, task: &Task, tid: Tid) -> Result<&mut Task, Errno> {
        let is_its = |other: &&mut Task| {
            other.traced.as_ref().is_some_and(|traced| traced.by.task == task.id)
        };
        self.tasks.get_mut(&tid).filter(is_its).ok_or(Errno::ESRCH)
    }

    /// The same, if it is stopped.
    pub(super) fn stopped_traced(
        &mut self,
        task: &Task,
        tid: Tid,
    ) -> Result<(&mut Task, Traced), Errno> {
        let other = self.traced(task, tid)?;
        match other.traced.clone().filter(Traced::is_stopped) {
            Some(traced) => Ok((other, traced)),
            None => Err(Errno::ESRCH),
        }
    }

    fn interrupt_traced(&mut self, task: &Task, tid: Tid) -> Result<(), Errno> {
        let other = self.traced(task, tid)?;
        let Some(traced) = &other.traced else { return Err(Errno::ESRCH) };
        if traced.kind == Kind::Attached {
            return Err(Errno::EIO);
        }
        if !traced.is_stopped() {
            let by = traced.by;
            self.stop_traced(tid, by, Why::Interrupted);
        }
        Ok(())
    }

    /// A traced task stands where it is. In a call it does so when that has ended: it is interrupted.
    fn stop_traced(&mut self, tid: Tid, by: Tracer, why: Why) {
        let Some(other) = self.tasks.get_mut(&tid) else { return };
        let in_call = matches!(other.run, Run::Kernel) && other.open.is_some();
        if other.run.is_ready() && other.resumes.is_none() {
            other.resumes = Some(Resumption::at(Standing::Event));
        }
        if let Some(traced) = &mut other.traced {
            if in_call {
                traced.due.push_back(why);
                // One that is gone stops no more.
                let _ = interrupt(tid);
                return;
            }
            traced.stop = Stop::Unreported(why);
        }
        self.tell_tracer(by, tid);
    }

    fn kill_traced(&mut self, task: &Task, tid: Tid) -> Result<(), Errno> {
        let other = self.traced(task, tid)?;
        kill_process(other.pid);
        Ok(())
    }

    /// A stopped task goes on: to where `mode` says, or untraced.
    fn let_go(
        &mut self,
        draft: &mut Draft,
        task: &Task,
        tid: Tid,
        mode: Option<Mode>,
        signal: u64,
    ) -> Result<Result<(), Errno>, RecordError> {
        let (other, traced) = match self.stopped_traced(task, tid) {
            Ok(found) => found,
            Err(errno) => return Ok(Err(errno)),
        };
        let chosen = match i64::try_from(signal).map(Signal::from_number) {
            Ok(Ok(signal)) => Some(signal),
            _ if signal == 0 => None,
            _ => return Ok(Err(Errno::EIO)),
        };
        let why = traced.why().cloned();
        let info = chosen.map(|signal| chosen_signal(task, why.as_ref(), signal));
        let space = other.space;
        let takes_at_once = matches!(other.run, Run::Ready(_))
            && why.as_ref().is_some_and(|why| why.is_delivery() || matches!(why, Why::CallExit(_)));
        match (info, &mut other.resumes) {
            (Some(info), Some(resumes)) if takes_at_once => resumes.signal = Some(info),
            // At other stops it is sent to the task.
            (Some(info), _) => {
                if let Ok(signal) = info.signal() {
                    kill_task(other.pid, other.tid, signal)?;
                }
            }
            (None, _) => {}
        }
        match (mode, &mut other.traced) {
            (Some(mode), Some(traced)) => {
                traced.stop = Stop::Runs;
                traced.mode = mode;
                traced.listens = false;
            }
            _ => other.traced = None,
        }
        if mode.is_some_and(|mode| mode.stops_at_calls() || mode.steps()) {
            self.trace_all_calls_in(draft, space)?;
        }
        Ok(Ok(()))
    }

    /// `PTRACE_LISTEN`: it stays in its group-stop, and tells of what ends that.
    fn let_listen(&mut self, task: &Task, tid: Tid) -> Result<Result<(), Errno>, RecordError> {
        let (other, traced) = match self.stopped_traced(task, tid) {
            Ok(found) => found,
            Err(errno) => return Ok(Err(errno)),
        };
        let in_group_stop = matches!(traced.why(), Some(Why::Group(_)));
        if traced.kind != Kind::Seized || !in_group_stop {
            return Ok(Err(Errno::EIO));
        }
        if let Run::Ready(stopped) = std::mem::replace(&mut other.run, Run::Kernel) {
            other.stopped = Some((stopped.vector()?, stopped.signal_mask()?));
            let _running = stopped.listen()?;
        }
        other.resumes = None;
        if let Some(traced) = &mut other.traced {
            traced.stop = Stop::Runs;
            traced.listens = true;
        }
        Ok(Ok(()))
    }

    /// Does what a task asks of ptrace(2).
    pub(crate) fn trace_call(
        &mut self,
        book: &mut Book,
        draft: &mut Draft,
        task: &mut Task,
        args: &[u64; 6],
    ) -> Result<Answer, RecordError> {
        let [what, pid, addr, data, ..] = *args;
        let tid = number_in(pid);
        let done = match what {
            request::PTRACE_TRACEME => self.be_traced(book, task).map(|()| 0),
            request::PTRACE_ATTACH => {
                self.begin_to_trace(book, task, tid, Kind::Attached, 0).map(|()| 0)
            }
            request::PTRACE_SEIZE if addr != 0 || data & !told::ALL_OPTIONS != 0 => Err(Errno::EIO),
            request::PTRACE_SEIZE => {
                self.begin_to_trace(book, task, tid, Kind::Seized, data).map(|()| 0)
            }
            request::PTRACE_INTERRUPT => self.interrupt_traced(task, tid).map(|()| 0),
            request::PTRACE_KILL => self.kill_traced(task, tid).map(|()| 0),
            request::PTRACE_LISTEN => self.let_listen(task, tid)?.map(|()| 0),
            request::PTRACE_DETACH => self.let_go(draft, task, tid, None, data)?.map(|()| 0),
            request::PTRACE_PEEKTEXT
            | request::PTRACE_PEEKDATA
            | request::PTRACE_PEEKUSER
            | request::PTRACE_GETREGS
            | request::PTRACE_GETFPREGS
            | request::PTRACE_GETSIGINFO
            | request::PTRACE_GETSIGMASK
            | request::PTRACE_GETEVENTMSG
            | request::PTRACE_GET_SYSCALL_INFO
            | request::PTRACE_GETREGSET => {
                self.look_at_traced(draft, task, tid, (what, addr, data))?
            }
            request::PTRACE_POKETEXT
            | request::PTRACE_POKEDATA
            | request::PTRACE_POKEUSER
            | request::PTRACE_SETREGS
            | request::PTRACE_SETFPREGS
            | request::PTRACE_SETREGSET
            | request::PTRACE_SETSIGINFO
            | request::PTRACE_SETSIGMASK
            | request::PTRACE_SETOPTIONS => {
                self.change_traced(book, draft, task, tid, (what, addr, data))?.map(|()| 0)
            }
            _ => match mode(what) {
                Some(mode) => self.let_go(draft, task, tid, Some(mode), data)?.map(|()| 0),
                None => {
                    book.warn_once(REFUSED.to_owned());
                    self.traced(task, tid).and(Err(Errno::EIO))
                }
            },
        };
        Ok(Answer::Now(done.unwrap_or_else(Errno::to_result)))
    }

    /// `PTRACE_TRACEME`: the task is traced by who made it.
    fn be_traced(&mut self, book: &mut Book, task: &mut Task) -> Result<(), Errno> {
        if task.traced.is_some() {
            return Err(Errno::EPERM);
        }
        let Some(by) = self.parent_of(task).filter(|_| sees_our_numbers(task.tid)) else {
            // Natively it is traced by a process that is not recorded, and does not know of it.
            book.warn_once(REFUSED.to_owned());
            return Err(Errno::EPERM);
        };
        task.traced = Some(Traced::new(by, Kind::Attached, 0, Stop::Runs));
        Ok(())
    }

    fn begin_to_trace(
        &mut self,
        book: &mut Book,
        task: &Task,
        tid: Tid,
        kind: Kind,
        options: u64,
    ) -> Result<(), Errno> {
        let Some(other) = self.tasks.get(&tid).filter(|other| !other.ended) else {
            return Err(if tid == task.tid { Errno::EPERM } else { Errno::ESRCH });
        };
        if other.pid == task.pid || other.traced.is_some() || !may_trace(task.tid, tid) {
            return Err(Errno::EPERM);
        }
        if !sees_our_numbers(task.tid) {
            book.warn_once(REFUSED.to_owned());
            return Err(Errno::EPERM);
        }
        let by = Tracer { task: task.id, pid: task.pid };
        if let Some(other) = self.tasks.get_mut(&tid) {
            other.traced = Some(Traced::new(by, kind, options, Stop::Runs));
        }
        if kind == Kind::Attached {
            self.stop_traced(tid, by, Why::Attached);
        }
        Ok(())
    }
}

/// The signal that a tracer gives a task: the one that it stopped with, or another one as if sent by the tracer
/// (kernel/signal.c, `ptrace_signal`).
fn chosen_signal(tracer: &Task, why: Option<&Why>, signal: Signal) -> SigInfo {
    match why {
        Some(Why::Signal(info)) if info.signal() == Ok(signal) => info.clone(),
        _ => told::sent_by(signal, tracer.pid),
    }
}

/// The numbers of a line of `/proc/PID/status`; nothing if the task is gone, or has no such line.
pub(super) fn status_line(tid: Tid, name: &str) -> Option<Vec<u32>> {
    let numbers = TaskStatus::of(tid).ok()?.numbers(name);
    (!numbers.is_empty()).then_some(numbers)
}

/// Whether a task knows others by the numbers that the recorder knows them by (pid_namespaces(7)).
fn sees_our_numbers(tid: Tid) -> bool {
    status_line(tid, "NSpid:").is_some_and(|numbers| numbers.len() == 1)
}

/// Whether a task may trace another one (ptrace(2), "Ptrace access mode checking"): as root, or as the same user.
fn may_trace(tracer: Tid, other: Tid) -> bool {
    let (Some(own), Some(theirs)) = (status_line(tracer, "Uid:"), status_line(other, "Uid:"))
    else {
        return false;
    };
    let user = own.get(1).copied();
    user == Some(0) || theirs.iter().take(3).all(|theirs| Some(*theirs) == user)
}

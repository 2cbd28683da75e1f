//! Futexes whose owner inherits the priority of those that wait (futex(2), `FUTEX_LOCK_PI` and its like).
//!
//! The kernel writes to their words when it hands a lock over and when an owner dies, at moments that no
//! event has. So it never sees one: the recorder keeps who waits for whom, and writes what the kernel would
//! (kernel/futex/pi.c). A task that has to wait does that in a wait for nothing, with the time limit of the
//! program; whoever hands the lock over interrupts it. Nobody's priority changes: which task runs is the
//! scheduler's to say.
//!
//! Condition variables that requeue to such a lock (`FUTEX_WAIT_REQUEUE_PI`) are refused: no C library has
//! made that call since 2017.

use std::collections::VecDeque;

use retake_abi::Errno;
use retake_abi::consts::futex as f;
use retake_model::{Addr, Registers, TaskId};
use retake_ptrace::{ProcessMemory, Stopped, TaskStatus, interrupt};
use retake_recording::{Effect, EventKind};
use retake_tracee::InjectPage;

use crate::book::Draft;
use crate::calls::answer::Answer;
use crate::calls::begun::Begun;
use crate::calls::waits::{Awaited, Lock, LockWait};
use crate::error::RecordError;
use crate::session::Session;
use crate::tasks::last_word::{OWNER_DIED, WAITERS};
use crate::tasks::{OpenCall, Task};
use crate::world::World;

/// The part of a lock's word that says who its owner is (linux/futex.h, `FUTEX_TID_MASK`).
const OWNER: u32 = 0x3fff_ffff;
/// A chain of waiting owners that is longer is not followed. (The kernel's limit is 1024, too.)
const LONGEST_CHAIN: usize = 1024;
/// A word that is zero, and that nobody wakes anybody at.
const NOTHING: u64 = InjectPage::ADDR.get() + InjectPage::LEN / 2;

/// What is asked of a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Request {
    Lock,
    TryLock,
    Unlock,
}

fn read_word(memory: &ProcessMemory, at: Addr) -> Option<u32> {
    let mut bytes = [0; 4];
    memory.read_exact(at, &mut bytes).ok()?;
    Some(u32::from_le_bytes(bytes))
}

impl World {
    /// What a call came to that has waited for a lock.
    pub(crate) fn lock_result(
        &mut self,
        task: &Task,
        open: &OpenCall,
        stopped: &mut Stopped,
        result: i64,
    ) -> Result<i64, RecordError> {
        let Some(wait) = &open.lock_wait else { return Ok(result) };
        if wait.granted {
            return Ok(0);
        }
        self.locks.leave(task.id);
        match Errno::from_result(result) {
            Some(errno) if !errno.is_interruption() => Ok(result),
            ended => {
                if ended.is_none_or(|errno| !errno.is_restart()) {
                    // Only on the way through its signals the kernel sets a call back.
                    stopped.stop_again()?;
                }
                Ok(Errno::ERESTARTNOINTR.to_result())
            }
        }
    }

    fn lock_at(&self, task: &Task, word: Addr, op: u64) -> Lock {
        let shared = match op & f::FUTEX_PRIVATE_FLAG {
            0 => self.in_shared_object(task, word),
            _ => None,
        };
        shared.map_or(Lock::Private(task.space, word), |(shared, at)| Lock::Shared(shared, at))
    }

    /// Whether one task waits for a lock of another one, or for one whose owner does, and so on.
    fn waits_for(&self, waiter: TaskId, owner: TaskId) -> bool {
        let mut at = waiter;
        for _ in 0..LONGEST_CHAIN {
            let waits = |awaited: &&Awaited| awaited.waiters.contains(&at);
            match self.locks.0.values().find(waits).map(|awaited| awaited.owner) {
                Some(next) if next == owner => return true,
                Some(next) => at = next,
                None => return false,
            }
        }
        true
    }

    /// The task with this number, as programs know it.
    fn task_numbered(&mut self, number: u32) -> Result<Option<TaskId>, RecordError> {
        for task in self.tasks.values_mut().filter(|task| !task.ended) {
            if own_number(task)? == number {
                return Ok(Some(task.id));
            }
        }
        Ok(None)
    }
}

/// Writes the word of a lock, as the program itself could.
fn write_lock(draft: &mut Draft, task: &Task, word: Addr, value: u32) -> i64 {
    let bytes = value.to_le_bytes();
    if !task.memory.write_as_allowed(word, &bytes) {
        return Errno::EFAULT.to_result();
    }
    draft.add(&Effect::Write { addr: word, bytes: bytes.to_vec() });
    0
}

impl Session {
    /// A task at the entry of a call on such a lock. Left to the kernel, it has to wait.
    pub(crate) fn lock_call(
        &mut self,
        draft: &mut Draft,
        task: &mut Task,
        args: &[u64; 6],
    ) -> Result<Answer, RecordError> {
        let [word, op, ..] = *args;
        let request = match op & f::FUTEX_CMD_MASK {
            f::FUTEX_TRYLOCK_PI => Request::TryLock,
            f::FUTEX_UNLOCK_PI => Request::Unlock,
            _ => Request::Lock,
        };
        let limits_by_clock = op & f::FUTEX_CMD_MASK == f::FUTEX_LOCK_PI2;
        if op & f::FUTEX_CLOCK_REALTIME != 0 && !limits_by_clock {
            return Ok(Answer::Now(Errno::ENOSYS.to_result()));
        }
        if word % 4 != 0 {
            return Ok(Answer::Now(Errno::EINVAL.to_result()));
        }
        let at = Addr::new(word);
        let Some(value) = read_word(&task.memory, at) else {
            return Ok(Answer::Now(Errno::EFAULT.to_result()));
        };
        let own = own_number(task)?;
        let lock = self.world.lock_at(task, at, op);
        if request == Request::Unlock {
            return Ok(Answer::Now(match value & OWNER == own {
                true => self.unlock(draft, task, lock, at),
                false => Errno::EPERM.to_result(),
            }));
        }
        if value & OWNER == own {
            return Ok(Answer::Now(Errno::EDEADLK.to_result()));
        }
        if value & OWNER == 0 {
            return Ok(Answer::Now(write_lock(draft, task, at, value & OWNER_DIED | own)));
        }
        if value & WAITERS == 0 {
            let result = write_lock(draft, task, at, value | WAITERS);
            if result != 0 {
                return Ok(Answer::Now(result));
            }
        }
        let owner = self.world.task_numbered(value & OWNER)?;
        Ok(match owner {
            None => Answer::Now(Errno::ESRCH.to_result()),
            Some(_) if request == Request::TryLock => Answer::Now(Errno::EAGAIN.to_result()),
            Some(owner) if self.world.waits_for(owner, task.id) => {
                Answer::Now(Errno::EDEADLK.to_result())
            }
            Some(owner) => {
                let awaited = Awaited { owner, waiters: VecDeque::new() };
                self.world.locks.0.entry(lock).or_insert(awaited).waiters.push_back(task.id);
                Answer::Kernel
            }
        })
    }

    /// Makes a wait of the call, in which nothing is waited for.
    pub(crate) fn wait_for_lock(
        &mut self,
        task: &mut Task,
        stopped: &mut Stopped,
        open: &mut OpenCall,
        draft: Draft,
    ) -> Result<(), RecordError> {
        let [word, op, ..] = open.args;
        open.lock_wait = Some(LockWait { word: Addr::new(word), granted: false });
        // What `FUTEX_LOCK_PI` is given is a time of day.
        let of_day = op & f::FUTEX_CMD_MASK == f::FUTEX_LOCK_PI;
        let clock = if of_day { f::FUTEX_CLOCK_REALTIME } else { op & f::FUTEX_CLOCK_REALTIME };
        let rsi = f::FUTEX_WAIT_BITSET | f::FUTEX_PRIVATE_FLAG | clock;
        let r9 = u64::from(u32::MAX);
        stopped.set_registers(&Registers { rdi: NOTHING, rsi, rdx: 0, r9, ..open.entry })?;
        // That there are waiters is seen from here on.
        open.begun = Begun::Recorded;
        let no = open.call.no;
        self.book.append(task, draft, &EventKind::SyscallEnter { no }, &open.entry, &open.entry)
    }

    /// A task ends, or leaves its memory: the locks that it owns are the next waiters'. Adds that to the
    /// event.
    pub(crate) fn leave_locks(
        &mut self,
        draft: &mut Draft,
        task: &Task,
    ) -> Result<(), RecordError> {
        self.world.locks.leave(task.id);
        let owned =
            |(lock, awaited): (&Lock, &Awaited)| (awaited.owner == task.id).then_some(*lock);
        let owned: Vec<Lock> = self.world.locks.0.iter().filter_map(owned).collect();
        for lock in owned {
            let Some(next) = self.world.locks.pass_on(lock) else { continue };
            let Some(heir) = self.world.tasks.values_mut().find(|other| other.id == next) else {
                continue;
            };
            let number = own_number(heir)?;
            let Some(word) = granted(heir) else { continue };
            let bytes = (WAITERS | OWNER_DIED | number).to_le_bytes();
            heir.memory.write(word, &bytes)?;
            let space = heir.space;
            draft.add(&match lock {
                Lock::Private(..) => {
                    Effect::ForeignWrite { space, addr: word, bytes: bytes.to_vec() }
                }
                Lock::Shared(shared, offset) => {
                    Effect::SharedWrite { shared, offset, bytes: bytes.to_vec() }
                }
            });
            self.turns.woke_somebody = true;
        }
        Ok(())
    }

    fn unlock(&mut self, draft: &mut Draft, task: &Task, lock: Lock, word: Addr) -> i64 {
        while let Some(next) = self.world.locks.pass_on(lock) {
            let Some(heir) = self.world.tasks.values_mut().find(|other| other.id == next) else {
                continue;
            };
            let Ok(number) = own_number(heir) else { continue };
            if granted(heir).is_none() {
                continue;
            }
            self.turns.woke_somebody = true;
            return write_lock(draft, task, word, WAITERS | number);
        }
        write_lock(draft, task, word, 0)
    }
}

/// Notes that a task that waits has its lock, and has its wait end. Gives the lock's word.
fn granted(heir: &mut Task) -> Option<Addr> {
    let wait = heir.open.as_mut()?.lock_wait.as_mut()?;
    wait.granted = true;
    // One that was killed is waited for by nobody: its end passes the lock on.
    let _ = interrupt(heir.tid);
    Some(wait.word)
}

/// A task's number in its own PID namespace, as gettid(2) gives it.
pub(crate) fn own_number(task: &mut Task) -> Result<u32, RecordError> {
    if let Some(known) = task.own_number {
        return Ok(known);
    }
    let last = TaskStatus::of(task.tid)?.numbers("NSpid:").last().copied();
    // A kernel without PID namespaces does not say; there is one number then.
    let number = last.or_else(|| u32::try_from(task.tid.get()).ok());
    let number = number.ok_or_else(|| {
        RecordError::Unsupported(format!("task {} has no number of its own", task.tid))
    })?;
    task.own_number = Some(number);
    Ok(number)
}

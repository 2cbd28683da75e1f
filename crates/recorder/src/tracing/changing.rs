//! Changing a stopped task: memory, registers, the signal that it stopped with, options.

use retake_abi::{Errno, consts::ptrace as request};
use retake_model::{Addr, Registers, SigInfo, SpaceId, Tid, VectorState};
use retake_recording::{Effect, EventKind, Where};
use retake_tracee::fast::FastCode;

use super::looking::{
    FLOATING, GENERAL, NT_PRFPREG, NT_PRSTATUS, NT_X86_XSTATE, Request, SIGNAL_SET, SOFTWARE,
    bytes_of, parts, shown, vector,
};
use super::told::{self, Event, Why};
use super::{Standing, Stop, Traced};
use crate::book::{Book, Draft};
use crate::error::RecordError;
use crate::next::normal;
use crate::tasks::{Run, Task};
use crate::world::World;

/// What a request came to.
type Done = Result<Result<(), Errno>, RecordError>;

/// What registers become.
enum Change {
    General(Registers),
    Vector(VectorState),
}

impl World {
    /// Writes to the memory of a task, whatever its protection: an effect of the tracer's call.
    fn poke(&mut self, draft: &mut Draft, tid: Tid, addr: Addr, bytes: &[u8]) -> Result<(), Errno> {
        let other = self.tasks.get_mut(&tid).ok_or(Errno::ESRCH)?;
        let space = other.space;
        other.memory.write(addr, bytes).map_err(|_| Errno::EIO)?;
        if let Some(space) = self.spaces.get_mut(&space) {
            space.foreign_changes += 1;
        }
        draft.add(&Effect::ForeignWrite { space, addr, bytes: bytes.to_vec() });
        Ok(())
    }

    /// A tracer sees all calls of an address space: an effect of its call.
    pub(super) fn trace_all_calls_in(
        &mut self,
        draft: &mut Draft,
        space: SpaceId,
    ) -> Result<(), RecordError> {
        if !self.space(space)?.fast.give_up() {
            return Ok(());
        }
        let (table, bytes) = FastCode::none();
        let tid = self.tasks.values().find(|other| other.space == space).map(|other| other.tid);
        // Memory that is gone makes no calls.
        let _ = tid.map(|tid| self.poke(draft, tid, table, &bytes));
        Ok(())
    }

    pub(super) fn change_traced(
        &mut self,
        book: &mut Book,
        draft: &mut Draft,
        task: &Task,
        tid: Tid,
        (what, addr, data): Request,
    ) -> Done {
        let (other, traced) = match self.stopped_traced(task, tid) {
            Ok(found) => found,
            Err(errno) => return Ok(Err(errno)),
        };
        let change = match what {
            request::PTRACE_POKETEXT | request::PTRACE_POKEDATA => {
                return Ok(self.poke(draft, tid, Addr::new(addr), &data.to_le_bytes()));
            }
            request::PTRACE_SETOPTIONS => return Ok(set_options(other, data)),
            request::PTRACE_SETSIGINFO => return Ok(set_siginfo(task, other, Addr::new(data))),
            request::PTRACE_SETSIGMASK => return set_mask(task, other, addr, Addr::new(data)),
            request::PTRACE_POKEUSER if !addr.is_multiple_of(8) => Err(Errno::EIO),
            request::PTRACE_POKEUSER => {
                match other.traced.as_mut().and_then(|traced| traced.debug.set(addr, data)) {
                    Some(done) => done.map(|()| None),
                    None => with_word(&shown(other), addr, data),
                }
            }
            request::PTRACE_SETREGS => general_from(task, &shown(other), data, GENERAL),
            request::PTRACE_SETFPREGS => read(task, data, FLOATING)
                .map(|new| Some(Change::Vector(with_x87(&vector_of(other), &new)))),
            _ => set_from(task, other, addr, Addr::new(data)),
        };
        match change {
            Ok(Some(change)) => self.set_registers_of(book, tid, &traced, change),
            Ok(None) => Ok(Ok(())),
            Err(errno) => Ok(Err(errno)),
        }
    }

    /// Sets registers of a stopped task: an event of that task.
    fn set_registers_of(
        &mut self,
        book: &mut Book,
        tid: Tid,
        traced: &Traced,
        change: Change,
    ) -> Done {
        let Some(mut other) = self.tasks.remove(&tid) else { return Ok(Err(Errno::ESRCH)) };
        let done = book.set_registers_in(&mut other, traced, change);
        self.tasks.insert(tid, other);
        done
    }
}

impl Book {
    fn set_registers_in(&mut self, other: &mut Task, traced: &Traced, change: Change) -> Done {
        let standing = other.resumes.as_ref().map(|resumes| resumes.standing);
        let Run::Ready(stopped) = &mut other.run else {
            self.warn_once(
                "the program set registers of a task in the middle of a call by ptrace, which is refused (EIO) while \
                 it is recorded"
                    .to_owned(),
            );
            return Ok(Err(Errno::EIO));
        };
        if matches!(standing, Some(Standing::InCall | Standing::End)) {
            // It runs no code with them.
            return Ok(Ok(()));
        }
        let before = other.registers;
        let mut draft = self.draft();
        let after = match change {
            Change::Vector(state) => {
                if stopped.set_vector(&state).is_err() {
                    return Ok(Err(Errno::EINVAL));
                }
                draft.add(&Effect::Vector { state: stopped.vector()? });
                before
            }
            Change::General(wanted) => {
                let orig_rax = call_of(&before, &wanted, traced.why());
                if stopped.set_registers(&Registers { orig_rax, ..wanted }).is_err() {
                    stopped.set_registers(&before)?;
                    return Ok(Err(Errno::EIO));
                }
                normal(&stopped.registers()?)
            }
        };
        if after != before || !draft.is_empty() {
            let kind = EventKind::Preempt { at: Where::Located };
            self.append(other, draft, &kind, &before, &after)?;
            // It can come to these registers again.
            other.mid_code = standing == Some(Standing::Event);
        }
        Ok(Ok(()))
    }
}

/// The call that a task makes with these registers. Only at its entry another one can be chosen: where the recorder
/// has answered a call, the kernel would make it.
fn call_of(before: &Registers, wanted: &Registers, why: Option<&Why>) -> u64 {
    let asked = wanted.orig_rax.cast_signed();
    match why {
        _ if asked < 0 => u64::MAX,
        Some(Why::CallEntry | Why::Event(Event::Seccomp, _)) => wanted.orig_rax,
        _ => before.orig_rax,
    }
}

fn read(task: &Task, from: u64, len: usize) -> Result<Vec<u8>, Errno> {
    let mut bytes = vec![0; len];
    task.memory.read_exact(Addr::new(from), &mut bytes).map_err(|_| Errno::EFAULT)?;
    Ok(bytes)
}

fn registers_of(bytes: &[u8]) -> Registers {
    let mut values = [0; Registers::COUNT];
    for (value, word) in values.iter_mut().zip(retake_ptrace::read_words(bytes)) {
        *value = word;
    }
    Registers::from_array(values)
}

/// The first `len` bytes of the registers are those at `from`.
fn general_from(
    task: &Task,
    shown: &Registers,
    from: u64,
    len: usize,
) -> Result<Option<Change>, Errno> {
    let new = read(task, from, len)?;
    let mut bytes = bytes_of(shown);
    if let Some(place) = bytes.get_mut(..len) {
        place.copy_from_slice(&new);
    }
    Ok(Some(Change::General(registers_of(&bytes))))
}

/// One word of `struct user` is another one, which is a register.
fn with_word(shown: &Registers, offset: u64, word: u64) -> Result<Option<Change>, Errno> {
    let mut bytes = bytes_of(shown);
    let at = usize::try_from(offset).map_err(|_| Errno::EIO)?;
    match bytes.get_mut(at..at.saturating_add(8)) {
        Some(place) => place.copy_from_slice(&word.to_le_bytes()),
        None => return Err(Errno::EIO),
    }
    Ok(Some(Change::General(registers_of(&bytes))))
}

fn vector_of(other: &Task) -> VectorState {
    vector(other).unwrap_or_default()
}

/// Vector registers with another FXSAVE part.
fn with_x87(old: &VectorState, new: &[u8]) -> VectorState {
    const IN_USE: usize = 512;
    const X87_AND_SSE: u8 = 3;
    let mut bytes = old.as_bytes().to_vec();
    if let (Some(place), Some(new)) = (bytes.get_mut(..SOFTWARE), new.get(..SOFTWARE)) {
        place.copy_from_slice(new);
    }
    if let Some(in_use) = bytes.get_mut(IN_USE) {
        *in_use |= X87_AND_SSE;
    }
    VectorState::from_bytes(bytes)
}

/// `PTRACE_SETREGSET`.
fn set_from(task: &Task, other: &Task, kind: u64, iovec: Addr) -> Result<Option<Change>, Errno> {
    let (base, len, _) = parts(task, iovec)?;
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    match kind {
        NT_PRSTATUS if len.is_multiple_of(8) => {
            general_from(task, &shown(other), base, len.min(GENERAL))
        }
        NT_PRFPREG if len >= FLOATING => {
            let new = read(task, base, FLOATING)?;
            Ok(Some(Change::Vector(with_x87(&vector_of(other), &new))))
        }
        NT_X86_XSTATE => {
            let size = vector_of(other).as_bytes().len();
            if len < size {
                return Err(Errno::EFAULT);
            }
            Ok(Some(Change::Vector(VectorState::from_bytes(read(task, base, size)?))))
        }
        _ => Err(Errno::EINVAL),
    }
}

fn set_options(other: &mut Task, options: u64) -> Result<(), Errno> {
    if options & !told::ALL_OPTIONS != 0 {
        return Err(Errno::EINVAL);
    }
    if let Some(traced) = &mut other.traced {
        traced.options = options;
    }
    Ok(())
}

/// What the signal says that the task has stopped with.
fn set_siginfo(task: &Task, other: &mut Task, from: Addr) -> Result<(), Errno> {
    let mut bytes = [0; SigInfo::SIZE];
    task.memory.read_exact(from, &mut bytes).map_err(|_| Errno::EFAULT)?;
    match other.traced.as_mut().map(|traced| &mut traced.stop) {
        Some(Stop::Unreported(why) | Stop::Reported(why)) if why.is_delivery() => {
            *why = Why::Signal(SigInfo::from_bytes(bytes));
            Ok(())
        }
        // It has none that could be delivered.
        Some(_) => Ok(()),
        None => Err(Errno::ESRCH),
    }
}

/// Signals that the task blocks. (Its own calls tell of them in replay.)
fn set_mask(task: &Task, other: &mut Task, size: u64, from: Addr) -> Done {
    if size != SIGNAL_SET {
        return Ok(Err(Errno::EINVAL));
    }
    let Ok(mask) = task.memory.read_u64(from) else { return Ok(Err(Errno::EFAULT)) };
    let Run::Ready(mut stopped) = std::mem::replace(&mut other.run, Run::Away) else {
        return Ok(Err(Errno::EIO));
    };
    let set = stopped.set_signal_mask(mask).and_then(|()| other.mask_changed(&stopped));
    other.run = Run::Ready(stopped);
    Ok(Ok(set?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_at_its_entry_a_call_becomes_another_one() {
        let before = Registers { orig_rax: 39, ..Registers::default() };
        let wanted = Registers { orig_rax: 1, ..before };
        let none = Registers { orig_rax: u64::MAX, ..before };
        assert_eq!(call_of(&before, &wanted, Some(&Why::CallEntry)), 1);
        assert_eq!(call_of(&before, &wanted, Some(&Why::Event(Event::Seccomp, 0))), 1);
        assert_eq!(call_of(&before, &wanted, Some(&Why::Event(Event::Exit, 0))), 39);
        assert_eq!(call_of(&before, &wanted, Some(&Why::CallExit(39))), 39);
        assert_eq!(call_of(&none, &wanted, Some(&Why::CallExit(1))), u64::MAX, "answered");
        assert_eq!(call_of(&before, &none, Some(&Why::Attached)), u64::MAX);
    }

    #[test]
    fn words_of_registers_are_set() {
        let shown = Registers { rip: 5, ..Registers::default() };
        let set = |offset, word| match with_word(&shown, offset, word) {
            Ok(Some(Change::General(registers))) => Ok(Some(registers)),
            Ok(_) => Ok(None),
            Err(errno) => Err(errno),
        };
        assert_eq!(set(128, 9), Ok(Some(Registers { rip: 9, ..shown })));
        assert_eq!(set(224, 1), Err(Errno::EIO), "none of these registers");
    }
}

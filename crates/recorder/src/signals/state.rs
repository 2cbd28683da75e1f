//! What a task does at the signals that may be forced on it.

use std::cell::Cell;
use std::rc::Rc;

use retake_model::Signal;
use retake_ptrace::{PtraceError, Stopped, TaskStatus};

/// The signals that are forced on the recorder's account.
pub(super) const FORCED: [Signal; 3] = [Signal::SEGV, Signal::TRAP, Signal::SYS];

pub(super) const SIG_DFL: u64 = 0;

pub(super) const SIG_IGN: u64 = 1;

/// The kernel's `struct sigaction`: handler, flags, restorer, mask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Action(pub(super) [u64; 4]);

impl Action {
    pub(super) const LEN: usize = 32;

    pub(super) fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        for (place, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(self.0) {
            *place = word.to_le_bytes();
        }
        bytes
    }

    pub(super) fn handler(self) -> u64 {
        self.0[0]
    }
}

/// What a task does at the signals that may be forced on it, as the program set it.
#[derive(Clone, Debug)]
pub(crate) struct SignalState {
    /// Signals that the task blocks: bit n-1 is signal n.
    pub(super) blocked: u64,
    /// What its process does, in the order of [`FORCED`].
    pub(super) actions: Rc<Cell<[Action; FORCED.len()]>>,
}

impl SignalState {
    /// That of a task that has just executed a program: only what is ignored was inherited.
    pub(crate) fn of_new_program(stopped: &Stopped) -> Result<Self, PtraceError> {
        let ignored = TaskStatus::of(stopped.tid())?.mask("SigIgn:")?;
        let action = |signal: Signal| match ignored & signal.mask_bit() {
            0 => Action::default(),
            _ => Action([SIG_IGN, 0, 0, 0]),
        };
        let actions = Rc::new(Cell::new(FORCED.map(action)));
        Ok(Self { blocked: stopped.signal_mask()?, actions })
    }

    /// That of a new task, with the actions of its maker or a copy of them.
    pub(crate) fn inherited(&self, shares_actions: bool) -> Self {
        match shares_actions {
            true => self.clone(),
            false => Self { actions: Rc::new(Cell::new(self.actions.get())), ..*self },
        }
    }

    /// Takes the handlers away (clone(2), `CLONE_CLEAR_SIGHAND`): what is ignored stays so.
    pub(crate) fn lose_handlers(&mut self) {
        let kept = |action: Action| match action.handler() {
            SIG_IGN => action,
            _ => Action::default(),
        };
        self.actions = Rc::new(Cell::new(self.actions.get().map(kept)));
    }

    pub(super) fn action(&self, signal: Signal) -> Option<Action> {
        let at = FORCED.iter().position(|forced| *forced == signal)?;
        self.actions.get().get(at).copied()
    }

    pub(super) fn set_action(&self, signal: Signal, action: Action) {
        let mut actions = self.actions.get();
        let places = FORCED.iter().zip(actions.iter_mut());
        for (_, place) in places.filter(|(forced, _)| **forced == signal) {
            *place = action;
        }
        self.actions.set(actions);
    }

    pub(super) fn blocks(&self, signal: Signal) -> bool {
        self.blocked & signal.mask_bit() != 0
    }
}

/// Whether clone(2) with these flags makes a task with the same actions.
pub(crate) fn shares_actions(clone_flags: u64) -> bool {
    clone_flags & retake_abi::consts::clone::CLONE_SIGHAND != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_shared_or_copied() {
        let state = SignalState { blocked: 0, actions: Rc::default() };
        let (thread, process) = (state.inherited(true), state.inherited(false));
        thread.set_action(Signal::TRAP, Action([SIG_IGN, 1, 2, 3]));
        thread.set_action(Signal::INT, Action([5; 4]));
        assert_eq!(state.action(Signal::TRAP), Some(Action([SIG_IGN, 1, 2, 3])));
        assert_eq!(process.action(Signal::TRAP), Some(Action::default()));
        assert_eq!(state.action(Signal::SEGV), Some(Action::default()));
        assert_eq!(state.action(Signal::INT), None);
    }

    #[test]
    fn bytes_of_an_action() {
        let bytes = Action([1, 2, 3, 4]).to_bytes();
        assert_eq!((bytes[0], bytes[8], bytes[16], bytes[24]), (1, 2, 3, 4));
    }
}

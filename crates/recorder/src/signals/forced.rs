//! What the kernel changes to force a signal on a task, and the program must not see.
//!
//! Some faults and traps are the recorder's: trapped instructions, memory that grows, debug registers, and calls
//! in a container (`outer_filter.rs`).
//! The kernel sees to it that such a signal arrives: it unblocks it, and where it was blocked or ignored
//! it takes the program's action away (kernel/signal.c, `force_sig_info_to_task`). Both are put back.
//! Where such a signal was sent to the task before and waits, the two become one, with the description of
//! the first (`legacy_queue`): that one is made to wait again.

use retake_abi::{SignalCall, nr};
use retake_model::{Addr, Registers, SigInfo, Signal};
use retake_ptrace::{PtraceError, Resume, StopEvent, Stopped, is_watchpoint, read_words};
use retake_tracee::{InjectError, InjectPage, inject};

use crate::error::RecordError;
use crate::signals::state::{Action, FORCED, SIG_DFL, SIG_IGN};
use crate::tasks::Task;

impl Task {
    /// The kernel has changed what the task blocks.
    pub(crate) fn mask_changed(&mut self, stopped: &Stopped) -> Result<(), PtraceError> {
        self.signal_state.blocked = stopped.signal_mask()?;
        Ok(())
    }

    /// A signal call has completed without error.
    pub(crate) fn signal_call_done(
        &mut self,
        stopped: &Stopped,
        kind: SignalCall,
        args: &[u64; 6],
    ) -> Result<(), PtraceError> {
        match kind {
            SignalCall::Mask | SignalCall::Return => self.mask_changed(stopped),
            SignalCall::Action => {
                let [number, action, ..] = *args;
                let signal = i64::try_from(number).map(Signal::from_number);
                let mut bytes = [0; Action::LEN];
                if let Ok(Ok(signal)) = signal
                    && FORCED.contains(&signal)
                    && action != 0
                    && self.memory.read_exact(Addr::new(action), &mut bytes).is_ok()
                {
                    let mut words = [0; 4];
                    for (place, word) in words.iter_mut().zip(read_words(&bytes)) {
                        *place = word;
                    }
                    self.signal_state.set_action(signal, Action(words));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Whether a signal with this description hides one that was forced on the task: what it blocks
    /// arrives in no other way, outside of calls with a mask of their own.
    pub(crate) fn hides_forced(&self, info: &SigInfo, registers: &Registers) -> bool {
        let sent = info.code() <= 0 && registers.orig_rax.cast_signed() < 0;
        sent && info.signal().is_ok_and(|signal| self.signal_state.blocks(signal))
    }

    /// Whether the SIGTRAP that the task stopped with is that of a debug register.
    pub(crate) fn is_at_watchpoint(&self, info: &SigInfo, registers: &Registers) -> bool {
        const INT1: u8 = 0xf1;
        const INT3: u8 = 0xcc;
        let mut around = [0; 2];
        is_watchpoint(info, registers.pc(), &self.memory)
            || info.signal() == Ok(Signal::TRAP)
                && self.hides_forced(info, registers)
                && self
                    .memory
                    .read_exact(Addr::new(registers.rip.wrapping_sub(1)), &mut around)
                    .is_ok()
                && !matches!(around, [INT1 | INT3, _] | [_, INT1])
    }

    /// Whether forcing `signal` on the task made it fatal.
    pub(crate) fn is_made_fatal(&self, signal: Signal) -> bool {
        let handler = self.signal_state.action(signal).map_or(SIG_DFL, Action::handler);
        handler == SIG_IGN || self.signal_state.blocks(signal)
    }

    /// Puts back what the kernel changed to force on the task a signal that is the recorder's, and that
    /// it has stopped for. It goes on with `registers`.
    ///
    /// (A signal that the program both blocks and ignores, and that waits, is lost thereby.)
    pub(crate) fn undo_forced(
        &mut self,
        stopped: &mut Stopped,
        signal: Signal,
        registers: &Registers,
    ) -> Result<(), RecordError> {
        if !self.is_made_fatal(signal) {
            return Ok(());
        }
        if self.signal_state.blocks(signal) {
            let mask = stopped.signal_mask()?;
            stopped.set_signal_mask(mask | signal.mask_bit())?;
        }
        let stopped_with = stopped.siginfo()?;
        let hid_itself = self.hides_forced(&stopped_with, registers).then_some(stopped_with);
        if let Some(first) = self.hides_forced.take().or(hid_itself) {
            self.let_wait_again(stopped, signal, &first)?;
        }
        let action = self.signal_state.action(signal).unwrap_or_default();
        if action.handler() == SIG_DFL {
            return Ok(());
        }
        let at = Addr::new(InjectPage::ADDR.get() + InjectPage::LEN / 2);
        self.memory.write(at, &action.to_bytes())?;
        let number = u64::try_from(signal.number()).unwrap_or(0);
        let done = inject(stopped, registers, nr::RT_SIGACTION, [number, at.get(), 0, 8, 0, 0])?;
        self.held.extend(done.signals);
        // The rest of the page is zeroes.
        self.memory.write(at, &[0; Action::LEN])?;
        stopped.set_registers(registers)?;
        Ok(())
    }

    /// A signal that the task stopped with, and blocks, waits again when it is resumed with it
    /// (kernel/signal.c, `ptrace_signal`).
    fn let_wait_again(
        &mut self,
        stopped: &mut Stopped,
        signal: Signal,
        info: &SigInfo,
    ) -> Result<(), RecordError> {
        stopped.set_siginfo(info)?;
        stopped.stop_again()?;
        let mut resumed_with = Some(signal);
        loop {
            match stopped.resume_and_wait(Resume::Continue, resumed_with.take())? {
                StopEvent::Stop(Signal::TRAP) => return Ok(()),
                StopEvent::Signal(_) => self.held.push_back(stopped.siginfo()?),
                StopEvent::Exit => {
                    // Killed. Whoever waits for the task next sees its end.
                    stopped.let_end()?;
                    return Err(InjectError::Killed(stopped.tid()).into());
                }
                other => {
                    let what = format!("{other:?} instead of a signal that waits");
                    return Err(RecordError::Unsupported(what));
                }
            }
        }
    }
}

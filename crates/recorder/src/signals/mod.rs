//! Signals: faults, traps, and those that come from elsewhere.

pub(crate) mod disposition;
pub(crate) mod fatal;
pub(crate) mod forced;
pub(crate) mod held;
pub(crate) mod hidden;
pub(crate) mod holding;
pub(crate) mod state;
pub(crate) mod trapped;
pub(crate) mod unkillable;

use retake_abi::Errno;
use retake_model::{Addr, AddrRange, PAGE_SIZE, Registers, SigInfo, Signal};
use retake_ptrace::{Resume, StopEvent, Stopped, kill_task};
use retake_recording::{Delivery, Effect, EventKind, Where};

use crate::book::Book;
use crate::error::RecordError;
use crate::memory::growth::Growth;
use crate::next::normal;
use crate::next::{Next, before_call, resumed};
use crate::places::Search;
use crate::places::leaving::Purpose;
use crate::session::Session;
use crate::signals::disposition::{Disposition, disposition, is_unkillable};
use crate::signals::holding::{hold, is_synchronous};
use crate::tasks::Task;
use crate::world::World;

/// `SI_KERNEL`: what a trapped rdtsc or cpuid has for a code.
const SI_KERNEL: i32 = 0x80;
/// Largest stack below which a signal frame is looked for on the same stack, in bytes.
const FRAME_REACH: u64 = 64 << 10;
/// Bytes below the stack pointer that a handler must leave alone (x86-64 psABI).
const RED_ZONE: u64 = 128;

/// Whether a signal is one of a timer (timer_create(2), setitimer(2)).
fn is_of_timer(signal: Signal, info: &SigInfo) -> bool {
    const SI_TIMER: i32 = -2;
    let of_interval = matches!(signal, Signal::ALRM | Signal::VTALRM | Signal::PROF);
    info.code() == SI_TIMER || of_interval && info.code() == SI_KERNEL
}

impl Task {
    /// Whether delivering this signal now would keep the program in the handlers of a timer that is
    /// faster than they are: it has done nothing since the last one returned.
    pub(crate) fn must_go_on_first(&self, info: &SigInfo) -> bool {
        self.after_handler && info.signal().is_ok_and(|signal| is_of_timer(signal, info))
    }

    /// Takes the trap flag of the step that brought the task to a handler out of the flags that the handler
    /// returns to. The kernel takes it for the program's own where the next instruction loads flags
    /// (arch/x86/kernel/step.c, `is_setting_trap_flag`).
    fn undo_step(&mut self, before: &Registers, after: &Registers) -> Result<(), RecordError> {
        const TRAP_FLAG: u64 = 0x100;
        // `struct rt_sigframe`: return address, `struct ucontext` up to its registers, and 17 of these.
        const FLAGS: u64 = 8 + 40 + 17 * 8;
        if before.eflags & TRAP_FLAG != 0 {
            return Ok(());
        }
        let at = Addr::new(after.rsp.wrapping_add(FLAGS));
        let flags = self.memory.read_u64(at)?;
        if flags & TRAP_FLAG != 0 {
            self.memory.write(at, &(flags & !TRAP_FLAG).to_le_bytes())?;
        }
        Ok(())
    }

    /// Whether it has run code of its own since its last event, as far as registers tell.
    fn has_run(&self, now: &Registers) -> bool {
        *now != self.registers && restarted(&self.registers).as_ref() != Some(now)
    }

    /// Has the kernel deliver a held signal again: it ends a call that waits, as it does natively.
    pub(crate) fn send_again(&mut self, info: SigInfo) -> Result<(), RecordError> {
        if let Ok(signal) = info.signal() {
            kill_task(self.pid, self.tid, signal)?;
            self.sent_again = Some(info);
        }
        Ok(())
    }

    /// The description of the signal that the task has stopped with, if it is the one that was sent again.
    fn take_sent_again(
        &mut self,
        stopped: &mut Stopped,
        signal: Signal,
    ) -> Result<Option<SigInfo>, RecordError> {
        if self.sent_again.as_ref().is_none_or(|sent| sent.signal() != Ok(signal)) {
            return Ok(None);
        }
        let sent = self.sent_again.take();
        if !is_ours(&stopped.siginfo()?) {
            // Another one came in between: the two are one.
            return Ok(None);
        }
        if let Some(info) = &sent {
            stopped.set_siginfo(info)?;
        }
        Ok(sent)
    }
}

/// Whether a signal is one that the recorder sent with [`kill_task`]. In another PID namespace the
/// sender's number is 0.
fn is_ours(info: &SigInfo) -> bool {
    const SI_TKILL: i32 = -6;
    let sender = info.sender();
    info.code() == SI_TKILL && (sender == 0 || u32::try_from(sender) == Ok(std::process::id()))
}

fn restart_code(registers: &Registers) -> Option<Errno> {
    if registers.orig_rax.cast_signed() < 0 {
        return None;
    }
    Errno::from_result(registers.rax.cast_signed()).filter(|errno| errno.is_restart())
}

/// What the kernel makes of the registers of an interrupted call that is to be made again.
fn restarted(registers: &Registers) -> Option<Registers> {
    const RESTART_SYSCALL: u64 = 219;
    let errno = restart_code(registers)?;
    let again = errno == Errno::ERESTART_RESTARTBLOCK;
    let rax = if again { RESTART_SYSCALL } else { registers.orig_rax };
    Some(Registers { rax, rip: registers.rip.wrapping_sub(2), ..*registers })
}

impl Book {
    /// After an interrupted call the kernel, with no handler to run, sets the task back to make the
    /// call again. That is an event: no user code shows it.
    pub(crate) fn restart_if_interrupted(&mut self, task: &mut Task) -> Result<(), RecordError> {
        let before = task.registers;
        let Some(after) = restarted(&before) else {
            return Ok(());
        };
        let draft = self.draft();
        self.append(task, draft, &EventKind::Restart, &before, &after)
    }

    /// Whether the task has run no user code since its last event. A call that was set back in the
    /// meantime is recorded as such.
    pub(crate) fn is_where_it_was(
        &mut self,
        task: &mut Task,
        now: &Registers,
    ) -> Result<bool, RecordError> {
        if *now == task.registers || normal(now) == task.registers {
            // In the middle of code it can come to the same registers again.
            return Ok(!task.mid_code);
        }
        let before = task.registers;
        let Some(after) = restarted(&before) else { return Ok(false) };
        // Interrupted before it makes the call again, it is in no call.
        let (now, interrupted) = (normal(now), Registers { orig_rax: u64::MAX, ..after });
        if now != after && now != interrupted {
            return Ok(false);
        }
        let draft = self.draft();
        self.append(task, draft, &EventKind::Restart, &before, &now)?;
        Ok(true)
    }

    /// Records that a signal without a handler came at the entry of a call, if `before` are registers of one:
    /// the call is undone there, with registers that no place in the program has.
    fn undo_call(
        &mut self,
        task: &mut Task,
        before: &Registers,
        info: &SigInfo,
        delivery: Delivery,
    ) -> Result<(), RecordError> {
        // A call that has ended is none to undo: the signal came behind it.
        if before.orig_rax.cast_signed() < 0 || *before == task.registers {
            return Ok(());
        }
        let kind = EventKind::Signal { info: info.clone(), delivery, at: Where::Located };
        let draft = self.draft();
        self.append(task, draft, &kind, before, &before_call(before))
    }
}

impl World {
    pub(crate) fn group_stop(
        &mut self,
        book: &mut Book,
        task: &mut Task,
        mut stopped: Stopped,
        signal: Signal,
    ) -> Result<Next, RecordError> {
        match signal {
            Signal::STOP | Signal::TSTP | Signal::TTIN | Signal::TTOU => {
                let mut at_event = book.is_where_it_was(task, &stopped.registers()?)?;
                if !at_event && task.open.is_none() {
                    // Others run before it goes on: what it has done so far comes before what they do.
                    (stopped, at_event) = self.mark_stop(book, task, stopped)?;
                }
                // In the middle of code there is no state that a checkpoint could take.
                task.stopped = match at_event {
                    true => Some((stopped.vector()?, stopped.signal_mask()?)),
                    false => None,
                };
                if at_event && task.open.is_none() && task.traced.is_some() {
                    return Ok(self.tell_of_group_stop(task, stopped, signal));
                }
                Ok(resumed(stopped.listen()?, Next::Waiting))
            }
            _ if task.open.is_some() => {
                Ok(resumed(stopped.resume(Resume::Syscall, None)?, Next::Waiting))
            }
            _ => match self.tell_of_continuing(task, stopped) {
                Ok(next) => Ok(next),
                Err(stopped) => Ok(resumed(stopped.resume(Resume::Continue, None)?, Next::Soon)),
            },
        }
    }
}

impl Task {
    /// The first held signal that the task does not block.
    pub(crate) fn take_deliverable(
        &mut self,
        stopped: &Stopped,
    ) -> Result<Option<SigInfo>, RecordError> {
        let at = deliverable(self, stopped)?;
        Ok(at.and_then(|at| self.held.remove(at)))
    }

    /// Whether there is such a signal.
    pub(crate) fn has_deliverable(&self, stopped: &Stopped) -> Result<bool, RecordError> {
        Ok(deliverable(self, stopped)?.is_some())
    }
}

impl Session {
    pub(crate) fn signal_arrived(
        &mut self,
        task: &mut Task,
        mut stopped: Stopped,
        signal: Signal,
    ) -> Result<Next, RecordError> {
        let info = match task.take_sent_again(&mut stopped, signal)? {
            Some(info) => info,
            None => self.world.describe_child_signal(task, stopped.siginfo()?),
        };
        self.note_given(task, &info);
        let registers = stopped.registers()?;
        if task.is_tracers_watchpoint(&info, registers.pc()) {
            return self.at_tracers_watchpoint(task, stopped, info);
        }
        if task.is_at_watchpoint(&info, &registers) {
            task.undo_forced(&mut stopped, signal, &registers)?;
            if task.is_armed() {
                return self.at_watchpoint(task, stopped, &registers);
            }
            // Ours, from a search that another stop ended.
            return Ok(resumed(stopped.resume(Resume::Continue, None)?, Next::Soon));
        }
        if signal == Signal::SEGV && task.hides_forced(&info, &registers) {
            // The fault comes again, and tells what it is for.
            task.hides_forced = Some(info);
            return Ok(resumed(stopped.resume(Resume::Continue, None)?, Next::Soon));
        }
        if signal == Signal::SEGV
            && info.code() == SI_KERNEL
            && let Some(next) = self.trapped_instruction(task, &mut stopped, &registers)?
        {
            task.undo_forced(&mut stopped, signal, &next.1)?;
            let draft = self.book.draft();
            self.book.append(task, draft, &next.0, &registers, &next.1)?;
            return Ok(Next::Ready(stopped));
        }
        match self.world.grow_down(&mut self.book, task, &mut stopped, &info, &registers)? {
            Growth::None => {}
            Growth::Done => return Ok(Next::Ready(stopped)),
            Growth::Failed => {
                return self.send_to_stopped(task, stopped, &registers, &registers, &info);
            }
        }
        // A call that was made without a stop may not be written down yet.
        let inside = task.end_of_fast_code(registers.pc()).is_some();
        // A timer that is faster than its handler leaves the program some time between two signals.
        let too_soon = task.must_go_on_first(&info);
        let located = is_synchronous(signal, &info)
            || (!inside && !too_soon && self.book.is_where_it_was(task, &registers)?);
        // Where the task was left it may have flags of the recorder's own.
        let registers = match located && !is_synchronous(signal, &info) {
            true => task.registers,
            false => registers,
        };
        // At random places are drawn anyway.
        let asks_where = signal == Signal::PROF && self.turns.scheduler.chaos().is_none();
        if task.asks_tracer() && located {
            return self.world.report_signal(&mut self.book, task, stopped, &registers, info);
        }
        match disposition(task, signal)? {
            _ if task.asks_tracer() => self.hold_for_now(task, stopped, signal, info),
            // Whether the kernel then sets an interrupted call back shows when the task goes on.
            Disposition::Ignored if !is_synchronous(signal, &info) => {
                Ok(resumed(stopped.resume(Resume::Continue, None)?, Next::Soon))
            }
            // It is not held: a SIGCONT that comes meanwhile would be before it. Within the code for calls without a
            // stop, the stop is left to its end.
            Disposition::Stop => {
                Ok(resumed(stopped.resume(Resume::Continue, Some(signal))?, Next::Soon))
            }
            // It asks where the program is: any other place is another answer.
            Disposition::Handler
                if asks_where
                    && !located
                    && !inside
                    && task.has_run(&registers)
                    && !stopped.has_queued_fault()? =>
            {
                hold(task, &mut stopped, signal, info)?;
                self.place_event(task, stopped, Search::HERE, Purpose::Signal)
            }
            // It waits for a place; after a while one is chosen for it.
            _ if !located => self.hold_for_now(task, stopped, signal, info),
            _ => self.deliver(task, stopped, signal, info, &registers),
        }
    }

    fn hold_for_now(
        &mut self,
        task: &mut Task,
        mut stopped: Stopped,
        signal: Signal,
        info: SigInfo,
    ) -> Result<Next, RecordError> {
        hold(task, &mut stopped, signal, info)?;
        let running = stopped.resume(Resume::Continue, None)?;
        // Signals that come as often as ticks keep them from being seen.
        self.tick(task)?;
        Ok(resumed(running, Next::Soon))
    }

    /// Delivers a held signal to a task that stands at the entry of a call: the call is undone and
    /// made again after the handler.
    pub(crate) fn deliver_at_entry(
        &mut self,
        task: &mut Task,
        stopped: Stopped,
        entry: &Registers,
        info: &SigInfo,
    ) -> Result<Next, RecordError> {
        self.send_to_stopped(task, stopped, &before_call(entry), entry, info)
    }

    /// Sends a signal to a stopped task that is to go on with `registers`; `before` are those of the
    /// event.
    pub(crate) fn send_to_stopped(
        &mut self,
        task: &mut Task,
        mut stopped: Stopped,
        registers: &Registers,
        before: &Registers,
        info: &SigInfo,
    ) -> Result<Next, RecordError> {
        stopped.set_registers(registers)?;
        self.deliver_here(task, stopped, before, info)
    }

    /// Delivers a held signal to a task that stands where its last event left it, or at the entry of a
    /// call that was undone: `before` are the registers there.
    pub(crate) fn deliver_here(
        &mut self,
        task: &mut Task,
        mut stopped: Stopped,
        before: &Registers,
        info: &SigInfo,
    ) -> Result<Next, RecordError> {
        let Ok(signal) = info.signal() else {
            return Ok(Next::Ready(stopped));
        };
        if task.asks_tracer() {
            return self.world.report_signal(&mut self.book, task, stopped, before, info.clone());
        }
        kill_task(task.pid, task.tid, signal)?;
        let mut stopped_by_group = false;
        loop {
            match stopped.resume_and_wait(Resume::Continue, None)? {
                StopEvent::Signal(arrived) if arrived == signal => {
                    // Real-time signals queue: those before the one just sent stay the program's.
                    let arrived = stopped.siginfo()?;
                    if !signal.is_realtime() || is_ours(&arrived) {
                        break;
                    }
                    task.held.push_back(arrived);
                }
                StopEvent::Signal(_) => task.held.push_back(stopped.siginfo()?),
                StopEvent::Exit => return self.task_ends(task, stopped),
                StopEvent::Stop(Signal::TRAP) => {}
                // A group-stop comes again when the handler is to run.
                StopEvent::Stop(_) => stopped_by_group = true,
                other => {
                    return Err(RecordError::Unsupported(format!(
                        "{other:?} while delivering {signal}"
                    )));
                }
            }
        }
        if stopped_by_group {
            stopped.stop_again()?;
        }
        stopped.set_siginfo(info)?;
        match disposition(task, signal)? {
            // Changed by another thread since: the call goes on as if nothing had come.
            Disposition::Ignored if !is_synchronous(signal, info) => {
                self.book.undo_call(task, before, info, Delivery::Ignored)?;
                Ok(resumed(stopped.resume(Resume::Continue, None)?, Next::Soon))
            }
            Disposition::Stop => {
                self.book.undo_call(task, before, info, Delivery::Stop)?;
                Ok(resumed(stopped.resume(Resume::Continue, Some(signal))?, Next::Soon))
            }
            Disposition::Handler | Disposition::Fatal | Disposition::Ignored => {
                self.deliver(task, stopped, signal, info.clone(), before)
            }
        }
    }

    /// Lets the kernel deliver a signal, and records what that does.
    fn deliver(
        &mut self,
        task: &mut Task,
        mut stopped: Stopped,
        signal: Signal,
        info: SigInfo,
        before: &Registers,
    ) -> Result<Next, RecordError> {
        let at = Where::Located;
        let mut draft = self.book.draft();
        if disposition(task, signal)? != Disposition::Handler {
            let stays = is_synchronous(signal, &info) && is_unkillable(task)?;
            let kind = EventKind::Signal { info, delivery: Delivery::Fatal { core: false }, at };
            self.book.append(task, draft, &kind, before, before)?;
            task.dying = true;
            if stays {
                return self.crash_of_unkillable(task, stopped, signal);
            }
            return Ok(resumed(stopped.resume(Resume::Continue, Some(signal))?, Next::Soon));
        }
        let old_sp = stopped.registers()?.rsp;
        match stopped.resume_and_wait(Resume::Step, Some(signal))? {
            StopEvent::Signal(Signal::TRAP) => {}
            StopEvent::Signal(other) => {
                return self.frame_failed(task, stopped, (info, before), old_sp, other);
            }
            StopEvent::Exit => return self.task_ends(task, stopped),
            other => {
                return Err(RecordError::Unsupported(format!("{other:?} instead of a handler")));
            }
        }
        task.mask_changed(&stopped)?;
        let after = stopped.registers()?;
        task.undo_step(before, &after)?;
        if let Some(frame) = frame_range(task, old_sp, after.rsp) {
            let memory = &task.memory;
            let len = usize::try_from(frame.len()).unwrap_or(0);
            draft
                .write_with(frame.start(), len, |out| memory.read(frame.start(), out).unwrap_or(0));
        }
        draft.add(&Effect::Vector { state: stopped.vector()? });
        let kind = EventKind::Signal { info, delivery: Delivery::Handler, at };
        self.book.append(task, draft, &kind, before, &after)?;
        Ok(Next::Ready(stopped))
    }

    /// A handler's frame could not be written, such as for a stack that is full: the kernel has forced another
    /// signal on the task instead. Two events, with no user code in between.
    fn frame_failed(
        &mut self,
        task: &mut Task,
        stopped: Stopped,
        (info, before): (SigInfo, &Registers),
        old_sp: u64,
        forced: Signal,
    ) -> Result<Next, RecordError> {
        let after = stopped.registers()?;
        // It is written from its end on: part of it may be there.
        let top = old_sp.wrapping_sub(RED_ZONE);
        let space = self.world.space(task.space)?;
        let mut start = top;
        while top - start < FRAME_REACH && space.can_write(Addr::new(start.wrapping_sub(1)), 1) {
            start = start.wrapping_sub(1) & !(PAGE_SIZE - 1);
        }
        let len = usize::try_from(top - start).unwrap_or(0);
        let (start, memory) = (Addr::new(start), &task.memory);
        let mut draft = self.book.draft();
        draft.write_with(start, len, |out| memory.read(start, out).unwrap_or(0));
        let kind = EventKind::Signal { info, delivery: Delivery::Ignored, at: Where::Located };
        self.book.append(task, draft, &kind, before, &after)?;
        task.mask_changed(&stopped)?;
        let info = stopped.siginfo()?;
        self.deliver(task, stopped, forced, info, &after)
    }
}

fn deliverable(task: &Task, stopped: &Stopped) -> Result<Option<usize>, RecordError> {
    if task.held.is_empty() {
        return Ok(None);
    }
    let mask = stopped.signal_mask()?;
    Ok(task.held.iter().position(|info| info.signal().is_ok_and(|s| mask & s.mask_bit() == 0)))
}

/// Where the frame of a handler that starts at `sp` lies: up to the interrupted stack's red zone, or
/// up to the end of the alternate stack, which the frame itself names (`uc_stack`).
fn frame_range(task: &Task, old_sp: u64, sp: u64) -> Option<AddrRange> {
    const UC_STACK: u64 = 8 + 16;
    let top = old_sp.wrapping_sub(RED_ZONE);
    if sp < top && top - sp < FRAME_REACH {
        return AddrRange::new(Addr::new(sp), Addr::new(top));
    }
    let base = task.memory.read_u64(Addr::new(sp + UC_STACK)).ok()?;
    let size = task.memory.read_u64(Addr::new(sp + UC_STACK + 16)).ok()?;
    let end = base.checked_add(size)?;
    (base <= sp && sp < end).then(|| AddrRange::new(Addr::new(sp), Addr::new(end))).flatten()
}

//! Where a replay runs, and what is trapped there.

use std::marker::PhantomData;

use retake_ptrace::{
    Cpuid, SameTraps, ShortSlices, allowed_cpus, current_cpu, pin_current_thread,
    prefer_short_slices,
};
use retake_recording::Recording;

use crate::processor::what_cpuid_does;

/// Whether the CPU shows in what is replayed on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    /// It does not: `cpuid` was trapped, or this is the CPU that was recorded on.
    AsRecorded,
    /// It may: `cpuid` tells its number to whoever asks.
    Elsewhere,
}

/// The calling thread as one that replays a recording: bound to a CPU together with the processes it starts
/// from here on, and trapping what they trap.
///
/// Where `cpuid` was trapped at recording, any CPU will do. Where it was not, the number of the CPU shows in
/// what it answers. A replay on another CPU than the recorded one is then right only if its state is found
/// to be that of a checkpoint afterwards.
///
/// Only the thread that has started a process may ask anything of it (ptrace(2)), so this is not `Send`.
#[derive(Clone, Debug)]
pub(crate) struct ReplayThread {
    cpuid: Cpuid,
    fit: Fit,
    /// Number of several: what the first one replays is not looked at again.
    number: usize,
    thread: PhantomData<*const ()>,
}

impl ReplayThread {
    /// Binds the calling thread to the CPU that was recorded on, if this machine has it.
    pub(crate) fn start(recording: &Recording) -> Self {
        Self::beside(recording, 0)
    }

    /// Binds the calling thread, number `n` of several that replay the same recording at the same time.
    /// Number 0 gets the CPU that was recorded on.
    pub(crate) fn beside(recording: &Recording, n: usize) -> Self {
        // Threads that read ahead are started by this one, and are not to share its CPU.
        recording.on_reader_start(retake_ptrace::unpin_current_thread);
        let allowed = allowed_cpus();
        let recorded = recording.manifest().machine.cpu;
        let cpus = recorded
            .into_iter()
            .chain(allowed.iter().copied().filter(|cpu| Some(*cpu) != recorded));
        // The recorded CPU may be one that this process may not use.
        let usable: Vec<usize> = cpus.collect();
        let wanted = usable.get(n % usable.len().max(1)).copied();
        let bound = wanted.filter(|cpu| pin_current_thread(*cpu).is_ok());
        if bound.is_none() {
            let _ = pin_current_thread(current_cpu());
        }
        // Where others want the CPU, each stop is two waits for it.
        let _ = prefer_short_slices(ShortSlices::Inherited);
        let cpuid = what_cpuid_does(recording);
        let fit = match cpuid {
            Cpuid::Trapped => Fit::AsRecorded,
            Cpuid::Executed if bound.is_some() && bound == recorded => Fit::AsRecorded,
            Cpuid::Executed => Fit::Elsewhere,
        };
        Self { cpuid, fit, number: n, thread: PhantomData }
    }

    /// Whether what is replayed here is as recorded without a look at the next checkpoint.
    pub(crate) fn is_as_recorded(&self) -> bool {
        self.fit == Fit::AsRecorded
    }

    /// Whether it has to be asked beforehand that the processor is one like that which was recorded on. Elsewhere
    /// the state is compared afterwards, and the number of the CPU would differ anyway.
    pub(crate) fn asks_for_processor(&self) -> bool {
        self.number == 0 || self.is_as_recorded()
    }

    /// How many intervals are gone through at the same time where nobody says: as many as there are CPUs. (Away
    /// from the recorded one the state at the end of an interval is compared, and a few may have to be repeated.)
    pub(crate) fn intervals_at_once(&self) -> usize {
        allowed_cpus().len().max(1)
    }

    /// Traps in this thread what is trapped in its processes, for as long as that is kept.
    pub(crate) fn traps(&self) -> SameTraps {
        SameTraps::start(self.cpuid)
    }

    /// Traps it again where a look at the clock has lifted the traps.
    pub(crate) fn renew_traps(&self) {
        SameTraps::renew();
    }
}

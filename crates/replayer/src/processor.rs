//! Whether this machine's processor can stand in for the recorded one.

use retake_ptrace::{Cpuid, can_trap_cpuid, cpuid, cpuid_table};
use retake_recording::Recording;

use crate::failure::Failure;
use crate::live::{Identity, LiveTask};
use crate::machine::Machine;

/// What `cpuid` does in processes that replay `recording`.
pub(crate) fn what_cpuid_does(recording: &Recording) -> Cpuid {
    if recording.manifest().machine.cpuid_trapped { Cpuid::Trapped } else { Cpuid::Executed }
}

impl Machine {
    /// A task in an empty address space, on a processor that will do.
    pub(crate) fn start_task(&mut self, identity: Identity) -> Result<LiveTask, Failure> {
        let cpuid = what_cpuid_does(&self.recording);
        if !self.processor_fits {
            self.check_processor(cpuid)?;
            self.processor_fits = true;
        }
        self.fresh.start(identity, cpuid)
    }

    fn check_processor(&self, how: Cpuid) -> Result<(), Failure> {
        let recorded = &self.recording.manifest().machine;
        let here = cpuid(0xd, 0).ebx;
        if here != recorded.xsave_size {
            return Err(Failure::Refused(format!(
                "the recording's vector registers take {} bytes, those of this machine {here}: \
                 replay it on a processor of the kind it was made on",
                recorded.xsave_size
            )));
        }
        match how {
            Cpuid::Trapped if can_trap_cpuid() => Ok(()),
            Cpuid::Trapped => Err(Failure::Refused(
                "the recording has the answers of cpuid in it, and this machine cannot trap that \
                 instruction: replay it on one that can (cpuid_fault in /proc/cpuinfo)"
                    .to_owned(),
            )),
            Cpuid::Executed => {
                let table = cpuid_table(cpuid);
                let differs = recorded.cpuid.iter().find(|leaf| !table.contains(leaf));
                differs.map_or(Ok(()), |[leaf, subleaf, ..]| {
                    Err(Failure::Refused(format!(
                        "cpuid could not be trapped when this was recorded, and this processor gives \
                         another answer for leaf {leaf:#x}.{subleaf}: replay it on the machine it was \
                         made on"
                    )))
                })
            }
        }
    }
}

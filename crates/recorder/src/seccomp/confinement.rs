//! What a task may do.

use std::sync::Arc;

use retake_abi::Convention;
use retake_model::Registers;

use super::bpf::{DATA_LEN, Program};
use crate::calls::convention::Made;
use crate::next::call_number;

/// `AUDIT_ARCH_X86_64`
pub(super) const ARCH_X86_64: u32 = 0xc000_003e;

/// `AUDIT_ARCH_I386`
pub(super) const ARCH_I386: u32 = 0x4000_0003;

/// `MAX_INSNS_PER_PATH` (kernel/seccomp.c): over all filters of a task.
pub(super) const MOST_INSTRUCTIONS: usize = 32_768;

/// What each filter counts besides its instructions.
pub(super) const FILTER_PENALTY: usize = 4;

/// What a task may do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Confinement {
    /// `PR_SET_NO_NEW_PRIVS`, as the program knows it.
    pub(crate) no_new_privs: bool,
    pub(super) mode: Mode,
}

#[derive(Clone, Debug, Default)]
pub(super) enum Mode {
    #[default]
    Free,
    Strict,
    Filtered(Arc<Installed>),
}

/// A filter with those that were installed before it.
#[derive(Debug)]
pub(super) struct Installed {
    pub(super) program: Program,
    pub(super) before: Option<Arc<Installed>>,
}

/// What is to be done with a call (`SECCOMP_RET_ACTION_FULL`), with the data of the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Allow,
    Fail(u16),
    Trap(u16),
    /// The task's tracer is asked.
    Trace(u16),
    /// `SECCOMP_RET_USER_NOTIF`, with nobody there to ask: listeners are refused.
    Notify,
    KillThread(u16),
    KillProcess(u16),
    /// Strict mode: as by SIGKILL.
    KillStrict,
}

impl Confinement {
    /// Whether every call is allowed.
    pub(crate) fn is_free(&self) -> bool {
        matches!(self.mode, Mode::Free)
    }

    /// What this process starts with.
    pub(crate) fn inherited() -> Self {
        let flag = own_status("NoNewPrivs:");
        Self { no_new_privs: flag.as_deref() == Some("1"), mode: Mode::Free }
    }

    pub(super) fn judge(&self, entry: &Registers, made: &Made) -> Verdict {
        match &self.mode {
            Mode::Free => Verdict::Allow,
            Mode::Strict => match (made.by, entry.orig_rax) {
                // read, write, rt_sigreturn, exit; sigreturn in the 32-bit table
                (Convention::Native, 0 | 1 | 15 | 60) | (Convention::I386, 3 | 4 | 119 | 1) => {
                    Verdict::Allow
                }
                _ => Verdict::KillStrict,
            },
            Mode::Filtered(filters) => {
                let data = data_of(entry, made);
                let mut last = 0x7fff_0000;
                let mut next = Some(filters);
                while let Some(filter) = next {
                    let value = filter.program.run(&data);
                    if rank(value) < rank(last) {
                        last = value;
                    }
                    next = filter.before.as_ref();
                }
                verdict(last)
            }
        }
    }
}

/// A field of `/proc/self/status` (proc_pid_status(5)), by its name with the colon.
pub(crate) fn own_status(name: &str) -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    field(&status, name).map(str::to_owned)
}

pub(super) fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

/// The lower, the stronger: `SECCOMP_RET_KILL_PROCESS` is negative as the kernel compares them.
pub(super) fn rank(value: u32) -> i32 {
    (value & 0xffff_0000).cast_signed()
}

pub(super) fn verdict(value: u32) -> Verdict {
    let data = u16::try_from(value & 0xffff).unwrap_or(0);
    match value & 0xffff_0000 {
        0x7fff_0000 | 0x7ffc_0000 => Verdict::Allow,
        0x7ff0_0000 => Verdict::Trace(data),
        0x7fc0_0000 => Verdict::Notify,
        0x0005_0000 => Verdict::Fail(data.min(4095)),
        0x0003_0000 => Verdict::Trap(data),
        0x0000_0000 => Verdict::KillThread(data),
        _ => Verdict::KillProcess(data),
    }
}

/// What `struct seccomp_data` says of the table that a call's number is of.
pub(super) fn arch(made: &Made) -> u32 {
    match made.by {
        Convention::Native | Convention::X32 => ARCH_X86_64,
        Convention::I386 => ARCH_I386,
    }
}

/// `struct seccomp_data`
pub(super) fn data_of(entry: &Registers, made: &Made) -> [u8; DATA_LEN] {
    let number = call_number(entry).get();
    let mut data = [0; DATA_LEN];
    let words = [u64::from(arch(made)) << 32 | u64::from(number), entry.rip];
    for (to, word) in data.as_chunks_mut::<8>().0.iter_mut().zip(words.iter().chain(&made.args)) {
        *to = word.to_le_bytes();
    }
    data
}

/// How much of the kernel's limit a list of filters takes.
pub(super) fn cost(filters: &Installed) -> usize {
    let mut sum = 0;
    let mut next = Some(filters);
    while let Some(filter) = next {
        sum += filter.program.len() + FILTER_PENALTY;
        next = filter.before.as_deref();
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let status = "NoNewPrivs:\t1\nSeccomp_filters:\t1\nSeccomp:\t2\n";
        assert_eq!(
            (field(status, "Seccomp:"), field(status, "NoNewPrivs:")),
            (Some("2"), Some("1"))
        );
        assert_eq!((field(status, "Uid:"), field("", "Seccomp:")), (None, None));
    }
}

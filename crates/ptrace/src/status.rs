//! What the kernel says about a task in `/proc/PID/status` (proc_pid_status(5)).

use nix::errno::Errno;
use retake_model::Tid;

use crate::PtraceError;

/// The lines of a task's status, as they were when it was read.
#[derive(Clone, Debug)]
pub struct TaskStatus {
    tid: Tid,
    text: String,
}

impl TaskStatus {
    /// That of a task, also of one that has ended and is not waited for yet.
    ///
    /// # Errors
    /// When the task is gone ([`PtraceError::is_gone`]), or this process can open no file.
    pub fn of(tid: Tid) -> Result<Self, PtraceError> {
        const ATTEMPT: &str = "read /proc/PID/status";
        match std::fs::read_to_string(format!("/proc/{tid}/status")) {
            Ok(text) => Ok(Self { tid, text }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(PtraceError::of(ATTEMPT, tid, Errno::ESRCH))
            }
            Err(error) => Err(PtraceError::io(ATTEMPT, tid, &error)),
        }
    }

    /// What follows a name with its colon. Which names there are depends on the kernel.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
    }

    /// A set of signals (bit n-1 is signal n) or capabilities (bit n is capability n): every kernel has these lines.
    ///
    /// # Errors
    /// When it is not there.
    pub fn mask(&self, name: &str) -> Result<u64, PtraceError> {
        let mask = self.field(name).and_then(|text| u64::from_str_radix(text, 16).ok());
        mask.ok_or_else(|| PtraceError::of("find a set in /proc/PID/status", self.tid, Errno::EIO))
    }

    /// The decimal numbers of a line; none if there is no such line.
    pub fn numbers(&self, name: &str) -> Vec<u32> {
        let words = self.field(name).unwrap_or_default().split_whitespace();
        words.filter_map(|word| word.parse().ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found() {
        let text = "Name:\tx\nNStgid:\t40\t1\nSigCgt:\t0000000180000000\n".to_owned();
        let status = TaskStatus { tid: Tid::new(40), text };
        assert_eq!(status.field("Name:"), Some("x"));
        assert_eq!(status.numbers("NStgid:"), [40, 1]);
        assert_eq!(status.numbers("NSpid:"), []);
        assert_eq!(status.mask("SigCgt:").unwrap(), 0x1_8000_0000);
        assert!(!status.mask("SigIgn:").unwrap_err().is_gone());
    }

    #[test]
    fn a_task_that_is_gone_is_told_from_others() {
        let own = Tid::new(std::process::id().cast_signed());
        assert_eq!(TaskStatus::of(own).unwrap().numbers("Pid:"), [std::process::id()]);
        assert!(TaskStatus::of(Tid::new(i32::MAX)).unwrap_err().is_gone());
    }
}

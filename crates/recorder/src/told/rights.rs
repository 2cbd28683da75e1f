//! What a task may do to the scheduling of another one.

use retake_abi::Errno;
use retake_model::Tid;
use retake_ptrace::TaskStatus;

/// capabilities(7)
const CAP_SYS_NICE: u32 = 23;

/// What decides about that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rights {
    real: u32,
    effective: u32,
    capabilities: u64,
}

impl Rights {
    /// Those of a task. Where they cannot be known the recorder has no room left (sched_setaffinity(2), `ENOMEM`).
    pub(super) fn of(tid: Tid) -> Result<Self, Errno> {
        let status = TaskStatus::of(tid).map_err(|_| Errno::ENOMEM)?;
        let capabilities = status.mask("CapEff:").map_err(|_| Errno::ENOMEM)?;
        match status.numbers("Uid:").as_slice() {
            [real, effective, ..] => Ok(Self { real: *real, effective: *effective, capabilities }),
            _ => Err(Errno::ENOMEM),
        }
    }

    /// Whether it may set the scheduling of a task with `other`'s (sched_setaffinity(2), `EPERM`).
    pub(super) fn rule(self, other: Self) -> bool {
        self.owns(other) || self.is_capable()
    }

    /// Whether it is the same user's.
    pub(super) fn owns(self, other: Self) -> bool {
        self.effective == other.effective || self.effective == other.real
    }

    /// Whether it has `CAP_SYS_NICE`.
    pub(super) fn is_capable(self) -> bool {
        self.capabilities >> CAP_SYS_NICE & 1 != 0
    }
}

/// Whether a task's capabilities are those of this process's user namespace: only there they count for
/// real-time policies (sched_setscheduler(2)).
pub(super) fn is_of_own_users(tid: Tid) -> bool {
    let users = |who: &str| std::fs::read_link(format!("/proc/{who}/ns/user")).ok();
    users(&tid.to_string()) == users("self")
}

/// `RLIMIT_RTPRIO` of a task.
pub(super) fn real_time_limit(tid: Tid) -> u32 {
    let limits = std::fs::read_to_string(format!("/proc/{tid}/limits")).unwrap_or_default();
    parse_limit(&limits)
}

fn parse_limit(limits: &str) -> u32 {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max realtime priority"));
    match line.and_then(|line| line.split_whitespace().next()) {
        Some("unlimited") => u32::MAX,
        Some(number) => number.parse().unwrap_or(0),
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_rules_whom() {
        let root = Rights { real: 0, effective: 0, capabilities: 0x80_0000 };
        let user = Rights { real: 7, effective: 8, capabilities: 0 };
        let other = Rights { real: 8, effective: 9, capabilities: 0 };
        assert!(root.is_capable() && root.rule(user) && !user.rule(root));
        assert!(user.rule(other), "its effective user is the other's real one");
        assert!(!other.rule(user));
    }

    #[test]
    fn limits_are_read() {
        let limits = |value: &str| {
            parse_limit(&format!(
                "Limit                     Soft Limit           Hard Limit           Units     \n\
                 Max nice priority         0                    0                    \n\
                 Max realtime priority     {value}                    9                    \n"
            ))
        };
        assert_eq!((limits("7"), limits("unlimited")), (7, u32::MAX));
        assert_eq!(parse_limit(""), 0);
    }
}

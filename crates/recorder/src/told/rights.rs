//! What a task may do to the scheduling of another one.

use retake_model::Tid;

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
    /// Those of a task. One that is gone has none.
    pub(super) fn of(tid: Tid) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{tid}/status"));
        parse(&status.unwrap_or_default())
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

/// Reads `/proc/PID/status` (proc_pid_status(5)).
fn parse(status: &str) -> Rights {
    let field = |name| status.lines().find_map(|line| line.strip_prefix(name));
    let mut ids = field("Uid:").unwrap_or_default().split_whitespace().map(str::parse);
    let mut id = || ids.next().and_then(Result::ok).unwrap_or(u32::MAX);
    let (real, effective) = (id(), id());
    let capabilities = field("CapEff:").and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    Rights { real, effective, capabilities: capabilities.unwrap_or(0) }
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
    fn rights_are_read() {
        let rights = |text: &str| parse(text);
        let root = rights("Name:\tx\nUid:\t0\t0\t0\t0\nCapEff:\t0000000000800000\n");
        let user = rights("Name:\tx\nUid:\t7\t8\t7\t7\nCapEff:\t0000000000000000\n");
        let other = rights("Uid:\t8\t9\t9\t9\nCapEff:\t0\n");
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

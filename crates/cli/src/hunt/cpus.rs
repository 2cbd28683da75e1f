//! Which CPU a run gets.

use std::collections::BTreeMap;
use std::fs;

/// The CPUs that this process may use.
pub(super) fn allowed() -> Vec<usize> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    parse_list(list.unwrap_or("0").trim())
}

/// `0-3,8` (proc_pid_status(5)).
fn parse_list(list: &str) -> Vec<usize> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse().ok()?..=last.parse().ok()?)
    };
    list.split(',').filter_map(range).flatten().collect()
}

/// How long each CPU has been idle since the system started (proc_stat(5)), in its own unit.
pub(super) fn idle() -> BTreeMap<usize, u64> {
    parse_stat(&fs::read_to_string("/proc/stat").unwrap_or_default())
}

fn parse_stat(stat: &str) -> BTreeMap<usize, u64> {
    let cpu = |line: &str| {
        let mut words = line.strip_prefix("cpu")?.split(' ');
        let number = words.next()?.parse().ok()?;
        Some((number, words.nth(3)?.parse().ok()?))
    };
    stat.lines().filter_map(cpu).collect()
}

/// Of the CPUs that no other run has, the one that was idle for longest since `before`.
pub(super) fn choose(
    allowed: &[usize],
    taken: &[usize],
    before: &BTreeMap<usize, u64>,
    now: &BTreeMap<usize, u64>,
) -> Option<usize> {
    let time = |cpu: &usize| {
        let at = |times: &BTreeMap<usize, u64>| times.get(cpu).copied().unwrap_or(0);
        at(now).saturating_sub(at(before))
    };
    allowed.iter().filter(|cpu| !taken.contains(cpu)).max_by_key(|cpu| time(cpu)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_times() {
        assert_eq!(parse_list("0-2,5"), [0, 1, 2, 5]);
        let times = parse_stat("cpu  1 2 3 40 5\ncpu0 1 2 3 4 5\ncpu1 1 2 3 9 5\nintr 3\n");
        assert_eq!(times, BTreeMap::from([(0, 4), (1, 9)]));
    }

    #[test]
    fn the_idlest_that_is_free() {
        let before = BTreeMap::from([(0, 100), (1, 100), (2, 100)]);
        let now = BTreeMap::from([(0, 150), (1, 190), (2, 110)]);
        assert_eq!(choose(&[0, 1, 2], &[], &before, &now), Some(1));
        assert_eq!(choose(&[0, 1, 2], &[1], &before, &now), Some(0));
        assert_eq!(choose(&[1], &[1], &before, &now), None);
    }
}

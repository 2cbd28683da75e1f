//! What files say of CPUs and of who runs: the kernel's text, and the one that the program is told.

use std::path::Path;

use retake_model::Tid;

use super::cpu_set::CpuSet;
use super::state::RealTime;

/// Hexadecimal digits of a group, and bits of a digit.
const DIGITS: usize = 8;
const DIGIT: usize = 4;
const CPUS: &str = "/sys/devices/system/cpu";

/// A file that says something else than the kernel's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// `/proc/PID/status` of this task.
    Status(Tid),
    /// `/proc/PID/stat`.
    Stat(Tid),
    /// `/proc/cpuinfo`.
    CpuInfo,
    /// `/proc/stat`.
    Times,
    /// `/sys/devices/system/cpu/online` and the like.
    Cpus,
    /// `/sys/devices/system/cpu/offline`.
    NoCpus,
}

impl Content {
    /// The one with this path.
    pub(crate) fn at(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let folder = path.parent()?;
        if folder == Path::new(CPUS) {
            return match name {
                "online" | "possible" | "present" => Some(Self::Cpus),
                "offline" => Some(Self::NoCpus),
                _ => None,
            };
        }
        let rest = folder.strip_prefix("/proc").ok()?;
        if rest.as_os_str().is_empty() {
            return match name {
                "cpuinfo" => Some(Self::CpuInfo),
                "stat" => Some(Self::Times),
                _ => None,
            };
        }
        let tid = Tid::new(rest.file_name()?.to_str()?.parse().ok()?);
        match name {
            "status" => Some(Self::Status(tid)),
            "stat" => Some(Self::Stat(tid)),
            _ => None,
        }
    }

    /// Whether a path that a program opens may be that of such a file.
    pub(super) fn may_be(path: &[u8]) -> bool {
        let names: [&[u8]; 6] =
            [b"status", b"stat", b"cpuinfo", b"online", b"possible", b"present"];
        names.iter().any(|name| path.ends_with(name)) || path.ends_with(b"offline")
    }
}

/// What is told of a task.
#[derive(Clone, Debug)]
pub(super) struct Facts<'a> {
    pub(super) cpus: &'a CpuSet,
    pub(super) cpu: usize,
    pub(super) real_time: Option<RealTime>,
    /// Its tracer in the recording, or 0.
    pub(super) tracer: Tid,
    /// That has stopped it.
    pub(super) is_stopped: bool,
    /// How many CPUs masks have, if not as many as the kernel's.
    pub(super) counted: Option<usize>,
}

/// `/proc/PID/status` (proc_pid_status(5)). The recorder stops tasks by tracing them: the kernel shows that.
pub(super) fn status(kernels: &str, facts: &Facts<'_>) -> String {
    let line = |line: &str| {
        let (name, value) = line.split_once(":\t").unwrap_or((line, ""));
        let told = match name {
            "State" if value.starts_with('t') && facts.is_stopped => "t (tracing stop)".to_owned(),
            "State" if value.starts_with('t') => "R (running)".to_owned(),
            "TracerPid" => facts.tracer.to_string(),
            "Cpus_allowed" => {
                let digits = value.chars().filter(char::is_ascii_hexdigit).count();
                let bits = (digits / DIGITS * DIGITS + digits % DIGITS) * DIGIT;
                facts.cpus.to_mask(facts.counted.unwrap_or(bits))
            }
            "Cpus_allowed_list" => facts.cpus.to_list(),
            _ => return format!("{line}\n"),
        };
        format!("{name}:\t{told}\n")
    };
    kernels.lines().map(line).collect()
}

/// `/proc/PID/stat` (proc_pid_stat(5)).
pub(super) fn stat(kernels: &str, facts: &Facts<'_>) -> Option<String> {
    // The name may hold anything; the third field is behind it.
    let (name, rest) = kernels.trim_end().rsplit_once(") ")?;
    let mut fields: Vec<String> = rest.split(' ').map(str::to_owned).collect();
    let mut put = |field: usize, text: String| {
        if let Some(place) = fields.get_mut(field - 3) {
            *place = text;
        }
    };
    if rest.starts_with('t') && !facts.is_stopped {
        put(3, "R".to_owned());
    }
    put(39, facts.cpu.to_string());
    if let Some(real_time) = facts.real_time {
        put(18, (-1 - i64::from(real_time.priority)).to_string());
        put(40, real_time.priority.to_string());
        put(41, real_time.policy.to_string());
    }
    Some(format!("{name}) {}\n", fields.join(" ")))
}

/// `/proc/cpuinfo` for so many CPUs: those that the machine has more are left out, those that it has less are like
/// its last one.
pub(super) fn cpu_info(kernels: &str, count: usize) -> String {
    let blocks: Vec<&str> =
        kernels.split("\n\n").map(str::trim_end).filter(|block| !block.is_empty()).collect();
    let numbered = |number: usize| {
        let Some(block) = blocks.get(number).or(blocks.last()) else { return String::new() };
        let line = |line: &str| {
            let Some((name, _)) = line.split_once(':') else { return format!("{line}\n") };
            let value = match name.trim() {
                "processor" | "core id" | "apicid" | "initial apicid" => number,
                "siblings" | "cpu cores" => count,
                _ => return format!("{line}\n"),
            };
            format!("{name}: {value}\n")
        };
        block.lines().map(line).chain(["\n".to_owned()]).collect()
    };
    (0..count).map(numbered).collect()
}

/// `/proc/stat` for so many CPUs: those that the machine has less have done nothing.
pub(super) fn times(kernels: &str, count: usize) -> String {
    const FIELDS: usize = 10;
    let number =
        |line: &str| -> Option<usize> { line.strip_prefix("cpu")?.split(' ').next()?.parse().ok() };
    let line = |cpu: usize| {
        let own = kernels.lines().find(|line| number(line) == Some(cpu));
        own.map_or_else(|| format!("cpu{cpu}{}", " 0".repeat(FIELDS)), str::to_owned)
    };
    let of_all = kernels.lines().take(1).map(str::to_owned);
    let rest = kernels.lines().skip(1).filter(|line| number(line).is_none()).map(str::to_owned);
    let lines: Vec<String> = of_all.chain((0..count).map(line)).chain(rest).collect();
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(cpus: &CpuSet) -> Facts<'_> {
        Facts {
            cpus,
            cpu: 3,
            real_time: None,
            tracer: Tid::new(0),
            is_stopped: false,
            counted: None,
        }
    }

    #[test]
    fn files_are_known_by_their_paths() {
        let at = |path: &str| Content::at(Path::new(path));
        assert_eq!(at("/proc/12/status"), Some(Content::Status(Tid::new(12))));
        assert_eq!(at("/proc/12/task/13/stat"), Some(Content::Stat(Tid::new(13))));
        assert_eq!(at("/proc/stat"), Some(Content::Times));
        assert_eq!(at("/sys/devices/system/cpu/present"), Some(Content::Cpus));
        for other in ["/proc/self", "/proc/12/maps", "/home/12/status", "/etc/online", "status"] {
            assert_eq!(at(other), None, "{other}");
        }
        assert!(Content::may_be(b"/proc/self/status") && Content::may_be(b"stat"));
        assert!(!Content::may_be(b"/proc/self/maps"));
    }

    #[test]
    fn a_status_is_told_as_without_the_recorder() {
        let read = "Name:\tsh\nState:\tt (tracing stop)\nTracerPid:\t123\nCpus_allowed:\t00000001\n\
                    Cpus_allowed_list:\t0\nMems_allowed:\t1\n";
        let cpus = CpuSet::from_list("0-1,4").unwrap();
        let told = status(read, &facts(&cpus));
        let right = "Name:\tsh\nState:\tR (running)\nTracerPid:\t0\nCpus_allowed:\t00000013\n\
                     Cpus_allowed_list:\t0-1,4\nMems_allowed:\t1\n";
        assert_eq!(told, right);
        let traced =
            Facts { tracer: Tid::new(7), is_stopped: true, counted: Some(6), ..facts(&cpus) };
        let told = status(read, &traced);
        assert!(
            told.contains("State:\tt (tracing stop)\nTracerPid:\t7\nCpus_allowed:\t13\n"),
            "{told}"
        );
        let sleeps = status("State:\tS (sleeping)\n", &facts(&cpus));
        assert_eq!(sleeps, "State:\tS (sleeping)\n");
    }

    #[test]
    fn fields_of_a_stat_are_told() {
        let mut fields: Vec<String> = (4..=52).map(|n| n.to_string()).collect();
        let read = format!("9 (a) b) t {}\n", fields.join(" "));
        fields[39 - 4] = "3".to_owned();
        let cpus = CpuSet::first(4);
        assert_eq!(stat(&read, &facts(&cpus)), Some(format!("9 (a) b) R {}\n", fields.join(" "))));
        let real_time = RealTime { policy: 2, priority: 9, resets_on_fork: false };
        let told = stat(&read, &Facts { real_time: Some(real_time), ..facts(&cpus) }).unwrap();
        fields[18 - 4] = "-10".to_owned();
        fields[40 - 4] = "9".to_owned();
        fields[41 - 4] = "2".to_owned();
        assert_eq!(told, format!("9 (a) b) R {}\n", fields.join(" ")));
    }

    #[test]
    fn another_number_of_cpus_is_described() {
        let one = "processor\t: 0\nmodel name\t: x: y\nsiblings\t: 1\n\n";
        let three = cpu_info(one, 3);
        assert_eq!(three.matches("model name\t: x: y\nsiblings\t: 3\n").count(), 3);
        assert!(three.contains("\n\nprocessor\t: 2\n") && three.ends_with("\n\n"), "{three}");
        assert_eq!(cpu_info(&three, 1), one);

        let read = "cpu  9 9\ncpu0 4 4\ncpu1 5 5\nintr 7\nctxt 8\n";
        assert_eq!(times(read, 1), "cpu  9 9\ncpu0 4 4\nintr 7\nctxt 8\n");
        let more = times(read, 3);
        assert!(more.contains("cpu1 5 5\ncpu2 0 0 0 0 0 0 0 0 0 0\nintr 7\n"), "{more}");
    }
}

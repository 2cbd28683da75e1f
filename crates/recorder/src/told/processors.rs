//! The CPUs that the program is told of.

use std::path::Path;

use retake_model::TaskId;
use retake_ptrace::{AffinityForm, affinity_form, affinity_of, widest_affinity};

use super::cpu_set::CpuSet;

const SIZE_OF_WORD: usize = 8;
const BITS_OF_WORD: usize = 64;
/// The largest number that `--cpus` may say: what kernels are built for.
pub const MOST_CPUS: usize = 8192;

/// The CPUs that the program is told of.
#[derive(Clone, Debug)]
pub(crate) struct Processors {
    /// The number that somebody asked for, if it is not the machine's.
    asked: Option<usize>,
    /// How large sets are.
    form: AffinityForm,
    /// Those that the first task may use.
    allowed: CpuSet,
    /// Those that tasks can be bound to.
    settable: CpuSet,
    /// The first task's.
    home: usize,
    /// Which CPUs each memory node has.
    nodes: Vec<(u32, CpuSet)>,
}

impl Default for Processors {
    fn default() -> Self {
        Self::with(1, 0)
    }
}

impl Processors {
    /// The machine's own, before this thread is bound to `home`. Where the system does not say it is one.
    pub(crate) fn of_machine(home: usize) -> Self {
        let own = retake_model::Tid::new(0);
        let found = affinity_form().and_then(|form| Ok((form, affinity_of(own)?)));
        let Ok((form, allowed)) = found else { return Self::with(1, home) };
        let widest = widest_affinity().unwrap_or_else(|_| allowed.clone());
        let (allowed, settable) = (CpuSet::from_bytes(&allowed), CpuSet::from_bytes(&widest));
        Self { asked: None, form, allowed, settable, home, nodes: nodes() }
    }

    /// So many.
    pub(crate) fn with(count: usize, home: usize) -> Self {
        let len = count.div_ceil(BITS_OF_WORD) * SIZE_OF_WORD;
        let all = CpuSet::first(count);
        Self {
            asked: Some(count),
            form: AffinityForm { least: len, len },
            allowed: all.clone(),
            settable: all,
            home,
            nodes: Vec::new(),
        }
    }

    /// The number that somebody asked for, if it is not the machine's.
    pub(crate) fn asked(&self) -> Option<usize> {
        self.asked
    }

    pub(super) fn form(&self) -> AffinityForm {
        self.form
    }

    /// Those that the first task may use.
    pub(crate) fn allowed(&self) -> &CpuSet {
        &self.allowed
    }

    /// What is left of a set that a task asks for.
    pub(super) fn cut(&self, wanted: &CpuSet) -> CpuSet {
        wanted.and(&self.settable)
    }

    /// The CPU that a task with this set is told to be on. New tasks are spread over it, in the order in which
    /// they were made.
    pub(crate) fn seat(&self, set: &CpuSet, task: TaskId) -> usize {
        let n = usize::try_from(task.get()).unwrap_or(0);
        set.nth_after(self.home, n).unwrap_or(self.home)
    }

    /// The memory node of a CPU.
    pub(crate) fn node(&self, cpu: usize) -> u32 {
        self.nodes.iter().find(|(_, cpus)| cpus.contains(cpu)).map_or(0, |(node, _)| *node)
    }
}

/// Where a system has no nodes, all CPUs are on the first.
fn nodes() -> Vec<(u32, CpuSet)> {
    let folder = Path::new("/sys/devices/system/node");
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let node = |name: &str| {
        let number = name.strip_prefix("node")?.parse().ok()?;
        let list = std::fs::read_to_string(folder.join(name).join("cpulist")).ok()?;
        Some((number, CpuSet::from_list(&list)?))
    };
    entries.flatten().filter_map(|entry| node(entry.file_name().to_str()?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_number_is_told_everywhere() {
        let processors = Processors::with(70, 2);
        assert_eq!(processors.form(), AffinityForm { least: 16, len: 16 });
        assert_eq!(processors.allowed().to_list(), "0-69");
        assert_eq!(processors.cut(&CpuSet::first(100)), CpuSet::first(70));
        let seats = [0, 1, 68].map(|id| processors.seat(processors.allowed(), TaskId::new(id)));
        assert_eq!(seats, [2, 3, 0]);
        assert_eq!(processors.node(5), 0);
    }

    #[test]
    fn the_machine_tells_of_itself() {
        let processors = Processors::of_machine(0);
        assert!(!processors.allowed().is_empty());
        assert_eq!(&processors.cut(processors.allowed()), processors.allowed());
        assert_eq!(processors.asked(), None);
    }
}

//! Who still holds the recording's standard output or error.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use retake_model::Tid;

/// Device numbers with this major are memory devices: `/dev/null` and the like (null(4)). Everybody has
/// those open.
const MEMORY_DEVICES: u64 = 1;
const CHARACTER_DEVICE: u32 = 0o020_000;
const KIND: u32 = 0o170_000;

type Identity = (u64, u64);

/// The files that standard output and error are.
#[derive(Debug)]
pub(super) struct Output(Vec<Identity>);

fn identity(path: &Path) -> Option<Identity> {
    let meta = fs::metadata(path).ok()?;
    let is_device = meta.mode() & KIND == CHARACTER_DEVICE;
    // `major` of a `dev_t` (makedev(3)), for numbers below 256.
    let major = meta.rdev() >> 8 & 0xff;
    (!is_device || major != MEMORY_DEVICES).then(|| (meta.dev(), meta.ino()))
}

impl Output {
    pub(super) fn of_this_process() -> Self {
        let of = |fd: i32| identity(Path::new(&format!("/proc/self/fd/{fd}")));
        Self([1, 2].into_iter().filter_map(of).collect())
    }

    /// Whether a descriptor of the task's process is one of them.
    pub(super) fn is_held_by(&self, tid: Tid) -> bool {
        let entries = fs::read_dir(format!("/proc/{tid}/fd")).into_iter().flatten().flatten();
        entries
            .into_iter()
            .any(|entry| identity(&entry.path()).is_some_and(|identity| self.0.contains(&identity)))
    }
}

//! Files with debug information that lie beside a program: as gdb looks for them.

mod debug;
mod sources;
mod split;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use retake_execution::{FileBytes, KeptFiles, NoFiles};
use retake_symbols::{Module, SharedBytes, SplitName, Taken};

/// Where packages put such files.
const GLOBAL: &str = "/usr/lib/debug";
/// So many names are listed in a sentence.
const NAMED: usize = 3;

/// Opens files: what the recording keeps of a path comes before what lies there now.
#[derive(Clone)]
pub(super) struct Shelf {
    kept: Arc<dyn KeptFiles>,
    global: PathBuf,
    /// What was taken.
    taken: Arc<Mutex<Vec<PathBuf>>>,
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf").field("kept", &self.kept).finish_non_exhaustive()
    }
}

impl Shelf {
    pub(super) fn new(kept: Arc<dyn KeptFiles>) -> Self {
        Self { kept, global: PathBuf::from(GLOBAL), taken: Arc::default() }
    }

    /// Offers the files at some paths until one is taken.
    fn offer(&self, paths: &[PathBuf], mut take: impl FnMut(SharedBytes) -> Taken) -> Taken {
        for path in paths {
            let kept = self.kept.at(path).into_iter().map(SharedBytes::from_arc);
            let now = std::iter::once_with(|| read(path)).flatten();
            // Somebody else's file of this name, or none: the next one may be it.
            if kept.chain(now).any(|bytes| take(bytes) == Taken::Yes) {
                self.taken.lock().unwrap_or_else(PoisonError::into_inner).push(path.clone());
                return Taken::Yes;
            }
        }
        Taken::No
    }
}

/// The bytes of an ordinary file.
fn read(path: &Path) -> Option<SharedBytes> {
    let is_file = fs::metadata(path).is_ok_and(|about| about.is_file());
    is_file.then(|| fs::read(path).ok()).flatten().map(SharedBytes::new)
}

/// The module with what lies beside it: the file that was split off from it, and those that its units were split
/// off to, which are opened when they are needed.
pub(super) fn with_files(mut module: Module, path: &Path, shelf: &Shelf) -> Module {
    let debug = debug::attach(&mut module, path, shelf);
    if module.split_files().is_empty() && module.shared_file().is_none() {
        return module;
    }
    module.with_split_files(Arc::new(split::Beside::new(path, debug, shelf.clone())))
}

/// The files with debug information that lie beside a program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilesBeside {
    /// Those that are there.
    pub files: Vec<PathBuf>,
    /// Where they were looked for, if the answer depends on what is there and on nothing else.
    pub looked_at: Option<Vec<PathBuf>>,
}

/// The files with debug information that lie beside a program which was at `path`.
pub fn files_beside(path: &Path, bytes: FileBytes) -> FilesBeside {
    let Ok(module) = Module::parse(SharedBytes::from_arc(bytes)) else {
        return FilesBeside { files: Vec::new(), looked_at: Some(Vec::new()) };
    };
    let shelf = Shelf::new(Arc::new(NoFiles));
    let looked_at = Some(debug::looked_at(&module, path, &shelf));
    if let Some(found) = debug::peeked(&module, path, &shelf) {
        return FilesBeside { files: vec![found], looked_at };
    }
    let module = with_files(module, path, &shelf);
    let is_split = !module.split_files().is_empty() || module.shared_file().is_some();
    // This looks for all of them.
    let _ = module.missing_files();
    let mut taken = shelf.taken.lock().unwrap_or_else(PoisonError::into_inner);
    let looked_at = looked_at.filter(|_| !is_split);
    FilesBeside { files: std::mem::take(&mut *taken), looked_at }
}

pub(crate) use sources::is_of_others;
pub use sources::sources_of;

/// A sentence about files that were split off and are not there.
pub(crate) fn not_found(missing: &[SplitName]) -> String {
    let name = |missing: &SplitName| {
        let path = missing.to_string();
        let folder = String::from_utf8_lossy(&missing.folder);
        if path.starts_with('/') || folder.is_empty() { path } else { format!("{folder}/{path}") }
    };
    let mut names: Vec<String> = missing.iter().take(NAMED).map(name).collect();
    if missing.len() > NAMED {
        names.push(format!("{} more", missing.len() - NAMED));
    }
    format!(
        "its debug information was split off to {}, which is not found or of another build: put it back, or a .dwp \
         package beside the program",
        names.join(", ")
    )
}

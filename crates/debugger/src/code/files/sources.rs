//! Which source files are a program's own.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use retake_execution::{FileBytes, NoFiles};
use retake_symbols::{Module, SharedBytes};

use super::{Shelf, with_files};

/// Files that people write are smaller.
const LARGEST: u64 = 4 << 20;
/// Nobody needs more for one program.
const MOST: u64 = 256 << 20;

/// Where systems and their sources are.
const ROOTS: [&str; 3] = ["/usr/", "/lib", "/rustc/"];
/// What is in the paths of sources of packages and languages.
const PARTS: [&str; 5] =
    ["/.cargo/registry/", "/.cargo/git/", "/rustlib/src/", "/pkg/mod/", "/src/runtime/"];

/// The sources of the program's own code that are there, for a program that was at `path`. Those of the system's
/// libraries have none.
pub fn sources_of(path: &Path, bytes: FileBytes) -> Vec<PathBuf> {
    if is_of_others(&path.to_string_lossy()) {
        return Vec::new();
    }
    let Ok(module) = Module::parse(SharedBytes::from_arc(bytes)) else { return Vec::new() };
    let module = with_files(module, path, &Shelf::new(Arc::new(NoFiles)));
    let files: BTreeSet<String> = module.source_files().into_iter().collect();
    let mut left = MOST;
    let own = files.into_iter().filter(|file| file.starts_with('/') && !is_of_others(file));
    own.map(PathBuf::from).filter(|file| fits(file, &mut left)).collect()
}

/// Whether a source is of the system, of a language or of a package.
pub(crate) fn is_of_others(path: &str) -> bool {
    ROOTS.iter().any(|root| path.starts_with(root)) || PARTS.iter().any(|part| path.contains(part))
}

/// Whether a file is there, and there is room for it.
fn fits(file: &Path, left: &mut u64) -> bool {
    let Ok(about) = fs::metadata(file) else { return false };
    let rest = left.checked_sub(about.len());
    let fits = about.is_file() && about.len() <= LARGEST && rest.is_some();
    *left = rest.filter(|_| fits).unwrap_or(*left);
    fits
}

//! Where `.dwo` files, `.dwp` packages and what modules share may lie.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use retake_symbols::{SharedBytes, SharedName, SplitFiles, SplitName, Taken};

use super::Shelf;

/// Those of one program.
#[derive(Debug)]
pub(super) struct Beside {
    program: PathBuf,
    /// The file with the rest of the program's debug information, if there is one.
    debug: Option<PathBuf>,
    shelf: Shelf,
}

impl Beside {
    pub(super) fn new(program: &Path, debug: Option<PathBuf>, shelf: Shelf) -> Self {
        Self { program: program.to_owned(), debug, shelf }
    }
}

impl SplitFiles for Beside {
    fn packages(&self, take: &mut dyn FnMut(SharedBytes) -> Taken) {
        let package = |path: &PathBuf| {
            let mut name = OsString::from(path);
            name.push(".dwp");
            PathBuf::from(name)
        };
        let below = self.program.strip_prefix("/").unwrap_or(&self.program);
        let global = self.shelf.global.join(below);
        let owners = [Some(&self.program), self.debug.as_ref(), Some(&global)];
        let paths: Vec<PathBuf> = owners.into_iter().flatten().map(package).collect();
        self.shelf.offer(&paths, take);
    }

    fn files(&self, name: &SplitName, take: &mut dyn FnMut(SharedBytes) -> Taken) {
        let path = Path::new(OsStr::from_bytes(&name.path));
        let compiled = Path::new(OsStr::from_bytes(&name.folder));
        let mut paths = Vec::new();
        // A whole path stays what it is.
        let at_compile = compiled.join(path);
        if at_compile.is_absolute() {
            paths.push(at_compile);
        }
        // The program was moved, and they with it.
        if let (Some(folder), Some(own)) = (self.program.parent(), path.file_name()) {
            paths.push(folder.join(own));
        }
        self.shelf.offer(&paths, take);
    }

    fn shared(&self, name: &SharedName, take: &mut dyn FnMut(SharedBytes) -> Taken) {
        let path = Path::new(OsStr::from_bytes(&name.path));
        let mut paths = Vec::new();
        // Beside the file that names it, which is not where the link of a build-id folder points to.
        let owner = self.debug.as_ref().unwrap_or(&self.program);
        if let Some(folder) = owner.parent() {
            paths.push(folder.join(path));
        }
        if let Some(folder) = fs::canonicalize(owner).ok().as_deref().and_then(Path::parent) {
            paths.push(folder.join(path));
        }
        if let Some((first, rest)) = name.id.split_first() {
            let rest: String = rest.iter().map(|byte| format!("{byte:02x}")).collect();
            let file = format!(".build-id/{first:02x}/{rest}.debug");
            paths.push(self.shelf.global.join(file));
        }
        if let Some(own) = path.file_name() {
            paths.push(self.shelf.global.join(".dwz").join(own));
        }
        self.shelf.offer(&paths, take);
    }
}

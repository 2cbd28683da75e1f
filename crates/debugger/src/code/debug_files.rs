//! Where debug information of a file may lie that has none itself: as gdb looks for it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use retake_symbols::{Module, SharedBytes};

/// Where packages put such files.
const GLOBAL: &str = "/usr/lib/debug";

/// Attaches the first file that was split off from a module, if the module has no debug information.
pub(super) fn attach(module: &mut Module, path: &Path) {
    attach_from(module, path, Path::new(GLOBAL));
}

fn attach_from(module: &mut Module, path: &Path, global: &Path) {
    if module.has_debug_info() {
        return;
    }
    for candidate in candidates(module, path, global) {
        // Somebody else's file of this name, or none: the next one may be it.
        let is_file = fs::metadata(&candidate).is_ok_and(|about| about.is_file());
        if let Some(bytes) = is_file.then(|| fs::read(&candidate).ok()).flatten()
            && module.attach_debug_file(SharedBytes::new(bytes)).is_ok()
        {
            return;
        }
    }
}

fn candidates(module: &Module, path: &Path, global: &Path) -> Vec<PathBuf> {
    let mut list = Vec::new();
    if let Some([first, rest @ ..]) = module.build_id() {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let name = format!("{}/{}.debug", hex(&[*first]), hex(rest));
        list.push(global.join(".build-id").join(name));
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    let name = module.debug_link().map(|link| OsStr::from_bytes(&link.name));
    // A name with a folder in it is none.
    if let Some(name) = name.filter(|name| Path::new(name).file_name() == Some(name)) {
        let below = folder.strip_prefix("/").unwrap_or(folder);
        list.extend([
            folder.join(name),
            folder.join(".debug").join(name),
            global.join(below).join(name),
        ]);
    }
    // The file itself has nothing.
    list.retain(|candidate| candidate != path);
    list
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use retake_testkit::fixture;

    use super::*;

    #[test]
    fn a_file_in_the_folder_of_build_ids() {
        let temp = tempfile::tempdir().unwrap();
        let whole = fixture::c("c/values/values.c", &["-O0"]);
        let stripped = temp.path().join("values");
        let objcopy = |arguments: &[&OsStr]| {
            assert!(Command::new("objcopy").args(arguments).status().unwrap().success());
        };
        objcopy(&["--strip-all".as_ref(), whole.as_ref(), stripped.as_ref()]);
        let module = || Module::parse(SharedBytes::new(fs::read(&stripped).unwrap())).unwrap();
        let id: String =
            module().build_id().unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
        let global = temp.path().join("debug");
        let folder = global.join(".build-id").join(&id[..2]);
        fs::create_dir_all(&folder).unwrap();

        let mut without = module();
        attach_from(&mut without, &stripped, &global);
        assert!(!without.has_debug_info() && without.find_functions("main").is_empty());
        let debug = folder.join(format!("{}.debug", &id[2..]));
        objcopy(&["--only-keep-debug".as_ref(), whole.as_ref(), debug.as_ref()]);
        let mut with = module();
        attach_from(&mut with, &stripped, &global);
        assert!(with.has_debug_info());
        let whole = Module::parse(SharedBytes::new(fs::read(&whole).unwrap())).unwrap();
        let main = with.find_functions("main");
        assert_eq!(main, whole.find_functions("main"));
        assert_eq!(main.len(), 1);
    }
}

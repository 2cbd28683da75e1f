//! The file that was split off from a program, with its debug information and symbols.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use retake_symbols::{Module, Taken, peek};

use super::Shelf;

/// Attaches the first file that was split off from a module, if the module has no debug information; says which.
pub(super) fn attach(module: &mut Module, path: &Path, shelf: &Shelf) -> Option<PathBuf> {
    if module.says_debug_info() {
        return None;
    }
    candidates(module, path, &shelf.global).into_iter().find(|candidate| {
        let attached = shelf.offer(std::slice::from_ref(candidate), |bytes| {
            match module.attach_debug_file(bytes) {
                Ok(()) => Taken::Yes,
                Err(_) => Taken::No,
            }
        });
        attached == Taken::Yes
    })
}

/// The file that [`attach`] would take, if its headers say so: whoever only wants to keep it need not read it.
pub(super) fn peeked(module: &Module, path: &Path, shelf: &Shelf) -> Option<PathBuf> {
    let own = module.build_id().filter(|_| !module.says_debug_info())?;
    candidates(module, path, &shelf.global).into_iter().find(|candidate| {
        let is_file = fs::metadata(candidate).is_ok_and(|about| about.is_file());
        let peeked = is_file.then(|| peek(File::open(candidate).ok()?)).flatten();
        peeked.is_some_and(|it| it.build_id == own && it.has_debug_info && !it.may_be_split)
    })
}

/// Where [`attach`] and [`peeked`] look.
pub(super) fn looked_at(module: &Module, path: &Path, shelf: &Shelf) -> Vec<PathBuf> {
    if module.says_debug_info() {
        return Vec::new();
    }
    candidates(module, path, &shelf.global)
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
    use std::sync::Arc;

    use retake_execution::NoFiles;
    use retake_symbols::SharedBytes;
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
        let shelf = Shelf { global: global.clone(), ..Shelf::new(Arc::new(NoFiles)) };

        let mut without = module();
        attach(&mut without, &stripped, &shelf);
        assert_eq!(peeked(&module(), &stripped, &shelf), None);
        assert!(!without.has_debug_info() && without.find_functions("main").is_empty());
        let debug = folder.join(format!("{}.debug", &id[2..]));
        objcopy(&["--only-keep-debug".as_ref(), whole.as_ref(), debug.as_ref()]);
        assert_eq!(peeked(&module(), &stripped, &shelf), Some(debug.clone()));
        let mut with = module();
        attach(&mut with, &stripped, &shelf);
        assert!(with.has_debug_info());
        let whole = Module::parse(SharedBytes::new(fs::read(&whole).unwrap())).unwrap();
        let main = with.find_functions("main");
        assert_eq!(main, whole.find_functions("main"));
        assert_eq!(main.len(), 1);
    }
}

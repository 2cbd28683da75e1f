use std::path::{Path, PathBuf};
use std::sync::Arc;

use retake_model::{FileAddr, FileOffset};
use retake_symbols::{FunctionCode, Module, SharedBytes, Statement};
use retake_testkit::fixture;

pub(crate) const C: &str = "c/stepping.c";
pub(crate) const CPP: &str = "cpp/stepping.cpp";
pub(crate) const RUST: &str = "rust/stepping.rs";

pub(crate) fn load(path: &Path) -> Module {
    Module::parse(SharedBytes::new(std::fs::read(path).unwrap())).unwrap()
}

pub(crate) fn c(flags: &[&str]) -> Module {
    load(&fixture::c(C, flags))
}

/// The programs that everything is checked over.
pub(crate) fn programs() -> Vec<PathBuf> {
    vec![
        fixture::c(C, &["-O0"]),
        fixture::c(C, &["-O2"]),
        fixture::c(C, &["-O2", "-fcf-protection=full", "-Wl,-z,lazy,-z,ibtplt"]),
        fixture::c(C, &["-O3", "-fno-asynchronous-unwind-tables", "-static"]),
        fixture::cpp(CPP),
        fixture::rust(RUST, &[]),
        fixture::rust(RUST, &["-Copt-level=3"]),
    ]
}

pub(crate) fn entry_of(module: &Module, name: &str) -> FileAddr {
    let found = module.find_functions(name);
    let found: Vec<_> = found.iter().filter(|place| !place.inlined).collect();
    let [place] = found.as_slice() else { panic!("{name}: {found:?}") };
    place.entry
}

pub(crate) fn function(module: &Module, name: &str) -> Arc<FunctionCode> {
    module.function_code(entry_of(module, name)).unwrap()
}

pub(crate) fn addr(module: &Module, offset: FileOffset) -> FileAddr {
    module.file_addr_of_offset(offset).unwrap()
}

/// The statements of a marked line.
pub(crate) fn marked<'f>(code: &'f FunctionCode, fixture: &str, mark: &str) -> Vec<&'f Statement> {
    let line = fixture::line_of(fixture, mark);
    code.statements.iter().filter(|statement| statement.line == line).collect()
}

//! The programs in `fixtures/`, built once.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::go::{self, Toolchain};

/// The top of the project.
pub fn project() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).map_or_else(|| here.to_owned(), Path::to_owned)
}

/// A file below `fixtures/`.
pub fn source(name: &str) -> PathBuf {
    project().join("fixtures").join(name)
}

/// The line of a source that has `// MARK: mark` (or `# MARK: mark`) in it.
///
/// # Panics
/// When there is not exactly one.
pub fn line_of(name: &str, mark: &str) -> u32 {
    let text = read(&source(name));
    let wanted = format!("MARK: {mark}");
    let mut lines = (1..).zip(text.lines()).filter(|(_, line)| line.trim_end().ends_with(&wanted));
    match (lines.next(), lines.next()) {
        (Some((line, _)), None) => line,
        _ => panic!("{name} does not have one line with {wanted}"),
    }
}

/// Builds a C fixture (`c/threads.c`) with gcc.
pub fn c(name: &str, flags: &[&str]) -> PathBuf {
    let common = ["-g", "-O1", "-pthread", "-w"];
    built(name, &[&common[..], flags].concat(), |source, out, flags| {
        let mut command = Command::new("gcc");
        command.args(flags).arg(source).arg("-o").arg(out);
        command
    })
}

/// Builds a C++ fixture with g++.
pub fn cpp(name: &str) -> PathBuf {
    cpp_with(name, &[])
}

/// The same, with more flags.
pub fn cpp_with(name: &str, flags: &[&str]) -> PathBuf {
    built(name, &[&["-g", "-O1", "-pthread"][..], flags].concat(), |source, out, flags| {
        let mut command = Command::new("g++");
        command.args(flags).arg(source).arg("-o").arg(out);
        command
    })
}

/// Builds a Rust fixture with rustc.
pub fn rust(name: &str, flags: &[&str]) -> PathBuf {
    built(name, &[&["-g", "--edition=2024"][..], flags].concat(), |source, out, flags| {
        let mut command = Command::new("rustc");
        command.args(flags).arg(source).arg("-o").arg(out);
        command
    })
}

/// Builds a Go fixture; `None` where no Go can be had.
pub fn go(test: &str, name: &str) -> Option<PathBuf> {
    go_with(test, name, go::toolchain(), &[])
}

/// Builds a Go fixture, optimized, by a Go that Debian's Delve knows. `None` where that is not installed.
pub fn go_of_delve(test: &str, name: &str) -> Option<PathBuf> {
    go_with(test, name, go::of_delve(), &["-trimpath"])
}

/// Builds a Go fixture, neither optimized nor inlined, by whichever Go there is.
pub fn go_unoptimized(test: &str, name: &str) -> Option<PathBuf> {
    go_with(test, name, go::toolchain(), &["-gcflags=-N -l"])
}

/// Builds a Go fixture as debuggers like it: nothing optimized, nothing inlined, by a Go that Debian's Delve
/// knows. `None` where that is not installed.
pub fn go_for_delve(test: &str, name: &str) -> Option<PathBuf> {
    go_with(test, name, go::of_delve(), &["-gcflags=all=-N -l"])
}

fn go_with(
    test: &str,
    name: &str,
    toolchain: Result<Toolchain, String>,
    flags: &[&str],
) -> Option<PathBuf> {
    let toolchain = match toolchain {
        Ok(toolchain) => toolchain,
        Err(why) => {
            crate::require::skip(test, &why);
            return None;
        }
    };
    Some(built(name, flags, |source, out, flags| {
        let mut command = toolchain.command();
        command.arg("build").args(flags).arg("-o").arg(out).arg(source);
        command
    }))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Builds into a file named after source and flags, unless that is there. Of several tests that want the same
/// one at once, in this process or another, one builds it and the others wait: compilers put files of their own
/// beside what they make, and two at work on one name would write over each other's.
fn built(
    name: &str,
    flags: &[&str],
    compiler: impl Fn(&Path, &Path, &[&str]) -> Command,
) -> PathBuf {
    let source = source(name);
    let mut hasher = DefaultHasher::new();
    (read(&source), flags).hash(&mut hasher);
    let stem = source.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into());
    let folder =
        project().join("target").join("fixtures").join(format!("{:016x}", hasher.finish()));
    let out = folder.join(&stem);
    if out.exists() {
        return out;
    }
    fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let _alone = locked(&folder.join(".lock"));
    if out.exists() {
        return out;
    }
    let making = tempfile::tempdir_in(&folder)
        .unwrap_or_else(|error| panic!("a folder in {}: {error}", folder.display()));
    let made = making.path().join(&stem);
    let result = compiler(&source, &made, flags).output();
    let output = result.unwrap_or_else(|error| panic!("the compiler of {name}: {error}"));
    assert!(
        output.status.success(),
        "{name} does not compile: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    fs::rename(&made, &out).unwrap_or_else(|error| panic!("{}: {error}", out.display()));
    out
}

/// The file, locked until it is dropped, or until this process has ended.
fn locked(path: &Path) -> fs::File {
    let lock = fs::File::create(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    lock.lock().unwrap_or_else(|error| panic!("locking {}: {error}", path.display()));
    lock
}

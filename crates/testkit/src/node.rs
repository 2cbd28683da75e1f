//! Packages of npm that tests run with, installed below `target/`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::fixture::project;
use crate::require::{require, skip};

/// The folder with a package in its `node_modules`, which is installed there if it is not; `None` where it cannot be
/// had.
pub fn package(test: &str, name: &str, version: &str) -> Option<PathBuf> {
    let npm = require(test, "npm")?;
    require(test, "node")?;
    let folder = project().join("target").join("npm");
    match installed(&npm, &folder, name, version) {
        Ok(()) => Some(folder),
        Err(why) => {
            skip(test, &format!("npm cannot install {name}: {why}"));
            None
        }
    }
}

fn installed(npm: &Path, folder: &Path, name: &str, version: &str) -> Result<(), String> {
    let text = |error: std::io::Error| error.to_string();
    fs::create_dir_all(folder).map_err(text)?;
    // One test process installs, the others wait for it.
    let lock = File::create(folder.join("lock")).map_err(text)?;
    lock.lock().map_err(text)?;
    if folder.join("node_modules").join(name).is_dir() {
        return Ok(());
    }
    let mut command = Command::new(npm);
    command.args(["install", "--no-audit", "--no-fund", "--prefix"]).arg(folder);
    let output = command.arg(format!("{name}@{version}")).output().map_err(text)?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

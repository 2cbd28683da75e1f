//! The program of the demo: written to disk, compiled.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::{Home, say};
use crate::failure::Failure;
use crate::home::create_private;

const SOURCE: &str = include_str!("booths.rs");

const FLAGS: [&str; 4] = ["--edition", "2021", "-C", "debuginfo=2"];

/// The compiled program. Its folder goes away with this; the source stays, for `list`.
#[derive(Debug)]
pub(super) struct Program {
    folder: TempDir,
}

impl Program {
    pub(super) fn build(home: &Home) -> Result<Self, Failure> {
        let dir = home.demo();
        let source = dir.join("booths.rs");
        create_private(&dir).map_err(failed("create", &dir))?;
        fs::write(&source, SOURCE).map_err(failed("write", &source))?;
        let folder = tempfile::Builder::new().prefix("retake-demo-").tempdir();
        let folder = folder.map_err(failed("create a folder in", &std::env::temp_dir()))?;
        let program = Self { folder };
        say(format_args!("   source: {}", source.display()))?;
        say(format_args!("   $ rustc {} booths.rs", FLAGS.join(" ")))?;
        program.compile(&source)?;
        Ok(program)
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("booths")
    }

    fn compile(&self, source: &Path) -> Result<(), Failure> {
        let mut rustc = Command::new("rustc");
        rustc.args(FLAGS).arg("-o").arg(self.path()).arg(source).current_dir(self.folder.path());
        let output = rustc.output().map_err(|err| {
            let what = match err.kind() {
                io::ErrorKind::NotFound => "there is no rustc in PATH".to_owned(),
                _ => format!("failed to start rustc: {err}"),
            };
            let needs = "the demo compiles a small Rust program";
            let todo = "install Rust or add it to PATH, or record a program of your own";
            Failure::text(format!("{what}: {needs}; {todo}: `retake record PROGRAM`"))
        })?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(Failure::text(format!(
            "rustc cannot compile {} ({}); is it complete, with a linker?\n{said}",
            source.display(),
            output.status
        )))
    }
}

fn failed<'a>(attempt: &'a str, path: &'a Path) -> impl FnOnce(io::Error) -> Failure + 'a {
    move |err| Failure::text(format!("failed to {attempt} {}: {err}", path.display()))
}

/// The number of the line with a marker comment.
pub(super) fn line_of(marker: &str) -> Result<usize, Failure> {
    let comment = format!("// MARK: {marker}");
    let found = (1..).zip(SOURCE.lines()).find(|(_, line)| line.ends_with(&comment));
    found.map(|(n, _)| n).ok_or_else(|| Failure::text(format!("booths.rs has no {comment:?}")))
}

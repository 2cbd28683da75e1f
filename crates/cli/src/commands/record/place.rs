//! The folder of a new recording.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use retake_recording::is_recording;

use crate::failure::Failure;
use crate::home::{Home, create_private};
use crate::output::notice;

/// The folder that `-o` names, and whether it was made here.
fn output_folder(dir: &Path) -> Result<(PathBuf, bool), Failure> {
    let shown = dir.display();
    if is_recording(dir) {
        return Err(Failure::text(format!(
            "{shown} holds a recording already: choose another folder, or delete it with `retake rm {shown}`"
        )));
    }
    let made = !dir.exists();
    let failed = |err| Failure::text(format!("failed to create {shown}: {err}"));
    if made {
        create_private(dir).map_err(failed)?;
    } else if fs::read_dir(dir).map_err(failed)?.next().is_some() {
        // `retake rm` deletes the whole folder: nothing else may be in it.
        return Err(Failure::text(format!("{shown} is not empty: choose a new or empty folder")));
    }
    Ok((fs::canonicalize(dir).map_err(failed)?, made))
}

/// What becomes of `latest`.
enum Latest {
    /// It is this recording; it was that one.
    Was(Option<PathBuf>),
    /// It stays.
    Stays,
}

/// Where a recording is about to be written.
pub(super) struct Place {
    pub(super) dir: PathBuf,
    made: bool,
    latest: Latest,
}

impl Place {
    /// Makes the folder, and makes it the latest recording: also one that ends by a SIGKILL of ours
    /// must be found.
    pub(super) fn prepare(
        home: &Home,
        output: Option<&Path>,
        program: &OsStr,
    ) -> Result<Self, Failure> {
        home.create()?;
        let (dir, made) = match output {
            Some(dir) => output_folder(dir)?,
            None => (home.claim(program)?, true),
        };
        let latest_before = home.latest_target();
        if let Err(err) = home.set_latest(&dir) {
            notice(&err);
        }
        Ok(Self { dir, made, latest: Latest::Was(latest_before) })
    }

    /// Makes a folder in `parent`, whose name is the smallest free number. `latest` stays.
    pub(super) fn among(home: &Home, parent: &Path) -> Result<Self, Failure> {
        home.create()?;
        let failed = |err| {
            Failure::text(format!("failed to create a folder in {}: {err}", parent.display()))
        };
        create_private(parent).map_err(failed)?;
        let parent = fs::canonicalize(parent).map_err(failed)?;
        let mut number = 1_u64;
        loop {
            let dir = parent.join(number.to_string());
            match fs::DirBuilder::new().mode(0o700).create(&dir) {
                Ok(()) => return Ok(Self { dir, made: true, latest: Latest::Stays }),
                Err(err) if err.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
                Err(err) => return Err(failed(err)),
            }
        }
    }

    /// Undoes the preparation after nothing was recorded. What fails here is only untidy.
    pub(super) fn give_back(&self, home: &Home) {
        if self.made {
            let _ = fs::remove_dir(&self.dir);
        }
        let _ = match &self.latest {
            Latest::Was(Some(before)) => home.set_latest(before),
            Latest::Was(None) => home.repair_latest(),
            Latest::Stays => Ok(()),
        };
    }
}

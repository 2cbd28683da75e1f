//! The folder of a new recording.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use retake_recording::is_recording;

use crate::failure::Failure;
use crate::home::{Home, claim, create_private, failed, point};
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

/// Where a recording is to go.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target<'a> {
    /// Into this folder, which must be new or empty.
    Folder(&'a Path),
    /// Into a new folder in this one, named after the program.
    Within(&'a Path),
}

/// A link that was made to point to the recording.
struct Pointer {
    link: PathBuf,
    before: Option<PathBuf>,
}

/// Where a recording is about to be written.
pub(crate) struct Place {
    dir: PathBuf,
    made: bool,
    latest: Latest,
    pointer: Option<Pointer>,
}

impl Place {
    /// Makes the folder, and makes it the latest recording: also one that ends by a SIGKILL of ours
    /// must be found.
    pub(crate) fn prepare(
        home: &Home,
        target: Target<'_>,
        program: &OsStr,
    ) -> Result<Self, Failure> {
        home.create()?;
        let (dir, made) = match target {
            Target::Folder(dir) => output_folder(dir)?,
            Target::Within(parent) => (claim(parent, program)?, true),
        };
        let latest_before = home.latest_target();
        if let Err(err) = home.set_latest(&dir) {
            notice(&err);
        }
        Ok(Self { dir, made, latest: Latest::Was(latest_before), pointer: None })
    }

    /// The folder.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Makes a link in `folder` point to the recording, too.
    pub(crate) fn point(&mut self, folder: &Path, name: &str) {
        let link = folder.join(name);
        let before = fs::read_link(&link).ok();
        match point(folder, &link, &self.dir) {
            Ok(()) => self.pointer = Some(Pointer { link, before }),
            Err(err) => notice(&err),
        }
    }

    /// Makes a folder in `parent`, whose name is the smallest free number. `latest` stays.
    pub(crate) fn among(home: &Home, parent: &Path) -> Result<Self, Failure> {
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
                Ok(()) => {
                    return Ok(Self { dir, made: true, latest: Latest::Stays, pointer: None });
                }
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
        if let Some(Pointer { link, before }) = &self.pointer {
            let _ = match (before, link.parent()) {
                (Some(before), Some(folder)) => point(folder, link, before),
                _ => fs::remove_file(link).map_err(|err| failed("remove", link)(err)),
            };
        }
    }
}

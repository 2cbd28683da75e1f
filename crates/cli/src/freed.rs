//! Names of deleted recordings. None is given to another recording for a day: what somebody wrote down still means
//! what it meant, or nothing.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::home::create_private;

/// Within the folder of the recordings: an empty file for each name.
const FOLDER: &str = ".freed";
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// Keeps the name of the recording that was in `dir`, and lets go of those that were kept long enough.
pub(crate) fn remember(dir: &Path) -> io::Result<()> {
    let (Some(parent), Some(name)) = (dir.parent(), dir.file_name()) else { return Ok(()) };
    let folder = parent.join(FOLDER);
    create_private(&folder)?;
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        if !is_fresh(&path) {
            fs::remove_file(path)?;
        }
    }
    File::create(folder.join(name)).map(drop)
}

/// Whether a recording of this name was deleted in `parent` lately.
pub(crate) fn is_kept(parent: &Path, name: &OsStr) -> bool {
    is_fresh(&parent.join(FOLDER).join(name))
}

/// Whether a file is there and not older than names are kept. What lies in the future is: a clock was set back.
fn is_fresh(file: &Path) -> bool {
    let made = fs::metadata(file).and_then(|meta| meta.modified());
    made.is_ok_and(|made| SystemTime::now().duration_since(made).is_ok_and(|age| age < KEPT))
}

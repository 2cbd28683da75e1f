//! The folder with what was found out about large files: of the user alone, and nothing is lost with it.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process;
use std::time::SystemTime;

use retake_symbols::IndexStore;

/// Bytes that the folder may have. What was not used for longest goes first.
const MOST: u64 = 1 << 30;
/// How names of files end that are complete, and those of files that are being written.
const COMPLETE: &str = "index";
const PARTIAL: &str = "partial";

/// A folder with one file for each module.
#[derive(Debug)]
pub(super) struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// The folder need not exist.
    pub(super) const fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.{COMPLETE}"))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let partial = self.folder.join(format!("{name}-{}.{PARTIAL}", process::id()));
        let written = File::create(&partial)
            .and_then(|mut file| file.write_all(bytes))
            .and_then(|()| fs::rename(&partial, self.path(name)));
        if written.is_err() {
            // Half of an index is of no use to anybody.
            let _ = fs::remove_file(&partial);
        }
        written
    }

    /// Removes what was used longest ago, until the rest is no larger than `most` bytes.
    fn tidy(&self, most: u64) -> io::Result<()> {
        let mut files: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let ours = [COMPLETE, PARTIAL]
                .map(|end| Path::new(&entry.file_name()).extension() == Some(end.as_ref()));
            let about = entry.metadata()?;
            if ours.contains(&true) && about.is_file() {
                files.push((about.modified()?, about.len(), entry.path()));
            }
        }
        files.sort();
        let mut size: u64 = files.iter().map(|(_, len, _)| *len).sum();
        for (_, len, path) in files {
            if size <= most {
                break;
            }
            fs::remove_file(path)?;
            size = size.saturating_sub(len);
        }
        Ok(())
    }
}

impl IndexStore for Cache {
    fn load(&self, name: &str) -> Option<Vec<u8>> {
        let path = self.path(name);
        let bytes = fs::read(&path).ok()?;
        // The time is what tidying goes by; a folder that cannot be changed is not tidied either.
        let now = SystemTime::now();
        let _ = File::options().append(true).open(&path).and_then(|file| file.set_modified(now));
        Some(bytes)
    }

    fn save(&self, name: &str, bytes: &[u8]) {
        // It costs the time to build it again, no more.
        let _ = self.write(name, bytes).and_then(|()| self.tidy(MOST));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let temp = tempfile::tempdir().unwrap();
        let cache = Cache::new(temp.path().join("retake/symbols"));
        assert_eq!(cache.load("ab"), None);
        cache.save("ab", b"one");
        cache.save("ab", b"two");
        assert_eq!(cache.load("ab").as_deref(), Some(&b"two"[..]));
        assert_eq!(names(&temp.path().join("retake/symbols")), ["ab.index"]);
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let temp = tempfile::tempdir().unwrap();
        let cache = Cache::new(temp.path().to_owned());
        for name in ["a", "b", "c"] {
            cache.save(name, &[0; 100]);
        }
        fs::write(temp.path().join("other"), [0; 1000]).unwrap();
        let old = |name, seconds| {
            let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
            File::options()
                .append(true)
                .open(cache.path(name))
                .unwrap()
                .set_modified(time)
                .unwrap();
        };
        old("a", 3);
        old("b", 1);
        old("c", 2);
        assert!(cache.load("b").is_some());
        cache.tidy(250).unwrap();
        assert_eq!(names(temp.path()), ["a.index", "b.index", "other"]);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_no_error() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("file");
        fs::write(&file, "").unwrap();
        let cache = Cache::new(file.join("below"));
        cache.save("a", b"x");
        assert_eq!(cache.load("a"), None);
    }
}

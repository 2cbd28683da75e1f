//! Where recordings live.
//!
//! ```text
//! $RETAKE_DIR            else $XDG_DATA_HOME/retake, else ~/.local/share/retake
//!   recordings/NAME/     one recording each; NAME is the program's name and a number
//!   store/               the files that recordings keep, shared between them by hard links
//!   latest               symbolic link to the recording that was begun last
//!   hunts/               runs of hunts that go on
//!   demo/                source of the demo's program
//! ```
//!
//! All of it is for the user alone: recordings hold the memory of programs.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

use retake_recording::{Recording, is_recording};

use crate::failure::Failure;
use crate::freed;

/// The folder of all recordings.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    root: PathBuf,
}

/// Something is wrong with where recordings live, or with which one was meant.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HomeError {
    #[error("no folder for recordings: set RETAKE_DIR, or HOME")]
    Unknown,
    #[error("failed to {attempt} {}: {source}", path.display())]
    Io { attempt: &'static str, path: PathBuf, source: io::Error },
    #[error("nothing has been recorded yet: start with `retake record PROGRAM`")]
    Nothing,
    #[error(
        "there is no latest recording any more: name one (`retake ls` shows what there is in {})",
        .0.display()
    )]
    NoLatest(PathBuf),
    #[error(
        "there is no recording {}: it is neither a folder with one nor a name in {} (`retake ls` shows what there is)",
        Path::new(name).display(), place.display()
    )]
    NotFound { name: OsString, place: PathBuf },
}

pub(crate) fn failed(attempt: &'static str, path: &Path) -> impl FnOnce(io::Error) -> HomeError {
    let path = path.to_owned();
    move |source| HomeError::Io { attempt, path, source }
}

impl Home {
    /// The one that the environment names.
    pub(crate) fn find() -> Result<Self, HomeError> {
        let root = root(|name| std::env::var_os(name)).ok_or(HomeError::Unknown)?;
        let root = std::path::absolute(&root).map_err(failed("resolve", &root))?;
        Ok(Self { root })
    }

    /// Folder of the recordings.
    pub(crate) fn recordings(&self) -> PathBuf {
        self.root.join("recordings")
    }

    /// Folder of the kept files.
    pub(crate) fn store(&self) -> PathBuf {
        self.root.join("store")
    }

    /// Folder of what the demo leaves behind, apart from its recording.
    pub(crate) fn demo(&self) -> PathBuf {
        self.root.join("demo")
    }

    /// Folder of the runs of hunts that go on.
    pub(crate) fn hunts(&self) -> PathBuf {
        self.root.join("hunts")
    }

    fn latest(&self) -> PathBuf {
        self.root.join("latest")
    }

    /// Makes the folders.
    pub(crate) fn create(&self) -> Result<(), HomeError> {
        for dir in [self.recordings(), self.store()] {
            create_private(&dir).map_err(failed("create", &dir))?;
        }
        Ok(())
    }

    /// What `latest` points to, as it is written there.
    pub(crate) fn latest_target(&self) -> Option<PathBuf> {
        fs::read_link(self.latest()).ok()
    }

    /// Makes `latest` point to `dir`: by a relative path where it is one of ours, so that the whole
    /// folder can be moved.
    pub(crate) fn set_latest(&self, dir: &Path) -> Result<(), HomeError> {
        point(&self.root, &self.latest(), dir)
    }

    /// Makes `latest` point to something that exists: the recording begun last, if there is one.
    pub(crate) fn repair_latest(&self) -> Result<(), HomeError> {
        let link = self.latest();
        if is_recording(&link) || fs::symlink_metadata(&link).is_err() {
            return Ok(());
        }
        let begun = |(dir, recording): (PathBuf, Result<Recording, _>)| {
            Some((recording.ok()?.manifest().started_ns, dir))
        };
        let all = retake_recording::list(&self.recordings());
        match all.into_iter().filter_map(begun).max() {
            Some((_, dir)) => self.set_latest(&dir),
            None => fs::remove_file(&link).map_err(failed("remove", &link)),
        }
    }

    /// The folder of the recording that `argument` names: a folder, a name of ours, or `latest`,
    /// which is also meant without any.
    pub(crate) fn resolve(&self, argument: Option<&OsStr>) -> Result<PathBuf, HomeError> {
        let name = argument.unwrap_or(OsStr::new("latest"));
        let real = |path: PathBuf| fs::canonicalize(&path).map_err(failed("resolve", &path));
        if argument.is_some() && is_recording(Path::new(name)) {
            return real(PathBuf::from(name));
        }
        let is_name = !name.is_empty() && !name.as_bytes().contains(&b'/') && name != "..";
        if is_name && is_recording(&self.recordings().join(name)) {
            return real(self.recordings().join(name));
        }
        if name != "latest" {
            return Err(HomeError::NotFound { name: name.to_owned(), place: self.recordings() });
        }
        if is_recording(&self.latest()) {
            return real(self.latest());
        }
        let entries = fs::read_dir(self.recordings()).into_iter().flatten().flatten();
        if entries.into_iter().any(|entry| is_recording(&entry.path())) {
            Err(HomeError::NoLatest(self.recordings()))
        } else {
            Err(HomeError::Nothing)
        }
    }

    /// Opens the recording that `argument` names.
    pub(crate) fn open(&self, argument: Option<&OsStr>) -> Result<Recording, Failure> {
        Ok(Recording::open(&self.resolve(argument)?)?)
    }

    /// The recordings whose names match a pattern: `*`, `?` and `[…]` as in a shell.
    ///
    /// # Errors
    /// When it is no pattern, or matches nothing.
    pub(crate) fn matching(&self, pattern: &OsStr) -> Result<Vec<PathBuf>, HomeError> {
        let nothing = || HomeError::NotFound { name: pattern.to_owned(), place: self.recordings() };
        let pattern = glob::Pattern::new(&pattern.to_string_lossy()).map_err(|_| nothing())?;
        let entries = fs::read_dir(self.recordings()).into_iter().flatten().flatten();
        let mut found: Vec<PathBuf> = entries
            .filter(|entry| pattern.matches(&entry.file_name().to_string_lossy()))
            .map(|entry| entry.path())
            .filter(|path| is_recording(path))
            .collect();
        found.sort_unstable();
        if found.is_empty() { Err(nothing()) } else { Ok(found) }
    }

    /// The name of the recording in `dir`, if it is one of ours.
    fn own_name<'a>(&self, dir: &'a Path) -> Option<&'a Path> {
        let real = fs::canonicalize(self.recordings()).unwrap_or_default();
        dir.strip_prefix(&real).or_else(|_| dir.strip_prefix(self.recordings())).ok()
    }

    /// Whether the recording in `dir` is one of ours.
    pub(crate) fn is_ours(&self, dir: &Path) -> bool {
        self.own_name(dir).is_some()
    }

    /// How the recording in `dir` is called: its name if it is one of ours, else its folder.
    pub(crate) fn name_of(&self, dir: &Path) -> String {
        self.own_name(dir).unwrap_or(dir).display().to_string()
    }
}

/// Makes the folder of a new recording in `parent`: the program's name and the smallest free number that was not
/// freed lately.
/// Two that do this at the same time get different ones.
pub(crate) fn claim(parent: &Path, program: &OsStr) -> Result<PathBuf, HomeError> {
    let base = Path::new(program).file_name().unwrap_or(OsStr::new("program"));
    let mut number = 1_u64;
    loop {
        let mut name = base.to_owned();
        name.push(format!("-{number}"));
        if freed::is_kept(parent, &name) {
            number += 1;
            continue;
        }
        let dir = parent.join(name);
        match DirBuilder::new().mode(0o700).create(&dir) {
            Ok(()) => return Ok(dir),
            Err(err) if err.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(err) => return Err(failed("create", &dir)(err)),
        }
    }
}

/// Makes `link`, which is in `folder`, point to `dir`: by a relative path where that is in the folder
/// too.
pub(crate) fn point(folder: &Path, link: &Path, dir: &Path) -> Result<(), HomeError> {
    let temp = folder.join(format!("latest-{}", std::process::id()));
    let replace = || {
        symlink(dir.strip_prefix(folder).unwrap_or(dir), &temp)?;
        fs::rename(&temp, link)
    };
    replace().map_err(failed("replace", link))
}

/// Makes a folder, and those above it, for this user alone.
pub(crate) fn create_private(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

fn root(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let set = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // The XDG base directory specification: relative paths are to be ignored.
    let data = || set("XDG_DATA_HOME").filter(|path| path.is_absolute());
    set("RETAKE_DIR")
        .or_else(|| Some(data()?.join("retake")))
        .or_else(|| Some(set("HOME")?.join(".local/share/retake")))
}

/// Where what was found out about programs is kept: `$XDG_CACHE_HOME/retake/symbols`, else below `~/.cache`.
pub(crate) fn cache() -> Option<PathBuf> {
    cache_of(|name| std::env::var_os(name))
}

fn cache_of(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let set = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let root = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))?;
    Some(root.join("retake/symbols"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A home that goes away with the test.
    struct Temp(Home);

    impl Temp {
        fn new(test: &str) -> Self {
            let root = std::env::temp_dir().join(format!("retake-{test}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&root);
            let home = Home { root: fs::canonicalize(std::env::temp_dir()).unwrap() };
            let home = Home { root: home.root.join(root.file_name().unwrap()) };
            home.create().unwrap();
            Self(home)
        }

        /// What `is_recording` takes for a recording.
        fn record(&self, program: &str) -> PathBuf {
            let dir = claim(&self.0.recordings(), OsStr::new(program)).unwrap();
            fs::write(dir.join("recording.partial"), "").unwrap();
            dir
        }
    }

    impl Drop for Temp {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0.root);
        }
    }

    fn resolve(home: &Home, name: &str) -> Result<PathBuf, String> {
        home.resolve(Some(OsStr::new(name))).map_err(|err| err.to_string())
    }

    #[test]
    fn the_environment_names_the_root() {
        let of = |set: &[(&str, &str)]| {
            root(|name| set.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v)))
        };
        let all = [("RETAKE_DIR", "/r"), ("XDG_DATA_HOME", "/x"), ("HOME", "/h")];
        assert_eq!(of(&all), Some("/r".into()));
        assert_eq!(of(&all[1..]), Some("/x/retake".into()));
        assert_eq!(of(&all[2..]), Some("/h/.local/share/retake".into()));
        let useless = [("RETAKE_DIR", ""), ("XDG_DATA_HOME", "x"), ("HOME", "/h")];
        assert_eq!(of(&useless), Some("/h/.local/share/retake".into()));
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn the_environment_names_the_cache() {
        let of = |set: &[(&str, &str)]| {
            cache_of(|name| set.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v)))
        };
        let all = [("XDG_CACHE_HOME", "/c"), ("HOME", "/h")];
        assert_eq!(of(&all), Some("/c/retake/symbols".into()));
        assert_eq!(of(&all[1..]), Some("/h/.cache/retake/symbols".into()));
        assert_eq!(of(&[("XDG_CACHE_HOME", "c"), ("HOME", "")]), None);
    }

    #[test]
    fn names_take_the_smallest_free_number() {
        let temp = Temp::new("claim");
        let home = &temp.0;
        assert_eq!(temp.record("/usr/bin/ls"), home.recordings().join("ls-1"));
        assert_eq!(temp.record("./ls"), home.recordings().join("ls-2"));
        fs::remove_dir_all(home.recordings().join("ls-1")).unwrap();
        assert_eq!(temp.record("ls"), home.recordings().join("ls-1"));
        fs::remove_dir_all(home.recordings().join("ls-2")).unwrap();
        freed::remember(&home.recordings().join("ls-2")).unwrap();
        assert_eq!(temp.record("ls"), home.recordings().join("ls-3"), "freed today");
        let yesterday = std::time::SystemTime::now() - std::time::Duration::from_secs(90_000);
        let kept = fs::File::open(home.recordings().join(".freed/ls-2")).unwrap();
        kept.set_modified(yesterday).unwrap();
        assert_eq!(temp.record("ls"), home.recordings().join("ls-2"));
        assert_eq!(temp.record(".."), home.recordings().join("program-1"));
        let mode = fs::metadata(home.recordings().join("ls-1")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn patterns_match_names() {
        let temp = Temp::new("patterns");
        let all = ["ls", "ls", "lsof"].map(|program| temp.record(program));
        let matching = |pattern: &str| temp.0.matching(OsStr::new(pattern)).ok();
        assert_eq!(matching("ls*"), Some(all.to_vec()));
        assert_eq!(matching("ls-?"), Some(all[..2].to_vec()));
        assert_eq!(matching("*-[23]"), Some(vec![all[1].clone()]));
        assert_eq!(matching("x*"), None);
        assert_eq!(matching("[*"), None);
    }

    #[test]
    fn recordings_are_found_by_name_folder_and_latest() {
        let temp = Temp::new("resolve");
        let home = &temp.0;
        assert!(matches!(home.resolve(None), Err(HomeError::Nothing)));
        let dir = temp.record("ls");
        assert!(matches!(home.resolve(None), Err(HomeError::NoLatest(_))));
        assert_eq!(resolve(home, "ls-1"), Ok(dir.clone()));
        assert_eq!(resolve(home, dir.to_str().unwrap()), Ok(dir.clone()));
        for bad in ["", "..", "ls", "recordings/ls-1", "/ls-1"] {
            assert!(resolve(home, bad).unwrap_err().contains("retake ls"), "{bad:?}");
        }
        home.set_latest(&dir).unwrap();
        assert_eq!(home.latest_target(), Some("recordings/ls-1".into()));
        assert_eq!(home.resolve(None).unwrap(), dir);
        assert_eq!(resolve(home, "latest"), Ok(dir.clone()));
        assert_eq!(home.name_of(&dir), "ls-1");
        assert_eq!(home.name_of(Path::new("/elsewhere")), "/elsewhere");
    }

    #[test]
    fn latest_goes_away_with_the_last_recording() {
        let temp = Temp::new("latest");
        let dir = temp.record("ls");
        temp.0.set_latest(&dir).unwrap();
        temp.0.set_latest(&dir).unwrap();
        temp.0.repair_latest().unwrap();
        assert!(temp.0.latest_target().is_some());
        fs::remove_dir_all(&dir).unwrap();
        temp.0.repair_latest().unwrap();
        assert_eq!(temp.0.latest_target(), None);
        temp.0.repair_latest().unwrap();
    }
}

//! Files that lay beside the program and are kept for whoever looks at it: debug information, sources. `beside.json`
//! lists them; replay needs none of them.

use std::fs::{self, File};
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::mmap::open_regular;
use crate::store::files::file_name;

/// The list's name in the recording.
pub(crate) const NAME: &str = "beside.json";

/// A file that lay beside the program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BesideFile {
    /// Its path when it was kept.
    #[serde(with = "crate::codec::bytes")]
    pub path: Vec<u8>,
    /// Length in bytes.
    pub len: u64,
    /// Last change of its contents, nanoseconds since 1970.
    pub modified_ns: i64,
    /// Hash of its contents in hexadecimal digits: its name below `files/`.
    hash: String,
}

impl BesideFile {
    pub(crate) fn new(path: Vec<u8>, len: u64, modified_ns: i64, hash: u128) -> Self {
        Self { path, len, modified_ns, hash: file_name(hash) }
    }

    /// Its path, for people.
    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.path).into_owned()
    }

    /// Where its contents are in a recording; nowhere if the name is none of a kept file.
    pub(crate) fn kept_path(&self, dir: &Path) -> Option<PathBuf> {
        let hash = u128::from_str_radix(&self.hash, 16).ok()?;
        let name = file_name(hash);
        (name == self.hash).then(|| dir.join("files").join(name))
    }
}

/// Writes the list. A recording without such files has none.
pub(crate) fn write(dir: &Path, files: &[BesideFile]) -> std::io::Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    let text = serde_json::to_vec_pretty(files).map_err(std::io::Error::other)?;
    let partial = dir.join("beside.new");
    let mut file = File::create(&partial)?;
    file.write_all(&text)?;
    fs::rename(&partial, dir.join(NAME))
}

/// Reads the list, or a sentence that says why it cannot be read.
pub(crate) fn read(dir: &Path) -> Result<Vec<BesideFile>, String> {
    let why = |text: String| {
        format!("{NAME} cannot be read ({text}): debug files are looked for where they were")
    };
    match open_regular(&dir.join(NAME)) {
        Ok(file) => {
            serde_json::from_reader(BufReader::new(file)).map_err(|err| why(err.to_string()))
        }
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(err) => Err(why(err.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()), Ok(Vec::new()));
        let files = [BesideFile::new(b"/a/b\xff.dwo".to_vec(), 5, -7, 0xabc)];
        write(dir.path(), &files).unwrap();
        assert_eq!(read(dir.path()).unwrap(), files);
    }

    #[test]
    fn a_damaged_list_is_a_sentence() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(NAME), "[{").unwrap();
        assert!(read(dir.path()).unwrap_err().contains("debug files are looked for"));
    }

    #[test]
    fn no_name_leads_outside() {
        let file =
            BesideFile { hash: "../../etc/passwd".into(), ..BesideFile::new(vec![], 0, 0, 1) };
        assert_eq!(file.kept_path(Path::new("/r")), None);
        let file = BesideFile { hash: "+1".into(), ..file };
        assert_eq!(file.kept_path(Path::new("/r")), None);
    }
}

//! The journal's file.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::record::{OLDEST, Record, VERSION};
use super::{SessionError, at};

/// An open journal.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    /// Bytes of whole lines.
    len: u64,
    /// Lines that could not be written yet, as on a full disk.
    pending: Vec<u8>,
}

impl Journal {
    /// Opens a journal, or starts one, and gives its records. What a crash left of a last line is
    /// cut off.
    pub(super) fn open(path: &Path) -> Result<(Self, Vec<Record>), SessionError> {
        let mut options = OpenOptions::new();
        let file = options.read(true).append(true).create(true).open(path);
        let mut file = file.map_err(at("open", path))?;
        // A pipe or a device in a stranger's recording would not end.
        if !file.metadata().map_err(at("open", path))?.is_file() {
            return Err(at("open", path)(io::Error::other("it is no regular file")));
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(at("read", path))?;
        let (records, len) = read(path, &bytes)?;
        let mut versions = records.iter().filter_map(|record| match record {
            Record::Open { version } => Some(*version),
            _ => None,
        });
        if let Some(found) = versions.clone().find(|found| !(OLDEST..=VERSION).contains(found)) {
            return Err(SessionError::Version { path: path.to_owned(), found });
        }
        let current = versions.next_back() == Some(VERSION);
        if len < bytes.len() as u64 {
            file.set_len(len).map_err(at("cut", path))?;
        }
        let mut journal = Self { path: path.to_owned(), file, len, pending: Vec::new() };
        if !current {
            journal.append(&Record::Open { version: VERSION })?;
        }
        Ok((journal, records))
    }

    /// Writes a record, behind those that could not be written before. When this returns well, a SIGKILL
    /// cannot take it back; else it is kept, and written with the next one.
    pub(super) fn append(&mut self, record: &Record) -> Result<(), SessionError> {
        let line = record.to_line().map_err(io::Error::other);
        let line = line.map_err(at("write", &self.path))?;
        self.pending.extend_from_slice(line.as_bytes());
        if let Err(err) = self.file.write_all(&self.pending) {
            // Half a line in front of later ones would be damage, not a torn end.
            self.file.set_len(self.len).map_err(at("cut", &self.path))?;
            return Err(at("write", &self.path)(err));
        }
        self.len += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }
}

/// The whole records, and how many bytes they take.
fn read(path: &Path, bytes: &[u8]) -> Result<(Vec<Record>, u64), SessionError> {
    let (mut records, mut len, mut bad) = (Vec::new(), 0, None);
    for (number, line) in (1..).zip(bytes.split_inclusive(|&byte| byte == b'\n')) {
        let record = line.strip_suffix(b"\n").and_then(Record::from_line);
        match (record, bad) {
            (Some(record), None) => {
                records.push(record);
                len += line.len() as u64;
            }
            (None, None) => bad = Some(number),
            // Whole lines after a bad one: no crash leaves that.
            (Some(_), Some(line)) => {
                return Err(SessionError::Damaged { path: path.to_owned(), line });
            }
            (None, Some(_)) => {}
        }
    }
    Ok((records, len))
}

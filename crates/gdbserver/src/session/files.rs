//! Host I/O (`vFile`): files as the program saw them. The bytes come from the recording; nothing of this machine
//! is read, and nothing is written.

mod maps;
mod stat;

use std::path::Path;

use retake_execution::{FileBytes, FileInfo};
use retake_model::{Addr, Backing, FileId};

use super::Session;
use crate::framing::{MOST, escape, fitting};
use crate::packet::FileRequest;

/// A client opens no more at the same time.
const MOST_OPEN: usize = 64;

/// Errors of host I/O, by gdb's numbers (gdb manual, E.13.7 "errno Values").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Errno {
    NoEntry = 2,
    BadFile = 9,
    Invalid = 22,
    TooMany = 24,
    ReadOnly = 30,
}

/// Open files, by number.
#[derive(Default)]
pub(super) struct OpenFiles {
    open: Vec<Option<FileBytes>>,
}

impl OpenFiles {
    fn get(&self, number: u64) -> Result<&[u8], Errno> {
        let index = usize::try_from(number).map_err(|_| Errno::BadFile)?;
        let file = self.open.get(index).and_then(Option::as_ref).ok_or(Errno::BadFile)?;
        Ok(file.as_ref().as_ref())
    }

    fn add(&mut self, bytes: FileBytes) -> Result<usize, Errno> {
        let free = self.open.iter().position(Option::is_none);
        let index = free.unwrap_or(self.open.len());
        match self.open.get_mut(index) {
            Some(place) => *place = Some(bytes),
            None if index < MOST_OPEN => self.open.push(Some(bytes)),
            None => return Err(Errno::TooMany),
        }
        Ok(index)
    }

    fn close(&mut self, number: u64) -> Result<(), Errno> {
        self.get(number)?;
        let place = usize::try_from(number).ok().and_then(|index| self.open.get_mut(index));
        place.map(|place| *place = None).ok_or(Errno::BadFile)
    }
}

/// What a request gives: a number, and data behind it.
type Answer<'a> = Result<(usize, Vec<u8>), Errno>;

impl Session<'_> {
    pub(super) fn file(&mut self, request: &FileRequest) -> Vec<u8> {
        match self.file_answer(request) {
            Ok((number, data)) => {
                let mut reply = format!("F{number:x}").into_bytes();
                if !matches!(request, FileRequest::Read(..)) && data.is_empty() {
                    return reply;
                }
                reply.push(b';');
                escape(&data, &mut reply);
                reply
            }
            Err(errno) => format!("F-1,{:x}", errno as u8).into_bytes(),
        }
    }

    fn file_answer(&mut self, request: &FileRequest) -> Answer<'_> {
        let nothing = Vec::new();
        match request {
            // Every process sees the same files.
            FileRequest::SetFs => Ok((0, nothing)),
            FileRequest::Open(path) => {
                let bytes = self.contents(path).ok_or(Errno::NoEntry)?;
                Ok((self.files.add(bytes)?, nothing))
            }
            FileRequest::Close(number) => self.files.close(*number).map(|()| (0, nothing)),
            FileRequest::Read(number, len, offset) => {
                let offset = usize::try_from(*offset).map_err(|_| Errno::Invalid)?;
                let len = usize::try_from(*len).map_err(|_| Errno::Invalid)?;
                let rest = self.files.get(*number)?.get(offset..).unwrap_or_default();
                let data = rest.get(..len).unwrap_or(rest);
                let data = data.get(..fitting(data, MOST - 16)).unwrap_or(data);
                Ok((data.len(), data.to_vec()))
            }
            FileRequest::Stat(number) => {
                let stat = stat::of_file(self.files.get(*number)?.len() as u64);
                Ok((stat.len(), stat))
            }
            FileRequest::ReadLink(path) => {
                let is_exe = self.own_file(path).is_some_and(|name| name == "exe");
                let target = is_exe.then(|| self.executable()).flatten().ok_or(Errno::Invalid)?;
                Ok((target.len(), target))
            }
            FileRequest::Other => Err(Errno::ReadOnly),
        }
    }

    /// The bytes of a file, by its path.
    fn contents(&mut self, path: &[u8]) -> Option<FileBytes> {
        let made = match self.own_file(path).as_deref() {
            Some("maps") => Some(self.maps()),
            Some("cmdline") => self.arguments(),
            Some("auxv") => self.auxv(),
            Some("exe") => {
                let path = self.executable()?;
                return self.kept(&path);
            }
            Some(_) => return None,
            None => return self.kept(path),
        };
        made.map(|bytes| -> FileBytes { std::sync::Arc::new(bytes) })
    }

    /// The name of a file below `/proc/PID` of the process that is shown.
    fn own_file(&self, path: &[u8]) -> Option<String> {
        let rest = std::str::from_utf8(path).ok()?.strip_prefix("/proc/")?;
        let (pid, name) = rest.split_once('/')?;
        let own = pid == "self" || pid == self.life.pid.to_string();
        let thread = name.strip_prefix("task/").and_then(|rest| rest.split_once('/'));
        own.then(|| thread.map_or(name, |(_, name)| name).to_owned())
    }

    /// A file that the recording keeps: of that path, or one that a symbolic link of that path would lead to.
    fn kept(&self, path: &[u8]) -> Option<FileBytes> {
        let path = std::str::from_utf8(path).ok()?;
        let mapped = self.mapped();
        let mut files = self.execution.files();
        // Of several the one that is mapped now, or the latest.
        files.sort_by_key(|info| (!mapped.contains(&info.file), std::cmp::Reverse(info.file)));
        let found = |matches: &dyn Fn(&str) -> bool| files.iter().find(|info| matches(&info.path));
        let info: Option<&FileInfo> = found(&|known| known == path)
            .or_else(|| found(&|known| known.strip_prefix("/usr") == Some(path)))
            .or_else(|| found(&|known| leads_to(path, known)));
        match info {
            Some(info) => self.execution.file_bytes(info.file).ok(),
            // Debug information in a file of its own, as a rule.
            None => self.execution.kept_files().at(Path::new(path)).pop(),
        }
    }

    fn mapped(&self) -> Vec<FileId> {
        let mappings = self.state().mappings(self.looked_at()).unwrap_or_default();
        let file = |backing| match backing {
            Backing::File { file, .. } => Some(file),
            _ => None,
        };
        mappings.iter().filter_map(|mapping| file(mapping.backing)).collect()
    }

    /// The path of the executable: of the file that the program's entry lies in.
    pub(super) fn executable(&mut self) -> Option<Vec<u8>> {
        const AT_ENTRY: u64 = 9;
        let auxv = self.auxv()?;
        let (words, _) = auxv.as_chunks::<8>();
        let words: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
        let (pairs, _) = words.as_chunks::<2>();
        let [_, entry] = pairs.iter().find(|pair| pair[0] == AT_ENTRY)?;
        let path = self.path_at(Addr::new(*entry));
        path.map(String::into_bytes).or_else(|| self.executes().map(|exec| exec.path))
    }

    fn path_at(&self, addr: Addr) -> Option<String> {
        let file = self.file_at(addr)?;
        self.execution.files().into_iter().find(|info| info.file == file).map(|info| info.path)
    }

    /// The file that is mapped at an address.
    pub(super) fn file_at(&self, addr: Addr) -> Option<FileId> {
        let mappings = self.state().mappings(self.looked_at()).ok()?;
        let mapping = mappings.iter().find(|mapping| mapping.range.contains(addr))?;
        match mapping.backing {
            Backing::File { file, .. } => Some(file),
            _ => None,
        }
    }
}

/// Whether a library of the first path would be found at the second one: libraries have links without the last parts
/// of their version.
fn leads_to(path: &str, known: &str) -> bool {
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let (wanted, known) = (name(path), name(known));
    let is_library = wanted.contains(".so");
    is_library
        && known.strip_prefix(&wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_libraries() {
        assert!(leads_to(
            "/lib64/ld-linux-x86-64.so.2",
            "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"
        ));
        assert!(leads_to("/lib/libstdc++.so.6", "/usr/lib/libstdc++.so.6.0.30"));
        assert!(!leads_to("/lib/libm.so.6", "/lib/libmvec.so.6"));
        assert!(!leads_to("/bin/sh", "/usr/bin/sh"));
    }

    #[test]
    fn open_files_are_few() {
        let mut files = OpenFiles::default();
        for _ in 0..MOST_OPEN {
            let bytes: FileBytes = std::sync::Arc::new(vec![1]);
            files.add(bytes).expect("there is room");
        }
        let bytes: FileBytes = std::sync::Arc::new(vec![1]);
        assert_eq!(files.add(bytes), Err(Errno::TooMany));
        assert_eq!(files.close(3), Ok(()));
        assert_eq!(files.close(3), Err(Errno::BadFile));
        assert_eq!(files.add(std::sync::Arc::new(vec![2])), Ok(3));
        assert_eq!(files.get(3), Ok(&[2][..]));
    }
}

//! What `execve` is going to find in a file.
//!
//! The program in a file is decided on when the old one is gone already. So that it can still be refused,
//! the file is looked at before, as the kernel will: through `#!` lines, with the task's root and working
//! folder. What cannot be looked at is left to the kernel.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use retake_model::Tid;
use retake_ptrace::{find_file, find_file_in};

/// `BINPRM_BUF_SIZE` (linux/binfmts.h): what the kernel looks at to tell what a file is.
const HEAD: usize = 256;
/// How many interpreters of interpreters there may be (fs/exec.c, `exec_binprm`).
const DEEPEST: usize = 5;
/// Longest path of an ELF interpreter.
const PATH_MAX: u64 = 4096;

/// What a file is to `execve`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A program, or something that the kernel knows what to do with.
    Other,
    /// A program for 32-bit processes, or the interpreter of a script is one.
    ThirtyTwoBit(PathBuf),
    /// It names an interpreter that there is not.
    NoInterpreter(PathBuf),
}

/// Whose view of the file system holds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum View {
    /// The recorder's own.
    Own,
    /// That of a recorded task.
    Of(Tid),
}

/// From where a file is looked for.
#[derive(Clone, Copy, Debug)]
enum Start {
    /// The recorder's root and folder.
    Own,
    /// The folder of a task with the same root.
    FolderOf(Tid),
    /// Root and folder of a task.
    RootOf(Tid),
}

fn of_task(tid: Tid, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{tid}/{name}"))
}

impl View {
    fn start(self) -> Start {
        /// Of namespaces it is a name with their number (namespaces(7)): looking at what it leads to takes longer.
        const NAMESPACE: &str = "ns/mnt";
        let Self::Of(tid) = self else { return Start::Own };
        let identity = |path: &Path| fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()));
        let root = identity(&of_task(tid, "root"));
        let namespace = fs::read_link(of_task(tid, NAMESPACE)).ok();
        let has_own = root.is_some()
            && root == identity(Path::new("/"))
            && namespace.is_some()
            && namespace == fs::read_link(Path::new("/proc/self").join(NAMESPACE)).ok();
        if has_own { Start::FolderOf(tid) } else { Start::RootOf(tid) }
    }
}

impl Start {
    /// The file at `path`, which is not opened.
    fn find(self, path: &Path) -> io::Result<File> {
        let (Self::FolderOf(tid) | Self::RootOf(tid)) = self else { return find_file(path) };
        for own in ["/proc/self", "/proc/thread-self"] {
            if let Ok(rest) = path.strip_prefix(own) {
                return find_file(&PathBuf::from(format!("/proc/{tid}")).join(rest));
            }
        }
        if let Self::FolderOf(_) = self {
            // An absolute path replaces the folder.
            return find_file(&of_task(tid, "cwd").join(path));
        }
        let root = find_file(&of_task(tid, "root"))?;
        let folder = fs::read_link(of_task(tid, "cwd"))?;
        let root_path = fs::read_link(of_task(tid, "root"))?;
        let within = folder.strip_prefix(&root_path).unwrap_or(&folder);
        find_file_in(&root, &Path::new("/").join(within).join(path))
    }
}

/// What `execve` of `path` is going to find.
pub(crate) fn look(view: View, path: &Path) -> Found {
    let start = view.start();
    match start.find(path) {
        Ok(file) => look_from(start, path, &file),
        Err(_) => Found::Other,
    }
}

/// What `execve` of a file that was found already is going to find; `path` is for people.
pub(crate) fn look_at(view: View, path: &Path, file: &File) -> Found {
    look_from(view.start(), path, file)
}

fn look_from(start: Start, path: &Path, file: &File) -> Found {
    let mut path = path.to_owned();
    let mut readable = readable(file);
    for _ in 0..=DEEPEST {
        let Some(file) = readable else { return Found::Other };
        let mut head = [0; HEAD];
        let Ok(len) = file.read_at(&mut head, 0) else { return Found::Other };
        let head = head.get(..len).unwrap_or_default();
        let interpreter = match script_interpreter(head) {
            Some(interpreter) => interpreter,
            None if is_thirty_two_bit(head) => return Found::ThirtyTwoBit(path),
            None => {
                let interpreter = elf_interpreter(&file, head);
                return match interpreter.map(|interpreter| (start.find(&interpreter), interpreter))
                {
                    Some((Err(error), interpreter)) if is_missing(&error) => {
                        Found::NoInterpreter(interpreter)
                    }
                    _ => Found::Other,
                };
            }
        };
        path = interpreter;
        readable = match start.find(&path) {
            Ok(file) => self::readable(&file),
            Err(error) if is_missing(&error) => return Found::NoInterpreter(path),
            Err(_) => None,
        };
    }
    Found::Other
}

fn is_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

/// The same file, opened for reading, if it is one that could be executed.
fn readable(file: &File) -> Option<File> {
    let meta = file.metadata().ok()?;
    if !meta.is_file() || meta.mode() & 0o111 == 0 {
        return None;
    }
    File::open(format!("/proc/self/fd/{}", file.as_raw_fd())).ok()
}

/// The program that a `#!` line names (fs/binfmt_script.c).
fn script_interpreter(head: &[u8]) -> Option<PathBuf> {
    let line = head.strip_prefix(b"#!")?.split(|&byte| byte == b'\n').next()?;
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = line.iter().position(|byte| !blank(byte))?;
    let name = line.get(start..)?.split(|byte| blank(byte) || *byte == 0).next()?;
    (!name.is_empty()).then(|| PathBuf::from(OsStr::from_bytes(name)))
}

const MAGIC: &[u8] = b"\x7fELF";

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// Whether this is the head of an i386 or x32 program (arch/x86/include/asm/elf.h,
/// `compat_elf_check_arch`). Those of other processors may have an emulator (binfmt_misc).
fn is_thirty_two_bit(head: &[u8]) -> bool {
    const CLASS: usize = 4;
    const CLASS_32: u8 = 1;
    const EM_386: u16 = 3;
    const EM_486: u16 = 6;
    const EM_X86_64: u16 = 62;
    let is_program = head.starts_with(MAGIC) && matches!(u16_at(head, 16), Some(2 | 3));
    is_program
        && match u16_at(head, 18) {
            Some(EM_386 | EM_486) => true,
            Some(EM_X86_64) => head.get(CLASS) == Some(&CLASS_32),
            _ => false,
        }
}

/// The interpreter of a 64-bit program (elf(5), `PT_INTERP`).
fn elf_interpreter(file: &File, head: &[u8]) -> Option<PathBuf> {
    const PT_INTERP: [u8; 4] = 3_u32.to_le_bytes();
    const ENTRY: usize = 56;
    let (at, size, count) = (u64_at(head, 32)?, u16_at(head, 54)?, u16_at(head, 56)?);
    if !head.starts_with(MAGIC) || usize::from(size) != ENTRY {
        return None;
    }
    let mut table = vec![0; ENTRY * usize::from(count)];
    file.read_exact_at(&mut table, at).ok()?;
    let entry = table.chunks(ENTRY).find(|entry| entry.starts_with(&PT_INTERP))?;
    let (at, len) = (u64_at(entry, 8)?, u64_at(entry, 32)?);
    let mut name = vec![0; usize::try_from(len.min(PATH_MAX)).ok()?];
    file.read_exact_at(&mut name, at).ok()?;
    let name = name.split(|&byte| byte == 0).next()?;
    (!name.is_empty()).then(|| PathBuf::from(OsStr::from_bytes(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elf(class: u8, kind: u16, machine: u16) -> Vec<u8> {
        let mut head = MAGIC.to_vec();
        head.push(class);
        head.resize(16, 0);
        head.extend(kind.to_le_bytes());
        head.extend(machine.to_le_bytes());
        head.resize(64, 0);
        head
    }

    #[test]
    fn programs_of_this_processor_in_32_bits() {
        assert!(is_thirty_two_bit(&elf(1, 2, 3)));
        assert!(is_thirty_two_bit(&elf(1, 3, 6)));
        assert!(is_thirty_two_bit(&elf(1, 3, 62)));
        // 64 bits; Arm; an object file; not even that
        assert!(!is_thirty_two_bit(&elf(2, 3, 62)));
        assert!(!is_thirty_two_bit(&elf(1, 3, 40)));
        assert!(!is_thirty_two_bit(&elf(1, 1, 3)));
        assert!(!is_thirty_two_bit(b"\x7fELF\x01"));
        assert!(!is_thirty_two_bit(b""));
    }

    #[test]
    fn interpreters_of_scripts() {
        let of = |text: &str| script_interpreter(text.as_bytes());
        assert_eq!(of("#!/bin/sh\n"), Some("/bin/sh".into()));
        assert_eq!(of("#! \t/usr/bin/env -S a b\nx"), Some("/usr/bin/env".into()));
        assert_eq!(of("#!a"), Some("a".into()));
        for none in ["", "#", "#!", "#!\n/bin/sh", "#!  \n", "/bin/sh", "#\n!/bin/sh"] {
            assert_eq!(of(none), None, "{none:?}");
        }
    }

    #[test]
    fn this_program_has_its_interpreter() {
        let own = std::env::current_exe().unwrap();
        assert_eq!(look(View::Own, &own), Found::Other);
        let tid = Tid::new(i32::try_from(std::process::id()).unwrap());
        for path in ["/proc/self/exe", "/proc/thread-self/exe"] {
            assert_eq!(look(View::Of(tid), Path::new(path)), Found::Other);
            assert!(View::Of(tid).start().find(Path::new(path)).is_ok(), "{path}");
        }
        let file = File::open(&own).unwrap();
        let mut head = [0; HEAD];
        file.read_exact_at(&mut head, 0).unwrap();
        if let Some(interpreter) = elf_interpreter(&file, &head) {
            assert!(interpreter.exists(), "{}", interpreter.display());
        }
    }
}

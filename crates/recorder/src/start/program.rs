//! Which file a command names, and why it cannot be executed.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::start::executable::{Found, View, look};

/// A command cannot be executed.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// No file of this name in the folders of `PATH`.
    #[error("{}: no such program: it was looked for along PATH", .0.display())]
    NotOnPath(PathBuf),
    /// There is no such file.
    #[error("{}: no such file", .0.display())]
    NoSuchFile(PathBuf),
    /// It names an interpreter that there is not: a script, or a program for another system.
    #[error("{}: its interpreter {} is missing", program.display(), interpreter.display())]
    NoInterpreter {
        /// The file.
        program: PathBuf,
        /// What it is interpreted by.
        interpreter: PathBuf,
    },
    /// It is a folder.
    #[error("{}: it is a folder: name a program in it", .0.display())]
    Folder(PathBuf),
    /// Nobody may execute it.
    #[error("{file}: it is not executable: `chmod +x {file}` makes it so", file = .0.display())]
    NotExecutable(PathBuf),
    /// The kernel does not know what to do with it.
    #[error(
        "{}: it is neither a program for this machine nor a script that begins with #! and an interpreter",
        .0.display()
    )]
    NotAProgram(PathBuf),
    /// The program, or the interpreter of the script, is for 32-bit processes.
    #[error("{}: {} a 32-bit program, and only those of x86-64 can be recorded", program.display(), which(program, file))]
    ThirtyTwoBit {
        /// The file.
        program: PathBuf,
        /// The file that is one.
        file: PathBuf,
    },
    /// The kernel refuses for another reason.
    #[error("{}: failed to execute it: {error}", program.display())]
    Refused {
        /// The file.
        program: PathBuf,
        /// The kernel's answer.
        error: io::Error,
    },
}

/// "it is", or which interpreter is.
fn which(program: &Path, file: &Path) -> String {
    if program == file {
        return "it is".to_owned();
    }
    format!("its interpreter {} is", file.display())
}

impl ProgramError {
    /// The exit code of a shell that cannot execute a command: 127 if it is not there, else 126.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NotOnPath(_) | Self::NoSuchFile(_) | Self::NoInterpreter { .. } => 127,
            _ => 126,
        }
    }
}

fn is_executable(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.mode() & 0o111 != 0)
}

/// The file to execute for a command name: as `execvp` finds it.
pub(crate) fn find_program(name: &OsStr, path: Option<&OsStr>) -> Result<PathBuf, ProgramError> {
    if name.as_bytes().contains(&b'/') {
        return Ok(PathBuf::from(name));
    }
    let path = path.unwrap_or(OsStr::new("/usr/local/bin:/usr/bin:/bin"));
    let mut not_executable = None;
    // An empty name would be that of each folder.
    for folder in std::env::split_paths(path).filter(|_| !name.is_empty()) {
        let candidate = folder.join(name);
        if is_executable(&candidate) {
            return Ok(candidate);
        }
        if not_executable.is_none() && candidate.is_file() {
            not_executable = Some(candidate);
        }
    }
    Err(match not_executable {
        Some(file) => ProgramError::NotExecutable(file),
        None => ProgramError::NotOnPath(PathBuf::from(name)),
    })
}

/// Refuses what the kernel would execute, and what cannot be recorded.
pub(crate) fn check_program(program: &Path) -> Result<(), ProgramError> {
    match look(View::Own, program) {
        Found::ThirtyTwoBit(file) => {
            Err(ProgramError::ThirtyTwoBit { program: program.to_owned(), file })
        }
        Found::NoInterpreter(_) | Found::Other => Ok(()),
    }
}

/// Why the kernel did not execute a program.
pub(crate) fn why_not(program: PathBuf, error: io::Error) -> ProgramError {
    const ENOEXEC: i32 = 8;
    let meta = std::fs::metadata(&program);
    match (error.kind(), &meta) {
        (io::ErrorKind::NotFound, Err(_)) => ProgramError::NoSuchFile(program),
        (io::ErrorKind::NotFound, Ok(_)) => match look(View::Own, &program) {
            Found::NoInterpreter(interpreter) => {
                ProgramError::NoInterpreter { program, interpreter }
            }
            _ => ProgramError::Refused { program, error },
        },
        (io::ErrorKind::PermissionDenied, Ok(meta)) if meta.is_dir() => {
            ProgramError::Folder(program)
        }
        (io::ErrorKind::PermissionDenied, Ok(meta)) if meta.mode() & 0o111 == 0 => {
            ProgramError::NotExecutable(program)
        }
        _ if error.raw_os_error() == Some(ENOEXEC) => ProgramError::NotAProgram(program),
        _ => ProgramError::Refused { program, error },
    }
}

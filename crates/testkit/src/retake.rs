//! The `retake` command, as users call it, in a home of its own.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

/// Nothing in the tests takes this long by far, also under load.
const LIMIT: Duration = Duration::from_secs(300);

/// The command, with a temporary home.
#[derive(Debug)]
pub struct Retake {
    bin: PathBuf,
    /// What starts it, if not the system.
    launcher: Option<PathBuf>,
    home: TempDir,
    user: Option<u32>,
}

/// Debian's `nobody`.
const NOBODY: u32 = 65534;

/// What a command came to.
#[derive(Clone, Debug)]
pub struct Ended {
    /// What it was, for messages.
    pub command: String,
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote.
    pub stdout: Vec<u8>,
    /// What it complained.
    pub stderr: Vec<u8>,
}

impl Ended {
    /// The exit code.
    ///
    /// # Panics
    /// When a signal ended it.
    pub fn code(&self) -> i32 {
        match self.status.code() {
            Some(code) => code,
            None => panic!("{}: {}\n{}", self.command, self.status, self.errors()),
        }
    }

    /// Standard output as text.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text.
    pub fn errors(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Itself, if it exited with 0.
    ///
    /// # Panics
    /// When it did not.
    #[track_caller]
    pub fn good(self) -> Self {
        let Self { command, status, .. } = &self;
        let (out, err) = (self.output(), self.errors());
        assert!(status.success(), "{command}: {status}\n--- stdout\n{out}\n--- stderr\n{err}");
        self
    }
}

impl Retake {
    /// The command at `bin`, with an empty home.
    ///
    /// # Panics
    /// When there is no room for temporary files.
    pub fn new(bin: impl Into<PathBuf>) -> Self {
        crate::dispositions::stop_ignoring();
        let home = match TempDir::new() {
            Ok(home) => home,
            Err(error) => panic!("no temporary folder: {error}"),
        };
        Self { bin: bin.into(), launcher: None, home, user: None }
    }

    /// The same without any privilege: tests that are run by root use another user.
    ///
    /// # Panics
    /// When there is no room for temporary files.
    pub fn unprivileged(bin: impl Into<PathBuf>) -> Self {
        let mut retake = Self::new(bin);
        // Only root may give files away.
        if std::os::unix::fs::chown(retake.home.path(), Some(NOBODY), Some(NOBODY)).is_ok() {
            retake.user = Some(NOBODY);
        }
        retake
    }

    /// The command as it runs in a container, which `launcher` (c/contained.c) stands for.
    ///
    /// # Panics
    /// When there is no room for temporary files.
    pub fn contained(bin: impl Into<PathBuf>, launcher: impl Into<PathBuf>) -> Self {
        Self { launcher: Some(launcher.into()), ..Self::new(bin) }
    }

    /// A path in the home, for files of the test.
    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// A command to be started.
    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(self.launcher.as_ref().unwrap_or(&self.bin));
        command
            .args(self.launcher.as_ref().map(|_| &self.bin))
            .args(args)
            .env("RETAKE_DIR", self.home.path().join("retake"))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env_remove("RUST_BACKTRACE")
            .current_dir(self.home.path())
            .stdin(Stdio::null());
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        command
    }

    /// Runs a command to its end.
    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ended {
        finish(self.command(args))
    }

    /// Records a program as `name`; the recording's folder comes back too.
    pub fn record<S: AsRef<OsStr>>(
        &self,
        name: &str,
        options: &[&str],
        program: &[S],
    ) -> (PathBuf, Ended) {
        let dir = self.path(name);
        let mut command = self.command(["record", "-q", "-o"]);
        command.arg(&dir).args(options).arg("--").args(program);
        (dir, finish(command))
    }

    /// Replays a recording.
    pub fn replay(&self, dir: &Path) -> Ended {
        self.run([OsStr::new("replay"), dir.as_os_str()])
    }

    /// Verifies a recording, two intervals at once.
    pub fn verify(&self, dir: &Path) -> Ended {
        self.run([OsStr::new("verify"), "-j2".as_ref(), dir.as_os_str()])
    }

    /// Verifies a recording with all code run from the code cache.
    pub fn verify_translated(&self, dir: &Path, how: &str) -> Ended {
        let how = format!("--translated={how}");
        self.run([OsStr::new("verify"), "-j2".as_ref(), how.as_ref(), dir.as_os_str()])
    }

    /// Debugs a recording with a script, in batch mode.
    ///
    /// # Panics
    /// When the script cannot be written.
    pub fn debug(&self, dir: &Path, options: &[&str], script: &str) -> Ended {
        let file = self.path("script");
        if let Err(error) = fs::write(&file, script) {
            panic!("failed to write {}: {error}", file.display());
        }
        let mut command = self.command(["debug"]);
        command.arg(dir).arg("--init").arg(file).arg("--batch").args(options);
        finish(command)
    }

    /// Records, replays and verifies, and compares: output and exit status of the replay are those
    /// of the recorded run, and nothing diverges.
    ///
    /// # Panics
    /// When they are not.
    #[track_caller]
    pub fn round_trip<S: AsRef<OsStr>>(
        &self,
        name: &str,
        options: &[&str],
        program: &[S],
    ) -> Ended {
        let (dir, recorded) = self.record(name, options, program);
        let replayed = self.replay(&dir);
        let same = replayed.stdout == recorded.stdout && replayed.code() == recorded.code();
        assert!(
            same,
            "{name}: the replay exits with {:?} and not {:?}, and writes\n{}\nnot\n{}\n--- stderr\n{}\n--- stderr of the recorder\n{}",
            replayed.status,
            recorded.status,
            replayed.output(),
            recorded.output(),
            replayed.errors(),
            recorded.errors()
        );
        let program_errors = String::from_utf8_lossy(&recorded.stderr).into_owned();
        assert_eq!(replayed.errors(), program_errors, "{name}: what it wrote to standard error");
        self.verify(&dir).good();
        // Also with all code from the cache, in one of the ways in which that works: always the same one for a
        // name.
        let sum = program.iter().flat_map(|part| part.as_ref().as_encoded_bytes());
        let sum = sum.fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add((*byte).into()));
        let how = ["full", "full", "single-instructions", "plain"].get(sum % 4).unwrap_or(&"full");
        self.verify_translated(&dir, how).good();
        recorded
    }
}

/// Waits for a command's end; a command that takes far too long is killed, and fails the test.
///
/// # Panics
/// When it cannot be started or does not end.
#[track_caller]
pub fn finish(mut command: Command) -> Ended {
    crate::dispositions::stop_ignoring();
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let text = format!("{command:?}");
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => panic!("{text}: {error}"),
    };
    let (stdout, stderr) = (drain(child.stdout.take()), drain(child.stderr.take()));
    let (ended, wait) = mpsc::channel();
    let id = child.id();
    let waiter = thread::spawn(move || {
        let status = child.wait();
        let _ = ended.send(());
        status
    });
    let late = wait.recv_timeout(LIMIT).is_err();
    if late {
        let _ = Command::new("kill").arg("-KILL").arg(id.to_string()).status();
    }
    let (stdout, stderr) = (joined(stdout), joined(stderr));
    let status = match waiter.join() {
        Ok(Ok(status)) => status,
        other => panic!("{text}: {other:?}"),
    };
    let ended = Ended { command: text, status, stdout, stderr };
    assert!(!late, "{} did not end:\n{}\n{}", ended.command, ended.output(), ended.errors());
    ended
}

fn drain<R: Read + Send + 'static>(from: Option<R>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut from) = from {
            let _ = from.read_to_end(&mut bytes);
        }
        bytes
    })
}

fn joined(reader: thread::JoinHandle<Vec<u8>>) -> Vec<u8> {
    reader.join().unwrap_or_default()
}

/// A child process of `parent`, once it has one. None: it has ended before.
fn child_of(parent: u32) -> Option<u32> {
    let list = format!("/proc/{parent}/task/{parent}/children");
    loop {
        let children = fs::read_to_string(&list).ok()?;
        if let Some(child) = children.split_whitespace().next() {
            return child.parse().ok();
        }
        let stat = fs::read_to_string(format!("/proc/{parent}/stat")).unwrap_or_default();
        let state = stat.rsplit_once(')').map_or("", |(_, rest)| rest.trim_start());
        if state.is_empty() || state.starts_with(['Z', 'X']) {
            return None;
        }
        thread::yield_now();
    }
}

/// A `retake record` that was started.
impl Guarded {
    /// The process that traces: the child of the one that was started. None: it is over.
    pub fn tracer(&self) -> Option<u32> {
        child_of(self.0.id())
    }

    /// The first process of the recorded program. None: it is over.
    pub fn program(&self) -> Option<u32> {
        child_of(self.tracer()?)
    }
}

/// A child that is killed when the test is done with it.
#[derive(Debug)]
pub struct Guarded(pub Child);

impl Drop for Guarded {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

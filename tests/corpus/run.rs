//! One program of the corpus: natively, recorded, replayed, verified.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::chown;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use retake_testkit::{Retake, find};

use crate::report::{Row, Verdict};
use crate::table::Program;

/// A step that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(120);
/// The user for programs that refuse to run as root: Debian's `nobody`.
const NOBODY: u32 = 65534;

/// What came of a step of the way; the error is the verdict.
type Step<T> = Result<T, Verdict>;

fn failed<T>(step: &'static str, message: impl Into<String>) -> Step<T> {
    Err(Verdict::Failed { step, message: message.into() })
}

/// What a process came to.
struct Ended {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    /// As shells say it.
    code: i32,
    took: Duration,
}

impl Ended {
    fn text(&self) -> String {
        let (out, err) =
            (String::from_utf8_lossy(&self.stdout), String::from_utf8_lossy(&self.stderr));
        format!("exit {}: {} {}", self.code, err.trim(), out.trim())
    }
}

/// Runs a program through all steps.
pub(crate) fn run(program: &Program) -> Row {
    let mut row = Row {
        name: program.name.clone(),
        package: program.package.clone(),
        events: None,
        native: None,
        recorded: None,
        verdict: Verdict::Good,
    };
    if let Some(missing) = program.needs.iter().find(|tool| find(tool).is_none()) {
        row.verdict = Verdict::Skipped(format!("there is no {missing} on PATH"));
        return row;
    }
    if let Err(verdict) = try_run(program, &mut row) {
        row.verdict = match (verdict, &program.limit) {
            (Verdict::Failed { step, message }, Some(why)) => {
                Verdict::Limited { why: why.clone(), step, message }
            }
            (verdict, _) => verdict,
        };
    }
    row
}

fn try_run(program: &Program, row: &mut Row) -> Step<()> {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let one = Runner { program, retake: &retake };
    one.prepare()?;
    let native = one.run(None)?;
    if native.code != program.exit {
        return failed("native", native.text());
    }
    one.prepare()?;
    let again = one.run(None)?;
    row.native = Some(native.took.min(again.took));
    one.prepare()?;
    let dir = retake.path("recording");
    let result = one.recorded(&dir, &native, row);
    if let (Err(_), Some(keep)) = (&result, std::env::var_os("RETAKE_CORPUS_KEEP")) {
        let to = Path::new(&keep).join(&program.name);
        let _ = Command::new("cp").arg("-r").arg(&dir).arg(to).status();
    }
    result
}

struct Runner<'a> {
    program: &'a Program,
    retake: &'a Retake,
}

impl Runner<'_> {
    /// A new work folder, at the same place each time.
    fn prepare(&self) -> Step<()> {
        let work = self.retake.path("work");
        let _ = fs::remove_dir_all(&work);
        let made = fs::create_dir(&work).and_then(|()| {
            if self.program.user && is_root() {
                for folder in [&work, &self.retake.path("")] {
                    chown(folder, Some(NOBODY), Some(NOBODY))?;
                }
            }
            for (name, text) in &self.program.files {
                fs::write(work.join(name), text)?;
            }
            Ok(())
        });
        if let Err(error) = made {
            return failed("setup", error.to_string());
        }
        let setup = finish(
            "setup",
            self.command("sh", &["-c", &format!("set -e\n{}", self.program.setup)]),
        )?;
        if setup.code != 0 {
            return failed("setup", setup.text());
        }
        Ok(())
    }

    fn command<S: AsRef<OsStr>>(&self, name: impl AsRef<OsStr>, args: &[S]) -> Command {
        let mut command = Command::new(name);
        command
            .args(args)
            .env("RETAKE_DIR", self.retake.path("retake"))
            .env("HOME", self.retake.path("work"))
            .env("RUSTUP_HOME", rustup_home())
            .env("TERM", "xterm")
            .env("LC_ALL", "C.UTF-8")
            .env("PAGER", "cat")
            .env_remove("RUST_BACKTRACE")
            .current_dir(self.retake.path("work"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if self.program.user && is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    /// Runs the program, recorded into a folder or natively.
    fn run(&self, recording: Option<&Path>) -> Step<Ended> {
        let step = if recording.is_some() { "record" } else { "native" };
        let script = self.program.run.as_str();
        let mut command = match recording {
            None => self.command("sh", &["-c", script]),
            Some(dir) => {
                let dir = dir.as_os_str();
                let mut command =
                    self.command(env!("CARGO_BIN_EXE_retake"), &["record", "-q", "-o"]);
                command.arg(dir).args(["--checkpoint-every", "200ms", "--", "sh", "-c", script]);
                command
            }
        };
        match &self.program.load {
            None => finish(step, command),
            Some(load) => {
                let port = free_port();
                command.env("PORT", &port);
                let mut use_it = self.command("sh", &["-ec", load]);
                use_it.env("PORT", &port);
                serve(step, command, &port, use_it)
            }
        }
    }

    fn recorded(&self, dir: &Path, native: &Ended, row: &mut Row) -> Step<()> {
        let recorded = self.run(Some(dir))?;
        row.recorded = Some(recorded.took);
        if recorded.code == 125 && native.code != 125 {
            return failed("record", recorded.text());
        }
        let info = finish("info", self.retake(&["info", "--json"], dir))?;
        row.events = field(&String::from_utf8_lossy(&info.stdout), "\"events\":");
        if recorded.code != native.code {
            let message = format!("natively {}; recorded {}", native.text(), recorded.text());
            return failed("other exit status", message);
        }
        if !self.program.varies {
            compare("other output than native", native, &recorded)?;
        }
        let replayed = finish("replay", self.retake(&["replay"], dir))?;
        if replayed.code != recorded.code {
            return failed("replay", replayed.text());
        }
        compare("replay", &recorded, &replayed)?;
        let verified = finish("verify", self.retake(&["verify", "-j2"], dir))?;
        if verified.code != 0 {
            return failed("verify", verified.text());
        }
        Ok(())
    }

    fn retake(&self, args: &[&str], dir: &Path) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_retake"), args);
        command.arg(dir);
        command
    }
}

/// Where rustup keeps toolchains: by default in the user's home, which programs do not see.
fn rustup_home() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".rustup");
    std::env::var_os("RUSTUP_HOME").map_or_else(home, PathBuf::from)
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|of| std::os::unix::fs::MetadataExt::uid(&of) == 0)
}

/// The number behind a name in a line of JSON.
fn field(json: &str, name: &str) -> Option<u64> {
    let rest = json.split_once(name)?.1.trim_start();
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn compare(step: &'static str, expected: &Ended, actual: &Ended) -> Step<()> {
    for (what, expected, actual) in [
        ("standard output", &expected.stdout, &actual.stdout),
        ("standard error", &expected.stderr, &actual.stderr),
    ] {
        if expected != actual {
            let (expected, actual) =
                (String::from_utf8_lossy(expected), String::from_utf8_lossy(actual));
            let mut lines = expected.lines().zip(actual.lines());
            let (a, b) = lines.find(|(a, b)| a != b).unwrap_or(("(end of one)", "(of the other)"));
            let (n, m) = (expected.len(), actual.len());
            return failed(step, format!("{what}: {n} and {m} bytes: {a:?}, then {b:?}"));
        }
    }
    Ok(())
}

/// A port that was free just now.
fn free_port() -> String {
    let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    address.map_or_else(|_| "8099".to_owned(), |address| address.port().to_string())
}

/// Starts a server, runs its load once it listens, ends it by SIGTERM.
fn serve(step: &'static str, command: Command, port: &str, load: Command) -> Step<Ended> {
    let server = Started::new(step, command)?;
    let address = format!("127.0.0.1:{port}");
    let deadline = Instant::now() + LIMIT;
    while TcpStream::connect(&address).is_err() {
        if Instant::now() > deadline || server.has_ended() {
            server.kill();
            let ended = server.wait(step)?;
            return failed(step, format!("the server does not listen: {}", ended.text()));
        }
        thread::sleep(Duration::from_millis(5));
    }
    let load = finish("load", load);
    server.signal("-TERM");
    let ended = server.wait(step)?;
    let load = load?;
    if load.code != 0 {
        return failed("load", format!("{}; server: {}", load.text(), ended.text()));
    }
    Ok(ended)
}

fn finish(step: &'static str, command: Command) -> Step<Ended> {
    Started::new(step, command)?.wait(step)
}

/// A process whose output is read and whose end is waited for.
struct Started {
    id: u32,
    begun: Instant,
    stdout: JoinHandle<Vec<u8>>,
    stderr: JoinHandle<Vec<u8>>,
    end: mpsc::Receiver<(Option<i32>, Instant)>,
    seen: std::cell::Cell<Option<(Option<i32>, Instant)>>,
}

impl Started {
    fn new(step: &'static str, mut command: Command) -> Step<Self> {
        let begun = Instant::now();
        let mut child: Child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return failed(step, format!("{command:?}: {error}")),
        };
        let (stdout, stderr) = (drain(child.stdout.take()), drain(child.stderr.take()));
        let id = child.id();
        let (sender, end) = mpsc::channel();
        thread::spawn(move || {
            let status = child.wait().ok();
            let code = status.and_then(|of| of.code().or_else(|| of.signal().map(|n| 128 + n)));
            let _ = sender.send((code, Instant::now()));
        });
        Ok(Self { id, begun, stdout, stderr, end, seen: std::cell::Cell::new(None) })
    }

    fn has_ended(&self) -> bool {
        if let Ok(end) = self.end.try_recv() {
            self.seen.set(Some(end));
        }
        self.seen.get().is_some()
    }

    fn signal(&self, signal: &str) {
        let _ = Command::new("kill").arg(signal).arg(self.id.to_string()).status();
    }

    fn kill(&self) {
        if !self.has_ended() {
            self.signal("-KILL");
        }
    }

    fn wait(self, step: &'static str) -> Step<Ended> {
        let end = self.seen.get().or_else(|| self.end.recv_timeout(LIMIT).ok());
        let late = end.is_none();
        if late {
            self.kill();
        }
        let Some((code, at)) = end.or_else(|| self.end.recv().ok()) else {
            return failed(step, "its end cannot be waited for");
        };
        let took = at.duration_since(self.begun);
        // A left-over process may keep the pipes open: what it writes is not waited for for ever.
        let deadline = Instant::now() + Duration::from_secs(10);
        while !(self.stdout.is_finished() && self.stderr.is_finished()) {
            if Instant::now() > deadline {
                return failed(
                    step,
                    format!("hangs: its output stays open (ended: {code:?}, late: {late})"),
                );
            }
            thread::sleep(Duration::from_millis(1));
        }
        let (stdout, stderr) =
            (self.stdout.join().unwrap_or_default(), self.stderr.join().unwrap_or_default());
        let ended = Ended { stdout, stderr, code: code.unwrap_or(-1), took };
        if late {
            let seconds = LIMIT.as_secs();
            return failed(step, format!("hangs: not done in {seconds} s; {}", ended.text()));
        }
        Ok(ended)
    }
}

fn drain<R: Read + Send + 'static>(from: Option<R>) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut from) = from {
            let _ = from.read_to_end(&mut bytes);
        }
        bytes
    })
}

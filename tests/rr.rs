//! Called as `rr`, retake does what Delve and rr's users expect of that name.

#![expect(clippy::expect_used, reason = "helpers of the tests fail by panicking")]

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use retake_testkit::{Ended, Guarded, Retake, finish};

/// A home in which there is a link named rr.
struct Rr {
    retake: Retake,
}

impl Rr {
    fn new() -> Self {
        let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
        symlink(env!("CARGO_BIN_EXE_retake"), retake.path("rr")).expect("a link");
        Self { retake }
    }

    /// `rr` with these arguments, descriptor 3 being the file `folder`.
    fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        // For the environment.
        let template = self.retake.command::<&str>([]);
        let mut command = Command::new("sh");
        command.args(["-c", "exec ./rr \"$@\" 3>folder", "sh"]).args(args);
        for (name, value) in template.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.env_remove("_RR_TRACE_DIR").current_dir(self.retake.path("")).stdin(Stdio::null());
        command
    }

    fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ended {
        finish(self.command(args))
    }

    /// What was written to descriptor 3.
    fn folder(&self) -> String {
        fs::read_to_string(self.retake.path("folder")).expect("it is written")
    }

    /// The recording there is whole: exit code and output of its replay.
    fn replay(&self, dir: &Path) -> (i32, String) {
        let info = self.retake.run(["info".as_ref(), dir.as_os_str()]).good().output();
        assert!(!info.contains("interrupted"), "{info}");
        self.retake.verify(dir).good();
        let replayed = self.retake.replay(dir);
        (replayed.code(), replayed.output())
    }
}

#[test]
fn the_version_is_one_that_delve_can_read() {
    let rr = Rr::new();
    for ended in [rr.run(["--version"]), rr.retake.run(["rr", "--version"])] {
        let ended = ended.good();
        assert_eq!((ended.output().as_str(), ended.errors().as_str()), ("rr version 5.8.0\n", ""));
    }
}

#[test]
fn it_exits_as_the_program_does() {
    for (script, code) in [("exit 7", 7), ("kill -SEGV $$", 139), ("kill -TERM $$", 143)] {
        let rr = Rr::new();
        let ended = rr.run(["record", "--print-trace-dir=3", "/bin/sh", "-c", script]);
        assert_eq!(ended.code(), code, "{}", ended.errors());
        let folder = rr.folder();
        let dir = folder.strip_suffix('\n').expect("a line");
        assert_eq!(rr.replay(Path::new(dir)), (code, String::new()));
    }
}

#[test]
fn a_program_that_is_not_executed_has_a_code_of_its_own() {
    let rr = Rr::new();
    let ended = rr.run(["record", "--print-trace-dir=3", "/nonexistent"]);
    assert_eq!(ended.code(), 69);
    assert!(ended.errors().contains("/nonexistent: no such file"), "{}", ended.errors());
    let folder = rr.folder();
    assert!(folder.ends_with("/nonexistent-1\n"), "{folder}");
    assert!(!Path::new(folder.trim()).exists());
}

#[test]
fn the_program_does_not_get_the_descriptor() {
    let rr = Rr::new();
    let script = "test -e /proc/self/fd/3 || echo free";
    let ended = rr.run(["record", "-p", "3", "sh", "-c", script]).good();
    assert_eq!(ended.output(), "free\n");
}

/// A recording that goes on: the program has written "started".
fn started(rr: &Rr, program: &[&str]) -> (Guarded, BufReader<impl Read + use<>>) {
    let mut command = Command::new("sh");
    let base = rr.command::<&str>([]);
    for (name, value) in base.get_envs().filter_map(|(name, value)| Some((name, value?))) {
        command.env(name, value);
    }
    // The program's output goes to standard error: standard output is descriptor 3 alone.
    command
        .args(["-c", "exec ./rr record -p 3 -o recording \"$@\" 3>&1 >&2", "sh"])
        .args(program)
        .current_dir(rr.retake.path(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut output = BufReader::new(child.stderr.take().expect("piped"));
    let mut line = String::new();
    while !line.ends_with("started\n") {
        assert_ne!(output.read_line(&mut line).expect("output"), 0, "{line}");
    }
    (Guarded(child), output)
}

fn all(from: Option<&mut impl Read>) -> String {
    let mut text = String::new();
    from.expect("piped").read_to_string(&mut text).expect("text");
    text
}

/// Delve reads descriptor 3 to its end.
#[test]
fn the_descriptor_is_closed_before_the_program_ends() {
    let rr = Rr::new();
    let (mut child, _output) = started(&rr, &["sh", "-c", "echo started; read line; exit 3"]);
    let recording = fs::canonicalize(rr.retake.path("recording")).expect("it is there");
    assert_eq!(all(child.0.stdout.as_mut()), format!("{}\n", recording.display()));
    assert!(matches!(child.0.try_wait(), Ok(None)), "it has ended");
    drop(child.0.stdin.take());
    assert_eq!(child.0.wait().expect("it ends").code(), Some(3));
}

fn terminate(child: &Child) {
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill").success());
}

/// Delve sends SIGTERM where a recording is to be stopped.
#[test]
fn one_sigterm_ends_the_recording_soon() {
    // One that ends by itself, one that does not, and one whose child does not.
    let deaf = "trap '' TERM; echo started; while :; do :; done";
    let leaves = "(trap '' TERM; while :; do :; done) & echo started; wait";
    for (script, code) in [("echo started; read line", 143), (deaf, 137), (leaves, 143)] {
        let rr = Rr::new();
        let (mut child, _output) = started(&rr, &["sh", "-c", script]);
        // (Waiting for a child closes its input.)
        let _input = child.0.stdin.take();
        let since = Instant::now();
        terminate(&child.0);
        assert_eq!(child.0.wait().expect("it ends").code(), Some(code), "{script}");
        let took = since.elapsed();
        assert!(took < Duration::from_secs(2), "{script}: {took:?}");
        assert_eq!(rr.replay(&rr.retake.path("recording")), (code, "started\n".to_owned()));
    }
}

#[test]
fn traces_are_where_the_environment_says() {
    let rr = Rr::new();
    let traces = rr.retake.path("traces");
    let run = |args: &[&str]| {
        let mut command = rr.command(args);
        command.env("_RR_TRACE_DIR", &traces);
        finish(command)
    };
    let folder = |name: &str| PathBuf::from(rr.folder().trim()).ends_with(name);
    run(&["record", "-p3", "sh", "-c", "exit"]).good();
    assert!(folder("traces/sh-1"), "{}", rr.folder());
    run(&["sh", "-c", "echo $A $RUNNING_UNDER_RR; exit 3"]).code();
    run(&["record", "-v", "A=x y", "-p3", "sh", "-c", "(exit 4); echo $A $RUNNING_UNDER_RR"])
        .good();
    assert!(folder("traces/sh-3"), "{}", rr.folder());
    assert_eq!(fs::read_link(traces.join("latest-trace")).expect("a link"), Path::new("sh-3"));
    assert_eq!(run(&["ls"]).good().output(), "sh-1\nsh-2\nsh-3\n");
    let (code, output) = rr.replay(&traces.join("latest-trace"));
    assert_eq!((code, output.as_str()), (0, "x y 1\n"));

    // The latest, one by name, one by folder.
    let processes = run(&["ps"]).good().output();
    let lines: Vec<_> = processes.lines().collect();
    assert_eq!(lines.len(), 3, "{processes}");
    assert_eq!(lines[0], "PID\tPPID\tEXIT\tCMD");
    assert!(
        lines[1].ends_with("\t--\t0\tsh -c '(exit 4); echo $A $RUNNING_UNDER_RR'"),
        "{processes}"
    );
    assert!(lines[2].ends_with("\t4\t(forked without exec)"), "{processes}");
    assert!(run(&["ps", "sh-2"]).good().output().contains("\t--\t3\tsh"));
    assert!(run(&["ps", "traces/sh-1"]).good().output().contains("\t--\t0\tsh -c exit"));

    let info: serde_json::Value =
        serde_json::from_str(&run(&["traceinfo"]).good().output()).expect("JSON");
    assert_eq!(info["command"][0], "sh");
    assert!(run(&["dump", "sh-1", "end"]).good().output().contains("exit with 0"));
    assert!(run(&["pack"]).good().errors().contains("nothing to pack"));
    assert!(run(&["ps", "sh-9"]).errors().contains("there is no recording sh-9"));
}

/// A server that listens: its second line on standard error, and where it listens.
fn listening(rr: &Rr, args: &[&str]) -> (Guarded, String, String) {
    let mut command = rr.command(args);
    command.stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut errors = BufReader::new(child.stderr.take().expect("piped"));
    let mut lines = [String::new(), String::new()];
    for line in &mut lines {
        errors.read_line(line).expect("a line");
    }
    let [first, line] = lines;
    assert_eq!(first, "Launch gdb with\n", "{line}");
    let address =
        line.split_once("'target extended-remote ").and_then(|(_, rest)| rest.split_once('\''));
    let address = address.map_or(String::new(), |(address, _)| address.to_owned());
    (Guarded(child), line, address)
}

/// The server answers, and lets go when it is told to kill.
fn talk(address: &str) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.write_all(b"$?#3f").expect("it reads");
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"+$T0");
    stream.write_all(b"$k#6b").expect("it reads");
    let _ = stream.read_to_end(&mut Vec::new());
}

#[test]
fn a_debugger_is_told_where_to_connect() {
    let rr = Rr::new();
    rr.run(["record", "-o", "recording", "/bin/sh", "-c", "exit"]).good();
    let (mut child, line, address) = listening(&rr, &["replay", "--dbgport=0", "recording"]);
    let shell = fs::canonicalize("/bin/sh").expect("a shell");
    assert!(line.starts_with("  gdb '-l' '10000' '-ex' "), "{line}");
    assert!(line.ends_with(&format!(" {}\n", shell.display())), "{line}");
    assert!(address.starts_with("127.0.0.1:"), "{line}");
    talk(&address);
    assert!(child.0.wait().expect("it ends").success());

    let (_child, _, address) = listening(&rr, &["replay", "-s", "0", "-k", "recording"]);
    talk(&address);
    talk(&address);
}

#[test]
fn a_debugger_is_started() {
    let rr = Rr::new();
    rr.run(["record", "-o", "recording", "/bin/sh", "-c", "echo out; exit 3"]);
    // One that never connects.
    rr.run(["replay", "-d", "true", "recording"]).good();
    let replayed = rr.run(["replay", "-a", "recording"]);
    assert_eq!((replayed.code(), replayed.output().as_str()), (3, "out\n"));
    assert!(rr.run(["replay", "-p", "nobody", "recording"]).errors().contains("executes nobody"));
    let glue = rr.run(["gdbinit"]).good().output();
    assert!(glue.starts_with("python\n") && glue.ends_with("\nend\n"), "{glue}");
}

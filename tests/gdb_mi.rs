//! gdb's machine interface on a server that waits (`rr replay -s PORT -k`): how VS Code's C++ extension and others
//! drive gdb.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

use retake_testkit::{Guarded, Retake, fixture, require};

const SOURCE: &str = "c/commands.c";

/// gdb as an editor has it.
struct Mi {
    process: Guarded,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    commands: u32,
}

impl Mi {
    fn start(gdb: &Path, home: &Path) -> Self {
        let mut command = Command::new(gdb);
        command.args(["--nx", "--interpreter=mi"]).current_dir(home);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = Guarded(command.spawn().expect("it starts"));
        let input = process.0.stdin.take().expect("piped");
        let output = BufReader::new(process.0.stdout.take().expect("piped")).lines();
        Self { process, input, output, commands: 0 }
    }

    /// The next line that begins like this.
    fn line(&mut self, wanted: &[&str]) -> String {
        loop {
            let line = self.output.next().expect("gdb goes on").expect("text");
            if wanted.iter().any(|wanted| line.starts_with(wanted)) {
                return line;
            }
        }
    }

    /// Sends a command; its result, which says that it is done.
    #[track_caller]
    fn ask(&mut self, command: &str) -> String {
        let (token, result) = self.send(command);
        let done = ["done", "connected"].map(|word| format!("{token}^{word}"));
        assert!(done.iter().any(|done| result.starts_with(done)), "{command}: {result}");
        result
    }

    fn send(&mut self, command: &str) -> (u32, String) {
        self.commands += 1;
        let token = self.commands;
        writeln!(self.input, "{token}{command}").expect("gdb reads");
        (token, self.line(&[&format!("{token}^")]))
    }

    /// Moves, and says where and why that ended.
    #[track_caller]
    fn go(&mut self, command: &str) -> String {
        let (token, result) = self.send(command);
        assert!(result.starts_with(&format!("{token}^running")), "{command}: {result}");
        self.line(&["*stopped"])
    }

    fn value(&mut self, expression: &str) -> String {
        let result = self.ask(&format!("-data-evaluate-expression \"{expression}\""));
        field(&result, "value").to_owned()
    }
}

/// The first field of this name.
fn field<'a>(record: &'a str, name: &str) -> &'a str {
    let begin = format!("{name}=\"");
    record.split_once(&begin).and_then(|(_, rest)| rest.split('"').next()).unwrap_or_default()
}

fn at(stop: &str, mark: &str) {
    let line = fixture::line_of(SOURCE, mark).to_string();
    assert_eq!(field(stop, "line"), line, "{mark}: {stop}");
}

/// A server that waits, and the address of it.
fn server(retake: &Retake, dir: &Path) -> (Guarded, String) {
    let mut command = retake.command(["rr", "replay", "-s", "0", "-k"]);
    command.arg(dir).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut process = Guarded(command.spawn().expect("it starts"));
    let errors = BufReader::new(process.0.stderr.take().expect("piped"));
    let mut lines = errors.lines().map_while(Result::ok);
    let line = lines.find(|line| line.contains("target extended-remote")).expect("it listens");
    let (_, rest) = line.split_once("'target extended-remote ").expect("an address");
    let address = rest.split('\'').next().unwrap_or_default().to_owned();
    (process, address)
}

#[test]
fn an_editor_drives_gdb() {
    let Some(gdb) = require("an_editor_drives_gdb", "gdb") else { return };
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let program = fixture::c(SOURCE, &["-O0"]);
    let (dir, _) = retake.record("recording", &[], &[&program]);
    let (_server, address) = server(&retake, &dir);
    // The second one finds the server as the first one did.
    for _ in 0..2 {
        let mut mi = Mi::start(&gdb, &retake.path("."));
        mi.line(&["(gdb)"]);
        for setting in
            ["pagination off", "mi-async on", "debuginfod enabled off", "breakpoint pending on"]
        {
            mi.ask(&format!("-gdb-set {setting}"));
        }
        mi.ask("-enable-pretty-printing");
        mi.ask(&format!("-file-exec-and-symbols {}", program.display()));
        mi.ask("-gdb-set sysroot /");
        mi.ask(&format!("-target-select extended-remote {address}"));
        let [write, adds] = ["write", "adds"].map(|mark| fixture::line_of(SOURCE, mark));
        let condition = format!("-break-insert -f -c \"n == 7\" commands.c:{write}");
        let set = mi.ask(&condition);
        assert_eq!(field(&set, "line"), write.to_string());
        let stop = mi.go("-exec-continue");
        assert_eq!(field(&stop, "reason"), "breakpoint-hit", "{stop}");
        at(&stop, "write");
        assert_eq!((mi.value("n"), mi.value("more")), ("7".to_owned(), "14".to_owned()));

        let threads = mi.ask("-thread-info");
        assert_eq!(threads.matches("target-id=").count(), 2, "{threads}");
        let frames = mi.ask("-stack-list-frames 0 1000");
        assert!(frames.contains("func=\"add\"") && frames.contains("func=\"main\""), "{frames}");
        let variables = mi.ask("-stack-list-variables --thread 1 --frame 0 --simple-values");
        assert!(
            variables.contains("name=\"more\"") && variables.contains("value=\"14\""),
            "{variables}"
        );
        let var = mi.ask("-var-create - * \"total\"");
        let before: i64 = field(&var, "value").parse().expect("a number");
        let name = field(&var, "name").to_owned();
        let memory = mi.ask("-data-read-memory-bytes &text 8");
        assert!(memory.contains("61206e6565646c65"), "{memory}");
        let code = mi.ask("-data-disassemble -s $pc -e \"$pc + 16\" -- 0");
        assert!(code.contains("asm_insns="), "{code}");

        let stop = mi.go("-exec-next");
        at(&stop, "after");
        let changed = mi.ask(&format!("-var-update --all-values {name}"));
        assert_eq!(field(&changed, "value"), (before + 14).to_string(), "{changed}");
        let stop = mi.go("-exec-next --reverse");
        at(&stop, "write");
        let changed = mi.ask(&format!("-var-update --all-values {name}"));
        assert_eq!(field(&changed, "value"), before.to_string(), "{changed}");
        at(&mi.go("-exec-next --reverse"), "call");
        at(&mi.go("-exec-step"), "twice");
        let stop = mi.go("-exec-finish --reverse");
        at(&stop, "call");
        let pc = mi.value("$pc");
        mi.go("-exec-step-instruction");
        mi.go("-exec-step-instruction --reverse");
        assert_eq!(mi.value("$pc"), pc);

        // Function breakpoints, data breakpoints, and back to the one before.
        mi.ask("-break-delete");
        mi.ask("-break-watch total");
        let stop = mi.go("-exec-continue");
        assert_eq!(field(&stop, "reason"), "watchpoint-trigger", "{stop}");
        assert_eq!(field(&stop, "new"), (before + 14).to_string(), "{stop}");
        let stop = mi.go("-exec-continue --reverse");
        assert_eq!(field(&stop, "old"), (before + 14).to_string(), "{stop}");
        mi.ask("-break-delete");
        mi.ask(&format!("-break-insert commands.c:{adds}"));
        let stop = mi.go("-exec-continue --reverse");
        at(&stop, "adds");
        assert_eq!(mi.value("n"), "7");
        mi.ask("-break-delete");
        // To both ends.
        let end = mi.go("-exec-continue");
        assert_eq!(field(&end, "signal-name"), "SIGKILL", "{end}");
        let start = mi.go("-exec-continue --reverse");
        // (With `mi-async on` gdb 13 says no reason, which is "no-history" otherwise.)
        assert_eq!(field(&start, "func"), "_start", "{start}");
        mi.ask("-target-disconnect");
        mi.send("-gdb-exit");
        assert!(mi.process.0.wait().expect("it ends").success());
    }
}

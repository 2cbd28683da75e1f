//! Delve's servers over recordings: JSON-RPC for its own clients, DAP for editors.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use retake_testkit::{Delve, Guarded, finish, fixture, node};
use serde_json::{Value, json};

/// Nothing in these tests takes this long by far, also under load.
const LIMIT: Duration = Duration::from_secs(300);

fn set_up(test: &str, name: &str) -> Option<(Delve, PathBuf)> {
    let delve = Delve::find(test, env!("CARGO_BIN_EXE_retake"))?;
    let program = fixture::go_for_delve(test, name)?;
    Some((delve, program))
}

/// A server of Delve's that listens, and where.
struct Server {
    child: Guarded,
    address: String,
}

impl Server {
    fn start(delve: &Delve, args: &[&str]) -> Self {
        let mut command = delve.command(args);
        command.args(["--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Delve looks for the client in /proc/net/tcp, which misses some where other tests make many connections.
        command.arg("--only-same-user=false");
        let mut child = Guarded(command.spawn().expect("it starts"));
        let mut output = BufReader::new(child.0.stdout.take().expect("piped"));
        let mut line = String::new();
        output.read_line(&mut line).expect("output");
        let Some((_, address)) = line.trim().split_once("listening at: ") else {
            let mut errors = String::new();
            let _ = child.0.stderr.take().map(|mut stderr| stderr.read_to_string(&mut errors));
            panic!("no server: {line}{errors}");
        };
        let address = address.to_owned();
        // What the program writes is of no interest, but somebody has to read it.
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        let mut errors = child.0.stderr.take().expect("piped");
        std::thread::spawn(move || std::io::copy(&mut errors, &mut std::io::sink()));
        Self { child, address }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_read_timeout(Some(LIMIT)).expect("a time limit");
        stream
    }

    fn ends(mut self) {
        assert!(self.child.0.wait().expect("it ends").success());
    }
}

/// A client of the JSON-RPC server.
struct Client {
    stream: BufReader<TcpStream>,
    calls: u64,
}

impl Client {
    fn connect(server: &Server) -> Self {
        let mut client = Self { stream: BufReader::new(server.connect()), calls: 0 };
        client.call("SetApiVersion", &json!({ "APIVersion": 2 }));
        client
    }

    /// The result of a call.
    fn call(&mut self, method: &str, params: &Value) -> Value {
        self.calls += 1;
        let method = format!("RPCServer.{method}");
        let call = json!({ "method": method, "params": [params], "id": self.calls });
        writeln!(self.stream.get_mut(), "{call}").expect("it listens");
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("an answer");
        let mut answer: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(answer["error"], Value::Null, "{method}");
        answer["result"].take()
    }

    /// Moves, and says where that ended: line, and what has happened until then.
    fn command(&mut self, name: &str) -> (u64, String) {
        let result = self.call("Command", &json!({ "name": name }));
        let state = &result["State"];
        let line = state["currentThread"]["line"].as_u64().unwrap_or(0);
        (line, state["When"].as_str().unwrap_or_default().to_owned())
    }

    fn eval(&mut self, expression: &str) -> String {
        let scope = json!({ "GoroutineID": -1 });
        let result = self.call("Eval", &json!({ "Scope": scope, "Expr": expression }));
        result["Variable"]["value"].as_str().unwrap_or_default().to_owned()
    }
}

#[test]
fn two_clients_one_after_the_other() {
    let Some((delve, program)) = set_up("two_clients", "go/bank.go") else { return };
    let dir = delve.record("recording", &program);
    let dir = dir.to_str().expect("a name");
    let server = Server::start(&delve, &["replay", dir, "--headless", "--accept-multiclient"]);
    let line = fixture::line_of("go/bank.go", "total");
    let mut first = Client::connect(&server);
    assert_eq!(first.call("Recorded", &json!({}))["TraceDirectory"], dir);
    let file = fixture::source("go/bank.go");
    first.call("CreateBreakpoint", &json!({ "Breakpoint": { "file": file, "line": line } }));
    let (at, when) = first.command("continue");
    assert_eq!(at, u64::from(line));
    assert_eq!(first.eval("d.amount"), "1");
    let (_, later) = first.command("continue");
    assert_eq!(first.eval("d.amount"), "2");
    assert_ne!(when, later);
    let id = first.call("Checkpoint", &json!({ "Where": "second" }))["ID"].clone();
    drop(first);

    let mut second = Client::connect(&server);
    assert_eq!(second.eval("d.amount"), "2");
    assert_eq!(second.command("rewind"), (u64::from(line), when));
    assert_eq!(second.eval("d.amount"), "1");
    let list = second.call("ListCheckpoints", &json!({}));
    assert_eq!(list["Checkpoints"][0]["ID"], id);
    assert_eq!(list["Checkpoints"][0]["Where"], "second");
    second.call("Restart", &json!({ "Position": format!("c{id}") }));
    assert_eq!(second.eval("total"), "1");
    assert_eq!(second.eval("d.amount"), "2");
    second.call("Detach", &json!({ "Kill": true }));
    server.ends();
}

/// The client stops the recording of a program that would never end.
#[test]
fn a_recording_is_stopped_by_a_client() {
    let Some((delve, program)) = set_up("stop_recording", "go/endless.go") else { return };
    let program = program.to_str().expect("a name");
    let args = ["exec", program, "--backend=rr", "--headless", "--accept-multiclient"];
    let server = Server::start(&delve, &args);
    let mut client = Client::connect(&server);
    let recording = |client: &mut Client| {
        let state = client.call("State", &json!({ "NonBlocking": true }));
        state["State"]["Recording"].as_bool().unwrap_or(false)
    };
    assert!(recording(&mut client));
    // It is running once it has written its file.
    let file = delve.retake.path("runs");
    while !file.exists() {
        std::thread::yield_now();
    }
    client.call("StopRecording", &json!({}));
    while recording(&mut client) {
        std::thread::yield_now();
    }
    client.call(
        "CreateBreakpoint",
        &json!({ "Breakpoint": { "functionName": "main.count", "line": -1 } }),
    );
    client.command("continue");
    assert_eq!(client.eval("n"), "0");
    client.call("Detach", &json!({ "Kill": true }));
    server.ends();
}

/// An editor.
struct Editor {
    stream: BufReader<TcpStream>,
    requests: u64,
    events: Vec<Value>,
    /// The one that stopped last, a goroutine.
    thread: Value,
}

impl Editor {
    fn connect(server: &Server) -> Self {
        let stream = BufReader::new(server.connect());
        Self { stream, requests: 0, events: Vec::new(), thread: Value::Null }
    }

    fn message(&mut self) -> Value {
        let mut length = 0;
        loop {
            let mut line = String::new();
            assert_ne!(self.stream.read_line(&mut line).expect("a message"), 0, "it is closed");
            match line.trim().split_once(": ") {
                Some(("Content-Length", number)) => length = number.parse().expect("a number"),
                Some(_) => {}
                None => break,
            }
        }
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).expect("a message");
        serde_json::from_slice(&bytes).expect("JSON")
    }

    fn send(&mut self, command: &str, arguments: &Value) {
        self.requests += 1;
        let request = json!({ "seq": self.requests, "type": "request", "command": command, "arguments": arguments });
        let text = request.to_string();
        let stream = self.stream.get_mut();
        write!(stream, "Content-Length: {}\r\n\r\n{text}", text.len()).expect("it listens");
    }

    fn answer(&mut self, command: &str) -> Value {
        loop {
            let mut message = self.message();
            match message["type"].as_str() {
                Some("response") if message["command"] == command => {
                    assert_eq!(message["success"], true, "{message}");
                    return message["body"].take();
                }
                Some("event") => self.events.push(message),
                _ => {}
            }
        }
    }

    fn ask(&mut self, command: &str, arguments: &Value) -> Value {
        self.send(command, arguments);
        self.answer(command)
    }

    /// The next event of this kind, also one that has come before.
    fn event(&mut self, name: &str) -> Value {
        if let Some(index) = self.events.iter().position(|event| event["event"] == name) {
            return self.events.remove(index)["body"].take();
        }
        loop {
            let mut message = self.message();
            if message["event"] == name {
                return message["body"].take();
            }
            self.events.push(message);
        }
    }

    /// Moves, and gives the line at which that ended.
    fn go(&mut self, command: &str) -> u64 {
        self.send(command, &json!({ "threadId": self.thread }));
        self.stopped()
    }

    fn stopped(&mut self) -> u64 {
        self.thread = self.event("stopped")["threadId"].clone();
        let stack = self.ask("stackTrace", &json!({ "threadId": self.thread, "levels": 1 }));
        stack["stackFrames"][0]["line"].as_u64().unwrap_or(0)
    }

    /// The value of an expression in the innermost frame of the thread that stopped.
    fn evaluate(&mut self, expression: &str) -> String {
        let arguments = json!({ "expression": expression, "context": "watch" });
        let body = self.ask("evaluate", &arguments);
        body["result"].as_str().unwrap_or_default().to_owned()
    }
}

#[test]
fn an_editor_steps_back() {
    let Some((delve, program)) = set_up("dap", "go/bank.go") else { return };
    let dir = delve.record("recording", &program);
    let server = Server::start(&delve, &["dap"]);
    let mut editor = Editor::connect(&server);
    editor.ask("initialize", &json!({ "adapterID": "go", "pathFormat": "path" }));
    editor.send("launch", &json!({ "mode": "replay", "traceDirPath": dir }));
    editor.event("initialized");
    let [total, deposit] = ["total", "deposit"].map(|mark| fixture::line_of("go/bank.go", mark));
    let source = json!({ "path": fixture::source("go/bank.go") });
    let wanted = json!([
        { "line": total, "condition": "d.amount >= 12" },
        { "line": deposit, "logMessage": "deposits {d.amount}" },
    ]);
    let set = editor.ask("setBreakpoints", &json!({ "source": source, "breakpoints": wanted }));
    assert_eq!(set["breakpoints"][0]["verified"], true, "{set}");
    editor.ask("configurationDone", &json!({}));
    assert_eq!(editor.stopped(), u64::from(total));
    assert_eq!(editor.evaluate("d.amount"), "12");
    assert_eq!(editor.evaluate("a.Owner"), "\"owner 7\"");
    let steps_back = editor.event("capabilities")["capabilities"]["supportsStepBack"].clone();
    assert_eq!(steps_back, true);
    let logged: Vec<_> = editor
        .events
        .iter()
        .filter_map(|event| event["body"]["output"].as_str())
        .filter(|text| text.contains("deposits"))
        .collect();
    assert_eq!(logged.len(), 10, "{logged:?}");

    assert_eq!(editor.go("stepBack"), u64::from(total) - 1);
    assert_eq!(editor.go("next"), u64::from(total));
    assert_eq!(editor.go("continue"), u64::from(total));
    assert_eq!(editor.evaluate("d.amount"), "13");
    assert_eq!(editor.go("reverseContinue"), u64::from(total));
    assert_eq!(editor.evaluate("d.amount"), "12");
    editor.ask("disconnect", &json!({ "terminateDebuggee": true }));
    server.ends();
}

/// The client that VS Code's tests of debug adapters use finds the same.
#[test]
fn the_test_client_of_vs_code_drives_delve() {
    let test = "the_test_client_of_vs_code_drives_delve";
    let Some((delve, program)) = set_up(test, "go/bank.go") else { return };
    let package = "@vscode/debugadapter-testsupport";
    let Some(modules) = node::package(test, package, "1.68.0") else { return };
    let dir = delve.record("recording", &program);
    let server = Server::start(&delve, &["dap"]);
    let port = server.address.rsplit(':').next().expect("a port");
    let lines = ["total", "deposit"].map(|mark| fixture::line_of("go/bank.go", mark).to_string());
    let mut command = Command::new("node");
    command.arg(fixture::project().join("tests/delve/editor.js"));
    command.arg(port).arg(dir).arg(fixture::source("go/bank.go")).args(lines);
    // Modules are looked for beside the script otherwise.
    command.env("NODE_PATH", modules.join("node_modules")).current_dir(delve.retake.path(""));
    finish(command).good();
    server.ends();
}

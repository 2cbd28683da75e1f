//! Programs that people run: recorded, replayed bit for bit, and verified.
//!
//! `RETAKE_ROUNDS=10` repeats each of them.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Command, Stdio};

use retake_testkit::{Guarded, Retake, find, finish, fixture, require, rounds};

const OFTEN: &[&str] = &["--checkpoint-every", "200ms"];

/// Runs a program of the system on a fixture as often as asked.
fn check(test: &str, tool: &str, args: &[&str], prepare: impl Fn(&Retake)) {
    if require(test, tool).is_none() {
        return;
    }
    for _ in 0..rounds() {
        let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
        prepare(&retake);
        let mut program = vec![tool];
        program.extend(args);
        retake.round_trip("recording", OFTEN, &program);
    }
}

fn source(name: &str) -> String {
    fixture::source(name).to_string_lossy().into_owned()
}

#[test]
fn python() {
    check("python", "python3", &[&source("python/mix.py")], |_| ());
}

#[test]
fn perl() {
    check("perl", "perl", &[&source("perl/mix.pl")], |_| ());
}

#[test]
fn node() {
    check("node", "node", &[&source("node/mix.js")], |_| ());
}

#[test]
fn sqlite_in_memory() {
    let script = format!(".read {}", source("sql/mix.sql"));
    check("sqlite_in_memory", "sqlite3", &[":memory:", &script], |_| ());
}

#[test]
fn sqlite_on_disk() {
    let script = format!(".read {}", source("sql/mix.sql"));
    check("sqlite_on_disk", "sqlite3", &["disk.db", &script], |_| ());
}

#[test]
fn gcc() {
    check("gcc", "gcc", &["-O2", "-g", "-c", &source("c/sockets.c"), "-o", "sockets.o"], |_| ());
}

#[test]
fn pipeline() {
    check("pipeline", "sh", &[&source("sh/pipeline.sh"), "work/files"], |_| ());
}

#[test]
fn make() {
    check("make", "make", &["-j2", "-C", "build"], |retake| {
        let mut generate = Command::new("sh");
        generate.arg(source("make/generate.sh")).arg(retake.path("build"));
        finish(generate).good();
    });
}

#[test]
fn rust_threads() {
    for _ in 0..rounds() {
        let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
        let program = fixture::rust("rust/threads_panic.rs", &["-O"]);
        let ended = retake.round_trip("recording", OFTEN, &[program]);
        assert_eq!(ended.code(), 101, "{}", ended.errors());
    }
}

#[test]
fn go() {
    let Some(program) = fixture::go("go", "go/goroutines.go") else { return };
    for _ in 0..rounds() {
        Retake::new(env!("CARGO_BIN_EXE_retake")).round_trip("recording", OFTEN, &[&program]);
    }
}

/// A server under load, ended by SIGTERM.
#[test]
fn redis() {
    let (Some(_), Some(python)) = (require("redis", "redis-server"), find("python3")) else {
        return;
    };
    for _ in 0..rounds() {
        let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
        // A port that was free just now.
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = port.expect("a free port").port().to_string();
        let dir = retake.path("recording");
        let mut command = retake.command(["record", "-q", "-o"]);
        command.arg(&dir).args(OFTEN).args(["--", "redis-server", "--port", &port]);
        command.args(["--save", "", "--appendonly", "no"]).stdout(Stdio::piped());
        let mut server = Guarded(command.spawn().expect("retake starts"));
        let mut output = BufReader::new(server.0.stdout.take().expect("piped"));
        let mut recorded = String::new();
        while !recorded.contains("Ready to accept connections") {
            let read = output.read_line(&mut recorded).expect("output");
            assert!(read > 0, "the server ended:\n{recorded}");
        }
        let mut load = Command::new(&python);
        load.arg(source("python/redis_load.py")).args([&port, "200"]);
        let load = finish(load).good();
        assert_eq!(load.output(), "load done\n");
        let mut term = Command::new("kill");
        finish({
            term.arg("-TERM").arg(server.0.id().to_string());
            term
        })
        .good();
        std::io::Read::read_to_string(&mut output, &mut recorded).expect("output");
        let status = server.0.wait().expect("it ends");
        assert_eq!(status.code(), Some(0), "{recorded}");
        let replayed = retake.replay(&dir).good();
        assert_eq!(replayed.output(), recorded);
        retake.verify(&dir).good();
        fs::remove_dir_all(&dir).expect("removed");
    }
}

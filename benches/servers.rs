//! What recording costs a server: requests per second of a client outside the recording, natively and recorded in turn.
//!
//! `cargo bench -p retake-cli --bench servers [-- NAME…]` prints a markdown table;
//! `RETAKE_BENCH_ROUNDS=15` makes more rounds.

#![expect(clippy::print_stdout, reason = "a report")]
#![expect(clippy::panic, clippy::expect_used, reason = "a bench fails by panicking")]

#[expect(dead_code, reason = "what runs of programs need")]
mod measure;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use measure::{duration, median, megabytes};
use retake_recording::disk_usage;
use retake_testkit::{Retake, find, fixture};

/// A server that does not listen after so long never will.
const STARTS: Duration = Duration::from_secs(20);
/// Connections of the client of HTTP servers.
const CONNECTIONS: usize = 8;

/// Who makes the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    RedisBenchmark,
    Http,
}

/// A server, and what is asked of it.
struct Server {
    name: &'static str,
    command: Vec<String>,
    port: u16,
    client: Client,
    requests: usize,
}

/// A port that nobody listens at now.
fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    listener.local_addr().expect("it is bound").port()
}

/// The servers that this machine has.
fn servers(retake: &Retake) -> Vec<Server> {
    let mut list = Vec::new();
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let port = free_port();
    if find("redis-server").is_some() && find("redis-benchmark").is_some() {
        let text = port.to_string();
        let command = words(&["redis-server", "--port", &text, "--save", "", "--daemonize", "no"]);
        let client = Client::RedisBenchmark;
        list.push(Server { name: "redis", command, port, client, requests: 50_000 });
    }
    let port = free_port();
    if let Some(program) = fixture::go("servers", "go/serves.go") {
        let address = format!("127.0.0.1:{port}");
        let command = words(&[&program.to_string_lossy(), &address]);
        list.push(Server {
            name: "Go HTTP",
            command,
            port,
            client: Client::Http,
            requests: 20_000,
        });
    }
    let port = free_port();
    if find("nginx").is_some() {
        let folder = retake.path("nginx");
        std::fs::create_dir_all(folder.join("html")).expect("a folder can be made");
        std::fs::write(folder.join("html/index.html"), "small\n".repeat(100)).expect("a file");
        let settings = format!(
            "daemon off; worker_processes 1; pid {0}/pid; error_log {0}/errors;
             events {{}}
             http {{ access_log off; server {{ listen 127.0.0.1:{port}; root {0}/html; }} }}",
            folder.display()
        );
        let file = folder.join("settings");
        std::fs::write(&file, settings).expect("a file can be written");
        let command = words(&["nginx", "-c", &file.to_string_lossy()]);
        list.push(Server { name: "nginx", command, port, client: Client::Http, requests: 20_000 });
    }
    let mut filters: Vec<String> = std::env::args().skip(1).collect();
    filters.retain(|arg| !arg.starts_with('-'));
    list.retain(|server| {
        filters.is_empty() || filters.iter().any(|name| server.name.contains(name))
    });
    list
}

/// Asks for one page so many times over one connection.
fn ask(port: u16, requests: usize) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    let mut answers = BufReader::new(stream.try_clone()?);
    for _ in 0..requests {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        let mut len = 0;
        loop {
            let mut line = String::new();
            answers.read_line(&mut line)?;
            let line = line.trim().to_ascii_lowercase();
            if let Some(text) = line.strip_prefix("content-length:") {
                len = text.trim().parse().map_err(std::io::Error::other)?;
            }
            if line.is_empty() {
                break;
            }
        }
        let mut page = vec![0; len];
        answers.read_exact(&mut page)?;
        assert!(len > 0, "an empty page");
    }
    Ok(())
}

/// How long the requests take.
fn requests(server: &Server) -> Duration {
    let started = Instant::now();
    match server.client {
        Client::RedisBenchmark => {
            let (port, requests) = (server.port.to_string(), server.requests.to_string());
            let mut command = Command::new("redis-benchmark");
            command.args(["-p", &port, "-n", &requests, "-t", "set", "-q"]);
            retake_testkit::finish(command).good();
        }
        Client::Http => std::thread::scope(|scope| {
            for _ in 0..CONNECTIONS {
                scope.spawn(|| ask(server.port, server.requests / CONNECTIONS).expect("answers"));
            }
        }),
    }
    started.elapsed()
}

/// Starts a server, makes the requests, and ends it.
fn serve(mut command: Command, server: &Server) -> Duration {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let started = Instant::now();
    while TcpStream::connect(("127.0.0.1", server.port)).is_err() {
        assert!(started.elapsed() < STARTS, "{} does not listen", server.name);
        assert!(matches!(child.try_wait(), Ok(None)), "{} has ended", server.name);
        std::thread::sleep(Duration::from_millis(5));
    }
    let took = requests(server);
    end(&mut child);
    took
}

/// Ends a server as its users do.
fn end(child: &mut Child) {
    let mut kill = Command::new("kill");
    kill.arg(child.id().to_string());
    retake_testkit::finish(kill).good();
    let _ = child.wait().expect("a child can be waited for");
}

fn main() {
    if !measure::wanted() {
        return;
    }
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    println!("| server | requests | native | recorded | ratio | replayed | ratio | recording |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for server in servers(&retake) {
        let (mut native, mut recorded, mut replayed) = (Vec::new(), Vec::new(), Vec::new());
        let mut bytes = 0;
        for round in 0..=measure::rounds() {
            let [name, args @ ..] = server.command.as_slice() else { panic!("no program") };
            let mut command = Command::new(name);
            command.args(args).current_dir(retake.path("."));
            let alone = serve(command, &server);
            let dir = retake.path("recording");
            remove(&dir);
            let mut command = retake.command(["record", "-q", "-o"]);
            command.arg(&dir).arg("--").args(&server.command);
            let slower = serve(command, &server);
            let started = Instant::now();
            let code = retake.replay(&dir).code();
            assert_ne!(code, 125, "{}: the replay failed", server.name);
            if round > 0 {
                native.push(alone);
                recorded.push(slower);
                replayed.push(started.elapsed());
                bytes = disk_usage(&dir);
            }
        }
        row(&server, [median(native), median(recorded), median(replayed)], bytes);
    }
}

fn remove(dir: &Path) {
    if dir.exists() {
        std::fs::remove_dir_all(dir).expect("the recording before can be removed");
    }
}

fn row(server: &Server, [native, recorded, replayed]: [Duration; 3], bytes: u64) {
    let ratio = |time: Duration| time.as_secs_f64() / native.as_secs_f64();
    println!(
        "| {} | {} | {} | {} | {:.2} | {} | {:.2} | {} |",
        server.name,
        server.requests,
        duration(native),
        duration(recorded),
        ratio(recorded),
        duration(replayed),
        ratio(replayed),
        megabytes(bytes),
    );
}

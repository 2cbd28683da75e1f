//! Clients that are no gdb: what gdb never does, or not in time.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use retake_testkit::{Guarded, Retake, fixture};

use super::retake;

/// A server, and where it waits.
struct Server {
    process: Guarded,
    address: String,
}

fn serve(retake: &Retake, dir: &Path, options: &[&str]) -> Server {
    let mut command = retake.command(["gdbserver".as_ref(), dir.as_os_str()]);
    command.args(options).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut process = Guarded(command.spawn().expect("it starts"));
    let errors = BufReader::new(process.0.stderr.take().expect("piped"));
    let mut lines = errors.lines().map_while(Result::ok);
    let line = lines.find(|line| line.contains("target extended-remote")).expect("it listens");
    let address = line.rsplit(' ').next().expect("an address").trim_end_matches('\'').to_owned();
    Server { process, address }
}

impl Server {
    fn connect(&self) -> Client {
        let stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(120))).expect("it can be set");
        Client(stream)
    }

    fn ends_well(mut self) {
        assert!(self.process.0.wait().expect("it ends").success());
    }
}

struct Client(TcpStream);

impl Client {
    fn send(&mut self, packet: &str) {
        let sum = packet.bytes().fold(0_u8, u8::wrapping_add);
        self.0.write_all(format!("${packet}#{sum:02x}").as_bytes()).expect("it is there");
    }

    fn receive(&mut self) -> String {
        let mut text = Vec::new();
        let mut byte = [0];
        loop {
            self.0.read_exact(&mut byte).expect("an answer");
            match byte[0] {
                b'$' => text.clear(),
                b'#' => break,
                other => text.push(other),
            }
        }
        self.0.read_exact(&mut [0; 2]).expect("a checksum");
        String::from_utf8_lossy(&text).into_owned()
    }

    fn ask(&mut self, packet: &str) -> String {
        self.send(packet);
        self.receive()
    }

    fn greet(mut self) -> Self {
        self.ask("qSupported:multiprocess+;swbreak+;hwbreak+");
        assert_eq!(self.ask("QStartNoAckMode"), "OK");
        self
    }
}

#[test]
fn an_interrupt_is_answered_at_once() {
    let retake = retake();
    let program = fixture::c("c/hot/computes.c", &["-O1"]);
    let (dir, _) = retake.record("recording", &[], &[program.as_os_str(), "4000000000".as_ref()]);
    let server = serve(&retake, &dir, &[]);
    let mut client = server.connect().greet();
    for _ in 0..3 {
        client.send("vCont;c");
        client.0.write_all(b"\x03").expect("it is there");
        let asked = Instant::now();
        let stop = client.receive();
        // Three times what is promised: the machine may be busy.
        assert!(asked.elapsed() < Duration::from_millis(900), "{:?}", asked.elapsed());
        assert!(stop.starts_with("T00thread:"), "{stop}");
    }
    // Whoever is gone is not waited for.
    client.send("vCont;c");
    drop(client);
    let gone = Instant::now();
    server.ends_well();
    assert!(gone.elapsed() < Duration::from_secs(3), "{:?}", gone.elapsed());
}

#[test]
fn hostile_clients_do_not_keep_others_away() {
    let retake = retake();
    let (dir, _) = retake.record("recording", &[], &[fixture::c("c/calls.c", &[])]);
    let server = serve(&retake, &dir, &["--keep"]);
    for _ in 0..300 {
        drop(server.connect());
    }
    let parts: [&[u8]; 5] = [b"$m0,", b"\x03\x03\x03", b"$#00", b"+++---", b"$g#ff$Z0,zz,1#00"];
    for part in parts.iter().cycle().take(100) {
        let mut client = server.connect();
        let _ = client.0.write_all(part);
    }
    for _ in 0..2 {
        let mut client = server.connect().greet();
        let (stop, threads) = (client.ask("?"), client.ask("qfThreadInfo"));
        assert!(stop.starts_with("T05thread:p") && threads.starts_with("mp"), "{stop} {threads}");
        let end = client.ask("vCont;c");
        assert!(end.starts_with("T09thread:p"), "{end}");
        client.send("k");
    }
}

#[test]
fn delve_gets_what_it_needs() {
    let retake = retake();
    let (dir, _) =
        retake.record("recording", &[], &[fixture::c("c/watched.c", &["-no-pie", "-O0"])]);
    let server = serve(&retake, &dir, &[]);
    let mut client = server.connect().greet();
    let empty = [
        "QThreadSuffixSupported",
        "QListThreadsInStopReply",
        "qRegisterInfo0",
        "qThreadStopInfo1",
        "qProcessInfo",
        "_M100,rwx",
    ];
    for packet in empty {
        assert_eq!(client.ask(packet), "", "{packet}");
    }
    let description = client.ask("qXfer:features:read:target.xml:0,fff");
    assert!(
        description.starts_with("l<?xml") && description.contains("<xi:include"),
        "{description}"
    );
    let registers = client.ask("g");
    let segments = client.ask("qXfer:features:read:64bit-segments.xml:0,fff");
    assert!(segments.contains("fs_base") && registers.len() > 1000, "{segments}");
    assert!(client.ask("qXfer:auxv:read::0,fff").starts_with('l'));
    assert_eq!(client.ask("mfffffffffffffff8,8"), "E01");
    // Outside of a call nothing can be set.
    assert_eq!(client.ask("P7=0000000000000000"), "E01");
    assert!(client.ask("qXfer:siginfo:read::0,fff").starts_with('l'));
    assert_eq!(client.ask("P7=0000000000000000"), "OK");
    assert_ne!(client.ask("g"), registers);
    assert_eq!(client.ask("qXfer:siginfo:write::0:"), "OK");
    assert_eq!(client.ask("g"), registers);
    assert_eq!(client.ask("QPassSignals:"), "OK");
    let end = client.ask("vCont;c");
    assert!(end.starts_with("T09thread:"), "{end}");
    // It goes on after the end.
    assert_eq!(client.ask("Hcp-1.-1"), "OK");
    let start = client.ask("bc");
    assert!(start.contains("replaylog:begin;") && start.starts_with("T00"), "{start}");
    let when = client.ask("qRRCmd:when:-1");
    let step = client.ask(&format!("vCont;s:{}", thread_of(&start)));
    assert!(step.starts_with("T05thread:"), "{step}");
    assert_ne!(client.ask("qRRCmd:when:-1"), when);
    assert_eq!(client.ask("D"), "OK");
    server.ends_well();
}

#[test]
fn one_process_of_several() {
    let retake = retake();
    let (dir, _) = retake.record("recording", &[], &[fixture::c("c/fork_tree.c", &[])]);
    let info = retake.run(["info".as_ref(), dir.as_os_str()]).good().output();
    let (_, tasks) = info.split_once("TASK ").expect("a table");
    let row: Vec<&str> = tasks.lines().nth(2).expect("a child").split_whitespace().collect();
    let pid: i32 = row[2].parse().expect("a number");
    let server = serve(&retake, &dir, &["--process", row[2]]);
    let mut client = server.connect().greet();
    let its = format!("thread:p{pid:x}.{pid:x};");
    assert_eq!(client.ask("?"), format!("T05{its}"));
    let born = client.ask("qRRCmd:when:-1");
    assert_eq!(client.ask("vCont;c"), format!("T09{its}"), "its own end");
    assert_eq!(client.ask("qfThreadInfo"), format!("mp{pid:x}.{pid:x}"));
    assert_eq!(client.ask("vCont;c"), format!("T09{its}"));
    assert_eq!(client.ask("bc"), format!("T00{its}replaylog:begin;"), "its own beginning");
    assert_eq!(client.ask("qRRCmd:when:-1"), born);
    client.send("k");
    server.ends_well();
    let none = retake.run(["gdbserver".as_ref(), "--process=1".as_ref(), dir.as_os_str()]);
    assert!(none.code() == 1 && none.errors().contains(row[2]), "{}", none.errors());
}

fn thread_of(stop: &str) -> &str {
    let rest = stop.split("thread:").nth(1).unwrap_or_default();
    rest.split(';').next().unwrap_or_default()
}

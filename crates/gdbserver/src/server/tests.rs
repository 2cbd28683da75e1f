//! Clients over a recording that a script stands for.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use retake_model::RegisterName;
use retake_testkit::fake::{FakeBuilder, FakeExecution};

use super::*;
use crate::framing::{Decoder, Frame, encode};
use crate::hex;

/// Two tasks of one process in code at 0x1000; the second begins at event 1 and writes at 0x5000.
fn program() -> FakeExecution {
    FakeBuilder::new()
        .file("/bin/program", vec![0x90; 0x100])
        .map_code(1, 0x1000, 0x100, 0, 0)
        .map_data(1, 0x5000, 0x1000)
        .set(RegisterName::Rip, 0x1000)
        .steps(&[0x1001, 0x1002])
        .spawn(2, 1)
        .event(1, "clone")
        .steps(&[0x1003, 0x1004])
        .event(2, "futex")
        .step(0x1010)
        .write(0x5000, *b"written")
        .steps(&[0x1011, 0x1012])
        .build()
}

struct Client {
    stream: TcpStream,
    decoder: Decoder,
}

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("somebody listens");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("it can be set");
        Self { stream, decoder: Decoder::default() }
    }

    fn send(&mut self, packet: &str) {
        self.stream.write_all(&encode(packet.as_bytes())).expect("it is there");
    }

    fn receive(&mut self) -> String {
        let mut byte = [0];
        loop {
            self.stream.read_exact(&mut byte).expect("an answer");
            if let Ok(Some(Frame::Packet(packet))) = self.decoder.take(byte[0]) {
                return String::from_utf8_lossy(&packet).into_owned();
            }
        }
    }

    fn ask(&mut self, packet: &str) -> String {
        self.send(packet);
        self.receive()
    }

    /// As gdb begins.
    fn greet(mut self) -> Self {
        let reply = self.ask("qSupported:multiprocess+;swbreak+;hwbreak+");
        assert!(reply.starts_with("PacketSize="), "{reply}");
        assert_eq!(self.ask("QStartNoAckMode"), "OK");
        self
    }

    /// The text of an answer to a command of rr.
    fn rr(&mut self, command: &str) -> String {
        let reply = self.ask(&format!("qRRCmd:{command}"));
        let text = hex::decode(reply.as_bytes()).unwrap_or_else(|| panic!("{command}: {reply}"));
        String::from_utf8(text).expect("text")
    }
}

/// Serves a program to what `client` does.
fn served(
    clients: Clients,
    mut execution: FakeExecution,
    client: impl FnOnce(SocketAddr) + Send,
) -> Result<Ended, ServeError> {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it has one");
    let options = ServeOptions { clients, ..ServeOptions::default() };
    thread::scope(|scope| {
        let client = scope.spawn(move || client(address));
        let facts = Facts::none();
        let ended = Server { execution: &mut execution, facts, options: &options }.run(&listener);
        client.join().expect("the client is content");
        ended
    })
}

#[test]
fn a_session() {
    let ended = served(Clients::One, program(), |address| {
        let mut client = Client::connect(address).greet();
        assert_eq!(client.ask("?"), "T05thread:p65.65;");
        assert_eq!(client.ask("qfThreadInfo"), "mp65.65");
        assert_eq!(client.ask("qsThreadInfo"), "l");
        assert_eq!(client.ask("Z0,1011,1"), "OK");
        assert_eq!(client.ask("vCont;c:p65.-1"), "T05thread:p65.66;swbreak:;");
        assert_eq!(client.ask("qfThreadInfo"), "mp65.65,p65.66");
        assert_eq!(client.ask("m5000,8"), hex::encode(b"written\0"));
        assert_eq!(client.ask("m5ff8,20"), "0".repeat(16), "up to the end of what is there");
        assert_eq!(client.ask("m9000,8"), "E01");
        assert_eq!(client.ask("M5000,1:00"), "E01");
        assert_eq!(client.ask("X5000,0:"), "OK");
        assert_eq!(client.ask("P39=ffffffffffffffff"), "OK");
        assert_eq!(client.ask("P0=0000000000000000"), "OK", "it holds that already");
        assert_eq!(client.ask("P0=0700000000000000"), "E01");
        assert_eq!(client.ask("Hgp65.65"), "OK");
        assert_eq!(client.ask("p10"), "0410000000000000");
        assert_eq!(client.ask("Hgp65.77"), "E01");
        assert_eq!(client.ask("qThreadExtraInfo,p65.66"), hex::encode(b"task2"));
        assert_eq!(client.ask("vCont;c"), "T09thread:p65.66;");
        assert_eq!(client.ask("vCont;c"), "T09thread:p65.66;", "the end stays");
        assert_eq!(client.ask("bc"), "T05thread:p65.66;swbreak:;");
        assert_eq!(client.ask("bc"), "T00thread:p65.65;replaylog:begin;");
        assert_eq!(client.ask("bs"), "T00thread:p65.65;replaylog:begin;");
        assert_eq!(client.ask("vCont;s:p65.65"), "T05thread:p65.65;");
        assert_eq!(client.ask("D;65"), "OK");
    });
    assert_eq!(ended.expect("it is served"), Ended::Detached);
}

#[test]
fn restarts_and_commands_of_rr() {
    let ended = served(Clients::One, program(), |address| {
        let mut client = Client::connect(address).greet();
        assert_eq!(client.rr("when:-1"), "Completed event: 0\n");
        assert_eq!(client.ask("Z0,1003,1"), "OK");
        client.ask("vCont;c");
        let when = client.rr("when:-1");
        assert!(when.starts_with("Completed event: 1 (1@0x1003"), "{when}");
        assert_eq!(client.rr("checkpoint:-1:68657265"), "Checkpoint 1 at here\n");
        assert_eq!(client.rr("info checkpoints:-1"), "ID\tWhen\tWhere\n1\t1\there\n");
        assert_eq!(client.ask("vRun;;30"), "T05thread:p65.65;");
        assert_eq!(client.ask("vCont;c:p65.-1"), "T00thread:p65.65;", "nothing moves");
        assert_eq!(client.rr("when:-1"), "Completed event: 0\n");
        assert_eq!(client.ask("vCont;c"), "T09thread:p65.66;", "breakpoints are gone");
        assert_eq!(client.ask("vRun;;6331"), "T05thread:p65.65;");
        assert_eq!(client.ask("bc"), "T00thread:p65.65;", "nothing moves backwards either");
        assert_eq!(client.rr("when:-1"), when);
        // The older form.
        let old = client.ask(&format!("qRRCmd:{}", hex::encode(b"when")));
        assert_eq!(old, hex::encode(when.as_bytes()));
        assert_eq!(client.rr("delete checkpoint:-1:31"), "Deleted checkpoint 1.\n");
        assert_eq!(client.ask("vRun;;6331"), "E01");
        assert_eq!(client.ask("qRRCmd:no such thing:-1"), "");
        client.send("k");
    });
    assert_eq!(ended.expect("it is served"), Ended::Killed);
}

#[test]
fn nothing_of_a_client_is_left_for_the_next() {
    let ended = served(Clients::One, program(), |address| {
        // Nobody: it only connects.
        drop(Client::connect(address));
        let mut noise = Client::connect(address);
        noise.stream.write_all(b"$half a pack").expect("it is there");
        drop(noise);
        let mut client = Client::connect(address).greet();
        assert_eq!(client.ask("qThreadStopInfo1"), "");
    });
    assert_eq!(ended.expect("it is served"), Ended::Closed);
}

#[test]
fn a_client_that_says_too_much_is_dropped() {
    let ended = served(Clients::One, program(), |address| {
        let mut client = Client::connect(address);
        let long = vec![b'a'; 1 << 20];
        // The server may close before all is sent.
        let _ = client.stream.write_all(b"$").and_then(|()| client.stream.write_all(&long));
        let mut rest = Vec::new();
        let _ = client.stream.read_to_end(&mut rest);
        drop(client);
        Client::connect(address).greet().send("k");
    });
    assert_eq!(ended.expect("it is served"), Ended::Killed);
}

/// A generator of numbers that is the same each time.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap_or(0) % below
    }
}

#[test]
fn random_packets_do_no_harm() {
    const STARTS: [&str; 22] = [
        "m",
        "p",
        "Z0,",
        "z2,",
        "Z3,",
        "vCont;",
        "vRun;;",
        "vFile:open:",
        "vFile:pread:",
        "bs",
        "bc",
        "g",
        "qXfer:features:read:",
        "qXfer:auxv:read::",
        "Hg",
        "qRRCmd:",
        "QPassSignals:",
        "qSearch:memory:",
        "T",
        "P",
        "X",
        "?",
    ];
    const REST: &[u8] = b"0123456789abcdef,;:.-psXck}*";
    let ended = served(Clients::One, program(), |address| {
        let mut numbers = Numbers(17);
        let mut client = Client::connect(address).greet();
        for _ in 0..5000 {
            let start = STARTS[numbers.next(STARTS.len())];
            let rest: String =
                (0..numbers.next(14)).map(|_| char::from(REST[numbers.next(REST.len())])).collect();
            client.ask(&format!("{start}{rest}"));
        }
        assert_eq!(client.ask("vMustReplyEmpty"), "");
        client.send("k");
    });
    assert_eq!(ended.expect("it is served"), Ended::Killed);
}

#[test]
fn an_interrupt_ends_what_runs() {
    let mut execution = program();
    execution.interrupt_after(1);
    let interrupt = execution.interrupter();
    let ended = served(Clients::One, execution, |address| {
        let mut client = Client::connect(address).greet();
        assert_eq!(client.ask("vCont;c"), "T00thread:p65.65;");
        assert_eq!(client.rr("when:-1"), "Completed event: 0\n");
        // One that comes when nothing runs does nothing.
        client.stream.write_all(b"\x03").expect("it is there");
        assert_eq!(client.ask("vCont;c"), "T09thread:p65.66;");
        client.send("k");
    });
    assert_eq!(ended.expect("it is served"), Ended::Killed);
    assert!(!interrupt.load(Ordering::SeqCst));
}

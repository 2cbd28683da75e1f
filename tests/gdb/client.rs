//! A client that sends what it is told to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use retake_testkit::{Guarded, Retake};

/// A server, and where it waits.
pub(crate) struct Server {
    pub(crate) process: Guarded,
    pub(crate) address: String,
}

pub(crate) fn serve(retake: &Retake, dir: &Path, options: &[&str]) -> Server {
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
    pub(crate) fn connect(&self) -> Client {
        let stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(120))).expect("it can be set");
        Client(stream)
    }

    pub(crate) fn ends_well(mut self) {
        assert!(self.process.0.wait().expect("it ends").success());
    }
}

pub(crate) struct Client(pub(crate) TcpStream);

impl Client {
    pub(crate) fn send(&mut self, packet: &str) {
        let sum = packet.bytes().fold(0_u8, u8::wrapping_add);
        self.0.write_all(format!("${packet}#{sum:02x}").as_bytes()).expect("it is there");
    }

    pub(crate) fn receive(&mut self) -> String {
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

    pub(crate) fn ask(&mut self, packet: &str) -> String {
        self.send(packet);
        self.receive()
    }

    pub(crate) fn greet(mut self) -> Self {
        self.ask("qSupported:multiprocess+;swbreak+;hwbreak+");
        assert_eq!(self.ask("QStartNoAckMode"), "OK");
        self
    }
}

/// The thread of a stop reply.
pub(crate) fn thread_of(stop: &str) -> &str {
    let rest = stop.split("thread:").nth(1).unwrap_or_default();
    rest.split(';').next().unwrap_or_default()
}

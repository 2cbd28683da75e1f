//! Clients that are broken, or mean no good: the server answers them or drops them, and serves the next.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use retake_testkit::{Retake, fixture};

use super::client::{Server, serve};
use super::retake;

/// A number that the environment may set: the tests are short without it.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn served(retake: &Retake) -> Server {
    let (dir, _) = retake.record("recording", &[], &[fixture::c("c/calls.c", &[])]);
    serve(retake, &dir, &["--keep"])
}

/// A client that behaves is served from the beginning to the end.
fn serves_others(server: &Server) {
    let mut client = server.connect().greet();
    let (stop, threads) = (client.ask("?"), client.ask("qfThreadInfo"));
    assert!(stop.starts_with("T05thread:p") && threads.starts_with("mp"), "{stop} {threads}");
    let end = client.ask("vCont;c");
    assert!(end.starts_with("T09thread:p"), "{end}");
    client.send("k");
}

#[test]
fn connections_without_a_word() {
    let retake = retake();
    let server = served(&retake);
    for _ in 0..300 {
        drop(server.connect());
    }
    for _ in 0..number("RETAKE_CONNECTS", 1000) {
        // One after the other: the kernel makes those wait for a second that are too many at once.
        let mut client = server.connect();
        client.0.shutdown(Shutdown::Write).expect("it is connected");
        let _ = client.0.read_to_end(&mut Vec::new());
    }
    serves_others(&server);
}

#[test]
fn parts_of_packets() {
    let retake = retake();
    let server = served(&retake);
    let parts: [&[u8]; 8] = [
        b"$m0,",
        b"\x03\x03\x03",
        b"$#00",
        b"+++---",
        b"$g#ff$Z0,zz,1#00",
        b"$vCont;c#a8\x03\x03",
        b"$qSupported:multiprocess+#",
        b"$vFile:pread:0,ffffffffffffffff,0#",
    ];
    for part in parts.iter().cycle().take(100) {
        let mut client = server.connect();
        let _ = client.0.write_all(part);
    }
    serves_others(&server);
}

/// Numbers that look like chance and are the same each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or(0) % end
    }

    fn one_of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }

    /// What stands where a packet wants a number, or an id.
    fn word(&mut self) -> String {
        let special = [
            "",
            "0",
            "-1",
            "p0.0",
            "p-1.-1",
            "ffffffffffffffff",
            "zz",
            "7fffffffffffffff",
            ";",
            ":",
        ];
        match self.below(3) {
            0 => self.one_of(&special).to_owned(),
            1 => format!("{:x}", self.below(1 << 30)),
            _ => format!("{:x}", 0x0040_0000 + self.below(1 << 16)),
        }
    }

    /// A packet: one that exists, with words that fit or do not, or none at all.
    fn packet(&mut self) -> Vec<u8> {
        const BEGINNINGS: [&str; 42] = [
            "m",
            "M",
            "X",
            "x",
            "g",
            "G",
            "p",
            "P",
            "Z0,",
            "Z1,",
            "Z2,",
            "Z3,",
            "Z4,",
            "Z9,",
            "z0,",
            "z2,",
            "vCont;c",
            "vCont;s:",
            "vCont;C05:",
            "vCont",
            "bc",
            "bs",
            "Hg",
            "Hc",
            "T",
            "?",
            "qSupported:",
            "qXfer:features:read:",
            "qXfer:auxv:read::",
            "qXfer:siginfo:read::",
            "qXfer:siginfo:write::",
            "qXfer:exec-file:read:",
            "vFile:open:",
            "vFile:pread:",
            "vFile:setfs:",
            "qRRCmd:",
            "qRRCmd:retake-goto:-1:",
            "vRun;",
            "vKill;",
            "qSearch:memory:",
            "QPassSignals:",
            "qThreadExtraInfo,",
        ];
        let mut packet = match self.below(8) {
            0 => Vec::new(),
            _ => self.one_of(&BEGINNINGS).as_bytes().to_vec(),
        };
        for _ in 0..self.below(4) {
            packet.extend(self.word().bytes());
            packet.extend(self.one_of(&[",", ";", ":", ".", "", "="]).bytes());
        }
        if self.below(4) == 0 {
            for _ in 0..self.below(40) {
                packet.push(u8::try_from(self.below(256)).unwrap_or(0));
            }
        }
        packet
    }
}

/// The bytes of a packet on the wire; now and then not all of them, or a wrong sum.
fn framed(chance: &mut Chance, packet: &[u8]) -> Vec<u8> {
    let mut bytes = vec![b'$'];
    for byte in packet {
        match byte {
            b'$' | b'#' | b'}' | b'*' => bytes.extend([b'}', byte ^ 0x20]),
            _ => bytes.push(*byte),
        }
    }
    let sum = bytes[1..].iter().copied().fold(0_u8, u8::wrapping_add);
    let sum = if chance.below(16) == 0 { !sum } else { sum };
    bytes.extend(format!("#{sum:02x}").bytes());
    if chance.below(16) == 0 {
        bytes.truncate(chance.below(bytes.len()));
    }
    bytes
}

#[test]
fn packets_by_chance() {
    let retake = retake();
    let mut server = served(&retake);
    let until = Instant::now() + Duration::from_secs(number("RETAKE_HOSTILE_SECONDS", 5));
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let (mut clients, mut packets) = (0_u64, 0_u64);
    while Instant::now() < until {
        let mut client = server.connect();
        client.0.set_read_timeout(Some(Duration::from_millis(1))).expect("it can be set");
        clients += 1;
        if chance.below(2) == 0 {
            let _ = client.0.write_all(b"$QStartNoAckMode#b0");
        }
        for _ in 0..chance.below(60) {
            let packet = chance.packet();
            packets += 1;
            if client.0.write_all(&framed(&mut chance, &packet)).is_err() {
                break;
            }
            // What it says is of no interest, but who reads nothing is not written to for long.
            let _ = client.0.read(&mut [0; 1 << 16]);
        }
        drop(client);
        assert!(server.process.0.try_wait().expect("a state").is_none(), "the server is gone");
        if clients % 16 == 0 {
            serves_others(&server);
        }
    }
    serves_others(&server);
    assert!(packets > clients, "{packets} packets of {clients} clients");
}

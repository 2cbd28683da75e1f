//! Watchpoints of all kinds and sizes, by the packets that set them.

use retake_testkit::fixture;

use super::client::{Client, serve};
use super::retake;

/// Bytes that the fixture writes one after the other, and reads then.
const BYTES: u64 = 64;
/// Writes, reads, both.
const KINDS: [char; 3] = ['2', '3', '4'];

struct Program {
    client: Client,
    area: u64,
    at: u64,
}

impl Program {
    fn ask_ok(&mut self, packet: &str) {
        assert_eq!(self.client.ask(packet), "OK", "{packet}");
    }

    /// Which access comes next, or has just been made.
    fn access(&mut self) -> u64 {
        let text = self.client.ask(&format!("m{:x},8", self.at));
        let value = u64::from_str_radix(&text, 16).expect("a number");
        value.swap_bytes()
    }

    /// Moves; the access at which a watchpoint has stopped it.
    fn goes(&mut self, packet: &str, addr: u64) -> u64 {
        let stop = self.client.ask(packet);
        assert!(stop.ends_with(&format!("watch:{addr:x};")), "{packet}: {stop}");
        self.access()
    }

    /// Goes to an end of the recording, without watchpoints.
    fn goes_to_end(&mut self, packet: &str, end: &str) {
        let stop = self.client.ask(packet);
        assert!(stop.starts_with(end), "{packet}: {stop}");
    }
}

#[test]
fn watchpoints_of_all_sizes() {
    let retake = retake();
    let program = fixture::c("c/sizes.c", &["-O0", "-no-pie"]);
    let (dir, recorded) = retake.record("recording", &[], &[program]);
    let printed = recorded.output();
    let words = printed.split_whitespace();
    let addr = |word: &str| u64::from_str_radix(word.trim_start_matches("0x"), 16).ok();
    let words: Vec<u64> = words.filter_map(addr).collect();
    let server = serve(&retake, &dir, &[]);
    let client = server.connect().greet();
    let mut program = Program { client, area: words[0], at: words[1] };
    for offset in [0, 1, 3, 8, 13] {
        for len in [1, 2, 3, 4, 5, 7, 8, 16, 24, 40] {
            for kind in KINDS {
                // More reads than four registers hold are watched in whole words, or not at all.
                if kind != '2' && (len > 8 || offset + len > 16) {
                    continue;
                }
                let addr = program.area + offset;
                let set = format!("{kind},{addr:x},{len:x}");
                program.goes_to_end("bc", "T00");
                program.ask_ok(&format!("Z{set}"));
                let begin = if kind == '3' { BYTES } else { 0 };
                let end = if kind == '2' { 0 } else { BYTES };
                let first = program.goes("vCont;c", addr);
                assert_eq!(first, begin + offset, "{set}: the first access");
                let second = match (len, kind) {
                    (1, '4') => Some(BYTES + offset),
                    (1, _) => None,
                    _ => Some(begin + offset + 1),
                };
                if let Some(second) = second {
                    assert_eq!(program.goes("vCont;c", addr), second, "{set}: the second access");
                }
                program.ask_ok(&format!("z{set}"));
                program.goes_to_end("vCont;c", "T09");
                program.ask_ok(&format!("Z{set}"));
                let last = program.goes("bc", addr);
                assert_eq!(last, end + offset + len - 1, "{set}: the last access");
                program.ask_ok(&format!("z{set}"));
            }
        }
    }
    let area = program.area;
    for refused in
        [format!("Z3,{:x},20", area + 1), format!("Z4,{area:x},28"), format!("Z2,{area:x},0")]
    {
        assert_eq!(program.client.ask(&refused), "E01", "{refused}");
    }
    assert_eq!(program.client.ask("D"), "OK");
    server.ends_well();
}

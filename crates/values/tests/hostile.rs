//! Debug information that was written by nobody sane, and memory full of garbage.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Instant;

use retake_model::{Addr, FileAddr, Registers};
use retake_symbols::{Module, SharedBytes};
use retake_testkit::fixture;
use retake_values::{At, Frame, Info, KnownRegisters, Limits, Space, item_of, length_of, show};

/// Places that are changed, in all.
const CHANGES: usize = 100_000;
/// Places that are changed in one copy.
const AT_ONCE: usize = 10;
/// What the changes are drawn from.
const SEED: u64 = 16;

/// xorshift64 (Marsaglia, 2003).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap()
    }
}

/// Memory that holds something everywhere: small numbers, and addresses of other such memory.
struct Garbage;

impl Space for Garbage {
    fn read(&self, addr: Addr, out: &mut [u8]) -> usize {
        for (skip, byte) in (0..).zip(out.iter_mut()) {
            let at = addr.get().wrapping_add(skip);
            let word = (at / 8).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
            *byte = word.to_le_bytes()[(at % 8) as usize];
        }
        out.len()
    }

    fn bias(&self, _info: &Info) -> Option<u64> {
        Some(0)
    }
}

/// The parts of a file that its debug sections lie in.
fn debug_ranges(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let word = |at: usize, len: usize| {
        let mut wide = [0; 8];
        wide[..len].copy_from_slice(&bytes[at..at + len]);
        usize::try_from(u64::from_le_bytes(wide)).unwrap()
    };
    // ELF64: `e_shoff`, `e_shentsize`, `e_shnum`, `e_shstrndx`; then `sh_name`, `sh_offset`, `sh_size`.
    let (table, size, count, names) = (word(40, 8), word(58, 2), word(60, 2), word(62, 2));
    let names = word(table + size * names + 24, 8);
    let section = |index: usize| {
        let at = table + size * index;
        let name = &bytes[names + word(at, 4)..];
        let start = word(at + 24, 8);
        name.starts_with(b".debug_").then(|| start..start + word(at + 32, 8))
    };
    (0..count).filter_map(section).collect()
}

/// Asks everything that there is to ask.
fn ask_all(bytes: Vec<u8>, places: &[u64]) -> usize {
    let Ok(module) = Module::parse(SharedBytes::new(bytes)) else { return 0 };
    let Some(info) = Info::of(&Arc::new(module)) else { return 0 };
    let mut length = 0;
    for pc in places {
        let frame = Frame {
            info: Arc::clone(&info),
            bias: 0,
            pc: FileAddr::new(*pc),
            registers: Registers { rsp: 0x1000, rbp: 0x2000, rip: *pc, ..Registers::default() },
            known: KnownRegisters::All,
            vectors: None,
            cfa: Some(Addr::new(0x3000)),
        };
        let frames = [frame.clone(), frame];
        let at = At { frames: &frames, space: &Garbage, thread: Some(Addr::new(0x4000)) };
        let limits = Limits { total: 200, ..Limits::default() };
        for function in info.scopes_at(*pc).iter() {
            for variable in function.variables.iter().take(50) {
                let value = at.variable(&info, variable);
                length += show(&value, &Garbage, limits).to_string().len();
                length += usize::from(length_of(&value, &Garbage).is_some());
                length += usize::from(item_of(&value, 1, &Garbage).is_ok());
                length += usize::from(info.compile(*pc, variable, None).is_some());
            }
        }
        length += at.all_globals(&info, &|_| true, 20).len();
    }
    length
}

fn changed(program: &std::path::Path) {
    let whole = std::fs::read(program).unwrap();
    let module = Module::parse(SharedBytes::new(whole.clone())).unwrap();
    let found = ["main", "stop", "order", "recurse"].map(|name| module.find_functions(name));
    let places: Vec<u64> =
        found.iter().flatten().map(|function| function.stop_at.get()).take(4).collect();
    assert!(places.len() > 1 && ask_all(whole.clone(), &places) > 100, "the file as it is");
    let ranges = debug_ranges(&whole);
    let mut random = Random(SEED);
    let (begun, mut answered) = (Instant::now(), 0);
    for round in 0..CHANGES / AT_ONCE / 2 {
        let mut bytes = whole.clone();
        for _ in 0..AT_ONCE {
            let mut skip = random.below(ranges.iter().map(|range| range.len()).sum());
            let here = ranges.iter().find_map(|range| match skip.checked_sub(range.len()) {
                Some(rest) => {
                    skip = rest;
                    None
                }
                None => Some(range.start + skip),
            });
            let at = here.unwrap();
            let random = random.next();
            if let Some(byte) = bytes.get_mut(at) {
                *byte = match random % 4 {
                    0 => 0xff,
                    1 => byte.wrapping_add(1),
                    _ => random.to_le_bytes()[1],
                };
            }
        }
        let one = Instant::now();
        answered += usize::from(ask_all(bytes, &places) > 100);
        assert!(one.elapsed().as_secs() < 20, "round {round} of seed {SEED} takes too long");
    }
    assert!(begun.elapsed().as_secs() < 300);
    // There is one unit with one table of abbreviations: most copies have lost it.
    assert!(answered > CHANGES / AT_ONCE / 20, "{answered}");
}

#[test]
fn changed_debug_information_of_c() {
    changed(&fixture::c("c/values/values.c", &["-O0"]));
}

#[test]
fn changed_debug_information_of_optimized_c() {
    changed(&fixture::c("c/values/values.c", &["-O2"]));
}

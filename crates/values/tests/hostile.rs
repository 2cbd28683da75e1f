//! Debug information that was written by nobody sane, and memory full of garbage.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::ops::Range;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use retake_model::{Addr, FileAddr, Registers};
use retake_symbols::{Module, SharedBytes, SharedName, SplitFiles, SplitName, Taken};
use retake_testkit::{fixture, require};
use retake_values::{At, Frame, Info, KnownRegisters, Limits, Space, item_of, length_of, show};

/// Places that are changed in all programs together; `RETAKE_MUTATIONS` says another number.
const CHANGES: usize = 10_000;
/// Places that are changed in one copy.
const AT_ONCE: usize = 10;
/// Programs that are changed.
const PROGRAMS: usize = 9;
/// Longer, and it hangs.
const LONGEST: Duration = Duration::from_secs(20);
/// Memory that one copy may take beside the program's own, in KiB.
const MOST_KIB: u64 = 1 << 20;
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
fn debug_ranges(bytes: &[u8]) -> Vec<Range<usize>> {
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
        [&b".debug_"[..], b".eh_frame"]
            .iter()
            .any(|begin| name.starts_with(begin))
            .then(|| start..start + word(at + 32, 8))
    };
    (0..count).filter_map(section).collect()
}

/// Files of a program: itself, and what its units were split off to.
#[derive(Clone)]
struct Files {
    program: Vec<u8>,
    split: Option<Vec<u8>>,
}

/// What a unit was split off to.
#[derive(Debug)]
struct Split(Vec<u8>);

impl SplitFiles for Split {
    fn packages(&self, take: &mut dyn FnMut(SharedBytes) -> Taken) {
        take(SharedBytes::new(self.0.clone()));
    }

    fn files(&self, _name: &SplitName, take: &mut dyn FnMut(SharedBytes) -> Taken) {
        take(SharedBytes::new(self.0.clone()));
    }

    fn shared(&self, _name: &SharedName, take: &mut dyn FnMut(SharedBytes) -> Taken) {
        take(SharedBytes::new(self.0.clone()));
    }
}

impl Files {
    fn module(&self) -> Option<Module> {
        let module = Module::parse(SharedBytes::new(self.program.clone())).ok()?;
        Some(match &self.split {
            Some(split) => module.with_split_files(Arc::new(Split(split.clone()))),
            None => module,
        })
    }
}

/// Asks everything that there is to ask.
fn ask_all(files: &Files, places: &[u64]) -> usize {
    let Some(module) = files.module() else { return 0 };
    let mut length = module.find_functions("main").len() + module.find_line("values.c", 20).len();
    length += module.source_files().len() + module.missing_files().len();
    for pc in places {
        length += module.frames_at(FileAddr::new(*pc)).len();
        length += usize::from(module.frame_rule(FileAddr::new(*pc)).is_some());
    }
    let Some(info) = Info::of(&Arc::new(module)) else { return 0 };
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

/// Kibibytes that this process has in memory at most so far (proc(5), `VmHWM`).
fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn change(bytes: &mut [u8], ranges: &[Range<usize>], random: &mut Random) {
    for _ in 0..AT_ONCE {
        let mut skip = random.below(ranges.iter().map(|range| range.len()).sum());
        let here = ranges.iter().find_map(|range| match skip.checked_sub(range.len()) {
            Some(rest) => {
                skip = rest;
                None
            }
            None => Some(range.start + skip),
        });
        let random = random.next();
        if let Some(byte) = bytes.get_mut(here.unwrap()) {
            *byte = match random % 4 {
                0 => 0xff,
                1 => byte.wrapping_add(1),
                _ => random.to_le_bytes()[1],
            };
        }
    }
}

fn changed(files: &Files, wanted: &[&str]) {
    let changes = std::env::var("RETAKE_MUTATIONS").ok().and_then(|text| text.parse().ok());
    let rounds = changes.unwrap_or(CHANGES) / AT_ONCE / PROGRAMS;
    let module = files.module().unwrap();
    let found = wanted.iter().flat_map(|name| module.find_functions(name));
    let places: Vec<u64> = found.map(|function| function.stop_at.get()).take(4).collect();
    assert!(!places.is_empty() && ask_all(files, &places) > 100, "the file as it is");
    let ranges = debug_ranges(files.split.as_ref().unwrap_or(&files.program));
    let mut random = Random(SEED);
    let (before, mut answered) = (most_memory(), 0);
    for round in 0..rounds {
        let mut files = files.clone();
        change(files.split.as_mut().unwrap_or(&mut files.program), &ranges, &mut random);
        let one = Instant::now();
        answered += usize::from(ask_all(&files, &places) > 100);
        assert!(one.elapsed() < LONGEST, "round {round} of seed {SEED} takes too long");
        let more = most_memory().saturating_sub(before);
        assert!(more < MOST_KIB, "round {round} of seed {SEED} takes {more} KiB");
    }
    // There is one unit with one table of abbreviations: most copies of a small program have lost it.
    assert!(answered > rounds / 20, "{answered} of {rounds}");
}

fn whole(program: &Path) -> Files {
    Files { program: std::fs::read(program).unwrap(), split: None }
}

const OF_C: &[&str] = &["main", "stop", "order", "recurse"];

#[test]
fn changed_debug_information_of_c() {
    changed(&whole(&fixture::c("c/values/values.c", &["-O0"])), OF_C);
}

#[test]
fn changed_debug_information_of_optimized_c() {
    changed(&whole(&fixture::c("c/values/values.c", &["-O2"])), OF_C);
}

#[test]
fn changed_debug_information_of_optimized_cpp() {
    changed(&whole(&fixture::cpp_with("cpp/values/values.cpp", &["-O2"])), &["main", "order"]);
}

#[test]
fn changed_debug_information_of_rust() {
    let program = fixture::rust("rust/values/values.rs", &[]);
    changed(&whole(&program), &["values::main", "values::order"]);
}

fn split_off(version: &str) {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("values");
    let mut gcc = Command::new("gcc");
    gcc.args(["-g", "-gsplit-dwarf", version, "-O2", "-pthread", "-w"]);
    gcc.arg(fixture::source("c/values/values.c")).arg("-o").arg(&program);
    assert!(gcc.current_dir(folder.path()).status().unwrap().success());
    let entries = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let split = entries.into_iter().find(|path| path.extension().is_some_and(|end| end == "dwo"));
    let split = std::fs::read(split.unwrap()).unwrap();
    changed(&Files { split: Some(split), ..whole(&program) }, OF_C);
}

#[test]
fn changed_split_debug_information_of_dwarf_4() {
    split_off("-gdwarf-4");
}

#[test]
fn changed_split_debug_information_of_dwarf_5() {
    split_off("-gdwarf-5");
}

/// A program with types in units of their own: in a section of theirs (DWARF 4), or among the other units.
fn units_of_types(version: &str) {
    let flags = ["-O1", "-fdebug-types-section", version];
    changed(&whole(&fixture::cpp_with("cpp/values/values.cpp", &flags)), &["main", "order"]);
}

#[test]
fn changed_units_of_types_of_dwarf_4() {
    units_of_types("-gdwarf-4");
}

#[test]
fn changed_units_of_types_of_dwarf_5() {
    units_of_types("-gdwarf-5");
}

#[test]
fn changed_debug_information_that_programs_share() {
    if require("changed_debug_information_that_programs_share", "dwz").is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (program, other) = (folder.path().join("values"), folder.path().join("other"));
    let built = fixture::cpp_with("cpp/values/values.cpp", &["-O1", "-gdwarf-4"]);
    std::fs::copy(&built, &program).unwrap();
    std::fs::copy(&built, &other).unwrap();
    let shared = folder.path().join("shared");
    let mut dwz = Command::new("dwz");
    dwz.arg("-m").arg(&shared).arg(&program).arg(&other);
    assert!(dwz.status().unwrap().success());
    let split = std::fs::read(shared).unwrap();
    changed(&Files { split: Some(split), ..whole(&program) }, &["main", "order"]);
}

//! Journals that nobody sane wrote: changed copies of such as debuggers made, also with right checksums.

use std::fs;

use retake_testkit::hostile::{Random, Reader, Trial, mutate, survive};
use tempfile::TempDir;
use xxhash_rust::xxh3::xxh3_64;

use super::Session;
use super::record::{AFTER_SUM, BEFORE_SUM};
use super::tests::{OF_VERSION_1, OF_VERSION_2};
use crate::tests::debugger;

/// Counts what is allocated.
#[global_allocator]
static ALLOCATOR: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;

/// A line's record, without its checksum.
fn record(line: &str) -> Vec<u8> {
    let (_, rest) = line.split_once(AFTER_SUM).unwrap();
    rest.strip_suffix("}\n").unwrap().as_bytes().to_vec()
}

fn line(record: &[u8]) -> Vec<u8> {
    let sum = format!("{BEFORE_SUM}{:016x}{AFTER_SUM}", xxh3_64(record));
    [sum.as_bytes(), record, b"}\n"].concat()
}

struct Journals {
    folder: TempDir,
    /// Texts, and how many requests they have.
    originals: Vec<(&'static str, u64)>,
    at: usize,
}

impl Journals {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        fs::create_dir_all(folder.path().join("sessions/1")).unwrap();
        let mut journals = Self { folder, originals: Vec::new(), at: 0 };
        for text in [OF_VERSION_1, OF_VERSION_2] {
            journals.write(text.as_bytes());
            let (_, resumed) = Session::resume(journals.folder.path()).unwrap();
            journals.at = journals.originals.len();
            journals.originals.push((text, resumed.completed));
        }
        journals
    }

    fn write(&self, bytes: &[u8]) {
        fs::write(self.folder.path().join("sessions/1/journal"), bytes).unwrap();
    }
}

impl Reader for Journals {
    fn change(&mut self, random: &mut Random) {
        self.at = random.below(self.originals.len());
        let text = self.originals[self.at].0;
        let mut bytes = text.as_bytes().to_vec();
        if random.once_in(4) {
            mutate(&mut bytes, random);
        } else {
            let mut lines: Vec<Vec<u8>> =
                text.split_inclusive('\n').map(|line| line.as_bytes().to_vec()).collect();
            let (at, other) = (random.below(lines.len()), random.below(lines.len()));
            match random.below(6) {
                0 => lines.swap(at, other),
                1 => lines.insert(at, lines[other].clone()),
                2 => drop(lines.remove(at)),
                _ => {
                    let mut record = record(text.split_inclusive('\n').nth(at).unwrap());
                    mutate(&mut record, random);
                    lines[at] = line(&record);
                }
            }
            bytes = lines.concat();
        }
        self.write(&bytes);
    }

    /// Reads the session, goes to where it was, and does what it did.
    fn read(&mut self) -> bool {
        let resumed = match Session::resume(self.folder.path()) {
            Ok((_, resumed)) => resumed,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                return false;
            }
        };
        let mut debugger = debugger();
        if let Some(state) = &resumed.state {
            let _ = debugger.restore(state);
        }
        for done in &resumed.done {
            let control = debugger.control();
            if let Some(request) = done.begin.request() {
                let _ = debugger.run(&request, &control);
            }
            let _ = debugger.state();
        }
        resumed.completed == self.originals[self.at].1
    }
}

#[test]
fn journals() {
    let trial = Trial {
        test: "session::hostile::journals",
        inputs: 1000,
        one_valid_of: 80,
        allocator: &ALLOCATOR,
    };
    survive(&trial, Journals::new);
}

//! The index of a large program is kept between sessions, and never wrong.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use retake_testkit::Retake;

const SCRIPT: &str = "break retake::main\nbreak home.rs:100";

/// What `break` answers; nothing else may be said.
fn places(retake: &Retake, dir: &Path) -> String {
    let ended = retake.debug(dir, &["--at", "start"], SCRIPT).good();
    assert_eq!(ended.errors(), "");
    let output = ended.output();
    assert!(output.contains(" retake::main "), "{output}");
    output
}

fn kept(retake: &Retake) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(retake.path("cache/retake/symbols")) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn an_index_is_kept_and_damage_costs_time_only() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let (dir, _) = retake.record("recording", &[], &[env!("CARGO_BIN_EXE_retake"), "--version"]);
    let first = places(&retake, &dir);
    let files = kept(&retake);
    let [file] = files.as_slice() else { panic!("one index, not {files:?}") };
    let good = fs::read(file).unwrap();
    assert_eq!(places(&retake, &dir), first);
    assert!(fs::read(file).unwrap() == good, "it is not written again");

    // A changed name, with which nothing would be found.
    let mut damaged = good.clone();
    let at = damaged.windows(4).position(|bytes| bytes == b"main").unwrap();
    damaged[at] = b'n';
    let another_version = [&good[..8], &[0xff], &good[9..]].concat();
    for bytes in [damaged, another_version, good[..good.len() / 2].to_vec(), Vec::new()] {
        fs::write(file, &bytes).unwrap();
        assert_eq!(places(&retake, &dir), first);
        assert_eq!(fs::read(file).unwrap().len(), good.len(), "it is made anew");
    }

    // Where nothing can be kept, nothing is said.
    fs::remove_dir_all(retake.path("cache")).unwrap();
    fs::write(retake.path("cache"), "a file").unwrap();
    assert_eq!(places(&retake, &dir), first);
}

/// An index that is used tells: one with a right check, and an address that is not the program's.
#[test]
fn an_index_is_used() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let (dir, _) = retake.record("recording", &[], &[env!("CARGO_BIN_EXE_retake"), "--version"]);
    places(&retake, &dir);
    let [file] = &kept(&retake)[..] else { panic!("one index") };
    let before = fs::metadata(file).unwrap();
    places(&retake, &dir);
    let after = fs::metadata(file).unwrap();
    // Whoever loads an index notes when; whoever makes one puts another file there.
    use std::os::unix::fs::MetadataExt;
    assert_eq!(before.ino(), after.ino());
    assert!(after.modified().unwrap() > before.modified().unwrap());
}

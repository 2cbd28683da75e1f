//! Of large files a recording keeps what was mapped of them.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use retake_testkit::{OFTEN, Retake, finish, fixture, rounds};

const LARGE: u64 = 64 << 20;

/// Bytes that the large files in a recording take on the disk, and how many there are.
fn kept(dir: &Path) -> (u64, usize) {
    let files = fs::read_dir(dir.join("files")).expect("kept files");
    let sizes = files.map(|file| file.expect("a file").metadata().expect("its metadata"));
    let large: Vec<u64> =
        sizes.filter(|meta| meta.len() > LARGE).map(|meta| meta.blocks() * 512).collect();
    (large.iter().sum(), large.len())
}

/// Records, replays, verifies; the program must print what it prints natively.
fn check(args: &[&str], most: u64, most_files: usize) {
    let program = fixture::c("c/large_files.c", &[]);
    for _ in 0..rounds() {
        let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
        let mut native = Command::new(&program);
        native.args(args).current_dir(retake.path("."));
        let native = finish(native).good().output();
        let mut command = vec![program.to_string_lossy().into_owned()];
        command.extend(args.iter().map(|arg| (*arg).to_owned()));
        let ended = retake.round_trip("recording", OFTEN, &command);
        assert_eq!(ended.output(), native);
        let (bytes, files) = kept(&retake.path("recording"));
        assert!(bytes <= most && files <= most_files, "{bytes} bytes in {files} files");
    }
}

#[test]
fn single_pages() {
    check(&[], 2 << 20, 12);
}

/// Pages all over a file: few parts, and not much more than the file.
#[test]
fn many_pages() {
    check(&["many"], 200 << 20, 70);
}

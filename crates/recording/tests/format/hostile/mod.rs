//! Inputs that nobody sane wrote: changed copies of what the writer made, also behind checksums and compression.

mod beside;
mod corpus;
mod frames;
mod recording;

use retake_testkit::hostile::{Reader, Trial, survive};

use crate::ALLOCATOR;

fn check<R: Reader>(test: &'static str, make: impl FnOnce() -> R) {
    survive(&Trial { test, inputs: 1500, one_valid_of: 80, allocator: &ALLOCATOR }, make);
}

#[test]
fn manifest() {
    check("hostile::manifest", || recording::OfRecording::new("recording.json"));
}

#[test]
fn journal() {
    check("hostile::journal", || recording::OfRecording::new("events"));
}

#[test]
fn checkpoints() {
    check("hostile::checkpoints", || recording::OfRecording::new("checkpoints"));
}

#[test]
fn pages() {
    check("hostile::pages", || recording::OfRecording::new("pages"));
}

#[test]
fn file_table() {
    check("hostile::file_table", || recording::OfRecording::new("filetable"));
}

#[test]
fn files_beside() {
    check("hostile::files_beside", || recording::OfRecording::new("beside.json"));
}

#[test]
fn places() {
    check("hostile::places", beside::Places::new);
}

#[test]
fn remembered() {
    check("hostile::remembered", beside::Remembered::new);
}

#[test]
fn recorder() {
    check("hostile::recorder", beside::Recorder::new);
}

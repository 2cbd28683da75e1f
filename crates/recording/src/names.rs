//! Names of files in a recording, and what their headers say.

pub(crate) const FINISHED: &str = "recording.json";
pub(crate) const PARTIAL: &str = "recording.partial";
pub(crate) const EVENTS: (&str, [u8; 6]) = ("events", *b"events");
pub(crate) const PAGES: (&str, [u8; 6]) = ("pages", *b"pages\0");
pub(crate) const CHECKPOINTS: (&str, [u8; 6]) = ("checkpoints", *b"checks");
pub(crate) const FILES: (&str, [u8; 6]) = ("filetable", *b"files\0");

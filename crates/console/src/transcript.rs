//! Writing down what is done.

use std::fs::{File, OpenOptions};
use std::io::Write;

use crate::ConsoleError;
use crate::asked::{Begin, NewTranscript};

/// An open file for commands and their answers.
#[derive(Debug)]
pub(crate) struct Transcript {
    path: String,
    file: File,
}

impl Transcript {
    pub(crate) fn open(new: &NewTranscript) -> Result<Self, ConsoleError> {
        let mut options = OpenOptions::new();
        match new.begin {
            Begin::AtItsEnd => options.append(true),
            Begin::Empty => options.write(true).truncate(true),
        };
        let path = new.file.clone();
        match options.create(true).open(&path) {
            Ok(file) => Ok(Self { path, file }),
            Err(source) => Err(ConsoleError::Write { path, source }),
        }
    }

    /// Writes a command and its answer.
    pub(crate) fn write(&mut self, line: &str, answer: &str) -> Result<(), ConsoleError> {
        let end = if answer.is_empty() { "" } else { "\n" };
        let text = format!("(retake) {line}\n{answer}{end}");
        self.file
            .write_all(text.as_bytes())
            .map_err(|source| ConsoleError::Write { path: self.path.clone(), source })
    }
}

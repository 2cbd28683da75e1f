//! Writing to standard output, where the reader may go away at any time, and to standard error.

use std::fmt::Display;
use std::io::{self, BufWriter, StdoutLock, Write};

use serde::Serialize;

use crate::failure::Failure;

/// Says something on standard error. Nothing can be done where that fails.
pub(crate) fn notice(text: impl Display) {
    let _ = writeln!(io::stderr(), "retake: {text}");
}

/// Standard output of a command that prints lines.
#[derive(Debug)]
pub(crate) struct Out {
    to: BufWriter<StdoutLock<'static>>,
}

impl Out {
    pub(crate) fn new() -> Self {
        Self { to: BufWriter::new(io::stdout().lock()) }
    }

    /// Prints a line.
    pub(crate) fn line(&mut self, text: impl Display) -> Result<(), Failure> {
        writeln!(self.to, "{text}").map_err(|err| Failure::of_output(&err))
    }

    /// Prints a value as JSON, on one line.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        self.line(serde_json::to_string(value)?)
    }

    /// Prints rows below a heading, in columns; numbers are flushed right.
    pub(crate) fn table(&mut self, heading: &[&str], rows: &[Vec<String>]) -> Result<(), Failure> {
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column)).map(|c| c.chars().count());
            cells.chain(heading.get(column).map(|h| h.chars().count())).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..heading.len()).map(width).collect();
        let first = heading.iter().map(|cell| (*cell).to_owned()).collect();
        for row in [&first].into_iter().chain(rows) {
            let mut line = String::new();
            for ((cell, width), title) in row.iter().zip(&widths).zip(heading) {
                let right = RIGHT.contains(title);
                let pad = " ".repeat(width.saturating_sub(cell.chars().count()));
                let (before, after) =
                    if right { (pad, String::new()) } else { (String::new(), pad) };
                line.push_str(&format!("{before}{cell}{after}  "));
            }
            self.line(line.trim_end())?;
        }
        Ok(())
    }

    /// Writes what is buffered.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        self.to.flush().map_err(|err| Failure::of_output(&err))
    }
}

/// Columns of numbers.
const RIGHT: [&str; 10] = [
    "EVENT",
    "EVENTS",
    "CHECKPOINT",
    "CHECKPOINTS",
    "SIZE",
    "PAGES",
    "TASKS",
    "RUN TIME",
    "TASK",
    "TID",
];

//! Source files: their text as the recording keeps it, or as it is now.

use std::fs::{self, Metadata};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use retake_execution::Execution;
use serde::{Deserialize, Serialize};

use crate::DebugError;
use crate::requests::Substitution;

/// Where sources are looked for that are not where the compiler saw them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sources {
    substitutions: Vec<Substitution>,
}

/// The text of a source file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceText {
    pub(crate) text: String,
    pub(crate) age: Age,
}

/// How old a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    /// It was there when the program was recorded.
    OfRecording,
    /// It was changed later: the program may have been made of another one.
    Newer,
}

impl Sources {
    pub(crate) fn is_empty(&self) -> bool {
        self.substitutions.is_empty()
    }

    /// Adds a rule, or takes one away.
    pub(crate) fn substitute(&mut self, new: &Substitution) -> &[Substitution] {
        self.substitutions.retain(|known| known.from != new.from);
        if new.to.is_some() {
            self.substitutions.push(new.clone());
        }
        &self.substitutions
    }

    /// The text of a file, by the path that the compiler wrote: what the recording keeps of it, else what lies there now.
    pub(crate) fn text(
        &self,
        path: &str,
        execution: &dyn Execution,
    ) -> Result<SourceText, DebugError> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if let Some(kept) = execution.kept_files().at(Path::new(path)).last() {
            return Ok(SourceText { text: text((**kept).as_ref()), age: Age::OfRecording });
        }
        let here = self.substitutions.iter().find_map(|rule| {
            Some(format!("{}{}", rule.to.as_ref()?, path.strip_prefix(&rule.from)?))
        });
        let here = here.unwrap_or_else(|| path.to_owned());
        let read = fs::read(&here).and_then(|bytes| Ok((bytes, fs::metadata(&here)?)));
        match read {
            Ok((bytes, about)) => {
                let age = age(&about, execution).map_err(|source| failed(&here, source))?;
                Ok(SourceText { text: text(&bytes), age })
            }
            Err(source) => Err(failed(&here, source)),
        }
    }
}

fn failed(path: &str, source: io::Error) -> DebugError {
    DebugError::Read { path: path.to_owned(), source }
}

fn age(about: &Metadata, execution: &dyn Execution) -> io::Result<Age> {
    let Some(started) = execution.started_ns() else { return Ok(Age::OfRecording) };
    let started = SystemTime::UNIX_EPOCH.checked_add(Duration::from_nanos(started));
    let changed = about.modified()?;
    Ok(if started.is_some_and(|started| changed > started) { Age::Newer } else { Age::OfRecording })
}

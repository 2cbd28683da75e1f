//! Locations: `FUNCTION`, `FILE:LINE`, `LINE`, `+N`, `-N`, `/REGEX/`, `*ADDRESS`.

use std::fmt;
use std::str::FromStr;

use regex::Regex;
use retake_execution::{Execution, FileInfo};
use retake_model::FileId;
use retake_symbols::SplitName;
use serde::{Deserialize, Serialize};

use crate::DebugError;
use crate::breakpoint::Place;
use crate::code::{Catalog, CodeModule, CodePlace, SourceLine};
use crate::expr::Expression;

/// A place in code that somebody named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Location {
    /// The functions of this name.
    Function(String),
    /// A source line.
    Line {
        /// The end of the file's path.
        file: String,
        /// The line, from 1.
        line: u32,
    },
    /// A line of the file that the selected task is in.
    LineHere(u32),
    /// So many lines behind, or before, the one that the selected task is at.
    Distance(i32),
    /// The functions that match a regular expression.
    Pattern(String),
    /// An address.
    Address(Expression),
}

/// A place that was found for a location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) file: FileId,
    pub(crate) place: CodePlace,
}

impl Found {
    pub(crate) const fn place(&self) -> Place {
        Place::Code { file: self.file, offset: self.place.offset }
    }
}

impl FromStr for Location {
    type Err = DebugError;

    fn from_str(text: &str) -> Result<Self, DebugError> {
        let text = text.trim();
        if let Some(address) = text.strip_prefix('*') {
            return Ok(Self::Address(address.parse()?));
        }
        let pattern = text.strip_prefix('/').and_then(|text| text.strip_suffix('/'));
        if let Some(pattern) = pattern.filter(|pattern| !pattern.is_empty()) {
            compiled(pattern)?;
            return Ok(Self::Pattern(pattern.to_owned()));
        }
        let is_zero = |line: &str| !line.is_empty() && line.bytes().all(|byte| byte == b'0');
        if text.rsplit(':').next().is_some_and(is_zero) {
            return Err(DebugError::NotFound("lines begin at 1".to_owned()));
        }
        if let Ok(line) = text.parse()
            && text.starts_with(|c: char| c.is_ascii_digit())
        {
            return Ok(Self::LineHere(line));
        }
        if text.starts_with(['+', '-'])
            && let Ok(lines) = text.parse()
        {
            return Ok(Self::Distance(lines));
        }
        if let Some((file, line)) = text.rsplit_once(':')
            && !file.is_empty()
            && let Ok(line) = line.parse()
        {
            return Ok(Self::Line { file: file.to_owned(), line });
        }
        Ok(Self::Function(text.to_owned()))
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Function(name) => f.write_str(name),
            Self::Line { file, line } => write!(f, "{file}:{line}"),
            Self::LineHere(line) => write!(f, "{line}"),
            Self::Distance(lines) => write!(f, "{lines:+}"),
            Self::Pattern(pattern) => write!(f, "/{pattern}/"),
            Self::Address(address) => write!(f, "*{address}"),
        }
    }
}

/// A pattern, or one line that says what is wrong with it.
pub(crate) fn compiled(pattern: &str) -> Result<Regex, DebugError> {
    Regex::new(pattern)
        // The lines before the last one show the pattern again.
        .map_err(|err| {
            let text = err.to_string();
            let why = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
            DebugError::NotFound(format!("{pattern:?} is no pattern: {why}"))
        })
}

/// Locations in the state that a journal keeps: the text, as in sessions of earlier versions.
pub(crate) mod as_written {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Location;

    pub(crate) fn serialize<S: Serializer>(from: &Location, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(from)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Location, D::Error> {
        let text = String::deserialize(from)?;
        // The places are kept beside it. A text that is no longer understood must not cost a session.
        Ok(text.parse().unwrap_or(Location::Function(text)))
    }
}

impl Location {
    /// The same location without regard to where the selected task is: `97` is `main.c:97`.
    ///
    /// # Errors
    /// When no source line is known where it is.
    pub(crate) fn absolute(&self, here: Option<SourceLine>) -> Result<Self, DebugError> {
        let unknown = || {
            let text = format!(
                "{self} is a line of the file that the selected thread is in, and no line is known there: write FILE:LINE"
            );
            DebugError::NotFound(text)
        };
        match self {
            Self::LineHere(line) => {
                Ok(Self::Line { file: here.ok_or_else(unknown)?.file, line: *line })
            }
            Self::Distance(lines) => {
                let here = here.ok_or_else(unknown)?;
                let line = here.line.checked_add_signed(*lines).filter(|line| *line > 0);
                Ok(Self::Line { file: here.file, line: line.ok_or_else(unknown)? })
            }
            _ => Ok(self.clone()),
        }
    }

    /// Every place of a location (of a location in code, not of an address) in the files of the
    /// recording, sorted.
    ///
    /// The program's own files come first; a function that is in one of them is not looked for in
    /// the system's libraries, where its name may mean something else.
    pub(crate) fn resolve(
        &self,
        execution: &dyn Execution,
        catalog: &Catalog,
    ) -> Result<Vec<Found>, DebugError> {
        let wanted = self.wanted()?;
        let files = execution.files();
        let (system, own): (Vec<_>, Vec<_>) = files.iter().partition(|info| is_system(info));
        let (mut unreadable, mut missing) = (None, Vec::new());
        let mut found = Vec::new();
        for group in [own, system] {
            for info in group {
                match catalog.module(execution, info) {
                    Ok(module) => {
                        let places = wanted.places_in(module.as_ref());
                        found.extend(
                            places.into_iter().map(|place| Found { file: info.file, place }),
                        );
                        if found.is_empty() {
                            missing.extend(module.missing_files());
                        }
                    }
                    // The system's data files are mapped too (caches, locales): no news.
                    Err(DebugError::Code { .. }) if is_system(info) => {}
                    // This matters only if nothing else is found.
                    Err(err @ DebugError::Code { .. }) => {
                        unreadable.get_or_insert(err);
                    }
                    Err(err) => return Err(err),
                }
            }
            if !found.is_empty() {
                break;
            }
        }
        if found.is_empty() {
            return Err(self.not_found(unreadable, &missing));
        }
        found.sort_by_key(|found| (found.file, found.place.offset));
        found.dedup_by_key(|found| (found.file, found.place.offset));
        Ok(found)
    }

    fn wanted(&self) -> Result<Wanted<'_>, DebugError> {
        Ok(match self {
            Self::Function(name) => Wanted::Function(name),
            Self::Line { file, line } => Wanted::Line(file, *line),
            Self::Pattern(pattern) => Wanted::Matching(compiled(pattern)?),
            Self::Address(_) | Self::LineHere(_) | Self::Distance(_) => Wanted::Nothing,
        })
    }

    fn not_found(&self, unreadable: Option<DebugError>, missing: &[SplitName]) -> DebugError {
        let mut text = match self {
            Self::Function(name) => format!("there is no function {name:?}"),
            Self::Line { file, line } => format!("there is no code at {file}:{line}"),
            Self::Pattern(pattern) => format!("no function matches /{pattern}/"),
            Self::Address(address) => format!("{address} is an address"),
            Self::LineHere(_) | Self::Distance(_) => format!("{self} is a line of no known file"),
        };
        if let Some(err) = unreadable {
            text.push_str(&format!(" (not searched: {err})"));
        }
        if !missing.is_empty() {
            text.push_str(&format!(" ({})", crate::code::not_found(missing)));
        }
        DebugError::NotFound(text)
    }
}

/// A location, ready to be looked for in many files.
enum Wanted<'a> {
    Function(&'a str),
    Line(&'a str, u32),
    Matching(Regex),
    /// An address is in no file.
    Nothing,
}

impl Wanted<'_> {
    fn places_in(&self, module: &dyn CodeModule) -> Vec<CodePlace> {
        match self {
            Self::Function(name) => module.find_functions(name),
            Self::Line(file, line) => module.find_line(file, *line),
            Self::Matching(pattern) => module.functions_matching(pattern),
            Self::Nothing => Vec::new(),
        }
    }
}

/// Whether a file belongs to the system rather than to the program.
pub(crate) fn is_system(info: &FileInfo) -> bool {
    let roots = ["/lib/", "/lib64/", "/lib32/", "/usr/lib/", "/usr/lib64/", "/usr/share/", "/etc/"];
    roots.iter().any(|root| info.path.starts_with(root))
}

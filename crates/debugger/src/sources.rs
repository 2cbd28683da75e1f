//! Source files: where they are now, and their text.

use serde::{Deserialize, Serialize};

use crate::DebugError;
use crate::requests::Substitution;

/// Where sources are looked for that are not where the compiler saw them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sources {
    substitutions: Vec<Substitution>,
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

    /// The text of a file, by the path that the compiler wrote. Sources are not part of a recording: they
    /// are read where they are now.
    pub(crate) fn text(&self, path: &str) -> Result<String, DebugError> {
        let here = self.substitutions.iter().find_map(|rule| {
            Some(format!("{}{}", rule.to.as_ref()?, path.strip_prefix(&rule.from)?))
        });
        let here = here.unwrap_or_else(|| path.to_owned());
        match std::fs::read(&here) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(source) => Err(DebugError::Read { path: here, source }),
        }
    }
}

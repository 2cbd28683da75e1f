//! Expressions that are shown at every stop.

use serde::{Deserialize, Serialize};

use crate::DebugError;
use crate::expr::Expression;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Display {
    pub(crate) id: u32,
    pub(crate) expression: Expression,
}

/// All of them, in the order they were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Displays {
    /// The highest number given so far.
    last: u32,
    all: Vec<Display>,
}

impl Displays {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn all(&self) -> &[Display] {
        &self.all
    }

    pub(crate) fn add(&mut self, expression: Expression) -> Display {
        self.last += 1;
        let display = Display { id: self.last, expression };
        self.all.push(display.clone());
        display
    }

    pub(crate) fn remove(&mut self, id: u32) -> Result<Display, DebugError> {
        let found = self.all.iter().position(|display| display.id == id);
        let found = found.ok_or_else(|| {
            DebugError::NotFound(format!("there is no display {id}: display lists them"))
        })?;
        Ok(self.all.remove(found))
    }
}

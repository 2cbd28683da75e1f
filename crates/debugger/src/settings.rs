//! What a front end keeps with a session.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::requests::Setting;

/// Settings of a front end, by their names. What they mean is its own affair.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings(BTreeMap<String, String>);

impl Settings {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of one, if it has one.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// All that have a value, by name.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(crate) fn change(&mut self, Setting { name, value }: &Setting) {
        match value {
            Some(value) => self.0.insert(name.clone(), value.clone()),
            None => self.0.remove(name),
        };
    }
}

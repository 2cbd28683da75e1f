//! Requests for values.

use serde::{Deserialize, Serialize};

use super::{Chosen, PageRequest};
use crate::expr::Expression;

/// A value that is to be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrintRequest {
    /// What.
    pub expression: Expression,
    /// In which frame of the stack; the selected one if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame: Option<usize>,
    /// How integers are written.
    #[serde(default)]
    pub numbers: NumberText,
    /// Which elements of a list, or entries of a map; as many as are usual if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<PageRequest>,
}

/// How integers are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NumberText {
    /// As their type says.
    #[default]
    Natural,
    /// In decimal, characters too.
    Dec,
    /// In hexadecimal.
    Hex,
    /// In octal.
    Oct,
    /// In binary.
    Bin,
}

/// Variables that are to be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VariablesRequest {
    /// Which.
    pub which: Which,
    /// Only those whose names match this regular expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// In which frame of the stack; the selected one if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame: Option<usize>,
}

/// Some variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// Those of the function that are no arguments.
    Locals,
    /// The arguments of the function.
    Arguments,
    /// Those outside of functions.
    Globals,
}

/// What is said of a frame of a stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Detail {
    /// Where it is.
    #[default]
    Places,
    /// Its variables as well.
    Full,
}

impl Detail {
    pub(crate) fn is_places(&self) -> bool {
        *self == Self::Places
    }
}

/// What is to be looked at, at hits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HitValuesRequest {
    /// Hits of which breakpoints.
    #[serde(default)]
    pub of: Chosen,
    /// Which part of the list of hits.
    #[serde(default)]
    pub page: PageRequest,
    /// Only hits at which this is not 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Expression>,
    /// What is looked at.
    pub values: Vec<Expression>,
}

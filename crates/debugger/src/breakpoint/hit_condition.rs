//! Hit conditions: at which of its hits a breakpoint stops, by their numbers.
//!
//! A hit's number is its place among all hits of the breakpoint in the recording, from 1. So it is the same
//! whichever way a run comes there, and however often.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::DebugError;

/// Which hits a breakpoint stops at. Arrivals at which its condition does not hold have no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HitCondition {
    /// What is counted.
    #[serde(default)]
    pub counted: Counted,
    /// Which numbers.
    #[serde(with = "crate::as_text")]
    pub numbers: HitNumbers,
}

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Counted {
    /// The hits of all threads together.
    #[default]
    Together,
    /// Those of each thread for itself.
    PerThread,
}

/// A set of numbers, as it is written: `== 5`, `> 100`, `% 1000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HitNumbers {
    operator: Operator,
    number: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    Unequal,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Multiple,
}

/// Longest first, so that `>=` is not read as `>`.
const OPERATORS: [(&str, Operator); 7] = [
    ("==", Operator::Equal),
    ("!=", Operator::Unequal),
    (">=", Operator::GreaterOrEqual),
    ("<=", Operator::LessOrEqual),
    (">", Operator::Greater),
    ("<", Operator::Less),
    ("%", Operator::Multiple),
];

impl HitNumbers {
    /// Whether a number is among them.
    pub fn contains(self, number: u64) -> bool {
        let wanted = self.number;
        match self.operator {
            Operator::Equal => number == wanted,
            Operator::Unequal => number != wanted,
            Operator::Greater => number > wanted,
            Operator::GreaterOrEqual => number >= wanted,
            Operator::Less => number < wanted,
            Operator::LessOrEqual => number <= wanted,
            Operator::Multiple => number.is_multiple_of(wanted),
        }
    }

    /// The first of them after a number.
    pub(crate) fn first_after(self, number: u64) -> Option<u64> {
        let next = number.checked_add(1)?;
        let first = match self.operator {
            Operator::Equal => self.number.max(next),
            Operator::Greater => self.number.checked_add(1)?.max(next),
            Operator::GreaterOrEqual => self.number.max(next),
            Operator::Multiple => next.div_ceil(self.number).checked_mul(self.number)?,
            Operator::Unequal if next == self.number => next.checked_add(1)?,
            Operator::Unequal | Operator::Less | Operator::LessOrEqual => next,
        };
        self.contains(first).then_some(first)
    }

    /// The last of them that is not greater than a number, and at least 1.
    pub(crate) fn last_up_to(self, number: u64) -> Option<u64> {
        let last = match self.operator {
            Operator::Equal | Operator::LessOrEqual => self.number.min(number),
            Operator::Less => self.number.checked_sub(1)?.min(number),
            Operator::Multiple => number - number % self.number,
            Operator::Unequal if number == self.number => number.checked_sub(1)?,
            Operator::Unequal | Operator::Greater | Operator::GreaterOrEqual => number,
        };
        (last > 0 && self.contains(last)).then_some(last)
    }
}

impl FromStr for HitNumbers {
    type Err = DebugError;

    fn from_str(text: &str) -> Result<Self, DebugError> {
        let bad = || DebugError::HitCondition(text.trim().to_owned());
        let operators = OPERATORS.iter();
        let found = operators.map(|(sign, operator)| (text.trim().strip_prefix(sign), *operator));
        let (rest, operator) =
            found.filter_map(|(rest, op)| Some((rest?, op))).next().ok_or_else(bad)?;
        let number = rest.trim().parse().map_err(|_| bad())?;
        // Every number would be a multiple, or none.
        if operator == Operator::Multiple && number == 0 {
            return Err(bad());
        }
        Ok(Self { operator, number })
    }
}

impl fmt::Display for HitNumbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = OPERATORS.iter().find(|(_, operator)| *operator == self.operator);
        write!(f, "{} {}", sign.map_or("", |(sign, _)| sign), self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_and_previous_numbers_are_those_of_the_set() {
        for text in ["== 5", "!= 5", "> 5", ">= 5", "< 5", "<= 5", "% 5", "== 0", "< 1", "<= 0"] {
            let numbers: HitNumbers = text.parse().unwrap();
            assert_eq!(numbers.to_string(), text);
            for at in 0..12 {
                let after = (at + 1..40).find(|number| numbers.contains(*number));
                assert_eq!(numbers.first_after(at), after, "{text} after {at}");
                let before = (1..=at).rev().find(|number| numbers.contains(*number));
                assert_eq!(numbers.last_up_to(at), before, "{text} up to {at}");
            }
        }
        assert_eq!("> 18446744073709551615".parse::<HitNumbers>().unwrap().first_after(3), None);
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        for text in ["", "5", "=5", "% 0", "> -1", "== 5 6", "% x"] {
            let err = text.parse::<HitNumbers>().unwrap_err().to_string();
            assert!(err.contains("such as % 100"), "{err}");
        }
        assert_eq!("%100".parse::<HitNumbers>().unwrap().to_string(), "% 100");
    }
}

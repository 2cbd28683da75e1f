//! Positions: exact, printable moments of a recording.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Addr, EventIndex};

/// "The `nth` time the running task arrives at `pc` since the event", from 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Arrival {
    /// The program counter.
    pub pc: Addr,
    /// Which arrival, from 1.
    pub nth: u64,
}

/// "Where the running task has executed so many branches since the event, at `pc`": code between two
/// branches is straight, so this names one moment, and orders all of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Exact {
    /// Branch instructions, taken or not, calls and returns included.
    pub branches: u64,
    /// The program counter.
    pub pc: Addr,
}

/// Where a position lies between two events.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Place {
    /// Right after the events before it took effect, before any further instruction.
    Event,
    /// At an instruction that ran since, by how often its task came there: the form of earlier versions.
    Arrival(Arrival),
    /// At an instruction that ran since.
    Exact(Exact),
}

impl Place {
    /// The program counter, of places that have one of their own.
    pub const fn pc(self) -> Option<Addr> {
        match self {
            Self::Event => None,
            Self::Arrival(Arrival { pc, .. }) | Self::Exact(Exact { pc, .. }) => Some(pc),
        }
    }
}

/// An exact moment of a recording: how many events have taken effect, and the place since then.
///
/// Printed as `EVENT` or `EVENT+BRANCHES@PC` (`17`, `17+2041@0x401136`), and read back from that. The form of
/// earlier versions, `EVENT@PC#NTH`, is read too.
///
/// Positions are ordered, but for those of the earlier form within one event: only a replay can tell which
/// of two such places comes first, so this is [`PartialOrd`], not `Ord`.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    event: EventIndex,
    place: Place,
}

impl Position {
    /// The start of every recording.
    pub const START: Self = Self::at_event(EventIndex::ZERO);

    /// Right after `event` events have taken effect.
    pub const fn at_event(event: EventIndex) -> Self {
        Self { event, place: Place::Event }
    }

    /// The `nth` (from 1) arrival of the running task at `pc` after `event` events.
    pub const fn at_arrival(event: EventIndex, pc: Addr, nth: u64) -> Self {
        Self { event, place: Place::Arrival(Arrival { pc, nth }) }
    }

    /// The running task at `pc`, having executed `branches` branches after `event` events.
    pub const fn at_exact(event: EventIndex, branches: u64, pc: Addr) -> Self {
        Self { event, place: Place::Exact(Exact { branches, pc }) }
    }

    /// At a place after `event` events.
    pub const fn at_place(event: EventIndex, place: Place) -> Self {
        Self { event, place }
    }

    /// The later of two moments; this one where that is not known.
    #[must_use]
    pub fn max_with(self, other: Self) -> Self {
        if other > self { other } else { self }
    }

    /// How many events have taken effect.
    pub const fn event(&self) -> EventIndex {
        self.event
    }

    /// The place since then.
    pub const fn place(&self) -> Place {
        self.place
    }
}

impl PartialOrd for Position {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match self.event.cmp(&other.event) {
            Ordering::Equal => match (self.place, other.place) {
                (Place::Event, Place::Event) => Some(Ordering::Equal),
                (Place::Event, _) => Some(Ordering::Less),
                (_, Place::Event) => Some(Ordering::Greater),
                (Place::Exact(a), Place::Exact(b)) => Some(a.cmp(&b)),
                (Place::Arrival(a), Place::Arrival(b)) if a.pc == b.pc => a.nth.partial_cmp(&b.nth),
                _ => None,
            },
            unequal => Some(unequal),
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Place::Event => write!(f, "{}", self.event),
            Place::Arrival(Arrival { pc, nth }) => write!(f, "{}@{pc}#{nth}", self.event),
            Place::Exact(Exact { branches, pc }) => write!(f, "{}+{branches}@{pc}", self.event),
        }
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Position({self})")
    }
}

/// A text that was to be a position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a position: write EVENT or EVENT+BRANCHES@PC, such as 17 or 17+2041@0x401136"
)]
pub struct ParsePositionError(String);

impl FromStr for Position {
    type Err = ParsePositionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let Some((event, place)) = text.split_once('@') else {
                return Some(Self::at_event(text.parse().ok()?));
            };
            let number = |pc: &str| u64::from_str_radix(pc.strip_prefix("0x")?, 16).ok();
            if let Some((event, branches)) = event.split_once('+') {
                let (event, branches) = (event.parse().ok()?, branches.parse().ok()?);
                return Some(Self::at_exact(event, branches, Addr::new(number(place)?)));
            }
            let (pc, nth) = place.split_once('#')?;
            let pc = number(pc)?;
            let nth = nth.parse().ok().filter(|&n| n > 0)?;
            Some(Self::at_arrival(event.parse().ok()?, Addr::new(pc), nth))
        };
        parse().ok_or_else(|| ParsePositionError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(text: &str) -> Position {
        text.parse().unwrap()
    }

    #[test]
    fn text_round_trip() {
        for text in ["0", "17", "17@0x401136#3", "17+2041@0x401136", "17+0@0x1"] {
            assert_eq!(position(text).to_string(), text);
        }
        for bad in
            ["", "x", "1@", "1@0x10", "1@10#1", "1@0x10#0", "-1", "1+2", "1+@0x10", "1+2@0x10#1"]
        {
            assert!(bad.parse::<Position>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn order_exists_only_where_it_is_known() {
        assert!(position("1@0x10#9") < position("2"));
        assert!(position("2") < position("2@0x10#1"));
        assert!(position("2@0x10#1") < position("2@0x10#2"));
        assert_eq!(position("2@0x10#1").partial_cmp(&position("2@0x20#1")), None);
        assert_eq!(position("2@0x10#1").partial_cmp(&position("2+1@0x10")), None);
    }

    #[test]
    fn exact_places_have_a_total_order() {
        let texts = ["1", "1+0@0x20", "1+0@0x24", "1+1@0x10", "1+12@0x10", "2", "2+0@0x1"];
        assert!(texts.windows(2).all(|pair| position(pair[0]) < position(pair[1])));
    }
}

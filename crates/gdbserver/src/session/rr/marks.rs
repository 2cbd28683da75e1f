//! Moments that a client comes back to: checkpoints, the places where it stopped, and ticks.

use std::collections::BTreeMap;

use retake_model::{EventIndex, Place, Position};

/// More of each are not kept.
const MOST: usize = 10_000;
/// Ticks of a moment: so many for each event, and the branches executed since the last one.
const PER_EVENT: u64 = 1_000_000_000;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Checkpoint {
    at: Position,
    place: String,
}

/// All of them.
#[derive(Debug, Default)]
pub(in crate::session) struct Marks {
    checkpoints: BTreeMap<u32, Checkpoint>,
    last: u32,
    /// Where the client stopped, and which of those places it is at.
    visited: Vec<Position>,
    at: usize,
    /// What was told of ticks.
    ticks: BTreeMap<u64, Position>,
}

impl Marks {
    pub(super) fn add(&mut self, at: Position, place: &str) -> Option<u32> {
        if self.checkpoints.len() >= MOST {
            return None;
        }
        self.last += 1;
        self.checkpoints.insert(self.last, Checkpoint { at, place: place.to_owned() });
        Some(self.last)
    }

    pub(super) fn position(&self, number: u32) -> Option<Position> {
        self.checkpoints.get(&number).map(|checkpoint| checkpoint.at)
    }

    pub(super) fn list(&self) -> String {
        if self.checkpoints.is_empty() {
            return "No checkpoints.".to_owned();
        }
        let line = |(number, checkpoint): (&u32, &Checkpoint)| {
            format!("\n{number}\t{}\t{}", checkpoint.at.event(), checkpoint.place)
        };
        let lines: String = self.checkpoints.iter().map(line).collect();
        format!("ID\tWhen\tWhere{lines}")
    }

    pub(super) fn delete(&mut self, number: &str) -> String {
        let known = number.parse().ok().and_then(|number| self.checkpoints.remove(&number));
        match known {
            Some(_) => format!("Deleted checkpoint {number}."),
            None => format!("No checkpoint number {number}."),
        }
    }

    /// The client stopped here. What it had gone back from is forgotten, if this is another place.
    pub(super) fn visit(&mut self, position: Position) {
        if self.visited.get(self.at) == Some(&position) {
            return;
        }
        self.visited.truncate(self.at + 1);
        if self.visited.len() == MOST {
            self.visited.remove(0);
        }
        self.visited.push(position);
        self.at = self.visited.len() - 1;
    }

    pub(super) fn back(&mut self) -> Option<Position> {
        self.at = self.at.checked_sub(1)?;
        self.visited.get(self.at).copied()
    }

    pub(super) fn forward(&mut self) -> Option<Position> {
        let next = self.visited.get(self.at + 1).copied()?;
        self.at += 1;
        Some(next)
    }

    /// A number that grows with time, and that leads back.
    pub(super) fn tick(&mut self, position: Position) -> u64 {
        let branches = match position.place() {
            Place::Event => 0,
            Place::Arrival(arrival) => arrival.nth,
            Place::Exact(exact) => exact.branches,
        };
        let tick = position.event().get().saturating_mul(PER_EVENT);
        let tick = tick.saturating_add(branches.min(PER_EVENT - 1));
        if self.ticks.len() == MOST {
            self.ticks.pop_first();
        }
        self.ticks.insert(tick, position);
        tick
    }

    /// Where a tick was told of; otherwise the event before it.
    pub(super) fn position_of_tick(&self, tick: u64) -> Position {
        let event = Position::at_event(EventIndex::new(tick / PER_EVENT));
        self.ticks.get(&tick).copied().unwrap_or(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Position {
        text.parse().expect("a position")
    }

    #[test]
    fn checkpoints_are_listed_and_deleted() {
        let mut marks = Marks::default();
        assert_eq!(marks.list().lines().count(), 1);
        assert_eq!(marks.add(at("17+3@0x10"), "main () at a.c"), Some(1));
        assert_eq!(marks.add(at("20"), "x"), Some(2));
        assert_eq!(marks.list(), "ID\tWhen\tWhere\n1\t17\tmain () at a.c\n2\t20\tx");
        assert_eq!(marks.delete("1"), "Deleted checkpoint 1.");
        assert_eq!(marks.delete("1"), "No checkpoint number 1.");
        assert_eq!(marks.position(2), Some(at("20")));
        assert_eq!(marks.add(at("21"), "y"), Some(3), "numbers are not used again");
    }

    #[test]
    fn back_and_forward_through_stops() {
        let mut marks = Marks::default();
        assert_eq!(marks.back(), None);
        for place in ["1", "2", "3"] {
            marks.visit(at(place));
            marks.visit(at(place));
        }
        assert_eq!(
            [marks.back(), marks.back(), marks.back()],
            [Some(at("2")), Some(at("1")), None]
        );
        marks.visit(at("1"));
        assert_eq!(marks.forward(), Some(at("2")));
        marks.visit(at("9"));
        assert_eq!(marks.forward(), None, "another way was gone");
        assert_eq!(marks.back(), Some(at("2")));
    }

    #[test]
    fn ticks_lead_back() {
        let mut marks = Marks::default();
        let place = at("17+2041@0x401136");
        let tick = marks.tick(place);
        assert_eq!(tick, 17_000_002_041);
        assert_eq!(marks.position_of_tick(tick), place);
        assert_eq!(marks.position_of_tick(18_000_000_007), at("18"));
    }
}

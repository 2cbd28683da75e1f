//! Commands of rr (`qRRCmd`), and restarts (`vRun`).

mod marks;

use retake_execution::CheckpointInfo;
use retake_model::{EventIndex, Position, Tid};

use super::{REFUSED, Session};
use crate::hex;
use crate::packet::RrCommand;
pub(super) use marks::Marks;

impl Session<'_> {
    pub(super) fn rr(&mut self, command: &RrCommand) -> Vec<u8> {
        let argument = command.arguments.first().map_or("", String::as_str).trim();
        let text = match command.name.as_str() {
            "when" => {
                self.shown = true;
                format!("Completed event: {}", self.moment())
            }
            "when-ticks" => format!("Current tick: {}", self.marks.tick(self.position())),
            "when-tid" => format!("Current tid: {}", self.tid_of_stop()),
            "elapsed-time" => format!("Elapsed Time (s): {:.6}", self.elapsed()),
            "checkpoint" => {
                let place = match argument {
                    "" => self.position().to_string(),
                    place => one_line(place),
                };
                let number = self.marks.add(self.position(), &place);
                number.map_or("There are too many checkpoints.".to_owned(), |number| {
                    format!("Checkpoint {number} at {place}")
                })
            }
            "info checkpoints" => self.marks.list(),
            "delete checkpoint" => self.marks.delete(argument),
            "rr-history-push" => {
                self.marks.visit(self.position());
                String::new()
            }
            "back" => match self.marks.back() {
                Some(to) => self.jump(to, command.thread),
                None => "Can't go back. No more history entries.".to_owned(),
            },
            "forward" => match self.marks.forward() {
                Some(to) => self.jump(to, command.thread),
                None => "Can't go forward. No more history entries.".to_owned(),
            },
            // Not rr's: what `retake gdb` restarts with.
            "retake-goto" => match self.place(argument) {
                Some(to) => self.jump(to, command.thread),
                None => format!("There is no moment {argument}."),
            },
            "retake-calls" => self.calls_run(argument),
            "retake-position" => self.position().to_string(),
            _ => return Vec::new(),
        };
        hex::encode(format!("{text}\n").as_bytes()).into()
    }

    /// The number of events, and the exact position.
    fn moment(&self) -> String {
        let position = self.position();
        match position == Position::at_event(position.event()) {
            true => position.to_string(),
            false => format!("{} ({position})", position.event()),
        }
    }

    /// Goes to a moment; the next movement is answered there. A client steps a thread to see where it is: the
    /// answer is for that thread, and where it does not live the client has to begin anew there (`restart`).
    fn jump(&mut self, to: Position, thread: Option<Tid>) -> String {
        if let Err(error) = self.go_to(to) {
            return error.to_string();
        }
        self.held = true;
        match thread.map(|tid| self.task_of(tid)) {
            Some(None) => format!("restart {}", self.position()),
            Some(Some(task)) => {
                self.stopped.task = task;
                String::new()
            }
            None => String::new(),
        }
    }

    /// `vRun`: goes to an event, a checkpoint, a tick, or any position; to the start without one.
    pub(super) fn run_again(&mut self, place: &str) -> Vec<u8> {
        let to = match place.trim() {
            "" => Some(self.options.start.unwrap_or(Position::START)),
            place => self.place(place),
        };
        let Some(to) = to else { return REFUSED.to_vec() };
        if let Err(error) = self.go_to(to) {
            self.options.notice(&error.to_string());
            return REFUSED.to_vec();
        }
        self.points.clear();
        self.held = true;
        self.told()
    }

    /// A moment, as a person writes it.
    fn place(&self, text: &str) -> Option<Position> {
        if let Some(number) = text.strip_prefix('c') {
            return self.marks.position(number.parse().ok()?);
        }
        if let Some(tick) = text.strip_prefix('t') {
            return Some(self.marks.position_of_tick(tick.parse().ok()?));
        }
        let position: Position = text.parse().ok()?;
        let last = Position::at_event(self.execution.event_count());
        Some(if position > last { last } else { position })
    }

    /// Run time of the program up to here, in seconds: known at checkpoints, even between them.
    fn elapsed(&self) -> f64 {
        let event = self.position().event();
        let checkpoints = self.execution.checkpoints();
        let after = checkpoints.partition_point(|checkpoint| checkpoint.event <= event);
        let before = after.checked_sub(1).and_then(|n| checkpoints.get(n));
        let known = |checkpoint: Option<&CheckpointInfo>| {
            checkpoint.map(|c| (c.event.get() as f64, c.run_time_ns as f64 / 1e9))
        };
        let (from, began) = known(before).unwrap_or((0.0, 0.0));
        let Some((to, ended)) = known(checkpoints.get(after)) else { return began };
        let part = (EventIndex::get(event) as f64 - from) / (to - from).max(1.0);
        began + (ended - began) * part
    }
}

/// The table of checkpoints has a line each, with tabs between its columns.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(400).collect()
}

//! The race of the demo, in its list of hits.

use std::fmt;

use retake_debugger::{BreakpointId, HitView};

/// Breakpoints of the story: a sale, and the line after the check.
const TAKE: BreakpointId = BreakpointId::new(2);
const CHECK: BreakpointId = BreakpointId::new(3);

/// A thread that checked, and took seats after another one had.
#[derive(Debug)]
pub(super) struct Race<'a> {
    check: &'a HitView,
    other: &'a HitView,
    take: &'a HitView,
}

impl<'a> Race<'a> {
    /// The one that ends with the last sale.
    pub(super) fn find(hits: &'a [HitView]) -> Option<Self> {
        let of = |id: BreakpointId| hits.iter().rev().filter(move |h| h.breakpoints.contains(&id));
        let take = of(TAKE).next()?;
        let check = of(CHECK).find(|hit| hit.task == take.task)?;
        let other = of(TAKE).find(|hit| hit.task != take.task && hit.n > check.n)?;
        Some(Self { check, other, take })
    }
}

impl fmt::Display for Race<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { check, other, take } = self;
        write!(
            f,
            "# A race: thread {} passes the check (hit {}), thread {} takes seats (hit {}), and then\n\
             # thread {} takes seats that are no longer there (hit {}).",
            check.task, check.n, other.task, other.n, take.task, take.n
        )
    }
}

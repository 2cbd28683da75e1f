//! Directions, positions, bounds, steps, and both ends.

use std::num::NonZeroU64;

use retake_execution::{Direction, ErrorKind, Execution, RunPlan, StopReason};
use retake_model::{Addr, EventIndex, Position, TaskId};

use super::subject::{Facts, SITE, VISITS, at_visit, both, number, run, to_end, to_visit, value};

const BOTH_WAYS: [Direction; 2] = [Direction::Forward, Direction::Backward];

fn positions(x: &mut dyn Execution, facts: &Facts) -> Vec<Position> {
    (1..=VISITS).map(|nth| at_visit(x, facts, nth)).collect()
}

#[test]
fn arrivals_are_the_same_both_ways() {
    both(|x, facts| {
        let mut forwards = Vec::new();
        for n in 1..=VISITS {
            let stop = to_visit(x, facts, Direction::Forward, 1);
            assert_eq!(stop.reasons, [StopReason::Site(SITE)]);
            assert_eq!((number(x), value(x, facts.word)), (n, n - 1));
            forwards.push(stop.position);
        }
        assert!(forwards.windows(2).all(|pair| pair[0] != pair[1]), "{forwards:?}");
        let end = to_visit(x, facts, Direction::Forward, 1);
        assert!(end.reasons.contains(&StopReason::End), "{end:?}");
        for n in (1..=VISITS).rev() {
            let stop = to_visit(x, facts, Direction::Backward, 1);
            assert_eq!(stop.reasons, [StopReason::Site(SITE)]);
            assert_eq!((number(x), value(x, facts.word)), (n, n - 1));
            assert_eq!(Some(stop.position), forwards.pop());
        }
        let start = to_visit(x, facts, Direction::Backward, 1);
        assert_eq!(start.reasons, [StopReason::Start]);
    });
}

#[test]
fn the_nth_arrival_is_counted_from_here() {
    both(|x, facts| {
        to_visit(x, facts, Direction::Forward, 7);
        assert_eq!(number(x), 7);
        to_visit(x, facts, Direction::Forward, 7);
        assert_eq!(number(x), 14);
        to_visit(x, facts, Direction::Backward, 3);
        assert_eq!(number(x), 11);
        to_end(x);
        to_visit(x, facts, Direction::Backward, VISITS);
        assert_eq!(number(x), 1);
        for nth in [VISITS, u64::MAX] {
            let end = to_visit(x, facts, Direction::Forward, nth);
            assert!(end.reasons.contains(&StopReason::End), "{end:?}");
            let start = to_visit(x, facts, Direction::Backward, nth.max(VISITS + 1));
            assert_eq!(start.reasons, [StopReason::Start]);
            to_visit(x, facts, Direction::Forward, 1);
        }
    });
}

#[test]
fn a_bound_ends_a_run() {
    both(|x, facts| {
        let at = positions(x, facts);
        let sites = [facts.site()];
        for (from, bound, way) in [(3, 9, Direction::Forward), (9, 3, Direction::Backward)] {
            x.seek(at[from - 1]).expect("a moment");
            let bound = Some(at[bound - 1]);
            let to_bound = RunPlan { bound, ..RunPlan::to_sites(way, &[]) };
            let stop = run(x, &to_bound);
            assert_eq!((Some(stop.position), stop.reasons), (bound, vec![StopReason::Reached]));
            // What comes first ends the run.
            x.seek(at[from - 1]).expect("a moment");
            let stop = run(x, &RunPlan { bound, ..RunPlan::to_sites(way, &sites) });
            assert_eq!(stop.reasons, [StopReason::Site(SITE)]);
            assert_eq!(number(x), if way == Direction::Forward { 4 } else { 8 });
            // There are six from here up to the bound, which is the last of them.
            x.seek(at[from - 1]).expect("a moment");
            let nth = NonZeroU64::new(7).expect("some");
            let stop = run(x, &RunPlan { bound, nth, ..RunPlan::to_sites(way, &sites) });
            assert_eq!((Some(stop.position), stop.reasons), (bound, vec![StopReason::Reached]));
        }
        // One that lies behind is reached here.
        for (from, behind, way) in [(9, 3, Direction::Forward), (3, 9, Direction::Backward)] {
            for behind in [behind, from] {
                let here = x.seek(at[from - 1]).expect("a moment").position;
                let bound = Some(at[behind - 1]);
                let stop = run(x, &RunPlan { bound, ..RunPlan::to_sites(way, &sites) });
                assert_eq!((stop.position, stop.reasons), (here, vec![StopReason::Reached]));
            }
        }
        let event = Position::at_event(EventIndex::new(x.event_count().get() - 1));
        x.seek(Position::START).expect("the start");
        let stop = run(x, &RunPlan { bound: Some(event), ..RunPlan::to_sites(BOTH_WAYS[0], &[]) });
        assert!(stop.reasons.contains(&StopReason::Reached), "{stop:?}");
        assert_eq!(stop.position, event);
    });
}

#[test]
fn nothing_lies_beyond_the_ends() {
    both(|x, facts| {
        let start = x.position();
        for _ in 0..2 {
            let stop = run(x, &RunPlan::to_sites(Direction::Backward, &[]));
            assert_eq!((stop.position, stop.reasons), (start, vec![StopReason::Start]));
            let stop = run(x, &RunPlan::to_sites(Direction::Backward, &[facts.site()]));
            assert_eq!((stop.position, stop.reasons), (start, vec![StopReason::Start]));
        }
        let end = to_end(x);
        assert_eq!(to_end(x).position, end.position);
        x.seek(start).expect("the start");
        let count = Position::at_event(x.event_count());
        let sought = x.seek(count).expect("the last moment");
        assert_eq!((sought.position, &sought.reasons), (end.position, &end.reasons));
        let task = x.current_task();
        let step = RunPlan::steps(Direction::Forward, task, NonZeroU64::MIN);
        let stop = run(x, &step);
        assert_eq!((stop.position, stop.reasons), (end.position, vec![StopReason::End]));
        x.seek(Position::START).expect("the start");
        let step = RunPlan::steps(Direction::Backward, task, NonZeroU64::MIN);
        let stop = run(x, &step);
        assert_eq!((stop.position, stop.reasons), (start, vec![StopReason::Start]));
    });
}

#[test]
fn any_moment_can_be_gone_to() {
    both(|x, facts| {
        let at = positions(x, facts);
        for n in [20, 1, 11, 10, 2, 2, 19] {
            let stop = x.seek(at[n - 1]).expect("a moment");
            assert_eq!((stop.position, stop.reasons), (at[n - 1], vec![StopReason::Reached]));
            assert_eq!((number(x), x.position()), (n as u64, at[n - 1]));
        }
        let stop = x.seek(Position::START).expect("the start");
        assert!(stop.reasons.contains(&StopReason::Start), "{stop:?}");
        for event in 2..x.event_count().get() {
            let to = Position::at_event(EventIndex::new(event));
            assert_eq!(x.seek(to).expect("an event").position, to);
        }
    });
}

#[test]
fn moments_that_are_not_there_are_refused() {
    both(|x, facts| {
        let here = at_visit(x, facts, 3);
        let beyond = EventIndex::new(x.event_count().get() + 1);
        let nowhere = Addr::new(0x10);
        let event = here.event();
        for to in [
            Position::at_event(beyond),
            Position::at_event(EventIndex::new(u64::MAX)),
            Position::at_exact(event, 1_000_000, nowhere),
            Position::at_exact(event, 0, nowhere),
            Position::at_arrival(event, facts.visit, 1000),
        ] {
            let err = x.seek(to).expect_err("no moment");
            assert!(matches!(err.kind(), ErrorKind::NotFound(_)), "{to}: {err}");
            assert!(err.to_string().contains("there is no"), "{err}");
            assert_eq!((x.position(), number(x)), (here, 3), "after {to}");
        }
    });
}

#[test]
fn steps_are_exact_both_ways() {
    both(|x, facts| {
        let task = x.current_task();
        let from = at_visit(x, facts, 10);
        let one = NonZeroU64::MIN;
        let mut seen = vec![(from, x.registers(task).expect("it lives"))];
        for _ in 0..30 {
            let stop = run(x, &RunPlan::steps(Direction::Forward, task, one));
            assert_eq!(stop.reasons, [StopReason::Stepped]);
            seen.push((stop.position, x.registers(task).expect("it lives")));
        }
        for n in [1, 2, 7, 30_u64] {
            x.seek(from).expect("a moment");
            let count = NonZeroU64::new(n).expect("some");
            let stop = run(x, &RunPlan::steps(Direction::Forward, task, count));
            assert_eq!(stop.reasons, [StopReason::Stepped]);
            let there = &seen[usize::try_from(n).expect("few")];
            assert_eq!((stop.position, x.registers(task).expect("it lives")), *there);
            let stop = run(x, &RunPlan::steps(Direction::Backward, task, count));
            assert_eq!(stop.reasons, [StopReason::Stepped]);
            assert_eq!((stop.position, x.registers(task).expect("it lives")), seen[0]);
        }
    });
}

#[test]
fn only_a_task_that_lives_can_step() {
    both(|x, facts| {
        let here = at_visit(x, facts, 2);
        for way in BOTH_WAYS {
            let plan = RunPlan::steps(way, TaskId::new(4711), NonZeroU64::MIN);
            let err = x.run(&plan, None).expect_err("no such task");
            assert!(matches!(err.kind(), ErrorKind::NotFound(_)), "{err}");
            assert_eq!((x.position(), number(x)), (here, 2));
        }
    });
}

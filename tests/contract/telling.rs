//! What is told of the whole run: events, output, clocks, signals, its end.

use retake_execution::{
    Direction, ErrorKind, EventFilter, Execution, ProgramEnd, RunPlan, SignalSet, StopReason,
};
use retake_model::{EventIndex, Position, Signal};

use super::subject::{Facts, at_visit, both, run, to_end, to_visit, value};

fn output(text: &str) -> EventFilter {
    EventFilter::Output(text.as_bytes().to_vec())
}

/// The only event of a kind, which is found both ways.
#[track_caller]
fn only(x: &mut dyn Execution, kind: EventFilter) -> EventIndex {
    let (kinds, count) = ([kind], x.event_count());
    let mut find = |way, from| x.find_event(way, from, &kinds).expect("looked for");
    let first = find(Direction::Forward, EventIndex::ZERO).expect("it is there");
    assert_eq!(find(Direction::Forward, first), Some(first), "from that one on");
    assert_eq!(find(Direction::Forward, first.next()), None);
    assert_eq!(find(Direction::Backward, count), Some(first));
    assert_eq!(find(Direction::Backward, first.next()), Some(first));
    assert_eq!(find(Direction::Backward, first), None, "before that one");
    first
}

#[test]
fn events_are_found_both_ways() {
    both(|x, facts| {
        let here = at_visit(x, facts, 5);
        let half = only(x, output("half"));
        let signal = only(x, EventFilter::Signal(Some(Signal::USR1)));
        assert_eq!(only(x, EventFilter::Signal(None)), signal);
        let done = only(x, output("done\n"));
        assert!(half < signal && signal < done);
        // A text may be in several writes.
        assert_eq!(only(x, output("half\ndone")), done);
        for none in [output("nothing"), EventFilter::Fork, EventFilter::Fatal] {
            let found = x.find_event(Direction::Forward, EventIndex::ZERO, &[none]);
            assert_eq!(found.expect("looked for"), None);
        }
        let kinds = [output("done"), EventFilter::Signal(None), output("half")];
        let first = x.find_event(Direction::Forward, EventIndex::ZERO, &kinds);
        assert_eq!(first.expect("looked for"), Some(half));
        let last = x.find_event(Direction::Backward, x.event_count(), &kinds);
        assert_eq!(last.expect("looked for"), Some(done));
        let before = x.find_event(Direction::Backward, done, &kinds);
        assert_eq!(before.expect("looked for"), Some(signal));
        assert_eq!(x.position(), here);
    });
}

#[test]
fn right_before_an_event_is_a_moment() {
    both(|x, _| {
        for kind in [output("half"), EventFilter::Signal(Some(Signal::USR1)), output("done")] {
            let event = only(x, kind);
            let stop = x.seek_before(event).expect("a moment");
            assert!(stop.reasons.contains(&StopReason::Reached), "{stop:?}");
            assert_eq!((stop.position, x.position().event()), (x.position(), event));
            let behind = Position::at_event(event.next());
            let plan =
                RunPlan { bound: Some(behind), ..RunPlan::to_sites(Direction::Forward, &[]) };
            let stop = run(x, &plan);
            assert_eq!((stop.position, stop.reasons), (behind, vec![StopReason::Reached]));
        }
        let here = x.position();
        assert!(x.seek_before(EventIndex::new(x.event_count().get() + 9)).is_err());
        assert_eq!(x.position(), here);
    });
}

fn to_signal(x: &mut dyn Execution, facts: &Facts, way: Direction) -> Vec<StopReason> {
    let signals = SignalSet::of(|signal| signal == Signal::USR1);
    let sites = [facts.site()];
    run(x, &RunPlan { signals, ..RunPlan::to_sites(way, &sites) }).reasons
}

#[test]
fn a_run_forwards_stops_before_a_signal() {
    both(|x, facts| {
        let event = only(x, EventFilter::Signal(Some(Signal::USR1)));
        at_visit(x, facts, 10);
        let signal = [StopReason::Signal(Signal::USR1)];
        assert_eq!(to_signal(x, facts, Direction::Forward), signal);
        assert_eq!(x.position().event(), event);
        assert_eq!(value(x, facts.word), 10);
        let here = x.position();
        assert_eq!(to_signal(x, facts, Direction::Forward), signal, "also where it stands");
        assert_eq!(x.position(), here);
        // Whoever goes on goes to the event behind it first.
        x.seek(Position::at_event(event.next())).expect("a moment");
        let others = to_signal(x, facts, Direction::Forward);
        assert!(matches!(others[..], [StopReason::Site(_)]), "{others:?}");
        // Others, and runs backwards, go over it.
        let back = to_visit(x, facts, Direction::Backward, 1);
        assert!(matches!(back.reasons[..], [StopReason::Site(_)]), "{back:?}");
        to_end(x);
        for _ in 0..10 {
            assert!(matches!(to_signal(x, facts, Direction::Backward)[..], [StopReason::Site(_)]));
        }
        assert!(matches!(to_signal(x, facts, Direction::Backward)[..], [StopReason::Site(_)]));
    });
}

#[test]
fn events_have_a_line_each() {
    both(|x, facts| {
        let here = at_visit(x, facts, 12);
        let count = x.event_count().get();
        let all = x.event_texts(EventIndex::ZERO, usize::MAX).expect("events");
        let numbers: Vec<u64> = all.iter().map(|one| one.event.get()).collect();
        assert_eq!(numbers, (0..count).collect::<Vec<_>>());
        assert!(all.iter().all(|one| !one.text.is_empty() && !one.text.contains('\n')), "{all:?}");
        for (from, len) in [(0, 2), (count / 2, 3), (count - 1, 1), (count - 1, 9), (0, 0)] {
            let some = x.event_texts(EventIndex::new(from), len).expect("events");
            let first = usize::try_from(from).expect("few");
            assert_eq!(some, all[first..(first + len).min(all.len())], "{len} from {from} on");
        }
        for event in 0..count {
            let line = x.describe_event(EventIndex::new(event)).expect("an event");
            assert!(!line.is_empty() && !line.contains('\n'), "{line}");
        }
        for event in [count, count + 1, u64::MAX] {
            let event = EventIndex::new(event);
            for err in [x.describe_event(event).map(drop), x.event_texts(event, 1).map(drop)] {
                let err = err.expect_err("no event");
                assert!(err.to_string().contains("there is no event"), "{err}");
            }
        }
        assert_eq!(x.position(), here);
    });
}

#[test]
fn output_is_known_up_to_an_event() {
    both(|x, facts| {
        let here = at_visit(x, facts, 12);
        let (half, done) = (only(x, output("half")), only(x, output("done")));
        let mut printed = |until: EventIndex| -> String {
            let pieces = x.printed(until).expect("printed");
            assert!(pieces.iter().all(|piece| piece.event < until));
            let bytes: Vec<u8> = pieces.into_iter().flat_map(|piece| piece.bytes).collect();
            let text = String::from_utf8(bytes).expect("text");
            // The first line says where things are.
            text.split_once('\n').map_or_else(String::new, |(_, rest)| rest.to_owned())
        };
        assert_eq!(printed(done.next()), "half\ndone\n");
        assert_eq!(printed(done), "half\n");
        assert_eq!(printed(half.next()), "half\n");
        assert_eq!(printed(half), "");
        assert_eq!(printed(EventIndex::new(u64::MAX)), "half\ndone\n");
        assert_eq!(printed(EventIndex::ZERO), "");
        assert_eq!(x.position(), here);
    });
}

#[test]
fn the_end_and_the_clocks_are_known() {
    both(|x, _| {
        assert_eq!(x.program_end(), Some(ProgramEnd::Exited(3)));
        assert!(x.whole_run_time().is_some_and(|ns| ns > 0));
        let reads = x.clock_reads().expect("clock reads");
        assert!(reads.is_sorted_by_key(|read| read.event) && !reads.is_empty(), "{reads:?}");
        assert!(reads.iter().all(|read| read.event < x.event_count() && read.ns > 0));
        let checkpoints = x.checkpoints();
        assert!(checkpoints.is_sorted_by_key(|one| (one.index, one.event, one.run_time_ns)));
        assert!(checkpoints.iter().all(|one| one.event <= x.event_count()));
        let names = x.syscall_names();
        assert!(names.iter().any(|one| (one.no.get(), one.name) == (1, "write")));
        let beyond = x.describe_event(x.event_count()).expect_err("no event");
        assert!(!matches!(beyond.kind(), ErrorKind::Divergence(_)), "{beyond}");
    });
}

//! Accesses of memory, by the program and by the kernel.

use std::num::NonZeroU64;

use retake_execution::{Access, Direction, Execution, RunPlan, StopReason, Watch, WatchId};
use retake_model::{Addr, AddrRange, TaskId};

use super::subject::{SITE, VISITS, at_visit, both, number, run, to_end, value};

const WATCH: WatchId = WatchId::new(6);

fn watch(at: Addr, len: u64, access: Access, task: TaskId) -> Watch {
    let range = AddrRange::with_len(at, len).expect("a range");
    Watch { id: WATCH, range, task, access }
}

fn go(x: &mut dyn Execution, way: Direction, watch: Watch, nth: u64) -> Vec<StopReason> {
    let nth = NonZeroU64::new(nth).expect("some");
    let plan = RunPlan { watches: &[watch], nth, ..RunPlan::to_sites(way, &[]) };
    run(x, &plan).reasons
}

#[test]
fn writes_are_found_both_ways() {
    both(|x, facts| {
        let writes = watch(facts.word, 8, Access::Write, x.current_task());
        for n in 1..=VISITS {
            assert_eq!(go(x, Direction::Forward, writes, 1), [StopReason::Watch(WATCH)]);
            assert_eq!(value(x, facts.word), n, "right behind it");
        }
        let end = go(x, Direction::Forward, writes, 1);
        assert!(end.contains(&StopReason::End), "{end:?}");
        for n in (1..=VISITS).rev() {
            assert_eq!(go(x, Direction::Backward, writes, 1), [StopReason::Watch(WATCH)]);
            assert_eq!(value(x, facts.word), n - 1, "right before it");
        }
        assert_eq!(go(x, Direction::Backward, writes, 1), [StopReason::Start]);
        assert_eq!(go(x, Direction::Forward, writes, 7), [StopReason::Watch(WATCH)]);
        assert_eq!(value(x, facts.word), 7);
        assert_eq!(go(x, Direction::Backward, writes, 3), [StopReason::Watch(WATCH)]);
        assert_eq!(value(x, facts.word), 4);
    });
}

#[test]
fn a_part_of_what_is_written_is_enough() {
    both(|x, facts| {
        let task = x.current_task();
        let part = watch(Addr::new(facts.word.get() + 4), 2, Access::Write, task);
        assert_eq!(go(x, Direction::Forward, part, VISITS), [StopReason::Watch(WATCH)]);
        assert_eq!(value(x, facts.word), VISITS);
        // More than debug registers hold.
        to_end(x);
        let wide = watch(Addr::new(facts.word.get() & !63), 128, Access::Write, task);
        let mut before = value(x, facts.word);
        for _ in 0..8 {
            assert_eq!(go(x, Direction::Backward, wide, 1), [StopReason::Watch(WATCH)]);
            assert!(value(x, facts.word) <= before);
            before = value(x, facts.word);
        }
        assert!(before < VISITS);
    });
}

#[test]
fn reads_are_found() {
    both(|x, facts| {
        let any = watch(facts.word, 8, Access::Any, x.current_task());
        at_visit(x, facts, 1);
        // The write of a visit, and the read behind it.
        for n in 1..=5 {
            for _ in 0..2 {
                assert_eq!(go(x, Direction::Forward, any, 1), [StopReason::Watch(WATCH)]);
                assert_eq!(value(x, facts.word), n);
            }
        }
        assert_eq!(go(x, Direction::Backward, any, 1), [StopReason::Watch(WATCH)]);
        assert_eq!(value(x, facts.word), 5, "right before the read");
        assert_eq!(go(x, Direction::Backward, any, 1), [StopReason::Watch(WATCH)]);
        assert_eq!(value(x, facts.word), 4, "right before the write");
    });
}

#[test]
fn reads_of_much_memory_are_found() {
    both(|x, facts| {
        let at = Addr::new(facts.word.get() & !63);
        for access in [Access::Any, Access::Read] {
            let wide = watch(at, 128, access, x.current_task());
            for n in [1, 5, 11, 20] {
                at_visit(x, facts, n);
                assert_eq!(go(x, Direction::Forward, wide, 1), [StopReason::Watch(WATCH)]);
                assert_eq!(value(x, facts.word), n, "right behind the write");
                assert_eq!(go(x, Direction::Backward, wide, 1), [StopReason::Watch(WATCH)]);
                assert_eq!(value(x, facts.word), n - 1, "right before it");
            }
            // The read behind the tenth visit lies before what the kernel writes.
            at_visit(x, facts, 10);
            assert_eq!(go(x, Direction::Backward, wide, 1), [StopReason::Watch(WATCH)]);
            assert_eq!(value(x, facts.word), 9);
        }
    });
}

#[test]
fn what_the_kernel_writes_counts() {
    both(|x, facts| {
        let fed = watch(facts.fed, 8, Access::Write, x.current_task());
        assert_eq!(go(x, Direction::Forward, fed, 1), [StopReason::Watch(WATCH)]);
        assert_eq!(value(x, facts.fed), 77);
        let behind = x.position();
        let end = go(x, Direction::Forward, fed, 1);
        assert!(end.contains(&StopReason::End), "{end:?}");
        assert_eq!(go(x, Direction::Backward, fed, 1), [StopReason::Watch(WATCH)]);
        assert_eq!(value(x, facts.fed), 0);
        assert!(x.position() < behind);
    });
}

#[test]
fn the_first_of_a_site_and_a_watch_ends_the_run() {
    both(|x, facts| {
        let (sites, watches) =
            ([facts.site()], [watch(facts.word, 8, Access::Write, x.current_task())]);
        let plan = |way| RunPlan { watches: &watches, ..RunPlan::to_sites(way, &sites) };
        for n in 1..=3 {
            assert_eq!(run(x, &plan(Direction::Forward)).reasons, [StopReason::Site(SITE)]);
            assert_eq!(number(x), n);
            assert_eq!(run(x, &plan(Direction::Forward)).reasons, [StopReason::Watch(WATCH)]);
            assert_eq!(value(x, facts.word), n);
        }
    });
}

#[test]
fn tasks_that_do_not_live_see_no_memory() {
    both(|x, facts| {
        let here = at_visit(x, facts, 4);
        let watches = [watch(facts.word, 8, Access::Write, TaskId::new(4711))];
        for way in [Direction::Forward, Direction::Backward] {
            let plan = RunPlan { watches: &watches, ..RunPlan::to_sites(way, &[]) };
            let err = x.run(&plan, None).expect_err("no such task");
            assert!(err.to_string().contains("4711"), "{err}");
            assert_eq!((x.position(), number(x)), (here, 4));
        }
    });
}

//! Ending an operation early, and how far one is.

use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

use retake_execution::{
    Direction, ErrorKind, Execution, ExecutionError, RunPlan, StopReason, Verdict,
};

use super::subject::{Facts, SITE, VISITS, at_visit, both, number, to_end, to_visit};

#[track_caller]
fn interrupted<T: std::fmt::Debug>(result: Result<T, ExecutionError>) {
    let err = result.expect_err("it was interrupted");
    assert!(matches!(err.kind(), ErrorKind::Interrupted), "{err}");
}

/// It is where it was, and goes on from there as if nothing had been.
#[track_caller]
fn goes_on(x: &mut dyn Execution, facts: &Facts, n: u64) {
    assert_eq!(number(x), n);
    let stop = to_visit(x, facts, Direction::Forward, 1);
    assert_eq!((stop.reasons, number(x)), (vec![StopReason::Site(SITE)], n + 1));
    let stop = to_visit(x, facts, Direction::Backward, 1);
    assert_eq!((stop.reasons, number(x)), (vec![StopReason::Site(SITE)], n));
}

#[test]
fn a_run_that_is_interrupted_has_not_moved() {
    both(|x, facts| {
        let here = at_visit(x, facts, 11);
        let (sites, interrupt) = ([facts.site()], x.interrupter());
        for way in [Direction::Forward, Direction::Backward] {
            let plan = RunPlan::to_sites(way, &sites);
            let mut asked = 0;
            let result = x.run(
                &plan,
                Some(&mut |_, _| {
                    asked += 1;
                    interrupt.store(asked == 4, Ordering::SeqCst);
                    Verdict::Passes
                }),
            );
            interrupted(result);
            assert_eq!((x.position(), asked), (here, 4));
            assert!(!interrupt.load(Ordering::SeqCst), "it is for one operation");
            goes_on(x, facts, 11);
        }
    });
}

#[test]
fn what_is_asked_for_after_the_request_to_stop_does_not_begin() {
    both(|x, facts| {
        let here = at_visit(x, facts, 11);
        let interrupt = x.interrupter();
        for way in [Direction::Forward, Direction::Backward] {
            interrupt.store(true, Ordering::SeqCst);
            interrupted(x.run(&RunPlan::to_sites(way, &[facts.site()]), None));
            assert_eq!(x.position(), here);
            goes_on(x, facts, 11);
        }
    });
}

#[test]
fn lists_can_be_interrupted() {
    both(|x, facts| {
        let here = at_visit(x, facts, 11);
        let (sites, interrupt) = ([facts.site()], x.interrupter());
        let mut seen = 0;
        let listed = x.hits(&sites, 0, &mut |_, _| {
            seen += 1;
            interrupt.store(seen == 3, Ordering::SeqCst);
            ControlFlow::Continue(())
        });
        interrupted(listed);
        assert_eq!((seen, x.position()), (3, here));
        assert!(!interrupt.load(Ordering::SeqCst), "it is for one operation");
        interrupt.store(true, Ordering::SeqCst);
        interrupted(x.count_hits(&sites, None));
        assert_eq!(x.count_hits(&sites, None).expect("counted"), VISITS);
        goes_on(x, facts, 11);
    });
}

#[test]
fn how_far_a_run_is_can_be_asked() {
    both(|x, facts| {
        let (sites, reached) = ([facts.site()], x.reached());
        let mut before = 0;
        let plan = RunPlan::to_sites(Direction::Forward, &sites);
        let stop = x.run(
            &plan,
            Some(&mut |hit, _| {
                let now = reached.load(Ordering::SeqCst);
                assert!(before <= now, "{before}, then {now}");
                assert_eq!(now, hit.position.event().get());
                before = now;
                Verdict::Passes
            }),
        );
        assert!(stop.expect("it runs").reasons.contains(&StopReason::End));
        let plan = RunPlan::to_sites(Direction::Backward, &sites);
        let stop = x.run(
            &plan,
            Some(&mut |hit, _| {
                assert_eq!(reached.load(Ordering::SeqCst), hit.position.event().get());
                Verdict::Passes
            }),
        );
        assert_eq!(stop.expect("it runs").reasons, [StopReason::Start]);
        let mut seen = 0;
        x.hits(&sites, 0, &mut |hit, _| {
            seen += 1;
            assert_eq!(reached.load(Ordering::SeqCst), hit.position.event().get());
            ControlFlow::Continue(())
        })
        .expect("listed");
        assert_eq!(seen, VISITS);
        to_end(x);
    });
}

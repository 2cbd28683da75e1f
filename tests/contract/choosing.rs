//! Which arrivals count: predicates, judges, lists and counts.

use std::num::NonZeroU64;
use std::ops::ControlFlow;
use std::slice::from_ref;

use retake_execution::{
    Direction, Execution, Hit, RunPlan, Site, SiteId, SiteTarget, State, StopReason, Verdict,
};
use retake_model::{
    Addr, Arithmetic, Backing, Comparison, Position, Predicate, RegisterName, TaskId, Term, Width,
};

use super::subject::{Facts, SITE, VISITS, at_visit, both, number, run, to_end};

fn rdi() -> Term {
    Term::Register(RegisterName::Rdi)
}

fn where_equal(facts: &Facts, left: Term, right: u64) -> Site {
    let when = Predicate::Compare(Comparison::Equal, left, Term::Constant(right));
    Site { when: Some(when), ..facts.site() }
}

/// The visits that a site stops at, both ways, from the other end each.
#[track_caller]
fn visits(x: &mut dyn Execution, site: &Site) -> Vec<u64> {
    let mut go = |way| {
        let mut seen = Vec::new();
        loop {
            let stop = run(x, &RunPlan::to_sites(way, from_ref(site)));
            if stop.reasons != [StopReason::Site(site.id)] {
                return seen;
            }
            seen.push(number(x));
        }
    };
    let forwards = go(Direction::Forward);
    let mut backwards = go(Direction::Backward);
    backwards.reverse();
    assert_eq!(forwards, backwards, "{site:?}");
    forwards
}

#[test]
fn predicates_choose_arrivals() {
    both(|x, facts| {
        assert_eq!(visits(x, &where_equal(facts, rdi(), 13)), [13]);
        let word = |at: Addr| Term::Memory(Width::U64, Box::new(Term::Constant(at.get())));
        assert_eq!(visits(x, &where_equal(facts, word(facts.word), 6)), [7]);
        let remainder =
            Term::Arithmetic(Arithmetic::Remainder, Box::new(rdi()), Box::new(Term::Constant(6)));
        assert_eq!(visits(x, &where_equal(facts, remainder, 5)), [5, 11, 17]);
        assert!(visits(x, &where_equal(facts, rdi(), 99)).is_empty());
        // What looks at memory that is not there holds.
        let all: Vec<u64> = (1..=VISITS).collect();
        assert_eq!(visits(x, &where_equal(facts, word(Addr::new(0x10)), 6)), all);
        let of = |task: TaskId| Site { when: Some(Predicate::Task(task)), ..facts.site() };
        let task = x.current_task();
        assert_eq!(visits(x, &of(task)), all);
        assert!(visits(x, &of(TaskId::new(77))).is_empty());
        let compare = |how, n| Predicate::Compare(how, Term::Constant(n), rdi());
        let between = Predicate::All(vec![
            compare(Comparison::Below, 17),
            Predicate::Not(Box::new(compare(Comparison::Equal, 19))),
        ]);
        assert_eq!(visits(x, &Site { when: Some(between), ..facts.site() }), [18, 20]);
    });
}

#[test]
fn a_judge_sees_the_moment() {
    both(|x, facts| {
        let sites = [facts.site()];
        let mut go = |way, nth| {
            let mut seen = Vec::new();
            let nth = NonZeroU64::new(nth).expect("some");
            let plan = RunPlan { nth, ..RunPlan::to_sites(way, &sites) };
            let stop = x.run(
                &plan,
                Some(&mut |hit: &Hit, now: &dyn State| {
                    assert_eq!((hit.site, hit.pc), (SITE, facts.visit));
                    assert_eq!(hit.position, now.position());
                    assert_eq!(hit.task, now.current_task());
                    let n = now.registers(hit.task).expect("it lives").rdi;
                    seen.push(n);
                    if n.is_multiple_of(5) { Verdict::Counts } else { Verdict::Passes }
                }),
            );
            let stop = stop.expect("it runs");
            assert!(seen.is_sorted(), "asked in the order of time: {seen:?}");
            (number(x), stop.reasons)
        };
        let hit = vec![StopReason::Site(SITE)];
        assert_eq!(go(Direction::Forward, 1), (5, hit.clone()));
        assert_eq!(go(Direction::Forward, 2), (15, hit.clone()));
        assert_eq!(go(Direction::Forward, 1), (20, hit.clone()));
        assert_eq!(go(Direction::Backward, 1), (15, hit.clone()));
        assert_eq!(go(Direction::Backward, 2), (5, hit));
        assert_eq!(go(Direction::Backward, 1).1, [StopReason::Start]);
    });
}

fn code_site(x: &dyn Execution, facts: &Facts) -> Site {
    let mappings = x.mappings(x.current_task()).expect("it lives");
    let found = mappings.iter().find(|mapping| mapping.range.contains(facts.visit));
    match found.and_then(|mapping| mapping.backing_at(facts.visit)) {
        Some(Backing::File { file, offset }) => {
            Site::new(SiteId::new(9), SiteTarget::Code { file, offset })
        }
        other => panic!("the function lies in {other:?}"),
    }
}

#[test]
fn a_place_is_an_address_or_a_byte_of_a_file() {
    both(|x, facts| {
        at_visit(x, facts, 1);
        let in_file = code_site(x, facts);
        x.seek(Position::START).expect("the start");
        assert_eq!(visits(x, &in_file).len(), 20);
        // Where several share a place, the first one is named.
        to_end(x);
        for (first, second) in [(facts.site(), in_file.clone()), (in_file.clone(), facts.site())] {
            let id = first.id;
            let sites = [first, second];
            let stop = run(x, &RunPlan::to_sites(Direction::Backward, &sites));
            assert_eq!(stop.reasons, [StopReason::Site(id)]);
            assert_eq!(x.count_hits(&sites, None).expect("counted"), VISITS);
        }
    });
}

fn listed(x: &mut dyn Execution, site: &Site, skipped: u64, most: usize) -> Vec<(Position, u64)> {
    let mut all = Vec::new();
    let listed = x.hits(from_ref(site), skipped, &mut |hit, now| {
        assert_eq!((hit.site, hit.position), (SITE, now.position()));
        all.push((hit.position, now.registers(hit.task).expect("it lives").rdi));
        if all.len() == most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    listed.expect("listed");
    all
}

#[test]
fn lists_and_counts_leave_the_moment_alone() {
    both(|x, facts| {
        let here = at_visit(x, facts, 11);
        let site = facts.site();
        let all = listed(x, &site, 0, usize::MAX);
        let numbers: Vec<u64> = all.iter().map(|(_, n)| *n).collect();
        assert_eq!(numbers, (1..=VISITS).collect::<Vec<_>>());
        assert_eq!(listed(x, &site, 15, usize::MAX), all[15..]);
        assert_eq!(listed(x, &site, 3, 2), all[3..5]);
        assert_eq!(listed(x, &site, VISITS, 9), []);
        assert_eq!(x.count_hits(from_ref(&site), None).expect("counted"), VISITS);
        // What is hit there is not before it.
        for (n, (position, _)) in (0..).zip(&all) {
            assert_eq!(x.count_hits(from_ref(&site), Some(*position)).expect("counted"), n);
        }
        assert_eq!(x.count_hits(from_ref(&site), Some(Position::START)).expect("counted"), 0);
        let odd = where_equal(
            facts,
            Term::Arithmetic(Arithmetic::And, Box::new(rdi()), Box::new(Term::Constant(1))),
            1,
        );
        assert_eq!(x.count_hits(from_ref(&odd), None).expect("counted"), 10);
        assert_eq!(listed(x, &odd, 2, 1)[0].1, 5);
        let mut looked = Vec::new();
        x.look_at_hits(
            &[site],
            &|hit, now| Some(Box::new(now.registers(hit.task).map_or(0, |found| found.rdi))),
            &mut |hit, seen| {
                let n = seen.and_then(|seen| seen.downcast::<u64>().ok()).map_or(0, |n| *n);
                looked.push((hit.position, n));
                ControlFlow::Continue(())
            },
        )
        .expect("looked at");
        assert_eq!(looked, all);
        assert_eq!((x.position(), number(x)), (here, 11));
        // And a list's positions are moments.
        for (position, n) in &all[8..12] {
            x.seek(*position).expect("a moment");
            assert_eq!((x.position(), number(x)), (*position, *n));
        }
    });
}

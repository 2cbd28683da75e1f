//! The scheduler over invented tasks.

use super::*;

const A: Tid = Tid::new(10);
const B: Tid = Tid::new(11);
const C: Tid = Tid::new(12);

fn us(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn candidate(tid: Tid, claim: Claim, since: Duration) -> Candidate {
    let priority = Priority::default();
    Candidate {
        tid,
        claim,
        since,
        is_in_code: false,
        priority,
        last_turn: Duration::ZERO,
        seen_to_compute: 0,
    }
}

fn runs(tid: Tid, since: Duration) -> Candidate {
    candidate(tid, Claim::Runs, since)
}

/// One in which `A` runs since time zero.
fn started() -> Scheduler {
    let mut scheduler = Scheduler::new(7);
    scheduler.start_with(A, Duration::ZERO);
    scheduler
}

/// Asks at an event each `step` until the turn of `A` ends, and says when and for whom.
fn turn_of_a(scheduler: &mut Scheduler, others: &[Candidate], step: Duration) -> (Duration, Tid) {
    let mut now = Duration::ZERO;
    loop {
        let list = [&[runs(A, Duration::ZERO)], others].concat();
        if let Decision::Begins(tid) = scheduler.next(now, &list) {
            return (now, tid);
        }
        now += step;
        assert!(now < Duration::from_secs(1), "the turn never ends");
    }
}

#[test]
fn a_task_alone_goes_on() {
    let mut scheduler = started();
    for millis in 0..200 {
        let decision = scheduler.next(ms(millis), &[runs(A, Duration::ZERO)]);
        assert_eq!(decision, Decision::GoesOn(A));
    }
    let look = scheduler.look(ms(200), ms(200), std::iter::empty(), false);
    assert_eq!(look, Look::GoOn);
}

#[test]
fn nobody_is_chosen_where_nobody_can_run() {
    assert_eq!(started().next(ms(1), &[]), Decision::Nobody);
}

#[test]
fn a_turn_ends_at_an_event_soon_after_another_task_could_run() {
    let mut lengths = Vec::new();
    for seed in 0..50 {
        let mut scheduler = Scheduler::new(seed);
        scheduler.start_with(A, Duration::ZERO);
        let (now, tid) = turn_of_a(&mut scheduler, &[runs(B, Duration::ZERO)], us(10));
        assert_eq!(tid, B);
        assert!((SHORTEST_TURN..=LONGEST_TURN + us(10)).contains(&now), "{now:?}");
        lengths.push(now);
    }
    lengths.sort();
    lengths.dedup();
    assert!(lengths.len() > 20, "turns end in a regular pattern: {lengths:?}");
}

#[test]
fn a_turn_is_counted_from_when_another_task_could_run() {
    let mut scheduler = started();
    // Alone for long, then another one is made: the maker goes on.
    assert_eq!(scheduler.next(ms(50), &[runs(A, ms(0))]), Decision::GoesOn(A));
    scheduler.made_a_task();
    for micros in [0, 40, 90] {
        let now = ms(50) + us(micros);
        let list = [runs(A, ms(0)), runs(B, ms(50))];
        assert_eq!(scheduler.next(now, &list), Decision::GoesOn(A), "after {micros} us");
    }
}

#[test]
fn who_gives_the_cpu_away_is_not_chosen_again() {
    let mut scheduler = started();
    scheduler.end_turn();
    let yielded = candidate(A, Claim::Yielded, ms(0));
    assert_eq!(scheduler.next(us(1), &[yielded, runs(B, us(1))]), Decision::Begins(B));
    // Alone it goes on.
    let mut scheduler = started();
    scheduler.end_turn();
    assert_eq!(scheduler.next(us(1), &[yielded]), Decision::GoesOn(A));
}

#[test]
fn all_get_their_turn_in_the_order_in_which_they_wait() {
    let mut scheduler = started();
    let (now, first) = turn_of_a(&mut scheduler, &[runs(B, us(5)), runs(C, us(1))], us(10));
    assert_eq!(first, C);
    let list = [runs(A, now), runs(B, us(5)), runs(C, us(1))];
    let next = (0..).map(|n| scheduler.next(now + us(10 * n), &list));
    let second = next.into_iter().find(|decision| !matches!(decision, Decision::GoesOn(_)));
    assert_eq!(second, Some(Decision::Begins(B)));
}

#[test]
fn a_woken_task_is_next_at_once() {
    let mut scheduler = started();
    let list = [runs(A, ms(0)), runs(B, ms(0)), candidate(C, Claim::Woken, us(3))];
    assert_eq!(scheduler.next(us(3), &list), Decision::Begins(C));
}

#[test]
fn who_only_waits_does_not_take_the_cpu_from_others() {
    let mut scheduler = started();
    let waits = candidate(B, Claim::Waits, ms(0));
    assert_eq!(scheduler.next(ms(5), &[runs(A, ms(0)), waits]), Decision::GoesOn(A));
    // But not for ever.
    let (now, tid) = turn_of_a(&mut started(), &[waits], ms(1));
    assert_eq!(tid, B);
    assert!(now >= WAITS_AT_EVENT && now <= ms(12), "{now:?}");
    // And it gives the CPU to whoever does something.
    let mut scheduler = started();
    let list = [candidate(A, Claim::Waits, ms(0)), runs(B, us(1))];
    assert_eq!(scheduler.next(us(2), &list), Decision::Begins(B));
}

/// Looks as often as the scheduler wants at a task that computes, until its turn ends.
fn turn_in_code(scheduler: &mut Scheduler, others: &[Candidate]) -> (Duration, usize) {
    let (mut now, mut examined) = (Duration::ZERO, 0);
    loop {
        now += scheduler.next_look(now);
        assert!(now < Duration::from_secs(1), "the turn never ends");
        match scheduler.look(now, Duration::ZERO, others.iter().copied(), false) {
            Look::GoOn => {}
            Look::Examine => {
                examined += 1;
                scheduler.computes(now);
            }
            Look::Leave => return (now, examined),
        }
    }
}

#[test]
fn code_without_events_is_left_in_time_however_many_wait() {
    for tasks in [1, 2, 7, 20] {
        let others: Vec<Candidate> =
            (0..tasks).map(|n| runs(Tid::new(20 + n), Duration::ZERO)).collect();
        let (now, examined) = turn_in_code(&mut started(), &others);
        let all = now * u32::try_from(tasks).unwrap();
        assert!(all < ms(95), "{tasks} others wait for {all:?}");
        assert!(now >= SHORTEST_CUT && examined <= 8, "{now:?}, examined {examined} times");
    }
}

#[test]
fn a_task_without_events_is_examined_soon() {
    let mut scheduler = started();
    let now = scheduler.next_look(Duration::ZERO);
    assert_eq!(now, WAITS_AFTER);
    let others = [runs(B, Duration::ZERO)];
    let look = scheduler.look(now, Duration::ZERO, others.into_iter(), false);
    assert_eq!(look, Look::Examine);
    // Not while it makes calls.
    let look = scheduler.look(now + us(100), now + us(90), others.into_iter(), false);
    assert_eq!(look, Look::GoOn);
}

#[test]
fn a_task_that_computed_each_time_is_examined_later_and_may_be_cut_as_soon() {
    let mut first_looks = Vec::new();
    for looks in [0, 1, 2, 3, 5, 50] {
        let mut cut = 0;
        for seed in 0..30 {
            let mut scheduler = Scheduler::new(seed);
            let task = Candidate { seen_to_compute: looks, ..runs(A, Duration::ZERO) };
            assert_eq!(scheduler.next(Duration::ZERO, &[task]), Decision::Begins(A));
            if seed == 0 {
                first_looks.push(scheduler.next_look(Duration::ZERO));
            }
            let others = [runs(B, Duration::ZERO)];
            let (now, examined) = turn_in_code(&mut scheduler, &others);
            assert!(looks < 5 || examined <= 3, "examined {examined} times");
            cut += usize::from(now < LONGEST_CUT * 2);
        }
        assert!(cut >= 10, "{cut} of 30 were cut after {looks} looks");
    }
    assert_eq!(first_looks, [us(50), us(50), us(200), us(400), us(1600), us(1600)]);
}

#[test]
fn comparisons_of_pages_for_nothing_take_little_of_the_time() {
    let mut scheduler = started();
    let mut spent = Duration::ZERO;
    for now in (1..1000).map(ms) {
        if scheduler.may_compare_pages(now) {
            scheduler.compared_pages(now, ms(2));
            spent += ms(2);
        }
    }
    assert!((ms(10)..ms(30)).contains(&spent), "{spent:?}");
}

#[test]
fn a_task_that_is_watched_is_examined_later() {
    let mut scheduler = started();
    scheduler.is_watched();
    let others = [runs(B, Duration::ZERO)];
    let now = scheduler.next_look(Duration::ZERO);
    assert_eq!(now, WATCHED_WAITS_AFTER);
    let look = scheduler.look(now, Duration::ZERO, others.into_iter(), false);
    assert_eq!(look, Look::Examine);
    let (_, examined) = turn_in_code(&mut scheduler, &others);
    assert!(examined <= 5, "{examined}");
}

#[test]
fn a_poller_of_a_clock_comes_back_within_a_millisecond_or_so() {
    let others = [candidate(B, Claim::Polls, Duration::ZERO)];
    let (now, _) = turn_in_code(&mut started(), &others);
    assert!(now >= POLL && now < ms(3), "{now:?}");
    // And gives way soon itself.
    let mut scheduler = started();
    let polls = candidate(A, Claim::Polls, Duration::ZERO);
    let list = [polls, runs(B, Duration::ZERO)];
    assert_eq!(scheduler.next(us(1), &list), Decision::GoesOn(A));
    assert_eq!(scheduler.next(us(60), &list), Decision::Begins(B));
}

#[test]
fn who_only_waits_is_not_kept_from_the_cpu_for_ever_by_code_without_events() {
    let others = [candidate(B, Claim::Waits, Duration::ZERO)];
    let (now, _) = turn_in_code(&mut started(), &others);
    assert!(now >= WAITS_AT_MOST && now < ms(90), "{now:?}");
}

/// Tasks that compute without an end, with an event each `step`: how long each has run in two seconds, and how long one
/// of them has waited at most.
fn shares(priorities: &[Priority], step: Duration) -> (Vec<Duration>, Duration) {
    let tid = |n: usize| Tid::new(10 + i32::try_from(n).unwrap());
    let mut scheduler = Scheduler::new(11);
    scheduler.start_with(tid(0), Duration::ZERO);
    let mut list: Vec<Candidate> = priorities
        .iter()
        .enumerate()
        .map(|(n, priority)| Candidate { priority: *priority, ..runs(tid(n), Duration::ZERO) })
        .collect();
    let (mut ran, mut longest) = (vec![Duration::ZERO; list.len()], Duration::ZERO);
    let (mut now, mut current, mut began) = (Duration::ZERO, 0, Duration::ZERO);
    while now < ms(2000) {
        now += step;
        ran[current] += step;
        if let Decision::Begins(next) = scheduler.next(now, &list) {
            (list[current].since, list[current].last_turn) = (now, now - began);
            current = list.iter().position(|candidate| candidate.tid == next).unwrap();
            longest = longest.max(list[current].waited(now));
            began = now;
        }
    }
    (ran, longest)
}

#[test]
fn who_is_nicer_gets_less_and_is_never_starved() {
    let usual = Priority::default();
    for step in [us(20), ms(1), ms(5)] {
        let share = |other: Priority| {
            let (ran, longest) = shares(&[usual, other], step);
            assert!(longest < ms(100), "{other:?} waits for {longest:?}");
            ran[1].as_secs_f64() / ran[0].as_secs_f64()
        };
        assert!((0.9..1.1).contains(&share(usual)));
        let shares = [1, 3, 5, 10, 15, 19].map(|nice| share(Priority::nice(nice)));
        assert!(shares.is_sorted_by(|more, less| more > less) || step == ms(5), "{shares:?}");
        assert!((0.25..0.5).contains(&shares[2]), "nice 5: {shares:?}");
        assert!((0.01..0.2).contains(&shares[3]), "nice 10: {shares:?}");
        assert!(shares[5] > 0.005, "nice 19: {shares:?}");
        assert!(share(Priority::nice(-5)) > 2.0);
        let real_time = share(Priority::real_time(1));
        assert!(real_time > 5.0 && real_time < 1000.0, "{real_time}");
        let idle = share(Priority::idle());
        assert!(idle > 0.0 && idle < 0.2, "{idle}");
    }
}

#[test]
fn many_nicer_tasks_are_never_starved() {
    let mut list = vec![Priority::real_time(5), Priority::default()];
    list.extend((0..18).map(Priority::nice));
    let (ran, longest) = shares(&list, us(50));
    assert!(longest < ms(100), "{longest:?}");
    assert!(ran.iter().all(|ran| *ran > ms(1)), "{ran:?}");
    assert!(ran[0] > ran[1] * 4, "{ran:?}");
}

/// Whoever gives way may wait for a task that is nicer.
#[test]
fn who_waits_lets_a_nicer_task_run() {
    let nicer = Candidate { priority: Priority::nice(19), ..runs(B, us(1)) };
    for claim in [Claim::Yielded, Claim::Waits] {
        let list = [candidate(A, claim, Duration::ZERO), nicer];
        let mut scheduler = started();
        scheduler.turn.over = claim == Claim::Yielded;
        assert_eq!(scheduler.next(us(2), &list), Decision::Begins(B), "{claim:?}");
    }
    assert_eq!(started().next(us(700), &[runs(A, Duration::ZERO), nicer]), Decision::GoesOn(A));
}

#[test]
fn code_without_events_is_left_sooner_by_who_is_nicer() {
    let turns = |own: i32, other: i32| -> Duration {
        let others = [Candidate { priority: Priority::nice(other), ..runs(B, Duration::ZERO) }];
        let turn = |seed| {
            let mut scheduler = Scheduler::new(seed);
            scheduler.start_with(A, Duration::ZERO);
            scheduler.turn.priority = Priority::nice(own);
            turn_in_code(&mut scheduler, &others).0
        };
        (0..30).map(turn).sum::<Duration>() / 30
    };
    let (usual, nicer, first) = (turns(0, 0), turns(10, 0), turns(0, 10));
    assert!(nicer * 2 < usual && usual * 2 < first, "{nicer:?} {usual:?} {first:?}");
    assert!(first < ms(70), "{first:?}");
}

#[test]
fn at_random_a_new_task_is_first_about_half_of_the_time() {
    let mut scheduler = started();
    scheduler.at_random(Chaos::new(3));
    let mut first = 0;
    for round in 0..100 {
        scheduler.start_with(A, ms(round));
        scheduler.made_a_task();
        if scheduler.turn.over {
            first += 1;
        }
    }
    assert!((30..=70).contains(&first), "{first} of 100");
}

#[test]
fn at_random_nobody_waits_for_ever() {
    let mut scheduler = Scheduler::new(5);
    scheduler.at_random(Chaos::new(5));
    scheduler.start_with(A, Duration::ZERO);
    let mut turns = std::collections::BTreeMap::new();
    for micros in (0..200_000).step_by(20) {
        let list = [A, B, C].map(|tid| runs(tid, Duration::ZERO));
        if let Decision::Begins(tid) = scheduler.next(us(micros), &list) {
            *turns.entry(tid).or_insert(0) += 1;
        }
    }
    assert_eq!(turns.len(), 3, "{turns:?}");
    assert!(turns.values().all(|count| *count > 3), "{turns:?}");
}

#[test]
fn at_random_a_task_is_examined_before_its_slice_ends_unless_it_computes() {
    let mut left = 0;
    for seed in 0..100 {
        let mut scheduler = Scheduler::new(seed);
        scheduler.at_random(Chaos::new(seed));
        assert_eq!(scheduler.next(Duration::ZERO, &[runs(A, Duration::ZERO)]), Decision::Begins(A));
        let mut look = |now| scheduler.look(now, Duration::ZERO, [runs(B, now)].into_iter(), false);
        // A tick asks the task to stop, and is asked the same again once it has.
        assert_eq!([look(ms(100)), look(ms(100))], [Look::Examine; 2]);
        scheduler.computes(ms(100));
        let mut look = |now| scheduler.look(now, Duration::ZERO, [runs(B, now)].into_iter(), false);
        assert_eq!(look(ms(100)), Look::Leave);

        let computes = Candidate { seen_to_compute: 1, ..runs(A, Duration::ZERO) };
        let mut scheduler = Scheduler::new(seed);
        scheduler.at_random(Chaos::new(seed));
        assert_eq!(scheduler.next(Duration::ZERO, &[computes]), Decision::Begins(A));
        let look = scheduler.look(ms(100), Duration::ZERO, [runs(B, ms(100))].into_iter(), false);
        left += usize::from(look == Look::Leave);
    }
    assert!((75..100).contains(&left), "{left}");
}

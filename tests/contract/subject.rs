//! The two executions.

use std::num::NonZeroU64;

use retake_execution::{
    Clock, Direction, EventFilter, Execution, ProgramEnd, RunPlan, Site, SiteId, SiteTarget, Stop,
    StopReason,
};
use retake_model::{Addr, Position, RegisterName, Signal};
use retake_recording::Recording;
use retake_replayer::{Control, Timeline};
use retake_testkit::fake::{FakeBuilder, FakeExecution};
use retake_testkit::{Retake, fixture};

/// Visits of the function.
pub(crate) const VISITS: u64 = 20;
/// The site at the function, in all plans.
pub(crate) const SITE: SiteId = SiteId::new(4);

/// Where things are in an execution.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    /// The function that is visited.
    pub(crate) visit: Addr,
    /// What each visit writes its number to.
    pub(crate) word: Addr,
    /// What the kernel writes 77 to.
    pub(crate) fed: Addr,
    /// A page that nothing lies behind.
    pub(crate) page: Addr,
}

impl Facts {
    /// The site at the function.
    pub(crate) fn site(&self) -> Site {
        Site::new(SITE, SiteTarget::Absolute(self.visit))
    }
}

/// Asks something of an execution that is at its start.
pub(crate) type Check = fn(&mut dyn Execution, &Facts);

/// Runs a check over both executions.
pub(crate) fn both(check: Check) {
    let (mut fake, facts) = fake();
    eprintln!("over the fake:");
    check(&mut fake, &facts);
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let (mut replay, facts) = record(&retake);
    eprintln!("over the replay:");
    check(&mut replay, &facts);
}

/// Code of `visit` (two instructions), and of what calls it.
const VISIT: u64 = 0x1000;
const STORED: u64 = 0x1008;
const BACK: u64 = 0x1100;
const CALLS: u64 = 0x1200;
const WORD: u64 = 0x8000;
const FED: u64 = 0x8008;
const PAGE: u64 = 0x9000;

fn visits(fake: FakeBuilder, numbers: std::ops::RangeInclusive<u64>) -> FakeBuilder {
    numbers.fold(fake, |fake, n| {
        let arrived = fake.step(VISIT).set(RegisterName::Rdi, n);
        arrived.step(STORED).write(WORD, n.to_le_bytes()).step(BACK).reads(WORD, 8)
    })
}

fn fake() -> (FakeExecution, Facts) {
    let fake = FakeBuilder::new()
        .file("/home/me/contract", vec![0x90; 0x300])
        .map_code(1, 0x1000, 0x1000, 0, 0)
        .map_data(1, 0x8000, 0x2000)
        .step(CALLS)
        .event(1, "write(1, \"0x1000\", 6) = 6")
        .is(EventFilter::Output(b"0x1000\n".to_vec()));
    let fake = visits(fake, 1..=10)
        .checkpoint()
        .step(CALLS)
        .event(1, "clock_gettime(0, {..}) = 0")
        .reads_clock(Clock::Real, 1_700_000_000_500_000_000)
        .step(CALLS)
        .event(1, "write(1, \"half\\n\", 5) = 5")
        .is(EventFilter::Output(b"half\n".to_vec()))
        .step(CALLS)
        .event(1, "read(3, \"M\", 8) = 8")
        .write(FED, 77_u64.to_le_bytes())
        .step(CALLS)
        .event(1, "SIGUSR1, handled")
        .is(EventFilter::Signal(Some(Signal::USR1)))
        .step(CALLS);
    let fake = visits(fake, 11..=20)
        .step(CALLS)
        .event(1, "write(1, \"done\\n\", 5) = 5")
        .is(EventFilter::Output(b"done\n".to_vec()))
        .step(CALLS)
        .ends(ProgramEnd::Exited(3))
        .event(1, "exit(3)")
        .is(EventFilter::Exit);
    let [visit, word, fed, page] = [VISIT, WORD, FED, PAGE].map(Addr::new);
    (fake.build(), Facts { visit, word, fed, page })
}

fn record(retake: &Retake) -> (Timeline, Facts) {
    let program = fixture::c("c/contract.c", &["-no-pie"]);
    let (dir, ended) = retake.record("recording", &[], &[program]);
    assert_eq!(ended.code(), 3, "{}", ended.errors());
    let printed = ended.output();
    let addr = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16).ok();
    let words: Vec<Addr> = printed.split_whitespace().map_while(addr).map(Addr::new).collect();
    let [visit, word, fed, page] = words[..] else { panic!("four addresses in {printed}") };
    let recording = Recording::open(&dir).expect("the recording can be read");
    let timeline = Timeline::open(recording, Control::default());
    (timeline.expect("the recording can be replayed"), Facts { visit, word, fed, page })
}

/// Runs as planned.
#[track_caller]
pub(crate) fn run(x: &mut dyn Execution, plan: &RunPlan<'_>) -> Stop {
    let from = x.position();
    let stop = x.run(plan, None).unwrap_or_else(|err| panic!("{plan:?} from {from}: {err}"));
    assert_eq!(stop.position, x.position(), "it stands where it says");
    assert_eq!(stop.task, x.current_task(), "of whom it says");
    stop
}

/// Runs to the so-manieth visit in a direction.
#[track_caller]
pub(crate) fn to_visit(x: &mut dyn Execution, facts: &Facts, way: Direction, nth: u64) -> Stop {
    let nth = NonZeroU64::new(nth).expect("from 1 on");
    run(x, &RunPlan { nth, ..RunPlan::to_sites(way, &[facts.site()]) })
}

/// Goes to the end.
#[track_caller]
pub(crate) fn to_end(x: &mut dyn Execution) -> Stop {
    let stop = run(x, &RunPlan::to_sites(Direction::Forward, &[]));
    assert!(stop.reasons.contains(&StopReason::End), "{stop:?}");
    stop
}

/// Goes to the so-manieth visit from the start.
#[track_caller]
pub(crate) fn at_visit(x: &mut dyn Execution, facts: &Facts, nth: u64) -> Position {
    x.seek(Position::START).expect("the start");
    let stop = to_visit(x, facts, Direction::Forward, nth);
    assert_eq!(stop.reasons, [StopReason::Site(SITE)]);
    assert_eq!(number(x), nth);
    stop.position
}

/// The number that the visit here was given.
#[track_caller]
pub(crate) fn number(x: &dyn Execution) -> u64 {
    x.registers(x.current_task()).expect("a living task").rdi
}

/// A word of the program's memory.
#[track_caller]
pub(crate) fn value(x: &dyn Execution, at: Addr) -> u64 {
    let mut bytes = [0; 8];
    x.read_memory(x.current_task(), at, &mut bytes).expect("mapped");
    u64::from_le_bytes(bytes)
}

//! `retake hunt`: records a command again and again until a run fails.
//!
//! [`plan`], [`rewrite`], [`verdict`] and [`tally`] decide and touch nothing; [`attempt`] is one run, a
//! child process, so that what happens to it happens to nothing else; [`keep`] moves recordings that stay.

mod attempt;
mod cpus;
mod keep;
mod live;
mod plan;
mod rewrite;
mod tally;
mod verdict;

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::home::{Home, create_private};
use crate::store;
use attempt::Attempt;
pub(crate) use attempt::{Ran, last_lines};
pub(crate) use keep::Kept;
pub(crate) use live::Live;
pub(crate) use plan::Schedule;
pub(crate) use rewrite::matches;
pub(crate) use tally::{Group, Tally};
pub(crate) use verdict::Failing;

/// How often running attempts are looked at.
const LOOK: Duration = Duration::from_millis(3);
/// So many more runs are made to get one that passes, where none has so far.
const FOR_PASSING: u32 = 3;

/// When a hunt is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// With the first failure; a passing run is kept beside it.
    First,
    /// The same, and nothing is kept beside it.
    FirstAlone,
    /// When its runs or its time are over.
    All,
}

/// What to hunt.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) command: Vec<OsString>,
    /// So many runs at most.
    pub(crate) runs: Option<u32>,
    /// For so long at most.
    pub(crate) time: Option<Duration>,
    /// So many at once.
    pub(crate) jobs: usize,
    /// Text that makes a run a failure.
    pub(crate) wanted: Option<String>,
    /// How long a process may take.
    pub(crate) timeout: Option<Duration>,
    /// Which programs are recorded.
    pub(crate) only: Option<String>,
    pub(crate) goal: Goal,
    /// A variable that the command does not get.
    pub(crate) without: Option<&'static str>,
}

/// A hunt that goes on.
struct Hunt<'a> {
    options: &'a Options,
    how: rewrite::How,
    home: &'a Home,
    /// Folders of runs, gone with this.
    folder: tempfile::TempDir,
    seed: u64,
    started: Instant,
    interrupted: Arc<AtomicBool>,
    allowed: Vec<usize>,
    idle: std::collections::BTreeMap<usize, u64>,
    running: Vec<Attempt>,
    begun: u32,
    first_passing: Option<Duration>,
    /// The last run that passed.
    passing: Option<Ran>,
    tally: Tally,
}

/// Hunts; `on_run` is told of each run.
///
/// # Errors
/// When a run could not be recorded, or nothing of it was.
pub(crate) fn hunt(
    options: &Options,
    home: &Home,
    on_run: &mut dyn FnMut(&Ran, &Tally) -> Result<(), Failure>,
) -> Result<Tally, Failure> {
    home.create()?;
    let parent = home.hunts();
    let failed =
        |err| Failure::text(format!("failed to create a folder in {}: {err}", parent.display()));
    create_private(&parent).map_err(failed)?;
    let folder = tempfile::Builder::new().prefix("hunt-").tempdir_in(&parent).map_err(failed)?;
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&interrupted))
            .map_err(|err| Failure::text(format!("failed to handle signals: {err}")))?;
    }
    let mut hunt = Hunt {
        how: rewrite::how(&options.command, options.only.as_deref()),
        options,
        home,
        folder,
        seed: seed(),
        started: Instant::now(),
        interrupted,
        allowed: cpus::allowed(),
        idle: cpus::idle(),
        running: Vec::new(),
        begun: 0,
        first_passing: None,
        passing: None,
        tally: Tally::default(),
    };
    let result = hunt.run(on_run);
    for attempt in hunt.running.drain(..) {
        attempt.end();
    }
    let tally = std::mem::take(&mut hunt.tally);
    drop(hunt);
    store::tidy(home)?;
    result.map(|()| tally)
}

/// Another one each time.
fn seed() -> u64 {
    use std::hash::BuildHasher;
    std::collections::hash_map::RandomState::new().hash_one(std::process::id()) >> 40
}

impl Hunt<'_> {
    fn run(
        &mut self,
        on_run: &mut dyn FnMut(&Ran, &Tally) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        loop {
            while self.wants_more() {
                self.begun += 1;
                self.begin(plan::schedule(self.begun, self.seed))?;
            }
            if self.running.is_empty() || self.is_over() {
                break;
            }
            while let Some(ran) = self.next_ended()? {
                self.take(ran, on_run)?;
            }
            std::thread::sleep(LOOK);
        }
        self.find_passing()
    }

    /// Whether no more runs are begun, and those that go on are ended.
    fn is_over(&self) -> bool {
        let found = !self.tally.groups.is_empty() && self.options.goal != Goal::All;
        let late = self.options.time.is_some_and(|time| self.started.elapsed() >= time);
        found || late || self.interrupted.load(Ordering::Relaxed)
    }

    fn wants_more(&self) -> bool {
        self.running.len() < self.options.jobs.min(self.allowed.len()).max(1)
            && self.options.runs.is_none_or(|most| self.begun < most)
            && !self.is_over()
    }

    fn begin(&mut self, schedule: Schedule) -> Result<(), Failure> {
        let taken: Vec<usize> = self.running.iter().filter_map(|attempt| attempt.cpu).collect();
        let now = cpus::idle();
        let cpu = cpus::choose(&self.allowed, &taken, &self.idle, &now);
        let limit = plan::bound(self.options.timeout, self.first_passing);
        let run = (self.begun, schedule);
        let folder = self.folder.path();
        let attempt = Attempt::start(self.options, self.how, folder, run, cpu, limit)?;
        self.idle = now;
        self.running.push(attempt);
        Ok(())
    }

    fn next_ended(&mut self) -> Result<Option<Ran>, Failure> {
        for at in 0..self.running.len() {
            let Some(attempt) = self.running.get_mut(at) else { break };
            if let Some(status) = attempt.ended()? {
                let attempt = self.running.remove(at);
                return attempt.judge(self.options, status).map(Some);
            }
        }
        Ok(None)
    }

    /// Counts a run, and keeps what is to stay of it.
    fn take(
        &mut self,
        ran: Ran,
        on_run: &mut dyn FnMut(&Ran, &Tally) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.tally.count(ran.schedule, ran.took, ran.failed.is_some());
        let Some((failing, at)) = ran.failed.clone() else {
            self.first_passing.get_or_insert(ran.took);
            on_run(&ran, &self.tally)?;
            if let Some(before) = self.passing.replace(ran) {
                remove(&before.dir);
            }
            return Ok(());
        };
        let place = verdict::place(&ran.output, self.options.wanted.as_deref());
        on_run(&ran, &self.tally)?;
        if self.tally.is_new(&failing, place.as_deref()) {
            let kept = keep::keep(self.home, &ran, at)?;
            self.tally.add(failing, place, kept);
        }
        remove(&ran.dir);
        Ok(())
    }

    /// Keeps a passing run beside the failing one, and looks for one where there is none.
    fn find_passing(&mut self) -> Result<(), Failure> {
        for attempt in self.running.drain(..) {
            attempt.end();
        }
        if self.tally.groups.is_empty() || self.options.goal == Goal::FirstAlone {
            return Ok(());
        }
        let is_late = |hunt: &Self| hunt.options.time.is_some_and(|t| hunt.started.elapsed() >= t);
        for _ in 0..FOR_PASSING {
            if self.passing.is_some() || self.interrupted.load(Ordering::Relaxed) || is_late(self) {
                break;
            }
            self.begun += 1;
            self.begin(Schedule::Plain)?;
            while let (None, false) =
                (self.running.first_mut().map_or(Ok(None), Attempt::ended)?, is_late(self))
            {
                std::thread::sleep(LOOK);
            }
            if let Some(ran) = self.next_ended()? {
                // These runs are not counted: they are not what was asked for.
                self.passing = Some(ran).filter(|ran| ran.failed.is_none());
            }
        }
        if let (Some(ran), Some(group)) = (self.passing.take(), self.tally.groups.first()) {
            self.tally.passing = keep::keep_passing(self.home, &ran, &group.kept)?;
        }
        Ok(())
    }
}

/// What cannot be removed goes with the hunt's folder, or stays there for somebody to look at.
fn remove(dir: &PathBuf) {
    let _ = fs::remove_dir_all(dir);
}

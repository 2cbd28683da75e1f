//! Runs over a script: what they stop at.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use retake_execution::{
    Access, Direction, Divergence, ErrorKind, EventFilter, ExecutionError, Hit, Judge, RunPlan,
    Site, SiteTarget, State, Stop, StopReason, Verdict, Watch,
};
use retake_model::{
    Addr, AddrRange, EventIndex, Judged, Position, Predicate, Registers, Signal, SpaceId, TaskId,
};

use super::execution::{FakeExecution, index_of};

impl FakeExecution {
    /// Runs as planned; the moment changes as it goes.
    pub(super) fn go(
        &mut self,
        plan: &RunPlan<'_>,
        mut judge: Option<&mut Judge<'_>>,
    ) -> Result<Stop, ExecutionError> {
        for task in plan.watches.iter().map(|watch| watch.task) {
            self.task(task, "watch memory")?;
        }
        let mut steps = plan.steps.map(|steps| (steps.task, steps.count.get()));
        if let Some((task, _)) = steps {
            self.task(task, "step")?;
        }
        let forward = plan.direction == Direction::Forward;
        let behind = |bound: &Position, here: Position| {
            if forward { *bound <= here } else { *bound >= here }
        };
        if plan.bound.is_some_and(|bound| behind(&bound, self.position())) {
            return Ok(self.arrive(self.at, vec![StopReason::Reached]));
        }
        let judged = match &mut judge {
            Some(judge) if !forward => Some(self.judged(plan.sites, *judge)?),
            _ => None,
        };
        let mut wanted = plan.nth.get();
        for passed in 0.. {
            let next = if forward { self.after() } else { self.at.checked_sub(1) };
            let Some(next) = next else { break };
            if let Some(signal) = self.signal_before(next).filter(|_| forward)
                && plan.signals.contains(signal)
            {
                return Ok(self.arrive(self.at, vec![StopReason::Signal(signal)]));
            }
            self.pass("run", passed, next)?;
            // What led from the earlier of two moments to the later one.
            let led_to = next.max(self.at);
            self.at = next;
            let accessed = plan.watches.iter().find(|watch| self.accesses(led_to, watch));
            if let Some(watch) = accessed {
                wanted -= 1;
                if wanted == 0 {
                    return Ok(self.arrive(next, vec![StopReason::Watch(watch.id)]));
                }
            }
            let at_bound = plan.bound == Some(self.position());
            if at_bound && forward {
                return Ok(self.arrive(next, vec![StopReason::Reached]));
            }
            if let Some(hit) = self.site_at(next, plan.sites) {
                let counts = match (&judged, &mut judge) {
                    (Some(counted), _) => counted.contains(&next),
                    (None, Some(judge)) => judge(&hit, self) == Verdict::Counts,
                    (None, None) => true,
                };
                wanted -= u64::from(counts);
                if wanted == 0 {
                    return Ok(self.arrive(next, vec![StopReason::Site(hit.site)]));
                }
            }
            if let Some((task, left)) = &mut steps {
                *left -= u64::from(self.script.moments[led_to].task == *task);
                if *left == 0 {
                    return Ok(self.arrive(next, vec![StopReason::Stepped]));
                }
            }
            if at_bound {
                return Ok(self.arrive(next, vec![StopReason::Reached]));
            }
        }
        Ok(self.arrive(self.at, Vec::new()))
    }

    /// The arrivals before this moment that count, as a replay asks for them: in the order of time.
    fn judged(
        &mut self,
        sites: &[Site],
        judge: &mut Judge<'_>,
    ) -> Result<BTreeSet<usize>, ExecutionError> {
        let mut counted = BTreeSet::new();
        let from = self.at;
        for index in 0..from {
            self.pass("run", index, index)?;
            self.at = index;
            if let Some(hit) = self.site_at(index, sites)
                && judge(&hit, self) == Verdict::Counts
            {
                counted.insert(index);
            }
        }
        self.at = from;
        Ok(counted)
    }

    /// The next moment, if there is one.
    fn after(&self) -> Option<usize> {
        Some(self.at + 1).filter(|next| *next < self.script.moments.len())
    }

    /// The signal that takes effect on the way to a moment and does not end the process.
    fn signal_before(&self, next: usize) -> Option<Signal> {
        let event = self.script.moments[next].position.event();
        if event == self.script.moments[next.checked_sub(1)?].position.event() {
            return None;
        }
        self.script.kinds.iter().find_map(|(of, kind)| match kind {
            EventFilter::Signal(Some(signal)) if of + 1 == event.get() => Some(*signal),
            _ => None,
        })
    }

    /// Whether what led to a moment accesses what is watched.
    fn accesses(&self, moment: usize, watch: &Watch) -> bool {
        let moments = &self.script.moments;
        let Some(before) = moment.checked_sub(1).map(|before| &moments[before]) else {
            return false;
        };
        let now = &moments[moment];
        let Some(space) = now.tasks.get(&watch.task).map(|task| task.info.space) else {
            return false;
        };
        let touches = |of: SpaceId, range: Option<AddrRange>| {
            of == space && range.is_some_and(|range| range.overlaps(watch.range))
        };
        let writes = self.script.writes[before.writes..now.writes].iter();
        let mut writes = writes
            .map(|write| (write.space, AddrRange::with_len(write.addr, write.bytes.len() as u64)));
        let reads = self.script.reads.iter().filter(|read| read.moment == moment);
        let mut reads = reads.map(|read| (read.space, Some(read.range)));
        let (writes, reads) = (
            writes.any(|(of, range)| touches(of, range)),
            reads.any(|(of, range)| touches(of, range)),
        );
        match watch.access {
            Access::Write => writes,
            // As debug registers do.
            Access::Read | Access::Any => writes || reads,
        }
    }

    pub(super) fn arrive(&mut self, index: usize, mut reasons: Vec<StopReason>) -> Stop {
        self.at = index;
        if index + 1 == self.script.moments.len() {
            if !reasons.contains(&StopReason::End) {
                reasons.push(StopReason::End);
            }
            reasons.extend(self.script.fatal.map(StopReason::Fatal));
        }
        if index == 0 && !reasons.contains(&StopReason::Start) {
            reasons.push(StopReason::Start);
        }
        Stop { position: self.position(), task: self.current_task(), reasons }
    }

    /// Which of `sites` the step that leads to moment `index` hits.
    pub(super) fn site_at(&self, index: usize, sites: &[Site]) -> Option<Hit> {
        let moment = &self.script.moments[index];
        if moment.position == Position::at_event(moment.position.event()) {
            return None;
        }
        let task = moment.tasks.get(&moment.task)?;
        let (pc, space) = (task.registers.pc(), task.info.space);
        let code = self.code_at(space, pc)?;
        let seen = AtMoment { fake: self, index, registers: task.registers };
        let site = sites.iter().find(|site| {
            let is_there = match site.target {
                SiteTarget::Absolute(addr) => addr == pc,
                SiteTarget::Code { .. } => Some(site.target) == code.target(),
            };
            let holds = |when: &Predicate| when.evaluate(&seen).unwrap_or(true);
            is_there && site.when.as_ref().is_none_or(holds)
        })?;
        Some(Hit { site: site.id, position: moment.position, task: moment.task, space, pc })
    }

    /// Goes from moment to moment, and gives up where the test wants that.
    pub(super) fn pass(
        &mut self,
        attempt: &str,
        passed: usize,
        index: usize,
    ) -> Result<(), ExecutionError> {
        if self.interrupt_after.is_some_and(|limit| passed >= limit) {
            self.interrupt_after = None;
            self.interrupt.store(true, Ordering::SeqCst);
        }
        if self.interrupt.swap(false, Ordering::SeqCst) {
            return Err(ExecutionError::new(attempt, ErrorKind::Interrupted));
        }
        let event = self.script.moments[index].position.event();
        self.reached.store(event.get(), Ordering::SeqCst);
        match self.script.diverges_at {
            Some(bad) if event.get() > bad => {
                let divergence = Divergence {
                    event: EventIndex::new(bad),
                    task: Some(self.script.moments[index].task),
                    what: "injected".to_owned(),
                    expected: "a".to_owned(),
                    actual: "b".to_owned(),
                    context: vec![format!("{bad} {}", self.script.events[index_of(bad)])],
                };
                let kind = ErrorKind::Divergence(Box::new(divergence));
                Err(ExecutionError::new(attempt, kind))
            }
            _ => Ok(()),
        }
    }
}

/// The running task of a moment, as predicates see it.
struct AtMoment<'a> {
    fake: &'a FakeExecution,
    index: usize,
    registers: Registers,
}

impl Judged for AtMoment<'_> {
    fn task(&self) -> TaskId {
        self.fake.script.moments[self.index].task
    }

    fn registers(&self) -> &Registers {
        &self.registers
    }

    fn read(&self, addr: Addr, out: &mut [u8]) -> bool {
        let moment = &self.fake.script.moments[self.index];
        let Some(task) = moment.tasks.get(&moment.task) else { return false };
        self.fake.fill(task.info.space, moment.writes, addr, out) == out.len()
    }
}

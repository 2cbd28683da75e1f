//! Breakpoints as the execution wants them: each place once.

use std::collections::BTreeMap;

use retake_execution::{Site, SiteId, SiteTarget, State};
use retake_model::{Addr, FileId, FileOffset, Judged, Predicate, Registers, TaskId};

use super::{Breakpoint, BreakpointId};

/// Who wants a run to stop at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Owner {
    /// A breakpoint.
    Breakpoint(BreakpointId),
    /// A catch.
    Catch(BreakpointId),
    /// Whoever asked to run there.
    Asked,
    /// The function that the run began in ends there (or begins, backwards).
    FrameEnd,
}

/// Who wants a place, and when.
#[derive(Clone, Debug)]
struct Claim {
    owner: Owner,
    when: Option<Predicate>,
}

/// Places with those who want them.
#[derive(Clone, Debug, Default)]
pub(crate) struct SiteTable {
    sites: Vec<Site>,
    claims: BTreeMap<SiteTarget, Vec<Claim>>,
}

impl SiteTable {
    pub(crate) fn new<'a>(breakpoints: impl IntoIterator<Item = &'a Breakpoint>) -> Self {
        let mut table = Self::default();
        for breakpoint in breakpoints {
            table.add_breakpoint(breakpoint, None);
        }
        table.merge();
        table
    }

    /// Of one breakpoint, for one task.
    pub(crate) fn of_task(breakpoint: &Breakpoint, task: TaskId) -> Self {
        let mut table = Self::default();
        table.add_breakpoint(breakpoint, Some(task));
        table.merge();
        table
    }

    /// The same with sites of somebody else.
    #[must_use]
    pub(crate) fn with(mut self, owner: Owner, sites: impl IntoIterator<Item = Site>) -> Self {
        for site in sites {
            self.add(site.target, owner, site.when);
        }
        self.merge();
        self
    }

    fn add_breakpoint(&mut self, breakpoint: &Breakpoint, task: Option<TaskId>) {
        for (index, place) in breakpoint.places.iter().enumerate() {
            let own = breakpoint.predicate(index);
            let when = match task.map(Predicate::Task) {
                Some(task) => Some(Predicate::All(std::iter::once(task).chain(own).collect())),
                None => own,
            };
            let owner = Owner::Breakpoint(breakpoint.id);
            let claims = self.claims.get(&place.target());
            if !claims.is_some_and(|all| all.iter().any(|claim| claim.owner == owner)) {
                self.add(place.target(), owner, when);
            }
        }
    }

    fn add(&mut self, target: SiteTarget, owner: Owner, when: Option<Predicate>) {
        let claims = self.claims.entry(target).or_default();
        if claims.is_empty() {
            let id = u32::try_from(self.sites.len()).unwrap_or(u32::MAX);
            self.sites.push(Site::new(SiteId::new(id), target));
        }
        claims.push(Claim { owner, when });
    }

    /// An arrival counts where it does for one who wants the place.
    fn merge(&mut self) {
        for site in &mut self.sites {
            let claims = self.claims.get(&site.target).map_or(&[][..], Vec::as_slice);
            let all: Option<Vec<_>> = claims.iter().map(|claim| claim.when.clone()).collect();
            site.when = all.map(Predicate::Any);
        }
    }

    pub(crate) fn sites(&self) -> &[Site] {
        &self.sites
    }

    pub(crate) fn target(&self, id: SiteId) -> Option<SiteTarget> {
        self.sites.iter().find(|site| site.id == id).map(|site| site.target)
    }

    /// The claims on an address, which executes `code`. An address and a byte of a file can be the same
    /// place, and the execution names only one of them.
    fn claims_at(
        &self,
        pc: Addr,
        code: Option<(FileId, FileOffset)>,
    ) -> impl Iterator<Item = &Claim> {
        let code = code.map(|(file, offset)| SiteTarget::Code { file, offset });
        let targets = [Some(SiteTarget::Absolute(pc)), code];
        targets.into_iter().flatten().filter_map(|target| self.claims.get(&target)).flatten()
    }

    /// The breakpoints at an address, which executes `code`.
    pub(crate) fn breakpoints(
        &self,
        pc: Addr,
        code: Option<(FileId, FileOffset)>,
    ) -> Vec<BreakpointId> {
        let owners = self.claims_at(pc, code).filter_map(|claim| match claim.owner {
            Owner::Breakpoint(id) => Some(id),
            Owner::Catch(_) | Owner::Asked | Owner::FrameEnd => None,
        });
        sorted(owners.collect())
    }

    /// Those who want a task to stop where it is now.
    pub(crate) fn holding(&self, state: &dyn State, task: TaskId) -> Vec<Owner> {
        let Ok(registers) = state.program_registers(task) else { return Vec::new() };
        let code = crate::code::file_at(state, task, registers.pc());
        let now = Now { state, task, registers };
        let holds = |claim: &&Claim| {
            claim.when.as_ref().is_none_or(|when| when.evaluate(&now).unwrap_or(true))
        };
        let claims = self.claims_at(registers.pc(), code).filter(holds);
        sorted(claims.map(|claim| claim.owner).collect())
    }
}

fn sorted<T: Ord>(mut all: Vec<T>) -> Vec<T> {
    all.sort_unstable();
    all.dedup();
    all
}

/// A task at the current moment, as predicates see it.
struct Now<'a> {
    state: &'a dyn State,
    task: TaskId,
    registers: Registers,
}

impl Judged for Now<'_> {
    fn task(&self) -> TaskId {
        self.task
    }

    fn registers(&self) -> &Registers {
        &self.registers
    }

    fn read(&self, addr: Addr, out: &mut [u8]) -> bool {
        self.state.read_memory(self.task, addr, out).is_ok()
    }
}

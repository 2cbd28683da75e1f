//! What is known of a place before anybody arrives there, so that an arrival is looked at on any thread.

use std::collections::BTreeMap;
use std::sync::Arc;

use retake_execution::{Hit, Site, SiteTarget, State};
use retake_model::{Addr, Arithmetic, FileAddr, RegisterName, Term, Width};
use retake_values::{At, Compiled, Frame, FunctionScope, Info, KnownRegisters, Language};

use super::scope::{FrameScope, visible};
use crate::breakpoint::SiteTable;
use crate::code::{Catalog, Cfa, FrameRule, file_at};
use crate::expr::{Places, register_value};
use crate::{DebugError, Debugger};

/// A place with the functions and variables there.
pub(crate) struct SiteScope {
    info: Arc<Info>,
    pc: FileAddr,
    rule: Option<FrameRule>,
    functions: Arc<Vec<FunctionScope>>,
    line: Option<u32>,
}

impl SiteScope {
    fn bias_at(&self, pc: Addr) -> u64 {
        pc.get().wrapping_sub(self.pc.get())
    }

    /// What is added to the addresses of the place's own module.
    pub(crate) fn bias(&self, info: &Info, pc: Addr) -> Option<u64> {
        std::ptr::eq(&*self.info, info).then(|| self.bias_at(pc))
    }

    /// The function at an address, if it is of the same module.
    pub(crate) fn symbol(&self, addr: Addr, pc: Addr) -> Option<String> {
        let at = FileAddr::new(addr.get().wrapping_sub(self.bias_at(pc)));
        self.info.module().symbol_at(at)
    }
}

impl Debugger {
    /// What is known of the places of a table that are in files with debug information.
    pub(crate) fn scopes_of(&self, table: &SiteTable) -> BTreeMap<SiteTarget, SiteScope> {
        let known = |site: &Site| Some((site.target, self.scope_of(site.target)?));
        table.sites().iter().filter_map(known).collect()
    }

    fn scope_of(&self, target: SiteTarget) -> Option<SiteScope> {
        let execution = self.execution.as_ref();
        let (file, offset) = match target {
            SiteTarget::Code { file, offset } => (file, offset),
            SiteTarget::Absolute(addr) => file_at(execution, self.task(), addr)?,
        };
        let info = execution.files().into_iter().find(|info| info.file == file)?;
        let module = self.catalog.module(execution, &info).ok()?;
        let (info, pc) = (module.values()?, module.file_addr(offset)?);
        let functions = info.scopes_at(pc.get());
        let line = module.frames_at(offset).into_iter().next();
        let line = line.and_then(|frame| frame.source).map(|source| source.line);
        Some(SiteScope { info, pc, rule: module.frame_rule(offset), functions, line })
    }

    /// The variables at a place, for conditions.
    pub(crate) fn variables_at(&self, target: SiteTarget) -> VariablesAt {
        VariablesAt { site: self.scope_of(target), others: self.infos() }
    }

    /// The debug information of every file that is mapped as code at this moment.
    pub(crate) fn infos(&self) -> Vec<Arc<Info>> {
        loaded_infos(&self.catalog, self.execution.as_ref(), self.task())
    }
}

fn loaded_infos(
    catalog: &Catalog,
    execution: &dyn retake_execution::Execution,
    task: retake_model::TaskId,
) -> Vec<Arc<Info>> {
    use retake_model::{Backing, Protection};
    let files = execution.files();
    let mut found: Vec<Arc<Info>> = Vec::new();
    for mapping in execution.mappings(task).unwrap_or_default() {
        let Backing::File { file, .. } = mapping.backing else { continue };
        let info = files.iter().find(|info| info.file == file);
        let (true, Some(info)) = (mapping.prot.allows(Protection::EXEC), info) else { continue };
        if let Ok(module) = catalog.module(execution, info)
            && let Some(info) = module.values()
            && !found.iter().any(|other| Arc::ptr_eq(other, &info))
        {
            found.push(info);
        }
    }
    found
}

impl FrameScope {
    /// The frame of a task that arrived at a place.
    pub(crate) fn at_site(
        site: &SiteScope,
        state: &dyn State,
        hit: &Hit,
    ) -> Result<Self, DebugError> {
        let registers = state.program_registers(hit.task)?;
        let mut read = |addr| {
            let mut word = [0; 8];
            state.read_memory(hit.task, addr, &mut word).ok()?;
            Some(u64::from_le_bytes(word))
        };
        let cfa = site.rule.as_ref().and_then(|rule| rule.cfa(&registers, &mut read));
        let vectors =
            site.uses_vectors().then(|| state.vector_registers(hit.task).ok().map(Arc::new));
        let frame = Frame {
            info: Arc::clone(&site.info),
            bias: site.bias_at(hit.pc),
            pc: site.pc,
            registers,
            known: KnownRegisters::All,
            vectors: vectors.flatten(),
            cfa,
        };
        let thread = Addr::new(registers.get(RegisterName::FsBase));
        let functions = Arc::clone(&site.functions);
        Ok(Self::new(hit.task, vec![frame], functions, site.line, thread))
    }
}

impl SiteScope {
    /// Whether a variable may be in a vector register.
    fn uses_vectors(&self) -> bool {
        let variables = self.functions.iter().flat_map(|function| &function.variables);
        variables.into_iter().any(|variable| {
            use retake_values::{Encoding, Kind};
            let (_, ty) = self.info.plain(variable.ty);
            matches!(
                ty.as_deref().map(|ty| &ty.kind),
                Some(
                    Kind::Base(Encoding::Float | Encoding::Complex)
                        | Kind::Fields(_)
                        | Kind::Array { .. }
                )
            )
        })
    }
}

/// The variables at a place, as far as the recorded program can judge them itself.
pub(crate) struct VariablesAt {
    site: Option<SiteScope>,
    others: Vec<Arc<Info>>,
}

impl VariablesAt {
    /// Whether a name means something there. Of paths with dots only the first part is asked for.
    pub(crate) fn knows(&self, name: &str) -> bool {
        let is_register = register_value(&retake_model::Registers::default(), name).is_some();
        let own = self.site.as_ref().is_some_and(|site| {
            let function = site.functions.first();
            let named = |function: &FunctionScope| {
                visible(function, site.line).any(|variable| variable.name == name)
            };
            // `main.x` of Go is a name with a dot.
            let is_go = function.is_some_and(|function| function.language == Language::Go);
            function.is_some_and(named) || site.info.has_variable(name) || is_go
        });
        let has = |info: &Arc<Info>| info.has_variable(name) || At::constant(info, name).is_some();
        is_register || own || self.others.iter().any(has)
    }

    /// The place, for people.
    pub(crate) fn place(&self) -> String {
        let Some(site) = &self.site else { return "a place without debug information".to_owned() };
        let function = site.functions.first().and_then(|function| function.name.clone());
        let line = site.line.map(|line| format!(" (line {line})")).unwrap_or_default();
        format!("{}{line}", function.unwrap_or_else(|| site.pc.to_string()))
    }
}

impl Places for VariablesAt {
    fn place(&self, name: &str) -> Option<Compiled> {
        let site = self.site.as_ref()?;
        let pc = site.pc.get();
        let own = site.functions.first();
        let variable = own.and_then(|function| {
            visible(function, site.line).find(|variable| variable.name == name)
        });
        if let Some(variable) = variable {
            return site.info.compile(pc, variable, site.cfa().as_ref());
        }
        let global = site.info.compile_global(pc, name);
        let is_go = own.is_some_and(|function| function.language == Language::Go);
        global.or_else(|| {
            if is_go { site.info.compile_global(pc, &format!("main.{name}")) } else { None }
        })
    }
}

impl SiteScope {
    /// The canonical frame address.
    fn cfa(&self) -> Option<Term> {
        let sum = |register: RegisterName, offset: i64| {
            let offset = Box::new(Term::Constant(offset.cast_unsigned()));
            Term::Arithmetic(Arithmetic::Add, Box::new(Term::Register(register)), offset)
        };
        match self.rule.as_ref()?.cfa {
            Cfa::Register { register, offset } => Some(sum(register, offset)),
            Cfa::Memory { register, offset } => {
                Some(Term::Memory(Width::U64, Box::new(sum(register, offset))))
            }
            Cfa::Expression(_) => None,
        }
    }
}

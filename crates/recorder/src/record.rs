//! Recording one program from its start to its end.

use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use retake_ptrace::{
    CallStops, Cpuid, Filter, Link, SameTraps, ShortSlices, SpawnError, Wakes, can_trap_cpuid,
    pin_current_thread, prefer_short_slices, spawn_program, unpin_from,
};
use retake_recording::{Cut, End, ExitStatus, Manifest, RecordingWriter, Summary, WriterOptions};
use retake_tracee::InjectPage;

use crate::book::beside::Beside;
use crate::cpuid::Processor;
use crate::ending::leftover::Leftover;
use crate::ending::limits::Limits;
use crate::ending::state::{EndedBy, Ending};
use crate::ending::{LeftProcess, Rest};
use crate::error::RecordError;
use crate::session::Session;
use crate::start::program::{ProgramError, check_program, find_program, why_not};
use crate::start::seat::Seat;
use crate::told::processors::Processors;

/// What to record, and how.
#[derive(Clone, Debug)]
pub struct RecordOptions {
    /// Folder of the recording; must not hold one.
    pub dir: PathBuf,
    /// Folder of the content store that all recordings of this user share.
    pub store: PathBuf,
    /// Program and arguments.
    pub command: Vec<OsString>,
    /// Variables (`NAME=VALUE`) that the program gets beside this process's own, or in their place.
    pub env: Vec<OsString>,
    /// Run time between checkpoints.
    pub checkpoint_every: Duration,
    /// Schedule tasks at random, by this seed.
    pub chaos: Option<u64>,
    /// Whether calls may be recorded without a stop.
    pub calls: Calls,
    /// What becomes of processes that live when the program's first one ends.
    pub leftover: Leftover,
    /// What ends the recording although the program goes on.
    pub limits: Limits,
    /// The CPU to bind the program to; by default the one that this process runs on, or another one where that is
    /// another recording's.
    pub cpu: Option<usize>,
    /// How many CPUs the program is told of; as many as this process may use by default.
    pub cpus: Option<usize>,
    /// Compare what the kernel writes with what the table says, for every call. Slow.
    pub audit: bool,
    /// Who knows which files are to be kept with the recording besides those that are mapped.
    pub beside: Option<Arc<dyn Beside>>,
}

impl RecordOptions {
    /// As a recording is made where nobody asks for anything else.
    pub fn new(dir: PathBuf, store: PathBuf, command: Vec<OsString>) -> Self {
        Self {
            dir,
            store,
            command,
            env: Vec::new(),
            checkpoint_every: Duration::from_secs(1),
            chaos: None,
            calls: Calls::MayBeFast,
            leftover: Leftover::End,
            limits: Limits::default(),
            cpu: None,
            cpus: None,
            audit: false,
            beside: None,
        }
    }
}

/// How system calls are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calls {
    /// Call sites that make short calls again and again are changed to make them without a stop.
    MayBeFast,
    /// Each one with a stop; the program's code stays as it is.
    Traced,
}

/// A finished recording.
#[derive(Debug)]
pub struct Recorded {
    /// How the program ended.
    pub status: ExitStatus,
    /// What was written.
    pub summary: Summary,
    /// How the recording came to its end.
    pub ended_by: EndedBy,
    /// Processes that lived when the first one had ended.
    pub left: Vec<LeftProcess>,
    /// They go on: somebody has to serve them.
    pub rest: Option<Rest>,
    /// Wall-clock time.
    pub took: Duration,
    /// What the audit found, a sentence for each call that the table is wrong about.
    pub violations: Vec<String>,
}

fn c_string(bytes: &[u8]) -> Result<CString, RecordError> {
    CString::new(bytes)
        .map_err(|_| RecordError::Unsupported("an argument with a zero byte in it".to_owned()))
}

/// The recorder's own environment and `more`, with `LD_BIND_NOW` set (ld.so(8)).
///
/// A function that is bound at its first call is looked up by code that saves the vector registers on
/// the stack, and leaves out those in their initial state. Whether the processor takes them for that
/// depends on where the system switched tasks: the bytes would differ from replay to replay.
fn environment(more: &[OsString]) -> Vec<Vec<u8>> {
    const BIND_NOW: &str = "LD_BIND_NOW";
    let mut list: Vec<Vec<u8>> = std::env::vars_os()
        .filter(|(name, value)| name != BIND_NOW || !value.is_empty())
        .map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat())
        .collect();
    for variable in more.iter().map(|variable| variable.as_bytes()) {
        let name = variable.split_inclusive(|byte| *byte == b'=').next().unwrap_or(variable);
        list.retain(|other| !other.starts_with(name));
        list.push(variable.to_vec());
    }
    if !list.iter().any(|var| var.starts_with(b"LD_BIND_NOW=")) {
        list.push(format!("{BIND_NOW}=1").into_bytes());
    }
    list
}

/// What is written down of how the recording came to its end.
fn cut(by: EndedBy) -> Option<Cut> {
    match by {
        EndedBy::Program | EndedBy::Leftover => None,
        EndedBy::Deadlock => Some(Cut::Deadlock),
        EndedBy::TimeLimit => Some(Cut::TimeLimit),
        EndedBy::Interrupts
        | EndedBy::SecondRequest
        | EndedBy::Deadline
        | EndedBy::Command
        | EndedBy::FrontGone => Some(Cut::Request),
    }
}

/// Records `options.command` until its first process ends, see [`Leftover`], or the front behind `link`
/// is asked to end the recording, see [`EndedBy`].
///
/// The calling thread traces: it is bound to one CPU from here on, and must have no other traced
/// children. The program's standard streams are this process's, and its process group is the front's.
///
/// # Errors
/// When the program cannot be started, or cannot be followed any further (it is ended then; what was
/// recorded stays).
pub fn record(options: &RecordOptions, link: Link) -> Result<Recorded, RecordError> {
    let started = Instant::now();
    // On another CPU, if there is one: it takes longer than all else until the program is started.
    let assembling = std::thread::Builder::new().spawn(crate::fast::assemble);
    let program = options.command.first().map_or(OsStr::new(""), OsString::as_os_str);
    let path = find_program(program, std::env::var_os("PATH").as_deref())?;
    check_program(&path)?;
    let path_c = c_string(path.as_os_str().as_bytes())?;
    let argv = options
        .command
        .iter()
        .map(|arg| c_string(arg.as_bytes()))
        .collect::<Result<Vec<_>, _>>()?;
    let env_bytes = environment(&options.env);
    let env = env_bytes.iter().map(|var| c_string(var)).collect::<Result<Vec<_>, _>>()?;

    let seat = Seat::choose(options.cpu);
    let cpu = seat.cpu;
    let processors = options
        .cpus
        .map_or_else(|| Processors::of_machine(cpu), |count| Processors::with(count, cpu));
    let traps_cpuid = can_trap_cpuid();
    pin_current_thread(cpu)
        .map_err(|error| RecordError::System { attempt: "bind the recorder to a CPU", error })?;
    let mut processor = Processor::default();
    let machine = processor.machine(cpu, traps_cpuid);
    let code = match assembling {
        // A panic was reported by itself: all calls are traced then.
        Ok(thread) => thread.join().ok().flatten().map(Rc::new),
        Err(_) => crate::fast::assemble().map(Rc::new),
    };
    let mut untraced = vec![InjectPage::AFTER.get(), InjectPage::OTHER_AFTER.get()];
    let fast_code = code.as_ref().map(|code| code.places());
    untraced.extend(fast_code.into_iter().flatten().map(retake_model::Addr::get));
    untraced.push(InjectPage::BATCH_AFTER.get());
    let stops = crate::calls::outer_filter::call_stops();
    let passes = match stops {
        CallStops::AtEntry => None,
        CallStops::BySignal => Some(InjectPage::ADDR),
    };
    let filter = Filter::stop_all_but(&untraced, InjectPage::MAPPED_WITH, stops);
    let task = spawn_program(&path_c, &argv, &env, &filter, passes, link.inherited()).map_err(
        |error| match error {
            SpawnError::Exec(error) => why_not(path.clone(), error).into(),
            other => RecordError::Spawn(other),
        },
    )?;
    let root = task.tid();
    if !crate::start::exec::is_64_bit(&task.registers()?) {
        // A file that cannot be read.
        retake_ptrace::kill_process(root);
        return Err(ProgramError::ThirtyTwoBit { program: path.clone(), file: path }.into());
    }
    link.leave_group();
    // Standard output and error stay, to tell which descriptors of the program are those.
    retake_ptrace::let_go_of(0..=0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let cwd = std::env::current_dir().unwrap_or_default();
    let manifest = Manifest {
        format: retake_recording::FORMAT_VERSION.to_string(),
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        id: format!("{:x}-{}", now.as_nanos(), std::process::id()),
        started_ns: u64::try_from(now.as_nanos()).unwrap_or(0),
        command: options.command.iter().map(|arg| arg.as_bytes().to_vec()).collect(),
        program: path.as_os_str().as_bytes().to_vec(),
        env: env_bytes,
        root_tid: Some(root.get()),
        cwd: cwd.as_os_str().as_bytes().to_vec(),
        machine,
        warnings: Vec::new(),
        refused: std::collections::BTreeMap::new(),
        chaos_seed: options.chaos,
        cpus: options.cpus,
        fast_code,
        end: None,
    };
    let writer_options = WriterOptions {
        store: options.store.clone(),
        on_thread_start: Some(Box::new(move || {
            // Without a second CPU the writer shares the one there is.
            let _ = unpin_from(cpu);
        })),
    };
    let writer = RecordingWriter::create(&options.dir, manifest, writer_options)?;
    let mut session = Session::new(writer, root, options.checkpoint_every);
    session.world.call_stops = stops;
    session.hardware.traps_cpuid = traps_cpuid;
    session.hardware.processor = processor;
    session.hardware.cpu = cpu;
    session.tell_of(processors);
    session.ending = Ending::new(Some(link), options.leftover, options.limits);
    // Chaos wants a stop at each call, and the audit too.
    let stops_anyway = options.chaos.is_some() || options.audit;
    if options.calls == Calls::Traced {
        session.world.replaced = None;
    }
    let wants_fast = options.calls == Calls::MayBeFast && !stops_anyway;
    session.fast_code = code.filter(|_| wants_fast);
    if let Some(seed) = options.chaos {
        session.turns.scheduler.at_random(crate::scheduler::Chaos::new(seed));
    }
    session.audit = options.audit.then(crate::calls::violations::Audit::default);
    let outcome = {
        let _as_in_the_program =
            SameTraps::start(if traps_cpuid { Cpuid::Trapped } else { Cpuid::Executed });
        // A timer takes the CPU from the program anywhere. That needs a tracer that gets it at once; from
        // another CPU it does, but each stop costs several times as much there.
        if options.chaos.is_some() && prefer_short_slices(ShortSlices::Own) == Wakes::InTurn {
            // Without a second CPU it gets it when it may.
            let _ = unpin_from(cpu);
        }
        session.adopt_root(task).and_then(|()| session.run())
    };
    if outcome.is_err() {
        for task in session.world.tasks.values() {
            retake_ptrace::kill_process(task.pid);
        }
        retake_ptrace::kill_process(root);
    }
    let status =
        outcome.as_ref().ok().copied().unwrap_or(ExitStatus::Killed(retake_model::Signal::KILL));
    let took = started.elapsed();
    let (ended_by, left) = session.ended_by();
    let end = End::new(status, cut(ended_by), took);
    let violations =
        session.audit.as_ref().map_or_else(Vec::new, crate::calls::violations::Audit::violations);
    if !violations.is_empty() {
        let warnings = violations.iter().map(|text| format!("audit: {text}"));
        session.book.writer.update_manifest(|manifest| manifest.warnings.extend(warnings));
    }
    if let Some(beside) = &options.beside {
        crate::book::beside::keep(beside.as_ref(), &mut session.book.writer);
    }
    let summary = session.book.writer.close(end)?;
    let status = outcome?;
    let rest = session.leaves_rest().then(|| Rest::new(session));
    Ok(Recorded { status, summary, ended_by, left, rest, took, violations })
}

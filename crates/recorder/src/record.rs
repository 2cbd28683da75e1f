//! Recording one program from its start to its end.

use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use retake_ptrace::{Filter, SpawnError, current_cpu, pin_current_thread, spawn_program, unpin_from};
use retake_recording::{End, ExitStatus, Machine, Manifest, RecordingWriter, Summary, WriterOptions};
use retake_tracee::InjectPage;

use crate::error::RecordError;
use crate::image::find_program;
use crate::session::Session;

/// What to record, and how.
#[derive(Clone, Debug)]
pub struct RecordOptions {
    /// Folder of the recording; must not hold one.
    pub dir: PathBuf,
    /// Folder of the content store that all recordings of this user share.
    pub store: PathBuf,
    /// Program and arguments.
    pub command: Vec<OsString>,
    /// Run time between checkpoints.
    pub checkpoint_every: Duration,
}

/// A finished recording.
#[derive(Debug)]
pub struct Recorded {
    /// How the program ended.
    pub status: ExitStatus,
    /// What was written.
    pub summary: Summary,
    /// Wall-clock time.
    pub took: Duration,
}

fn c_string(bytes: &[u8]) -> Result<CString, RecordError> {
    CString::new(bytes)
        .map_err(|_| RecordError::Unsupported("an argument with a zero byte in it".to_owned()))
}

fn environment() -> Vec<Vec<u8>> {
    std::env::vars_os()
        .map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat())
        .collect()
}

fn machine() -> Machine {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut cpuid = Vec::new();
    for base in [0, 0x8000_0000] {
        let last = retake_ptrace::cpuid(base, 0).eax.min(base + 0x40);
        for leaf in base..=last {
            let subleaves = if matches!(leaf, 4 | 7 | 0xd) { 3 } else { 1 };
            for subleaf in 0..subleaves {
                let a = retake_ptrace::cpuid(leaf, subleaf);
                // Leaf 1 ebx has the APIC id of this very CPU in its top byte.
                let ebx = if leaf == 1 { a.ebx & 0x00ff_ffff } else { a.ebx };
                cpuid.push([leaf, subleaf, a.eax, ebx, a.ecx, a.edx]);
            }
        }
    }
    Machine {
        kernel: kernel.trim().to_owned(),
        cpuid,
        xsave_size: retake_ptrace::cpuid(0xd, 0).ebx,
        cpuid_trapped: false,
    }
}

/// Records `options.command` until its last task ends.
///
/// The calling thread traces: it is bound to one CPU from here on, and must have no other traced
/// children. The program's standard streams are this process's.
///
/// # Errors
/// When the program cannot be started, or cannot be followed any further (it is ended then; what was
/// recorded stays).
pub fn record(options: &RecordOptions) -> Result<Recorded, RecordError> {
    let started = Instant::now();
    let Some(program) = options.command.first() else {
        return Err(RecordError::NotFound { program: OsString::new() });
    };
    let not_found = || RecordError::NotFound { program: program.clone() };
    let path = find_program(program, std::env::var_os("PATH").as_deref()).ok_or_else(not_found)?;
    let path_c = c_string(path.as_os_str().as_bytes())?;
    let argv =
        options.command.iter().map(|arg| c_string(arg.as_bytes())).collect::<Result<Vec<_>, _>>()?;
    let env_bytes = environment();
    let env = env_bytes.iter().map(|var| c_string(var)).collect::<Result<Vec<_>, _>>()?;

    let cpu = current_cpu();
    pin_current_thread(cpu)
        .map_err(|error| RecordError::System { attempt: "bind the recorder to a CPU", error })?;
    let filter = Filter::trace_all_but(InjectPage::AFTER.get());
    let task = spawn_program(&path_c, &argv, &env, &filter).map_err(|error| match error {
        SpawnError::Exec(error) if error.kind() == std::io::ErrorKind::NotFound => not_found(),
        SpawnError::Exec(error) => {
            RecordError::CannotExecute { program: program.clone(), error }
        }
        other => RecordError::Spawn(other),
    })?;
    let root = task.tid();
    retake_ptrace::forward_signals_to(root);
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
        machine: machine(),
        warnings: Vec::new(),
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
    let outcome = session.adopt_root(task).and_then(|()| session.run());
    if outcome.is_err() {
        for task in session.tasks.values() {
            retake_ptrace::kill_process(task.pid);
        }
        retake_ptrace::kill_process(root);
    }
    retake_ptrace::stop_forwarding();
    let status = outcome.as_ref().ok().copied().unwrap_or(ExitStatus::Killed(retake_model::Signal::KILL));
    let took = started.elapsed();
    let events = session.event_count().get();
    let end = End {
        status,
        events,
        checkpoints: session.schedule.count(),
        wall_ns: u64::try_from(took.as_nanos()).unwrap_or(u64::MAX),
    };
    let summary = session.writer.finish(end)?;
    outcome.map(|status| Recorded { status, summary, took })
}

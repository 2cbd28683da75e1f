//! Follows a command that is not recorded, until it executes something that is to be.
//!
//! At the stop of an `execve` (ptrace(2), `PTRACE_EVENT_EXEC`) the new program has not run yet. If it is
//! wanted, its first instructions become an `execve` of another command (`retake record … -- PROGRAM`),
//! with the same environment, and it is let go: it keeps its number, its descriptors and its parent.

use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use retake_model::{Addr, Registers, Signal, Tid};
use retake_ptrace::{
    ProcessMemory, PtraceError, PtraceStop, Resume, StopEvent, Stopped, TaskStat, WaitFlags,
    spawn_followed, wait_any,
};
use retake_recording::ExitStatus;

use crate::error::RecordError;
use crate::start::program::{check_program, find_program};

/// auxv entry (getauxval(3)): the path that was given to `execve`.
const AT_EXECFN: u64 = 31;
/// The kernel leaves 128 KiB of a new stack free (`setup_arg_pages`, fs/exec.c).
const ROOM: u64 = 100 * 1024;
/// Where no more is expected: entries of an environment, bytes of a path.
const MOST_ENTRIES: u64 = 1 << 20;
const LONGEST_PATH: usize = 4096;
/// `execve` with the arguments in the registers; where it fails, `exit_group(125)`.
const CODE: [u8; 19] = [
    0xb8, 59, 0, 0, 0, 0x0f, 0x05, // mov eax, 59; syscall
    0xbf, 125, 0, 0, 0, // mov edi, 125
    0xb8, 231, 0, 0, 0, 0x0f, 0x05, // mov eax, 231; syscall
];

/// A program that was executed, and has not run yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executed {
    /// The path that was executed; of a script, the script's.
    pub path: OsString,
    /// The program of the process's parent.
    pub parent: Option<PathBuf>,
}

/// Runs `command` and follows what it starts. `instead` is asked at each `execve`; the words that it gives
/// are put before the executed program and its arguments.
///
/// The calling process must have no other children. What still runs when the command ends is killed, but for
/// what was let go.
///
/// # Errors
/// When the command cannot be started or followed.
pub fn follow(
    command: &[OsString],
    instead: &mut dyn FnMut(&Executed) -> Option<Vec<OsString>>,
) -> Result<ExitStatus, RecordError> {
    let program = command.first().map_or(OsStr::new(""), OsString::as_os_str);
    let path = find_program(program, std::env::var_os("PATH").as_deref())?;
    check_program(&path)?;
    let argv = command.iter().map(|word| c_string(word)).collect::<Result<Vec<_>, _>>()?;
    let env = std::env::vars_os().map(|(name, value)| {
        let both = [name.as_bytes(), b"=", value.as_bytes()].concat();
        c_string(OsStr::from_bytes(&both))
    });
    let env = env.collect::<Result<Vec<_>, _>>()?;
    let root =
        spawn_followed(&c_string(path.as_os_str())?, &argv, &env).map_err(RecordError::Spawn)?;
    loop {
        match wait_any(WaitFlags::Block)? {
            Some((tid, PtraceStop::Exited { code })) if tid == root => {
                return Ok(ExitStatus::Exited(code));
            }
            Some((tid, PtraceStop::Killed { signal, .. })) if tid == root => {
                return Ok(ExitStatus::Killed(signal));
            }
            Some((_, PtraceStop::Stopped(stopped, event))) => {
                match go_on(stopped, event, instead) {
                    Err(RecordError::Ptrace(error)) if error.is_gone() => {}
                    other => other?,
                }
            }
            _ => {}
        }
    }
}

fn c_string(word: &OsStr) -> Result<CString, RecordError> {
    CString::new(word.as_bytes())
        .map_err(|_| RecordError::Unsupported("an argument with a zero byte in it".to_owned()))
}

fn go_on(
    stopped: Stopped,
    event: StopEvent,
    instead: &mut dyn FnMut(&Executed) -> Option<Vec<OsString>>,
) -> Result<(), RecordError> {
    const STOPS: [Signal; 4] = [Signal::STOP, Signal::TSTP, Signal::TTIN, Signal::TTOU];
    let signal = match event {
        StopEvent::Signal(signal) => Some(signal),
        StopEvent::Stop(signal) if STOPS.contains(&signal) => {
            let _running = stopped.listen()?;
            return Ok(());
        }
        StopEvent::Exec => return executed(stopped, instead),
        _ => None,
    };
    let _running = stopped.resume(Resume::Continue, signal)?;
    Ok(())
}

fn executed(
    mut stopped: Stopped,
    instead: &mut dyn FnMut(&Executed) -> Option<Vec<OsString>>,
) -> Result<(), RecordError> {
    let mut registers = stopped.registers()?;
    let mut memory = ProcessMemory::new(stopped.tid());
    // A program of another kind (32 bits) has another stack: what is read there makes no sense.
    let start = Start::read(&memory, &registers).ok().filter(|_| is_64_bit(&registers));
    let words = start.as_ref().and_then(|start| {
        let parent = parent_of(stopped.tid());
        let words = instead(&Executed { path: start.path.clone(), parent })?;
        Some((start, words))
    });
    let Some((start, words)) = words else {
        let _running = stopped.resume(Resume::Continue, None)?;
        return Ok(());
    };
    if start.put_before(&mut memory, &mut registers, words)? {
        stopped.set_registers(&registers)?;
    }
    Ok(stopped.detach(None)?)
}

fn is_64_bit(registers: &Registers) -> bool {
    crate::start::exec::is_64_bit(registers)
}

/// The program of a process's parent.
fn parent_of(tid: Tid) -> Option<PathBuf> {
    let stat = TaskStat::read(tid)?;
    let parent = stat.field(4)?;
    std::fs::read_link(format!("/proc/{parent}/exe")).ok()
}

/// What the kernel puts on the stack of a new program.
struct Start {
    path: OsString,
    /// What to execute for it: the interpreter of a script.
    program: OsString,
    argv: Vec<u64>,
    envp: u64,
}

impl Start {
    fn read(memory: &ProcessMemory, registers: &Registers) -> Result<Self, PtraceError> {
        let word = |index: u64| memory.read_u64(Addr::new(registers.rsp.wrapping_add(8 * index)));
        let count = word(0)?.min(MOST_ENTRIES);
        let argv = (1..=count).map(word).collect::<Result<Vec<_>, _>>()?;
        let mut at = count + 2;
        let envp = registers.rsp.wrapping_add(8 * at);
        while word(at)? != 0 && at < MOST_ENTRIES {
            at += 1;
        }
        at += 1;
        let mut path = OsString::new();
        while word(at)? != 0 && at < MOST_ENTRIES {
            if word(at)? == AT_EXECFN {
                path = string(memory, word(at + 1)?)?;
            }
            at += 2;
        }
        let tid = memory.tid();
        if path.is_empty() || path.as_bytes().starts_with(b"/dev/fd/") {
            path = std::fs::read_link(format!("/proc/{tid}/exe")).unwrap_or_default().into();
        }
        // Relative paths are relative to the process's own folder.
        let seen = PathBuf::from(format!("/proc/{tid}/cwd")).join(&path);
        let mut program = match (argv.first(), is_script(&seen)) {
            (Some(first), true) => string(memory, *first)?,
            _ => path.clone(),
        };
        if !program.as_bytes().contains(&b'/') {
            let mut here = OsString::from("./");
            here.push(&program);
            program = here;
        }
        Ok(Self { path, program, argv, envp })
    }

    /// Writes an `execve` of `words`, the program and its arguments. False: there is no room.
    fn put_before(
        &self,
        memory: &mut ProcessMemory,
        registers: &mut Registers,
        mut words: Vec<OsString>,
    ) -> Result<bool, PtraceError> {
        words.push(self.program.clone());
        let mut bytes = Vec::new();
        let mut offsets = Vec::new();
        for word in &words {
            offsets.push(bytes.len() as u64);
            bytes.extend_from_slice(word.as_bytes());
            bytes.push(0);
        }
        let entries = (words.len() + self.argv.len()) as u64;
        let size = bytes.len() as u64 + 8 * (entries + 1);
        if size > ROOM {
            return Ok(false);
        }
        let strings = (registers.rsp - size) & !0xf;
        let array = (strings - 8 * (entries + 2)) & !0xf;
        let pointers = offsets.iter().map(|offset| strings + offset);
        let all = pointers.chain(self.argv.iter().skip(1).copied()).chain([0]);
        let array_bytes: Vec<u8> = all.flat_map(u64::to_le_bytes).collect();
        memory.write(Addr::new(strings), &bytes)?;
        memory.write(Addr::new(array), &array_bytes)?;
        memory.write(Addr::new(registers.rip), &CODE)?;
        (registers.rdi, registers.rsi, registers.rdx) = (strings, array, self.envp);
        Ok(true)
    }
}

fn is_script(path: &std::path::Path) -> bool {
    use std::io::Read;
    let mut start = [0; 2];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && start == *b"#!"
}

fn string(memory: &ProcessMemory, addr: u64) -> Result<OsString, PtraceError> {
    let mut bytes = vec![0; LONGEST_PATH];
    let read = memory.read(Addr::new(addr), &mut bytes)?;
    bytes.truncate(read);
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    bytes.truncate(end);
    Ok(OsString::from_vec(bytes))
}

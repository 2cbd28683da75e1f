//! What a system call costs at least when it is traced: a tracer that does nothing but to let the task
//! go on. `recording.rs` has what retake makes of it.
//!
//! `cargo bench -p retake-ptrace --bench stops`. Each iteration is one `getppid`; tracer and task share a
//! CPU, as in a recording.

#![expect(clippy::expect_used, clippy::panic, reason = "a bench fails by panicking")]
#![expect(missing_docs, reason = "criterion's macros make functions")]

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use retake_model::{Registers, Signal, SyscallNo};
use retake_ptrace::{
    CallStops, Filter, Inherited, PtraceStop, Resume, StopEvent, Stopped, WaitFlags, current_cpu,
    kill_process, pin_current_thread, spawn_program, wait,
};
use retake_testkit::fixture;

/// getppid(2)
const GETPPID: SyscallNo = SyscallNo::new(110);
/// A program does not stop more often before its `main`.
const STARTUP_STOPS: usize = 10_000;
const FOREVER: &str = "1000000000000";

/// What the tracer does at the entry of a call.
#[derive(Clone, Copy)]
enum Tracer {
    /// Waits for its end.
    TwoStops,
    /// The same, and reads the registers at both.
    TwoStopsWithRegisters,
    /// Gives a result instead of the kernel: there is no second stop.
    Answer,
}

fn next(stopped: Stopped, how: Resume) -> (Stopped, StopEvent) {
    let tid = stopped.tid();
    stopped.resume(how, None).expect("the task goes on");
    match wait(tid, WaitFlags::Block).expect("the task stops") {
        Some(PtraceStop::Stopped(stopped, event)) => (stopped, event),
        other => panic!("the task gave {other:?}"),
    }
}

/// The task at the entry of its first `getppid`.
fn start() -> Stopped {
    let program = fixture::c("c/tiny_calls.c", &["-O2"]);
    let words = [program.as_os_str().as_bytes(), FOREVER.as_bytes()];
    let argv = words.map(|word| CString::new(word).expect("no zero in it"));
    let [path, _] = &argv;
    let filter = Filter::stop_all_but(&[0], 0, CallStops::AtEntry);
    let mut stopped = spawn_program(path, &argv, &[], &filter, None, &Inherited::now())
        .expect("the program starts");
    for _ in 0..STARTUP_STOPS {
        let (there, event) = next(stopped, Resume::Continue);
        stopped = there;
        let registers = stopped.registers().expect("registers");
        match event {
            StopEvent::Seccomp if registers.orig_rax == u64::from(GETPPID.get()) => return stopped,
            StopEvent::Signal(Signal::SEGV) => {
                // The dynamic linker looks at the clock; rdtsc, two bytes, is trapped.
                let behind = Registers { rax: 0, rdx: 0, rip: registers.rip + 2, ..registers };
                stopped.set_registers(&behind).expect("the task is there");
            }
            _ => {}
        }
    }
    panic!("the program does not come to its first call")
}

/// How long `calls` calls take.
fn traced(calls: u64, tracer: Tracer) -> Duration {
    pin_current_thread(current_cpu()).expect("this thread can be bound to a CPU");
    let mut stopped = start();
    let pid = stopped.tid();
    let started = Instant::now();
    for _ in 0..calls {
        match tracer {
            Tracer::TwoStops => (stopped, _) = next(stopped, Resume::Syscall),
            Tracer::TwoStopsWithRegisters => {
                stopped.registers().expect("registers");
                (stopped, _) = next(stopped, Resume::Syscall);
                stopped.registers().expect("registers");
            }
            Tracer::Answer => {
                let entry = stopped.registers().expect("registers");
                let answered = Registers { rax: 1, orig_rax: u64::MAX, ..entry };
                stopped.set_registers(&answered).expect("the task is there");
            }
        }
        let event;
        (stopped, event) = next(stopped, Resume::Continue);
        assert_eq!(event, StopEvent::Seccomp, "the next call");
    }
    let took = started.elapsed();
    kill_process(pid);
    // It stops once more on its way out.
    while let Ok(Some(PtraceStop::Stopped(mut stopped, _))) = wait(pid, WaitFlags::Block) {
        stopped.let_end().expect("the task ends");
    }
    took
}

fn native(calls: u64) -> Duration {
    let program = fixture::c("c/tiny_calls.c", &["-O2"]);
    let mut command = Command::new(program);
    command.arg(calls.to_string()).stdout(Stdio::null());
    let started = Instant::now();
    command.status().expect("the program runs");
    started.elapsed()
}

fn stops(c: &mut Criterion) {
    let mut group = c.benchmark_group("getppid");
    group.bench_function("native", |b| b.iter_custom(native));
    for (name, tracer) in [
        ("two stops", Tracer::TwoStops),
        ("two stops, registers read", Tracer::TwoStopsWithRegisters),
        ("one stop, answered", Tracer::Answer),
    ] {
        group.bench_function(name, |b| b.iter_custom(|calls| traced(calls, tracer)));
    }
    group.finish();
}

criterion_group!(benches, stops);
criterion_main!(benches);

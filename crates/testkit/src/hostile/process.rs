//! The process that reads the inputs, and the one that waits for it.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "figures, for whoever asks with --nocapture"
)]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use super::{MOST_BYTES, MOST_CPU, Random, Reader, Trial};

/// Set in the process that reads: the file that it writes the number of its input to.
const PROGRESS: &str = "RETAKE_HOSTILE_PROGRESS";
const INPUTS: &str = "RETAKE_HOSTILE_INPUTS";
const FIRST: &str = "RETAKE_HOSTILE_FIRST";
/// What changes are drawn from.
const SEED: u64 = 17;
/// How often the CPU time of an input is looked at while it is read.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// No input is being read.
const IDLE: u64 = u64::MAX;

fn number(name: &str, default: u64) -> u64 {
    let Some(text) = std::env::var_os(name) else { return default };
    let number = text.to_str().and_then(|text| text.parse().ok());
    number.unwrap_or_else(|| panic!("{name}={} is no number", text.display()))
}

/// CPU time of this process, all of its threads.
fn cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

/// Bytes of address space that this process had at most (proc(5), `VmPeak`): also what C code allocates, and maps.
fn most_space() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<usize>().ok());
    kib.unwrap_or_else(|| panic!("/proc/self/status has no VmPeak")) << 10
}

/// Gives a reader its inputs.
///
/// # Panics
/// When an input does what none may do; the text says how to repeat it.
pub fn survive<R: Reader>(trial: &Trial, make: impl FnOnce() -> R) {
    match std::env::var_os(PROGRESS) {
        Some(progress) => read_all(trial, make(), Path::new(&progress)),
        None => wait_for(trial),
    }
}

fn wait_for(trial: &Trial) {
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("a folder: {error}"));
    let progress = folder.path().join("input");
    let program = std::env::current_exe().unwrap_or_else(|error| panic!("this program: {error}"));
    let mut command = Command::new(program);
    command.args([trial.test, "--exact", "--nocapture"]).env(PROGRESS, &progress);
    // Each arena of glibc reserves 64 MiB of address space, which would count.
    command.env("MALLOC_ARENA_MAX", "1").env("TMPDIR", folder.path());
    let out = command.output().unwrap_or_else(|error| panic!("{}: {error}", trial.test));
    let (said, why) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    if !out.status.success() {
        let input = std::fs::read_to_string(&progress).unwrap_or_default();
        let again = format!("{FIRST}={} {INPUTS}=1 cargo test {}", input.trim(), trial.test);
        panic!("{}: {}\n{said}{why}\nrepeat it with {again}", trial.test, out.status);
    }
    let figures = said.lines().find(|line| line.contains(" inputs, "));
    println!("{}", figures.unwrap_or_else(|| panic!("{} ran no test: {said}", trial.test)));
}

/// Ends this process when an input takes too long: a reader that hangs does not come back.
fn watch(now: &'static AtomicU64, began: &'static AtomicU64) {
    loop {
        std::thread::sleep(LOOK_EVERY);
        let input = now.load(Ordering::SeqCst);
        let taken = cpu().saturating_sub(Duration::from_nanos(began.load(Ordering::SeqCst)));
        if input != IDLE && now.load(Ordering::SeqCst) == input && taken > MOST_CPU {
            eprintln!("input {input} of seed {SEED} takes more than {MOST_CPU:?} of CPU time");
            std::process::exit(1);
        }
    }
}

fn read_all<R: Reader>(trial: &Trial, mut reader: R, progress: &Path) {
    static NOW: AtomicU64 = AtomicU64::new(IDLE);
    static BEGAN: AtomicU64 = AtomicU64::new(0);
    let progress = File::create(progress).unwrap_or_else(|error| panic!("progress: {error}"));
    assert!(reader.read(), "{}: the valid input is not taken for one", trial.test);
    std::thread::spawn(|| watch(&NOW, &BEGAN));
    let (first, count) = (number(FIRST, 0), number(INPUTS, trial.inputs));
    let (mut valid, mut peak, mut longest) = (0, 0, Duration::ZERO);
    let (space, all) = (most_space(), cpu());
    for input in first..first.saturating_add(count) {
        let written = progress.write_all_at(format!("{input:20}").as_bytes(), 0);
        written.unwrap_or_else(|error| panic!("progress: {error}"));
        reader.change(&mut Random::of(SEED, input));
        let began = cpu();
        BEGAN.store(u64::try_from(began.as_nanos()).unwrap_or(0), Ordering::SeqCst);
        NOW.store(input, Ordering::SeqCst);
        trial.allocator.reset_peak_usage();
        let before = trial.allocator.current_usage();
        valid += u64::from(reader.read());
        let bytes = trial.allocator.peak_usage().saturating_sub(before);
        NOW.store(IDLE, Ordering::SeqCst);
        longest = longest.max(cpu().saturating_sub(began));
        peak = peak.max(bytes);
        assert!(bytes <= MOST_BYTES, "input {input} of seed {SEED} allocates {bytes} bytes");
        assert!(longest <= MOST_CPU, "input {input} of seed {SEED} takes {longest:?}");
    }
    let space = most_space().saturating_sub(space);
    let seconds = cpu().saturating_sub(all).as_secs_f64();
    println!(
        "{}: {count} inputs, {valid} valid, {seconds:.1} s, the longest {longest:.1?}, at most {} KiB \
         allocated by one, address space +{} KiB",
        trial.test,
        peak >> 10,
        space >> 10
    );
    assert!(space <= MOST_BYTES, "some input has taken {space} bytes of address space");
    assert!(valid * trial.one_valid_of >= count, "{valid} of {count} inputs are valid");
}

//! The programs of the table.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use retake_testkit::{Retake, find, finish, fixture};

/// What a program's recorded time is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compared {
    /// Its own time.
    Native,
    /// Its own time on one CPU, which is what a recording has; the ratio to its time on all of them stands
    /// beside it.
    OneCpu,
}

/// A program and its arguments.
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) command: Vec<String>,
    pub(crate) compared: Compared,
    /// What must be on this machine.
    needs: String,
}

fn program(name: &'static str, command: &[&str]) -> Program {
    let command: Vec<_> = command.iter().map(|word| (*word).to_owned()).collect();
    let needs = command.first().cloned().unwrap_or_default();
    Program { name, command, compared: Compared::Native, needs }
}

fn shell(name: &'static str, script: &str) -> Program {
    program(name, &["sh", "-c", script])
}

impl Program {
    /// It runs on several CPUs at the same time.
    fn parallel(self) -> Self {
        Self { compared: Compared::OneCpu, ..self }
    }

    fn needs(self, tool: &str) -> Self {
        Self { needs: tool.to_owned(), ..self }
    }

    fn is_here(&self) -> bool {
        self.needs.starts_with('/') || find(&self.needs).is_some()
    }
}

fn source(name: &str) -> String {
    fixture::source(name).to_string_lossy().into_owned()
}

fn built(name: &str, flags: &[&str]) -> String {
    fixture::c(name, flags).to_string_lossy().into_owned()
}

/// Python itself: what is on `PATH` may be a script that looks for it.
fn python() -> Option<String> {
    let python = find("python3")?;
    let output =
        Command::new(python).args(["-c", "import sys; print(sys.executable)"]).output().ok()?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

/// A folder with many files.
const INCLUDES: &str = "/usr/include";
/// Starts of a program.
const LOOP: &str = "i=0; while [ $i -lt 1000 ]; do /bin/true; i=$((i+1)); done";

/// Files that programs work on.
pub(crate) fn prepare(retake: &Retake) {
    let run = |name: &str, args: &[&str]| {
        let mut command = Command::new(name);
        command.args(args).current_dir(retake.path("."));
        finish(command).good();
    };
    run("sh", &[&source("sh/bench_files.sh"), "files"]);
    run("sh", &[&source("sh/bench_make.sh"), "made", "30"]);
    run("sh", &["-c", "head -c 1000000000 /dev/urandom >big"]);
    on_disk(&retake.path("on_disk.sql"));
    if find("javac").is_some() {
        run("javac", &["-d", ".", &source("java/Small.java")]);
    }
    if find("cargo").is_some() {
        run("cargo", &["new", "-q", "--vcs", "none", "tiny"]);
    }
}

/// 10,000 inserts in transactions of 100, into a file.
fn on_disk(file: &Path) {
    let mut sql = String::from("CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT);\n");
    for transaction in 0..100 {
        sql.push_str("BEGIN;\n");
        for n in 0..100 {
            let _ = writeln!(sql, "INSERT INTO item(name) VALUES('item {transaction} {n}');");
        }
        sql.push_str("COMMIT;\n");
    }
    std::fs::write(file, sql).expect("the statements can be written");
}

/// Those that this machine has.
pub(crate) fn here() -> Vec<Program> {
    all().into_iter().filter(Program::is_here).collect()
}

fn all() -> Vec<Program> {
    let python = python().unwrap_or_else(|| "python3".to_owned());
    let sql = format!(".read {}", source("sql/bench.sql"));
    let rows = built("c/hot/calls_in_rows.c", &["-O1", "-pthread"]);
    let tiny = built("c/tiny_calls.c", &["-O2"]);
    let mutexes = built("c/bench/mutexes.c", &["-O1"]);
    vec![
        program("sqlite3, in memory", &["sqlite3", ":memory:", &sql]),
        program("python3", &[&python, &source("python/bench.py")]),
        program("perl", &["perl", &source("perl/bench.pl")]),
        program("node", &["node", &source("node/bench.js")]).parallel(),
        shell("sqlite3, on disk", "rm -f item.db; sqlite3 item.db <on_disk.sql").needs("sqlite3"),
        program("gcc -O2", &["gcc", "-O2", "-c", &source("c/compiled.c"), "-o", "compiled.o"]),
        shell("make -j2, 30 files", "rm -f made/*.o; make -s -j2 -C made").parallel().needs("make"),
        shell("cargo build", "rm -rf tiny/target; cargo build -q --manifest-path tiny/Cargo.toml")
            .parallel()
            .needs("cargo"),
        program("sort, find, tar, gzip", &["sh", &source("sh/bench_pipeline.sh"), "files"]),
        shell(
            "sort, sort -n",
            "seq 400000 | sort -R --random-source=/dev/zero | sort -n | tail -1",
        )
        .parallel(),
        shell("tar, gzip", &format!("tar -cf - {INCLUDES} 2>&1 | gzip -1 | wc -c")),
        program("500000 calls of getppid", &[&tiny, "500000"]),
        program("500000 reads of a byte", &[&tiny, "500000", "read"]),
        program("500000 clock reads", &[&built("c/hot/clock_spin.c", &["-O1"]), "500000"]),
        program("400000 reads and writes through a pipe", &[&rows, "200000", "pipe"]),
        program("200000 stats", &[&rows, "200000", "stat"]),
        program("ls -laR", &["ls", "-laR", INCLUDES]),
        program("find", &["find", INCLUDES]),
        program("grep -r", &["grep", "-rc", "define", INCLUDES]),
        program("3 × 3 GiB of memory", &[&built("c/bench/fills.c", &["-O2"]), "3072"]),
        program("4 × 200000 mutexes of their own", &[&mutexes, "200000", "own"]).parallel(),
        program("4 × 200000 times one mutex", &[&mutexes, "200000"]).parallel(),
        program("OpenMP, 4 threads", &[&built("c/bench/openmp.c", &["-O2", "-fopenmp"]), "1500"])
            .parallel(),
        program("barrier of 4 spinning threads", &[&built("c/waiting/barrier.c", &["-O1"])])
            .parallel(),
        shell("cp of 1 GB", "cp big copied && rm copied"),
        shell("dd of 1 GB, dd", "dd if=/dev/zero bs=1M count=1000 | dd bs=1M of=/dev/null"),
        program("true", &["true"]),
        shell("1000 × true", LOOP),
        program("node -e 1", &["node", "-e", "1"]),
        program("java Small", &["java", "-cp", ".", "Small"]).parallel().needs("javac"),
    ]
}

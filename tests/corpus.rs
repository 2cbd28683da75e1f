//! Programs found on a Debian system, recorded, replayed and verified: the corpus.
//!
//! The programs are data, in `tests/corpus/programs`. The whole corpus takes a quarter of an hour and
//! writes `docs/corpus.md`:
//!
//! ```text
//! cargo test --release -p retake-cli --test corpus -- --ignored --nocapture
//! ```
//!
//! `RETAKE_CORPUS=git,python-` runs only the programs whose names start so, and writes no table;
//! `RETAKE_CORPUS_KEEP=DIR` keeps the recordings of those that failed.

#![expect(clippy::panic, reason = "a test's support fails by panicking")]

#[path = "corpus/report.rs"]
mod report;
#[path = "corpus/run.rs"]
mod run;
#[path = "corpus/table.rs"]
mod table;

use std::io::Write;
use std::{env, fs};

use report::{Row, Verdict};
use retake_testkit::{find, fixture, skip};
use table::Program;

/// As many programs as the corpus must have at least.
const ENOUGH: usize = 150;

/// Programs of the ordinary tests: short, of different kinds, and on nearly every system.
const SAMPLE: &[&str] =
    &["find-xargs-parallel", "dash-traps", "perl-fork", "python-sqlite", "git-log"];

fn run_all(programs: &[Program]) -> Vec<Row> {
    let mut rows = Vec::new();
    for program in programs {
        let row = run::run(program);
        // Past the harness, which shows the output of failed tests only.
        let _ = writeln!(std::io::stderr().lock(), "{}", row.line());
        rows.push(row);
    }
    rows
}

#[track_caller]
fn assert_good(rows: &[Row]) {
    let bad: Vec<String> = rows.iter().filter(|row| row.verdict.is_bad()).map(Row::line).collect();
    assert!(bad.is_empty(), "{} of {} failed:\n{}", bad.len(), rows.len(), bad.join("\n"));
}

#[test]
fn the_table_is_well_formed() {
    let programs = table::load();
    assert!(programs.len() >= ENOUGH, "{} programs", programs.len());
    let mut names: Vec<&str> = programs.iter().map(|program| program.name.as_str()).collect();
    names.sort_unstable();
    let twice = names.windows(2).find(|pair| pair[0] == pair[1]);
    assert_eq!(twice, None);
    for name in SAMPLE {
        assert!(names.contains(name), "{name} is not in the table");
    }
}

#[test]
fn a_sample() {
    let mut programs = table::load();
    programs.retain(|program| SAMPLE.contains(&program.name.as_str()));
    let rows = run_all(&programs);
    for row in &rows {
        if let Verdict::Skipped(why) = &row.verdict {
            skip(&row.name, why);
        }
    }
    assert_good(&rows);
}

#[test]
#[ignore = "takes a quarter of an hour and wants packages installed"]
fn the_corpus() {
    let mut programs = table::load();
    let chosen = env::var("RETAKE_CORPUS").ok();
    if let Some(chosen) = &chosen {
        programs.retain(|program| chosen.split(',').any(|start| program.name.starts_with(start)));
    }
    assert!(find("sh").is_some(), "there is no sh on PATH");
    let rows = run_all(&programs);
    if chosen.is_none() {
        let file = fixture::project().join("docs/corpus.md");
        fs::write(&file, report::page(&rows)).expect("the table is written");
    }
    assert_good(&rows);
}

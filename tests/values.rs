//! Values of variables, over real recordings. Each row is compared with what gdb 13 or Delve 1.20 print at the same
//! place of the same recording, where they are installed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use retake_testkit::{Retake, fixture, require};

use oracle::{Gdb, Place};

#[path = "values/c.rs"]
mod c;
#[path = "values/conditions.rs"]
mod conditions;
#[path = "values/cpp.rs"]
mod cpp;
#[path = "values/go.rs"]
mod go;
#[path = "values/newer.rs"]
mod newer;
#[path = "values/oracle.rs"]
mod oracle;
#[path = "values/printed.rs"]
mod printed;
#[path = "values/rust.rs"]
mod rust;
#[path = "values/shared.rs"]
mod shared;
#[path = "values/split.rs"]
mod split;
#[path = "values/thread_keys.rs"]
mod thread_keys;

/// An expression, and how its value is shown.
type Row = (&'static str, &'static str);

/// What `order` gets in the programs of Go and Rust, at each of its three calls.
#[track_caller]
fn check_orders(retake: &Retake, dir: &Path, function: &str) {
    let script = format!("break {function}\nhits 1 print sku, count, *left");
    let output = retake.debug(dir, &[], &script).good().output();
    let lines: Vec<&str> = output.lines().filter(|line| line.contains("sku = ")).collect();
    let ends = [
        "sku = \"apple\", count = 0, *left = 5",
        "sku = \"pear\", count = 2, *left = 6",
        "sku = \"fig\", count = 4, *left = 8",
    ];
    assert_eq!(lines.len(), 3, "{output}");
    for (line, end) in lines.iter().zip(ends) {
        assert!(line.ends_with(end), "{}: {line}", dir.display());
    }
}

/// Checks what expressions are where a recording first comes to a line.
#[track_caller]
fn check(retake: &Retake, dir: &Path, at: &str, rows: &[Row]) {
    check_but(retake, dir, at, "", rows, &[]);
}

/// The same, with something before each expression, and without some of the rows: what an optimizing compiler
/// keeps nowhere.
#[track_caller]
fn check_but(retake: &Retake, dir: &Path, at: &str, before: &str, rows: &[Row], without: &[&str]) {
    let rows: Vec<&Row> =
        rows.iter().filter(|(expression, _)| !without.contains(expression)).collect();
    let mut script = format!("break {at}\ncontinue\n");
    for (expression, _) in &rows {
        script.push_str(&format!("print {before}{expression}\n"));
    }
    let output = retake.debug(dir, &[], &script).good().output();
    let shown: Vec<&str> = output.lines().collect();
    let shown = &shown[shown.len() - rows.len()..];
    let mut wrong = Vec::new();
    for ((expression, expected), found) in rows.iter().zip(shown) {
        let found = without_addresses(found);
        if *expected != found {
            wrong.push(format!("{expression}\n  expected {expected}\n  found    {found}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

/// The same as [`check_but`], and that gdb says the same: of the rows, and that it has nothing of those without which
/// they are.
#[track_caller]
fn check_with_gdb(retake: &Retake, gdb: Gdb, place: Place<'_>, rows: &[Row], without: &[&str]) {
    let before = match place.frame {
        0 => String::new(),
        frame => format!("-frame {frame} "),
    };
    check_but(retake, place.dir, place.at, &before, rows, without);
    if require(place.at, gdb.command).is_some() {
        let there: Vec<Row> =
            rows.iter().filter(|(row, _)| !without.contains(row)).copied().collect();
        gdb.agrees(retake, place, &there, without);
    }
}

/// A text with `ADDR` for each address, which are others in each recording.
fn without_addresses(text: &str) -> String {
    let mut out = String::new();
    let mut parts = text.split("0x");
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(part.len());
        // Shorter ones are numbers of the program.
        if end > 8 {
            out.push_str("ADDR");
            out.push_str(&part[end..]);
        } else {
            out.push_str("0x");
            out.push_str(part);
        }
    }
    out
}

/// `FILE:LINE` of a mark.
fn mark(name: &str, mark: &str) -> String {
    format!("{}:{}", name.rsplit('/').next().unwrap_or(name), fixture::line_of(name, mark))
}

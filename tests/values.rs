//! Values of variables, over real recordings. What gdb 13 and Delve 1.20 print at the same place of the same
//! recording was the oracle of each row.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use retake_testkit::{Retake, fixture};

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
#[path = "values/rust.rs"]
mod rust;
#[path = "values/split.rs"]
mod split;

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

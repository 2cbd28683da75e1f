//! Go, where the program itself says what its variables are: of any version of Go, optimized and not. Delve 1.20 is
//! asked as well where it knows the version.

use std::path::{Path, PathBuf};

use retake_testkit::{Delve, Retake, fixture};

use super::go::{DELVE, ROWS as ROWS_OF_LOCALS, SOURCE as OF_LOCALS};
use super::oracle::There::{Better, Shown};
use super::oracle::{Note, Oracle, Place, delve_agrees};
use super::{check, mark};

const SOURCE: &str = "go/printed.go";

/// Rows of the program's own: an expression, and what it is.
fn printed(retake: &Retake, dir: &Path) -> Vec<(String, String)> {
    let output = retake.replay(dir).output();
    let rows = output.lines().filter_map(|line| line.split_once('\t'));
    let rows: Vec<_> = rows.map(|(row, value)| (row.to_owned(), value.to_owned())).collect();
    assert!(rows.len() > 70, "{output}");
    rows
}

fn check_printed(retake: &Retake, dir: &Path) -> Vec<(String, String)> {
    let rows = printed(retake, dir);
    let mut script = format!("break {}\ncontinue\n", mark(SOURCE, "all"));
    for (expression, _) in &rows {
        script.push_str(&format!("print {expression}\n"));
    }
    let output = retake.debug(dir, &[], &script).good().output();
    let shown: Vec<&str> = output.lines().collect();
    let shown = &shown[shown.len() - rows.len()..];
    let mut wrong = Vec::new();
    for ((expression, printed), shown) in rows.iter().zip(shown) {
        let shown = super::without_addresses(shown);
        if *printed != shown {
            wrong.push(format!("{expression}\n  printed {printed}\n  shown   {shown}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    rows
}

#[test]
fn what_a_program_of_the_newest_go_prints() {
    let test = "what_a_program_of_the_newest_go_prints";
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let builds: [fn(&str, &str) -> Option<PathBuf>; 2] = [fixture::go, fixture::go_unoptimized];
    for (number, build) in builds.into_iter().enumerate() {
        let Some(program) = build(test, SOURCE) else { return };
        let (dir, _) = retake.record(&format!("recording-{number}"), &[], &[program]);
        check_printed(&retake, &dir);
    }
}

/// Variables of a function, of whichever Go there is, are what they are with the Go of Delve.
#[test]
fn values_of_the_newest_go() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let Some(program) = fixture::go_unoptimized("values_of_the_newest_go", OF_LOCALS) else {
        return;
    };
    let (dir, _) = retake.record("recording", &[], &[program]);
    check(&retake, &dir, &mark(OF_LOCALS, "all"), ROWS_OF_LOCALS);
}

#[test]
fn what_a_program_prints_and_delve_says() {
    let test = "what_a_program_prints_and_delve_says";
    let builds: [fn(&str, &str) -> Option<PathBuf>; 2] =
        [fixture::go_for_delve, fixture::go_of_delve];
    for (number, build) in builds.into_iter().enumerate() {
        let Some(delve) = Delve::find(test, env!("CARGO_BIN_EXE_retake")) else { return };
        let Some(program) = build(test, SOURCE) else { return };
        let dir = delve.record(&format!("recording-{number}"), &program);
        let rows = check_printed(&delve.retake, &dir);
        let place = mark(SOURCE, "all");
        let rows: Vec<(&str, &str)> = rows.iter().map(|(row, value)| (&**row, &**value)).collect();
        let oracle = Oracle { notes: NOTES, ..DELVE };
        delve_agrees(oracle, &delve, Place { dir: &dir, at: &place, frame: 0 }, &rows);
    }
}

/// Where Delve 1.20 has other words.
const NOTES: &[Note] = &[
    ("noPointer", Shown("*main.Pointnil")),
    ("nested", Better("[][]intlen:3,cap:3,[[1],[2,3],nil]", "lengths of the inner ones are shown")),
    (
        "shapes",
        Better("[]main.Shapelen:2,cap:2,[{Side:1},nil]", "the types that they hold are shown"),
    ),
];

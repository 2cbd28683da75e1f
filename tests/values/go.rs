//! Go. Delve 1.20 shows the same values; the program prints them as well.

use std::path::PathBuf;

use retake_testkit::{Delve, Retake, fixture};

use super::oracle::There::{Better, Other, Shown};
use super::oracle::{Oracle, Place, Spaces, delve_agrees, delve_says};
use super::{Row, check, check_orders, mark};

pub(super) const SOURCE: &str = "go/values.go";

/// At `MARK: all` of `main.main`, without optimization.
pub(super) const ROWS: &[Row] = &[
    ("yes", "true"),
    ("byt", "200"),
    ("small", "-5"),
    ("number", "-123456"),
    ("big", "-9000000000000000000"),
    ("ubig", "18000000000000000000"),
    ("single", "1.5"),
    ("pi", "3.141592653589793"),
    ("z", "(1 + 2i)"),
    ("letter", "223"),
    ("text", "\"a \\\"quoted\\\" text\\n\""),
    ("text == \"x\"", "0"),
    ("empty", "\"\""),
    ("array", "[1, 2, 3]"),
    ("grid", "[[1, 2], [3, 4]]"),
    ("grid[1][0]", "3"),
    ("slice", "[]int(len 4, cap 4) [10, 20, 30, 40]"),
    ("slice[3]", "40"),
    ("slice[1:3]", "[20, 30]"),
    ("part", "[]int(len 2, cap 3) [20, 30]"),
    ("len(part)", "2"),
    ("cap(part)", "3"),
    ("noSlice", "[]int(len 0, cap 0) []"),
    ("words", "[]string(len 2, cap 2) [\"x\", \"yy\"]"),
    ("words[1]", "\"yy\""),
    ("point", "main.Point {X: 3, Y: -4}"),
    ("point.Y", "-4"),
    ("points", "[]main.Point(len 2, cap 2) [main.Point {X: 1, Y: 2}, main.Point {X: 3, Y: 4}]"),
    ("pointer", "*main.Point {X: 3, Y: -4}"),
    ("*pointer", "main.Point {X: 3, Y: -4}"),
    ("pointer.X", "3"),
    (
        "first",
        "*main.Node {Name: \"first\", Next: *main.Node {Name: \"last\", Next: (*main.Node)(ADDR), At: main.Point \
         {X: 5, Y: 6}}, At: main.Point {X: 1, Y: 2}}",
    ),
    ("first.Next.Name", "\"last\""),
    ("embedded", "main.Embedded {Point: main.Point {X: 7, Y: 8}, Label: \"label\"}"),
    ("embedded.Point.Y", "8"),
    ("embedded.Y", "8"),
    ("color", "Green (1)"),
    ("small_map", "map[string]int(len 2) {\"one\": 1, \"two\": 2}"),
    ("small_map[\"two\"]", "2"),
    ("structs[5].Y", "6"),
    ("len(large)", "100"),
    ("large[77]", "5929"),
    ("noMap", "map[string]int nil"),
    ("square", "main.Shape(main.Square)(main.Square {Side: 2})"),
    ("square.(main.Square)", "main.Square {Side: 2}"),
    ("circle", "main.Shape(*main.Circle)(*main.Circle {Radius: 3})"),
    ("circle.Radius", "3"),
    ("noShape", "main.Shape nil"),
    ("anything", "interface {}(int)(77)"),
    ("textual", "interface {}(string)(\"any text\")"),
    ("err", "error(*errors.errorString)(*errors.errorString {s: \"broken\"})"),
    ("noErr", "error nil"),
    ("channel", "chan int(buffer(len 2, cap 4) [11, 22])"),
    ("len(channel)", "2"),
    ("cap(channel)", "4"),
    ("unbuffered", "chan string(buffer(len 0, cap 0) [])"),
    ("noChannel", "chan int nil"),
    ("closed", "chan int(buffer(len 0, cap 1) [], closed true)"),
    ("function", "main.stop"),
    ("closure", "main.main.func1"),
    ("left", "5"),
    ("duration", "90000000000"),
    ("bytes", "[]uint8(len 5, cap 5) [98, 121, 116, 101, 115]"),
    ("counter", "42"),
    ("main.counter + 1", "43"),
    ("names[1]", "\"second\""),
    ("main.lookup[\"seven\"]", "7"),
];

/// What Delve and we say in different words everywhere.
const THEIRS: &[(&str, &str)] = &[
    // Each line of a structure ends with a comma.
    (r",([}\]])", "$1"),
    (r"len:(\d+),cap:(\d+),nil", "len:$1,cap:$2,[]"),
    // The type of an array, and of the structures in a list, is said once or not at all.
    (r"^(?:\[\d+\])+[\w.]+\[", "["),
    (TYPE, "{"),
];
const OURS: &[(&str, &str)] = &[
    (TYPE, "{"),
    (r"\(len(\d+),cap(\d+)\)", "len:$1,cap:$2,"),
    (r"\(len\d+\)\{(.*)\}$", "[$1]"),
    // Of a slice in a list, a map or an interface only the elements are shown there.
    (r#"([\[,(]|":)\[\][\w.*]+len:\d+,cap:\d+,\["#, "$1["),
    // What is in an interface stands behind it.
    (r"^([\w. {}]+\([\w.*\[\]]+\))\((.*)\)$", "$1$2"),
    (r"\(\*errors\.errorString\)\((\*\{.*?\})\)", "(*errors.errorString)$1"),
];
/// The name of a type of the program, before what is in a value of it.
const TYPE: &str = r"(?:main|errors|fmt)\.\w+(?:\[[^\]]*\])?\{";

/// How Delve 1.20 says the same.
pub(super) const DELVE: Oracle = Oracle {
    rules: THEIRS,
    ours: OURS,
    spaces: Spaces::Dropped,
    also: &[],
    notes: &[
        ("text == \"x\"", Shown("false")),
        ("slice[1:3]", Shown("[]intlen:2,cap:2,[20,30]")),
        (
            "first",
            Better(
                "*{Name:\"first\",Next:*{Name:\"last\",Next:*{Name:\"first\",Next:*{Name:\"last\",Next:*(*main.Node)(ADDR),\
                 At:(*main.Point)(ADDR)},At:{X:1,Y:2}},At:{X:5,Y:6}},At:{X:1,Y:2}}",
                "a circle ends where it comes back",
            ),
        ),
        // All fields of the runtime's structure are shown there.
        ("channel", Other("channel.buf", "*[4]int[11,22,0,0]")),
        ("unbuffered", Other("unbuffered.qcount", "0")),
        ("noChannel", Shown("chanint{}")),
        ("closed", Other("closed.closed", "1")),
    ],
};

/// Delve, and a program that it can debug, recorded.
fn recorded(test: &str, program: impl FnOnce() -> Option<PathBuf>) -> Option<(Delve, PathBuf)> {
    let delve = Delve::find(test, env!("CARGO_BIN_EXE_retake"))?;
    let program = program()?;
    let dir = delve.record("recording", &program);
    Some((delve, dir))
}

/// Variables of the function that are still there at `MARK: all` in an optimized program of Go 1.19.
const KEPT: usize = 8;

#[test]
fn values_without_optimization() {
    let test = "values_without_optimization";
    let Some((delve, dir)) = recorded(test, || fixture::go_for_delve(test, SOURCE)) else { return };
    let at = mark(SOURCE, "all");
    check(&delve.retake, &dir, &at, ROWS);
    delve_agrees(DELVE, &delve, Place { dir: &dir, at: &at, frame: 0 }, ROWS);
}

/// What of a function's own variables an optimizing compiler keeps is what it was without that, and of the others it is
/// said why they are gone. Delve says of some that are kept in pieces that they are empty.
#[test]
fn values_with_optimization() {
    let test = "values_with_optimization";
    let Some((delve, dir)) = recorded(test, || fixture::go_of_delve(test, SOURCE)) else { return };
    let at = mark(SOURCE, "all");
    let script = format!("break {at}\ncontinue\nlocals");
    let output = delve.retake.debug(&dir, &[], &script).good().output();
    let mut rows: Vec<Row> = Vec::new();
    for (name, found) in output.lines().filter_map(|line| line.split_once(" = ")) {
        let Some(row) = ROWS.iter().find(|(row, _)| *row == name) else { continue };
        // A part is gone, or, of an interface, the compiler says a place that has something else by now.
        if found.contains("<optimized out (") || found.contains("no debug information describes") {
            continue;
        }
        assert_eq!(super::without_addresses(found), row.1, "{name}");
        rows.push(*row);
    }
    assert!(rows.len() >= KEPT, "{} in {output}", rows.len());
    let said = delve_says(DELVE, &delve, Place { dir: &dir, at: &at, frame: 0 }, &rows);
    let has_value = |said: &&String| !said.contains("(unreadable ") && !said.contains("dlv.init:");
    let of_delve = said.iter().filter(has_value).count();
    assert!(rows.len() >= of_delve, "Delve has {of_delve} values: {said:#?}");
}

#[test]
fn arguments_at_each_hit() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let Some(program) = fixture::go_for_delve("arguments_at_each_hit", SOURCE) else { return };
    let (dir, _) = retake.record("recording", &[], &[program]);
    check_orders(&retake, &dir, "main.order");
}

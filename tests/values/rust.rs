//! Rust. rust-gdb 13 shows the same values; it has no printers for some of them (mutexes, trait objects).

use retake_testkit::{Retake, fixture};

use super::oracle::There::{As, Better, Other};
use super::oracle::{Gdb, Oracle, Place, Spaces};
use super::{check_orders, check_with_gdb, mark};

pub(super) const SOURCE: &str = "rust/values/values.rs";

/// At `MARK: all` of `main`, without optimization.
pub(super) const ROWS: &[super::Row] = &[
    ("yes", "true"),
    ("byte", "200"),
    ("small", "-5"),
    ("number", "-123456"),
    ("big", "-9000000000000000000"),
    ("ubig", "18000000000000000000"),
    ("huge", "170141183460469231731687303715884105727"),
    ("size", "77"),
    ("single", "1.5"),
    ("pi", "3.141592653589793"),
    ("letter", "'ß'"),
    ("unit", "()"),
    ("tuple", "(1, \"two\", 3.5)"),
    ("tuple.1", "\"two\""),
    ("array", "[1, 2, 3]"),
    ("nested[1][0]", "3"),
    ("text", "\"a \\\"quoted\\\" text\\n\""),
    ("owned", "\"owned text\""),
    ("owned == \"owned text\"", "1"),
    ("empty", "\"\""),
    ("len(owned)", "10"),
    ("slice", "[2, 3]"),
    ("slice[1]", "3"),
    ("point", "values::Point {x: 3, y: -4}"),
    ("point.y", "-4"),
    ("reference", "&values::Point {x: 3, y: -4}"),
    ("reference.x", "3"),
    ("*reference", "values::Point {x: 3, y: -4}"),
    ("pair", "Pair(5, 2.5)"),
    ("pair.1", "2.5"),
    ("nothing", "Unit"),
    ("plain", "values::Plain::Two"),
    ("other_plain", "values::Plain::One"),
    ("circle", "Shape::Circle {radius: 1.25}"),
    ("square", "Shape::Square(9)"),
    ("no_shape", "Shape::Nothing"),
    ("some", "Some(42)"),
    ("some.0", "42"),
    ("none", "None"),
    ("some_box", "Some(6)"),
    ("none_box", "None"),
    ("some_text", "Some(\"niche\")"),
    ("good", "Ok(11)"),
    ("bad", "Err(\"broken\")"),
    ("boxed", "values::Point {x: 8, y: 9}"),
    ("boxed.y", "9"),
    ("boxed_slice", "[4, 5]"),
    ("vector", "Vec(len 3, cap 3) [10, 20, 30]"),
    ("vector[2]", "30"),
    ("vector[0:2]", "[10, 20]"),
    ("len(vector)", "3"),
    ("strings", "Vec(len 2, cap 2) [\"x\", \"yy\"]"),
    ("strings[1]", "\"yy\""),
    ("points[1].x", "3"),
    ("no_vector", "Vec(len 0, cap 0) []"),
    ("queue", "VecDeque(len 6, cap 6) [1, 2, 3, 4, 5, 99]"),
    ("queue[5]", "99"),
    ("len(map)", "3"),
    ("map[\"two\"]", "2"),
    ("map[\"three\"]", "3"),
    ("set", "HashSet(len 1) [7]"),
    (
        "ordered",
        "BTreeMap(len 20) {0: \"v\", 1: \"v\", 2: \"v\", 3: \"v\", 4: \"v\", 5: \"v\", 6: \"v\", 7: \"v\", 8: \"v\", 9: \"v\", \
         10: \"v\", 11: \"v\", 12: \"v\", 13: \"v\", 14: \"v\", 15: \"v\", 16: \"v\", 17: \"v\", 18: \"v\", 19: \"v\"}",
    ),
    ("ordered[13]", "\"v\""),
    ("ordered_set", "BTreeSet(len 2) ['a', 'b']"),
    ("counted", "Rc(values::Point {x: 5, y: 6}, strong 2, weak 0)"),
    ("counted.y", "6"),
    ("shared", "Arc(\"shared\", strong 1, weak 0)"),
    ("cell", "Cell(12)"),
    ("ref_cell", "RefCell(Vec(len 1, cap 1) [1], borrow 1)"),
    ("mutex", "Mutex(13)"),
    ("lock", "RwLock(\"locked\")"),
    ("generic", "values::Generic<i64> {held: 14}"),
    ("object", "dyn values::Point(values::Point {x: 3, y: -4})"),
    ("closure", "values::main::{closure_env#1} {_ref__closure_base: &100}"),
    ("atomic", "21"),
    ("atomic + 1", "22"),
    ("nested_option", "Some(Some(3))"),
    ("values::COUNTER", "5"),
    ("NAMES", "[\"first\", \"second\"]"),
    ("number as u8", "192"),
    ("-format hex byte", "0xc8"),
];

/// How rust-gdb 13 says the same, with Rust's own printers.
const GDB: Gdb = Gdb {
    command: "rust-gdb",
    oracle: Oracle {
        rules: &[
            (r"core::option::Option<.*?>::(Some|None)", "$1"),
            (r"core::result::Result<.*?>::(Ok|Err)", "$1"),
            (r"values::Shape::(\w+)\{", "Shape::$1 {"),
            (r"values::(Shape|Unit)", "$1"),
            (r"values::Pair ", "Pair"),
            // A character has the number of one before it there.
            (r"\d+ ('.')", "$1"),
            (r"^alloc::boxed::Box<\[i32\], alloc::alloc::Global> ", ""),
            (r"^&\[u16\]\(size=2\) = \{(.*)\}$", "[$1]"),
            // It has no capacities; the words of the other containers.
            (r"^(VecDeque|BTreeSet)\(size=(\d+)\) = \{(.*)\}$", "$1(len $2) [$3]"),
            (r"^HashSet\(size=(\d+)\) = \{(.*)\}$", "HashSet(len $1) [$2]"),
            (r"^BTreeMap\(size=(\d+)\) = ", "BTreeMap(len $1) "),
            (r"\[(\d+)\] = ", "$1: "),
            (
                r"^(Rc|Arc)\(.*?\) = \{value = (.*), strong = (\d), weak = (\d)\}$",
                "$1($2, strong $3, weak $4)",
            ),
            (r"^Cell = \{value = (.*)\}$", "Cell($1)"),
            (
                r"^core::sync::atomic::AtomicU32 \{v: core::cell::UnsafeCell<u32> \{value: (\d+)\}\}$",
                "$1",
            ),
        ],
        ours: &[],
        spaces: Spaces::Counted,
        also: &[],
        notes: &[
            ("letter", Better(r"223 '\xdf'", "the character is shown")),
            ("owned == \"owned text\"", Other("owned", "\"owned text\"")),
            ("len(owned)", As("owned.vec.len")),
            ("reference", Better("(*mut values::Point) ADDR", "what it refers to is shown")),
            ("some_box", Better("Some(ADDR)", "what it points to is shown")),
            ("boxed", Better("(*mut values::Point) ADDR", "what it points to is shown")),
            ("vector", Better("Vec(size=3) = {10, 20, 30}", "the capacity is shown")),
            ("vector[2]", As("*((vector.buf.inner.ptr.pointer.pointer as usize + 8) as *mut i32)")),
            ("vector[0:2]", Better("error: ']' expected", "elements of containers are there")),
            ("len(vector)", As("vector.len")),
            ("strings", Better("Vec(size=2) = {\"x\", \"yy\"}", "the capacity is shown")),
            (
                "strings[1]",
                As(
                    "*((strings.buf.inner.ptr.pointer.pointer as usize + 24) as *mut alloc::string::String)",
                ),
            ),
            (
                "points[1].x",
                As(
                    "(*((points.buf.inner.ptr.pointer.pointer as usize + 8) as *mut values::Point)).x",
                ),
            ),
            ("no_vector", Better("Vec(size=0)", "the capacity is shown")),
            ("queue", Better("VecDeque(len 6) [1, 2, 3, 4, 5, 99]", "the capacity is shown")),
            ("queue[5]", Better("error: Cannot subscript non-array type", "elements are there")),
            ("len(map)", As("map.base.table.table.items")),
            (
                "map[\"two\"]",
                Better("error: Value can't be converted to integer.", "elements are there by key"),
            ),
            (
                "map[\"three\"]",
                Better("error: Value can't be converted to integer.", "elements are there by key"),
            ),
            ("ordered[13]", Better("error: Cannot subscript non-array type", "elements are there")),
            ("counted.y", As("(*counted.ptr.pointer).value.y")),
            (
                "ref_cell",
                Better(
                    "RefCell(borrow=1) = {value = Vec(size=1) = {1}, borrow = 1}",
                    "the capacity is shown",
                ),
            ),
            ("mutex", Other("mutex.data.value", "13")),
            ("lock", Other("lock.data.value", "\"locked\"")),
            // What it is and what that holds is not shown there.
            ("object", Other("object.pointer", "(*mut dyn values::Speaks) ADDR")),
            (
                "closure",
                Better(
                    "values::main::{closure_env#1} {_ref__closure_base: ADDR}",
                    "what it refers to is shown",
                ),
            ),
            ("atomic + 1", As("atomic.v.value + 1")),
            ("-format hex byte", As("/x byte")),
        ],
    },
};

/// The same in an optimized program.
const OPTIMIZED: Gdb = Gdb {
    oracle: Oracle {
        also: &[
            ("unit", Better("<optimized out>", "what has no bytes is always there")),
            ("nothing", Better("<optimized out>", "what has no bytes is always there")),
        ],
        ..GDB.oracle
    },
    ..GDB
};

#[test]
fn values_without_optimization() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let (dir, _) = retake.record("recording", &[], &[fixture::rust(SOURCE, &[])]);
    let at = mark(SOURCE, "all");
    check_with_gdb(&retake, GDB, Place { dir: &dir, at: &at, frame: 0 }, ROWS, &[]);
}

#[test]
fn values_with_optimization() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let program = fixture::rust(SOURCE, &["-Copt-level=2"]);
    let (dir, _) = retake.record("recording", &[], &[program]);
    // What rustc keeps nowhere; gdb says so too.
    let without = ["slice", "slice[1]", "object", "closure", "values::COUNTER"];
    let at = mark(SOURCE, "all");
    check_with_gdb(&retake, OPTIMIZED, Place { dir: &dir, at: &at, frame: 0 }, ROWS, &without);
}

#[test]
fn arguments_at_each_hit() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    for flags in ["-Copt-level=0", "-Copt-level=2"] {
        let (dir, _) = retake.record(flags, &[], &[fixture::rust(SOURCE, &[flags])]);
        check_orders(&retake, &dir, "values::order");
    }
}

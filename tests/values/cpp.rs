//! C++. gdb 13 with the printers of libstdc++ shows the same values.

use retake_testkit::{Retake, fixture};

use super::oracle::There::{As, Better, Other, Shown};
use super::oracle::{Gdb, Oracle, Place, Spaces};
use super::{check_with_gdb, mark};

pub(super) const SOURCE: &str = "cpp/values/values.cpp";

/// At `MARK: all` of `main`, without optimization.
pub(super) const ROWS: &[super::Row] = &[
    ("yes", "true"),
    ("letter", "65 'A'"),
    ("number", "-123456"),
    ("ubig", "18000000000000000000"),
    ("single", "1.5"),
    ("pi", "3.141592653589793"),
    ("wide", "119 'w'"),
    ("utf16", "120 'x'"),
    ("color", "shop::Green"),
    ("mode", "shop::Mode::Slow"),
    ("point", "{x = 3, y = -4}"),
    ("reference", "{x = 3, y = -4}"),
    ("reference.y", "-4"),
    ("*pointer", "{x = 3, y = -4}"),
    ("pointer->x", "3"),
    ("dog", "{<shop::Animal> = {age = 7}, name = \"rex\"}"),
    ("dog.age", "7"),
    // gdb says the same with "set print object on": (shop::Dog *) 0x...
    ("animal", "ADDR <shop::Dog>"),
    ("((shop::Dog *)animal)->name", "\"rex\""),
    (
        "bottom",
        "{<shop::Left> = {<shop::Base> = {base_value = 1}, left_value = 2}, <shop::Right> = {<shop::Base> = \
         {base_value = 1}, right_value = 3}, bottom_value = 4}",
    ),
    ("bottom.base_value", "1"),
    ("bottom.right_value", "3"),
    ("box", "{held = 15}"),
    ("text_box.held", "\"boxed\""),
    ("text", "\"a \\\"quoted\\\" text\\n\""),
    ("long_text", "\"a text that is too long for the small buffer of a string\""),
    ("empty", "\"\""),
    ("view", "\"a \\\"quoted\\\" text\\n\""),
    ("len(text)", "16"),
    ("vector", "vector(len 3, cap 3) {10, 20, 30}"),
    ("vector[1]", "20"),
    ("vector[1:3]", "{20, 30}"),
    ("len(vector)", "3"),
    ("strings", "vector(len 2, cap 2) {\"x\", \"yy\"}"),
    ("strings[1] == \"yy\"", "1"),
    ("points", "vector(len 2, cap 2) {{x = 1, y = 2}, {x = 3, y = 4}}"),
    ("points[1].y", "4"),
    ("no_vector", "vector(len 0, cap 0) {}"),
    ("array", "{1, 2, 3}"),
    ("array[2]", "3"),
    ("plain", "{4, 5, 6, 7}"),
    ("map", "map(len 3) {\"one\": 1, \"three\": 3, \"two\": 2}"),
    ("map[\"three\"]", "3"),
    ("point_map", "map(len 2) {1: {x = 1, y = 1}, 2: {x = 2, y = 2}}"),
    ("point_map[2].x", "2"),
    ("set", "set(len 3) {1, 2, 3}"),
    ("hash", "unordered_map(len 1) {7: \"seven\"}"),
    ("hash[7]", "\"seven\""),
    ("text_hash[\"nine\"]", "9"),
    ("hash_set", "unordered_set(len 1) {8}"),
    ("list", "list(len 3) {1, 2, 3}"),
    ("deque", "deque(len 4) {0, 1, 2, 3}"),
    ("deque[3]", "3"),
    ("some", "optional(42)"),
    ("*some", "42"),
    ("none", "nullopt"),
    ("some_text", "optional(\"optional\")"),
    ("unique", "unique_ptr({x = 8, y = 9})"),
    ("unique->y", "9"),
    ("no_unique", "unique_ptr(nullptr)"),
    ("shared", "shared_ptr(16, use 2)"),
    ("*shared", "16"),
    ("weak", "weak_ptr(16, use 2)"),
    ("pair", "{first = 1, second = \"pair\"}"),
    ("tuple", "tuple(1, 2.5, \"three\")"),
    ("variant", "variant#1(\"variant\")"),
    ("atomic", "17"),
    ("function", "ADDR <stop(int)>"),
    ("member", "&shop::Point::y"),
    ("nothing", "0x0"),
    ("closure", "{__left = 5}"),
    ("shop::global_counter", "42"),
    ("sizeof(shop::Point)", "8"),
    ("sizeof(point)", "8"),
    ("global_name", "\"global\""),
];

/// How gdb 13 says the same, with the printers of libstdc++.
const GDB: Gdb = Gdb {
    command: "gdb",
    oracle: Oracle {
        rules: &[
            // The type before a pointer, and what a reference is.
            (r"^\((?:void \*|int \(\*\)\(int\))\) (ADDR|0x0)", "$1"),
            (r"^\([\w:]+ &\) @ADDR: ", ""),
            (r"^\(shop::(?:Dog|Bottom)\) \{", "{"),
            (r"_vptr\.\w+ = ADDR <(?:vtable|VTT) for [^>]*>, ", ""),
            (
                r"^std::(?:__cxx11::)?(\w+) of length (\d+), capacity (\d+)$",
                "$1(len $2, cap $3) {}",
            ),
            (r"^std::(\w+) of length (\d+), capacity (\d+) = ", "$1(len $2, cap $3) "),
            (r"^std::(\w+) with (\d+) elements? = ", "$1(len $2) "),
            // Keys of maps; positions in what has no keys.
            (r"^(set|unordered_set)(.*)\{\[0\] = ", "$1$2{"),
            (r"^(set.*), \[1\] = (\d+), \[2\] = ", "$1, $2, "),
            (r#"\[([^\]]+)\] = (\{|\d|")"#, "$1: $2"),
            (r"^std::optional<[\w:]+> = \{contained value: (.*)\}$", "optional($1)"),
        ],
        ours: &[],
        spaces: Spaces::Counted,
        also: &[],
        notes: &[
            ("wide", Shown("119 L'w'")),
            ("utf16", Shown("120 u'x'")),
            ("animal", Shown("(shop::Dog *) ADDR")),
            (
                "bottom",
                Better(
                    "{<shop::Left> = {<shop::Base> = {base_value = 1}, left_value = 2}, <shop::Right> = {right_value = \
                     3}, bottom_value = 4}",
                    "Right has the base as well",
                ),
            ),
            ("len(text)", As("text.size()")),
            ("vector[1:3]", As("*(int(*)[2])&vector[1]")),
            ("len(vector)", As("vector.size()")),
            ("strings[1] == \"yy\"", Other("$_streq(strings[1]._M_dataplus._M_p, \"yy\")", "true")),
            ("array", Shown("{_M_elems = {1, 2, 3}}")),
            (
                "map[\"three\"]",
                Better(
                    "error: Could not find operator[].",
                    "the program itself has no code for it",
                ),
            ),
            ("point_map[2].x", Better("error: Could not find operator[].", "the same")),
            ("hash[7]", Better("error: Could not find operator[].", "the same")),
            ("text_hash[\"nine\"]", Better("error: Could not find operator[].", "the same")),
            ("list", Better("std::__cxx11::list = {0: 1, 1: 2, 2: 3}", "the length is shown")),
            ("deque[3]", Better("0", "it counts from the end of the first block, and 3 is there")),
            ("none", Shown("std::optional<int> [no contained value]")),
            (
                "unique",
                Better(
                    "std::unique_ptr<shop::Point> = {get() = ADDR}",
                    "what it points to is shown",
                ),
            ),
            ("no_unique", Shown("std::unique_ptr<int> = {get() = 0x0}")),
            (
                "shared",
                Better(
                    "std::shared_ptr<int> (use count 2, weak count 1) = {get() = ADDR}",
                    "what it points to is shown",
                ),
            ),
            (
                "weak",
                Better(
                    "std::weak_ptr<int> (use count 2, weak count 1) = {get() = ADDR}",
                    "what it points to is shown",
                ),
            ),
            ("tuple", Shown("std::tuple containing = {1: 1, 2: 2.5, 3: \"three\"}")),
            ("variant", Shown("std::variant<int, std::string> index 1: {\"variant\"}")),
            ("atomic", Shown("std::atomic<int> = { 17 }")),
        ],
    },
};

/// The same in an optimized program.
const OPTIMIZED: Gdb = Gdb {
    oracle: Oracle {
        also: &[
            ("reference", Better(NO_ADDRESS, "it refers to something that is known")),
            ("array[2]", Better(NO_ADDRESS, "the element is known")),
            ("*some", Better(NO_ADDRESS, "what it holds is known")),
        ],
        ..GDB.oracle
    },
    ..GDB
};
const NO_ADDRESS: &str = "error: Attempt to take address of value not located in memory.";

#[test]
fn values_without_optimization() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let (dir, _) = retake.record("recording", &[], &[fixture::cpp_with(SOURCE, &["-O0"])]);
    let at = mark(SOURCE, "all");
    check_with_gdb(&retake, GDB, Place { dir: &dir, at: &at, frame: 0 }, ROWS, &[]);
}

#[test]
fn values_with_optimization() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let (dir, _) = retake.record("recording", &[], &[fixture::cpp_with(SOURCE, &["-O2"])]);
    // What g++ keeps nowhere; gdb says so too.
    let without =
        ["bottom", "bottom.base_value", "bottom.right_value", "view", "shared", "*shared", "weak"];
    let at = mark(SOURCE, "all");
    check_with_gdb(&retake, OPTIMIZED, Place { dir: &dir, at: &at, frame: 0 }, ROWS, &without);
}

#[test]
fn arguments_at_each_hit() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    for flags in ["-O0", "-O2"] {
        let (dir, _) = retake.record(flags, &[], &[fixture::cpp_with(SOURCE, &[flags])]);
        let script = "break order\nhits 1 print sku, count, *left";
        let output = retake.debug(&dir, &[], script).good().output();
        let lines: Vec<&str> = output.lines().filter(|line| line.contains("sku = ")).collect();
        let ends = [
            "sku = \"apple\", count = 12, *left = 6",
            "sku = \"pear\", count = 14, *left = 7",
            "sku = \"fig\", count = 16, *left = 8",
        ];
        assert_eq!(lines.len(), 3, "{output}");
        for (line, end) in lines.iter().zip(ends) {
            assert!(line.ends_with(end), "{flags}: {line}");
        }
    }
}

//! C. gdb 13 prints the same, but for what the notes say.

use retake_testkit::{Retake, fixture};

use super::oracle::There::{As, Better, Other, Shown};
use super::oracle::{Gdb, Oracle, Place, Spaces};
use super::{check, check_but, check_with_gdb, mark};

pub(super) const SOURCE: &str = "c/values/values.c";

/// At `MARK: all` of `main`, without optimization.
pub(super) const ROWS: &[super::Row] = &[
    ("yes", "true"),
    ("letter", "65 'A'"),
    // gdb adds the octal form of a character that is none: -5 '\373'.
    ("small", "-5"),
    ("byte", "200"),
    ("half", "-300"),
    ("uhalf", "65000"),
    ("number", "-123456"),
    ("unumber", "4000000000"),
    ("big", "-9000000000000000000"),
    ("ubig", "18000000000000000000"),
    ("single", "1.5"),
    // The shortest text that is the same number; gdb has 17 digits.
    ("pi", "3.141592653589793"),
    ("wide", "2.25"),
    ("z", "(1 + 2i)"),
    ("color", "GREEN"),
    ("odd", "77"),
    ("flags", "(READ | EXECUTE)"),
    ("p", "{x = 3, y = -4}"),
    ("last", "{name = ADDR \"last\", next = ADDR, at = {x = 5, y = 6}}"),
    ("*list", "{name = ADDR \"first\", next = ADDR, at = {x = 1, y = 2}}"),
    ("list->next->at.y", "6"),
    ("list->next->next->name", "ADDR \"first\""),
    ("bits", "{a = 5, b = -7, c = 11259375, d = true}"),
    ("bits.b", "-7"),
    // Bytes that are no text are shown as numbers, by gdb as "\000\000\200?".
    ("word", "{whole = 1065353216, parts = {0, 0, 128, 63 '?'}, number = 1}"),
    ("outer.number", "11"),
    ("outer.inner", "{tag = \"tag\"}"),
    ("numbers", "{1, 2, 3, 4, 5}"),
    ("numbers[1:4]", "{2, 3, 4}"),
    ("grid", "{{1, 2, 3}, {4, 5, 6}}"),
    ("grid[1][2]", "6"),
    ("points", "{{x = 1, y = 2}, {x = 3, y = 4}}"),
    ("text", "\"hello\""),
    ("string", "ADDR \"a \\\"quoted\\\" text\\n\""),
    ("nothing", "0x0"),
    ("*nothing", "<nothing is mapped at 0x0>"),
    ("*pointer", "3"),
    ("pointer[-1]", "2"),
    ("**twice", "3"),
    ("*(pointer + 1)", "4"),
    ("&numbers[2] == pointer", "1"),
    ("function", "ADDR <add>"),
    ("size", "1234"),
    ("fixed", "17"),
    ("zeros", "{0 <repeats 40 times>}"),
    ("flexible->count", "3"),
    ("flexible->items[2]", "4"),
    ("argc", "1"),
    ("counter", "42"),
    ("global_array", "{10, 20, 30}"),
    ("global_text", "ADDR \"global\""),
    ("global_point.x + global_point.y * 2", "23"),
    ("per_thread", "10"),
    ("(struct node *)list", "ADDR"),
    ("((struct node *)list)->at", "{x = 1, y = 2}"),
    ("(unsigned char)number", "192"),
    ("(double)number / 2", "-61728"),
    ("string == \"a \\\"quoted\\\" text\\n\"", "1"),
    ("text < \"help\"", "1"),
    ("len(numbers)", "5"),
    ("sizeof(struct node)", "24"),
    ("sizeof(struct node *) + sizeof(int)", "12"),
    ("sizeof numbers / sizeof numbers[0]", "5"),
    ("sizeof(size_type)", "8"),
    ("sizeof(*list)", "24"),
    ("sizeof(p)", "8"),
    ("-format hex number", "0xfffe1dc0"),
    ("-format bin bits.a", "0b101"),
    ("-format oct byte", "0310"),
    ("%x p", "{x = 0x3, y = 0xfffffffc}"),
    ("-page 3..5 numbers", "{4, 5}"),
    ("p.x == 3 && list->at.x == 1", "1"),
    ("$rsp != 0 && rsp == $rsp", "1"),
];

/// How gdb 13 says the same.
const GDB: Gdb = Gdb {
    command: "gdb",
    oracle: Oracle {
        rules: &[
            // Numbers of characters that are none have no character here.
            (r"(\d) '\\\d{3}'", "$1"),
            // The type before a pointer.
            (r"^\([\w ]+\*?\) (ADDR)", "$1"),
        ],
        ours: &[],
        spaces: Spaces::Counted,
        also: &[],
        notes: &[
            ("z", Shown("1 + 2i")),
            (
                "word",
                Better(
                    r#"{whole = 1065353216, parts = "\000\000\200?", number = 1}"#,
                    "bytes that are no text are numbers",
                ),
            ),
            ("numbers[1:4]", As("numbers[1]@3")),
            (
                "text",
                Better(
                    r#""hello\000\000\000\000\000\000\000\000\000\000""#,
                    "what is behind the end of a text is no part of it",
                ),
            ),
            ("*nothing", Shown("error: Cannot access memory at address 0x0")),
            (
                "string == \"a \\\"quoted\\\" text\\n\"",
                As("$_streq(string, \"a \\\"quoted\\\" text\\n\")"),
            ),
            ("text < \"help\"", As("text[3] < 'p'")),
            ("len(numbers)", As("sizeof(numbers) / sizeof(numbers[0])")),
            ("-format hex number", As("/x number")),
            ("-format bin bits.a", Other("/t bits.a", "101")),
            ("-format oct byte", As("/o byte")),
            ("%x p", As("/x p")),
            ("-page 3..5 numbers", As("numbers[3]@2")),
            ("$rsp != 0 && rsp == $rsp", As("$rsp != 0 && $rsp == $rsp")),
        ],
    },
};

#[test]
fn values_without_optimization() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let (dir, _) = retake.record("recording", &[], &[fixture::c(SOURCE, &["-O0"])]);
    let at = mark(SOURCE, "all");
    check_with_gdb(&retake, GDB, Place { dir: &dir, at: &at, frame: 0 }, ROWS, &[]);
}

/// What gcc keeps nowhere at `-O2`; gdb says so too.
pub(super) const NOT_OPTIMIZED: &[&str] = &[
    "last",
    "*list",
    "list->next->at.y",
    "list->next->next->name",
    "word",
    "outer.inner",
    "numbers",
    "numbers[1:4]",
    "text",
    "string",
    "*pointer",
    "pointer[-1]",
    "**twice",
    "*(pointer + 1)",
    "&numbers[2] == pointer",
    "function",
    "zeros",
    "flexible->count",
    "flexible->items[2]",
    "counter",
    "(struct node *)list",
    "((struct node *)list)->at",
    "string == \"a \\\"quoted\\\" text\\n\"",
    "text < \"help\"",
    "-page 3..5 numbers",
    "p.x == 3 && list->at.x == 1",
    // Of what is kept nowhere gdb still knows the size.
    "sizeof numbers / sizeof numbers[0]",
    "sizeof(*list)",
];

#[test]
fn values_with_optimization() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let (dir, _) = retake.record("recording", &[], &[fixture::c(SOURCE, &["-O2"])]);
    // `stop` is inlined there: the variables are those of the frame around it.
    let at = mark(SOURCE, "all");
    check_with_gdb(&retake, GDB, Place { dir: &dir, at: &at, frame: 1 }, ROWS, NOT_OPTIMIZED);
    let optimized = [
        ("string", "\"a \\\"quoted\\\" text\\n\""),
        ("string[2] == '\"'", "1"),
        ("word", "<optimized out (it has no location anywhere in this function)>"),
    ];
    check_but(&retake, &dir, &mark(SOURCE, "all"), "-frame 1 ", &optimized, &[]);
}

#[test]
fn scopes_and_frames() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let (dir, _) = retake.record("recording", &[], &[fixture::c(SOURCE, &["-O0"])]);
    check(&retake, &dir, &mark(SOURCE, "shadow"), &[("x", "105"), ("n", "5")]);
    let script = format!(
        "break {}\ncontinue\nlocals\nbreak stop if value == 30\ncontinue\nargs\nprint -frame 1 here\n\
         print -frame 2 depth\nprint -frame 3 list->name\nprint -frame 4 p",
        mark(SOURCE, "shadow")
    );
    let output = retake.debug(&dir, &[], &script).good().output();
    assert!(output.contains("x (shadowed) = 5\nx = 105\n"), "{output}");
    let shown: Vec<&str> = output.lines().rev().take(5).collect();
    assert_eq!(shown[4], "value = 30");
    assert_eq!(&shown[1..4].iter().rev().copied().collect::<Vec<_>>()[..2], ["30", "2"]);
    assert!(shown[1].ends_with("\"first\""), "{output}");
    assert_eq!(shown[0], "{x = 3, y = -4}");
}

#[test]
fn errors_point_at_the_column() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let (dir, _) = retake.record("recording", &[], &[fixture::c(SOURCE, &["-O0"])]);
    let at = mark(SOURCE, "all");
    let said =
        |line: &str| retake.debug(&dir, &[], &format!("break {at}\ncontinue\n{line}")).errors();
    for (line, expected) in [
        ("print nowhere", "there is no variable nowhere here (column 1)"),
        ("print 1 + numbr", "did you mean number? (column 5)"),
        ("print p.z", "struct point has no field z (it has x, y) (column 3)"),
        ("print *number", "int is not a pointer (column 1)"),
        ("print numbers[9]", "there is no element 9: the length is 5 (column 8)"),
        ("print (struct nope *)list", "there is no type struct nope *"),
        ("print p +", "something is missing at column 4"),
        ("break stop if nowhere == 1", "there is no variable nowhere at stop"),
    ] {
        let text = said(line);
        assert!(text.contains(expected), "{line}: {text}");
    }
}

#[test]
fn commands_over_variables() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let (dir, _) = retake.record("recording", &[], &[fixture::c(SOURCE, &["-O0"])]);
    let at = mark(SOURCE, "all");
    let shown = |line: &str| {
        let output =
            retake.debug(&dir, &[], &format!("break {at}\ncontinue\n{line}")).good().output();
        let (_, after) = output.split_once("// MARK: all\n").unwrap();
        super::without_addresses(after.trim_end())
    };
    assert_eq!(
        shown("whatis first"),
        "struct node  (24 bytes)\n    name: const char *\n    next: struct node *\n    at: struct point"
    );
    assert_eq!(shown("whatis grid"), "int [2][3]  (24 bytes)");
    assert_eq!(shown("whatis function"), "operation  (8 bytes)");
    assert_eq!(shown("locals ^num"), "number = -123456\nnumbers = {1, 2, 3, 4, 5}");
    assert_eq!(shown("args"), "argc = 1\nargv = ADDR");
    assert_eq!(
        shown("vars ^(counter|global_point)$"),
        "counter = 42\nglobal_point = {x = 7, y = 8}"
    );
    let full = shown("stack -full 1");
    assert!(full.contains("\n         arg argc = 1\n"), "{full}");
    assert!(full.contains("\n         pi = 3.141592653589793\n"), "{full}");
    let json = |line: &str| {
        let output = retake.debug(&dir, &["--json"], &format!("break {at}\ncontinue\n{line}"));
        let output = output.good().output();
        serde_json::from_str::<serde_json::Value>(output.lines().last().unwrap()).unwrap()
    };
    assert_eq!(
        json("print p")["data"],
        serde_json::json!({"type": "struct point", "fields": [
            {"name": "x", "value": {"type": "int", "plain": "3"}},
            {"name": "y", "value": {"type": "int", "plain": "-4"}},
        ]})
    );
    let args = json("args argc");
    assert_eq!(args["kind"], "variables");
    assert_eq!(args["data"][0]["role"], "argument");
    assert_eq!(args["data"][0]["value"], serde_json::json!({"type": "int", "plain": "1"}));
}

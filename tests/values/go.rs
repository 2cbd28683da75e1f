//! Go. Delve 1.20 shows the same values; the program prints them as well.

use retake_testkit::{Retake, fixture};

use super::{check, check_orders, mark};

const SOURCE: &str = "go/values.go";

/// At `MARK: all` of `main.main`, without optimization.
const ROWS: &[super::Row] = &[
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
    // Delve names the constant as well: Green (1).
    ("color", "1"),
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

#[test]
fn values_without_optimization() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let Some(program) = fixture::go_for_delve("values_without_optimization", SOURCE) else {
        return;
    };
    let (dir, _) = retake.record("recording", &[], &[program]);
    check(&retake, &dir, &mark(SOURCE, "all"), ROWS);
}

/// An optimizing compiler keeps few variables; what it keeps is right, and of the others it is said why not.
#[test]
fn values_with_optimization() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let Some(program) = fixture::go("values_with_optimization", SOURCE) else { return };
    let (dir, _) = retake.record("recording", &[], &[program]);
    let script =
        "break main.order\nhits 1 print sku, count, *left\nbreak main.stop\nhits 2 print value";
    let output = retake.debug(&dir, &[], script).good().output();
    let ends: Vec<&str> = output.lines().filter(|line| line.contains("  thread ")).collect();
    let ends: Vec<&str> = ends.iter().filter_map(|line| line.split("  ").last()).collect();
    let expected = [
        "sku = \"apple\", count = 0, *left = 5",
        "sku = \"pear\", count = 2, *left = 6",
        "sku = \"fig\", count = 4, *left = 8",
        "value = -123456",
        "value = 5",
        "value = 8",
        "value = 12",
        "value = 1",
    ];
    assert_eq!(ends, expected, "{output}");
    let script = format!("break {}\ncontinue\nprint number", mark(SOURCE, "all"));
    let output = retake.debug(&dir, &[], &script).good().output();
    let last = output.lines().last().unwrap_or_default();
    assert!(last == "-123456" || last.contains("optimized out"), "{output}");
}

#[test]
fn arguments_at_each_hit() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let Some(program) = fixture::go_for_delve("arguments_at_each_hit", SOURCE) else { return };
    let (dir, _) = retake.record("recording", &[], &[program]);
    check_orders(&retake, &dir, "main.order");
}

//! What gdb does not show: what function objects call, where asynchronous functions wait; vector registers.

use retake_testkit::{Retake, fixture};

use super::{check, mark};

#[test]
fn function_objects_of_cpp() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let name = "cpp/values/functions.cpp";
    let (dir, _) = retake.record("recording", &[], &[fixture::cpp_with(name, &["-O0"])]);
    check(
        &retake,
        &dir,
        &mark(name, "all"),
        &[
            ("empty", "function(empty)"),
            ("pointer", "function(twice(int))"),
            ("object", "function(Adder)"),
            ("lambda", "function(main::{lambda(int)#1})"),
        ],
    );
}

#[test]
fn asynchronous_functions_of_rust() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let name = "rust/values/awaits.rs";
    let program = fixture::rust(name, &[]);
    let (dir, _) = retake.record("recording", &[], &[program]);
    let script = format!("break {}\nhits print *future", mark(name, "looks"));
    let output = retake.debug(&dir, &[], &script).good().output();
    let states = [
        "(not begun)".to_owned(),
        format!("(awaits at line {})", fixture::line_of(name, "first await")),
        format!("(awaits at line {})", fixture::line_of(name, "second await")),
        "(returned)".to_owned(),
    ];
    let shown: Vec<&str> = output.lines().filter(|line| line.contains("*future = ")).collect();
    assert_eq!(shown.len(), states.len(), "{output}");
    for (line, state) in shown.iter().zip(&states) {
        assert!(line.contains(&format!("async fetch {state}")), "{state}: {line}");
    }
    assert!(shown[1].contains("__awaitee: "), "{}", shown[1]);
    assert!(shown[2].contains("first: 7"), "{}", shown[2]);
}

#[test]
fn vector_registers_have_lanes() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let (dir, _) = retake.record("recording", &[], &[fixture::c("c/values/vectors.c", &["-O0"])]);
    check(
        &retake,
        &dir,
        "loaded",
        &[
            ("$xmm3.v4_float", "{1.5, -2, 3, 0.1}"),
            ("xmm3.v4_float[1]", "-2"),
            ("xmm3.v4_int32[1]", "-1073741824"),
            ("xmm3.v4_float[1] < 0", "1"),
            ("len($xmm3.v16_int8)", "16"),
        ],
    );
    let errors = |command: &str| {
        retake.debug(&dir, &[], &format!("break loaded\ncontinue\n{command}")).errors()
    };
    assert!(errors("print xmm3 + 1").contains("name one, as in xmm0.v4_float[0]"));
    assert!(
        errors("frame 1 print $xmm3").contains("innermost frame"),
        "{}",
        errors("frame 1 print $xmm3")
    );
    assert!(errors("print xmm3.v3_float").contains("v4_float, v2_double"));
}

/// Builds what `build` says in a folder of its own.
fn built(retake: &Retake, sources: &[(&str, &str)], build: &str) -> std::path::PathBuf {
    let folder = retake.path("built");
    std::fs::create_dir_all(&folder).unwrap();
    for (name, text) in sources {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let output = std::process::Command::new("sh")
        .args(["-ec", build])
        .current_dir(&folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    folder.join("program")
}

#[test]
fn thread_local_variables_of_libraries() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let library = "static __thread int counter = 5;\n__thread long shown = -7;\n\
                   int count(void)\n{\n    counter++;\n    return counter + (int)shown; /* here */\n}\n";
    let program = "int count(void);\nint main(void) { count(); return count() != 0; }\n";
    let program = built(
        &retake,
        &[("library.c", library), ("program.c", program)],
        "gcc -g -O0 -fPIC -shared library.c -o liblibrary.so\n\
         gcc -g -O0 program.c -o program -L. -llibrary -Wl,-rpath,\"$PWD\"",
    );
    let (dir, _) = retake.record("recording", &[], &[program]);
    check(&retake, &dir, "library.c:6", &[("counter", "6"), ("shown", "-7")]);
    let output = retake.debug(&dir, &[], "break library.c:6\nhits 1 print counter").good().output();
    assert!(output.contains("counter = 6") && output.contains("counter = 7"), "{output}");
}

#[test]
fn arrays_whose_length_is_known_at_run_time() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let source = "int sum(int n)\n{\n    int line[n], grid[n][n + 1];\n    for (int i = 0; i < n; i++) {\n\
                  \x20       line[i] = i + 1;\n        for (int j = 0; j <= n; j++)\n            grid[i][j] = i * 10 + j;\n    }\n\
                  \x20   return line[n - 1] + grid[1][1]; /* here */\n}\nint main(void) { return sum(3) != 14; }\n";
    let build = "gcc -g -O0 program.c -o program";
    let program = built(&retake, &[("program.c", source)], build);
    let (dir, _) = retake.record("recording", &[], &[program]);
    check(
        &retake,
        &dir,
        "program.c:9",
        &[
            ("line", "{1, 2, 3}"),
            ("line[2]", "3"),
            ("len(line)", "3"),
            ("grid", "{{0, 1, 2, 3}, {10, 11, 12, 13}, {20, 21, 22, 23}}"),
            ("grid[2][3]", "23"),
        ],
    );
}

#[test]
fn numbers_of_odd_sizes() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let source = "int left_out = 5;\nint main(void)\n{\n    __float128 quad = -1.5;\n    _Float16 half = 0.25;\n    _Decimal64 decimal = 1.25DD;\n\
                  \x20   struct { unsigned low : 3; int high : 5; } bits = {5, -3};\n\
                  \x20   return quad > half || decimal > 2 || bits.low == 0; /* here */\n}\n";
    let build = "gcc -g -O0 -fdata-sections -Wl,--gc-sections program.c -o program";
    let program = built(&retake, &[("program.c", source)], build);
    let (dir, _) = retake.record("recording", &[], &[program]);
    let rows = [
        ("quad", "-1.5"),
        ("half", "0.25"),
        ("bits", "{low = 5, high = -3}"),
        // No integer is made of it.
        ("decimal", "<DW_ATE_decimal_float is not supported>"),
        // At address 0, where the debug information has it then, is something else.
        ("left_out", "<optimized out (the linker has left it out)>"),
    ];
    check(&retake, &dir, "program.c:8", &rows);
}

#[test]
fn names_of_numbers_and_methods_that_count() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let source = "#include <memory>\n#include <string>\n#include <vector>\n\
                  enum Plain { Low = 2, High };\nnamespace n { enum class Mode : char { Slow = 7, Fast }; }\n\
                  int twice(int n) { return 2 * n; }\n\
                  int main()\n{\n    Plain plain = High;\n    n::Mode mode = n::Mode::Fast;\n\
                  \x20   std::vector<bool> flags{true, false, true};\n    std::vector<int> numbers{1, 2};\n\
                  \x20   std::wstring wide = L\"w\\u00efde\";\n    std::u16string sixteen = u\"u16\";\n\
                  \x20   return twice(plain) + (int)mode + flags.size() + numbers.size() == 0; // here\n}\n";
    let build = "g++ -g -O0 program.cpp -o program";
    let program = built(&retake, &[("program.cpp", source)], build);
    let (dir, _) = retake.record("recording", &[], &[program]);
    let rows = [
        ("High", "High"),
        ("plain == High", "1"),
        ("Low + 1", "3"),
        ("mode == n::Mode::Fast", "1"),
        ("mode == Mode::Slow", "0"),
        ("flags", "vector<bool>(len 3) {true, false, true}"),
        ("numbers.size()", "2"),
        ("wide.length() + sixteen.size()", "7"),
        ("wide", "\"wïde\""),
        ("sixteen", "\"u16\""),
        ("twice(21)", "returned 0x2a (the recording is as it was)"),
    ];
    check(&retake, &dir, "program.cpp:15", &rows);
    let output =
        retake.debug(&dir, &[], "break twice if n == High\nhits 1 print n -csv").good().output();
    assert!(output.contains("n,position,thread,function,source,n\n1,"), "{output}");
    assert!(output.trim_end().ends_with("program.cpp:6,3"), "{output}");
}

#[test]
fn what_rust_points_to() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let source = "use std::rc::Rc;\ntrait Area { fn area(&self) -> i32; }\nstruct Square { side: i32 }\n\
                  impl Area for Square { fn area(&self) -> i32 { self.side * self.side } }\n\
                  #[derive(PartialEq)]\nenum Way { North = 1, South = -1 }\n                  fn main() {\n    let text: Rc<str> = \"counted\".into();\n    let list: Rc<[i16]> = vec![1, -2].into();\n\
                  \x20   let object: Box<dyn Area> = Box::new(Square { side: 3 });\n    let way = Way::South;\n\
                  \x20   std::process::exit(object.area() + way as i32 + text.len() as i32 + list.len() as i32); // here\n}\n";
    let build = "rustc -g --edition=2021 program.rs -o program";
    let program = built(&retake, &[("program.rs", source)], build);
    let (dir, _) = retake.record("recording", &[], &[program]);
    let rows = [
        ("text", "Rc(\"counted\", strong 1, weak 0)"),
        ("list", "Rc([1, -2], strong 1, weak 0)"),
        ("object.side", "3"),
        ("(*object).side", "3"),
        ("way == Way::South", "1"),
        ("Way::North", "program::Way::North"),
    ];
    check(&retake, &dir, "program.rs:12", &rows);
    let names = retake.debug(&dir, &[], "funcs ^program::\ntypes Squ\nsources program").good();
    let names = names.output();
    assert!(names.contains("program::main\n") && names.contains("program::Square\n"), "{names}");
    assert!(names.contains("/program.rs\n"), "{names}");
    let said = retake.debug(&dir, &[], "break program::mian").errors();
    assert!(said.contains("did you mean program::main?"), "{said}");
}

#[test]
fn variables_are_watched_by_their_names() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let source = "struct pair { int a, b; } pair;\nstatic int total;\nstatic void add(int n)\n{\n    total += n;\n    \
                  pair.b = total;\n}\nint main(void)\n{\n    for (int i = 1; i <= 4; i++)\n        add(i);\n    return 0;\n}\n";
    let build = "gcc -g -O0 program.c -o program";
    let program = built(&retake, &[("program.c", source)], build);
    let (dir, _) = retake.record("recording", &[], &[program]);
    let script = "break main\ngoto end\nlast total\nprint total\nlast total\nprint total\nlast pair.b\n\
                  watch pair.a\nwatch total\nrewind";
    let output = retake.debug(&dir, &[], script).good().output();
    let places: Vec<&str> = output.lines().filter(|line| line.starts_with("=>")).collect();
    let (sum, copy) = ("=>     5      total += n;", "=>     6      pair.b = total;");
    assert_eq!(places, [sum, sum, copy, sum], "{output}");
    assert!(output.contains("\n6\n") && output.contains("\n3\n"), "{output}");
    assert!(output.contains("watch 1: writes of 4 bytes at"), "{output}");
}

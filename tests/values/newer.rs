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

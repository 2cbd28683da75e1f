//! Variables of threads, by the names that people gave them.

use retake_testkit::{Retake, fixture};

use super::mark;

const SOURCE: &str = "rust/values/thread_keys.rs";

#[test]
fn keys_of_rust() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    for flags in [&["-Copt-level=0"][..], &["-Copt-level=2"]] {
        let program = fixture::rust(SOURCE, flags);
        let (dir, _) = retake.record(&flags.concat(), &[], &[program]);
        // Each thread has its own; one that a thread has not used has no value yet.
        let unused = "<the debug information does not say: the thread has not used it yet>";
        let in_thread = [
            ("COUNT", "Cell(100)"),
            ("NAMES", "RefCell(Vec(len 2, cap 4) [\"first\", \"second\"])"),
            ("LAZY", unused),
            ("EMPTY", "RefCell(Vec(len 0, cap 0) [])"),
            ("inner::DEPTH", "Cell(-3)"),
        ];
        let in_main = [
            ("COUNT", "Cell(8)"),
            ("thread_keys::COUNT", "Cell(8)"),
            ("COUNT + 1", "9"),
            ("NAMES", "RefCell(Vec(len 2, cap 4) [\"first\", \"main\"])"),
            ("LAZY", "Cell(42)"),
            ("EMPTY", "RefCell(Vec(len 1, cap 8) [9])"),
            ("DEPTH", "Cell(-4)"),
            ("thread_keys::inner::DEPTH", "Cell(-4)"),
        ];
        let mut script = format!("break {}\ncontinue\n", mark(SOURCE, "stop"));
        let ask = |script: &mut String, rows: &[super::Row]| {
            for (expression, _) in rows {
                script.push_str(&format!("print {expression}\n"));
            }
        };
        ask(&mut script, &in_thread);
        script.push_str("continue\n");
        ask(&mut script, &in_main);
        script.push_str("vars ^thread_keys::COUNT$\n");
        let output = retake.debug(&dir, &[], &script).good().output();
        let mut rest = output.lines();
        let expected = in_thread.iter().chain(&in_main);
        for (expression, value) in expected {
            assert!(
                rest.any(|line| line == *value),
                "{flags:?} {expression}: no {value} in {output}"
            );
        }
        assert!(output.ends_with("thread_keys::COUNT = Cell(8)\n"), "{output}");
    }
}

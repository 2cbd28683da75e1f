use retake_model::FileOffset;
use retake_symbols::FunctionCode;
use retake_testkit::fixture;

use crate::support::{C, CPP, RUST, addr, c, entry_of, function, load, marked, programs};

/// Names of the inlined functions around a place, innermost first.
fn chain(code: &FunctionCode, inlined: Option<usize>) -> Vec<&str> {
    code.chain(inlined).map(|code| code.name.as_deref().unwrap()).collect()
}

#[test]
fn lines_of_a_function_without_optimization() {
    let module = c(&["-O0"]);
    let code = function(&module, "recursive");
    assert_eq!(code.name.as_deref(), Some("recursive"));
    assert_eq!(addr(&module, code.entry), entry_of(&module, "recursive"));
    assert_eq!(code.ranges.len(), 1);
    let first = fixture::line_of(C, "recursion") - 4;
    let lines: Vec<u32> = code.statements.iter().map(|statement| statement.line).collect();
    assert_eq!(lines, [0, 1, 2, 4, 5, 6, 7].map(|skip| first + skip));
    assert!(code.statements.iter().all(|s| s.file.ends_with("/c/stepping.c")));
    assert!(code.statements.iter().all(|s| s.inlined.is_none()));
    // The frame is set up by the line of the head.
    assert_eq!(code.stop_at, code.statements[1].offset);
    assert!(code.is_in_prologue(code.entry) && !code.is_in_prologue(code.stop_at));
}

#[test]
fn inlined_functions_know_their_calls() {
    for level in ["-O0", "-O2"] {
        let module = c(&[level]);
        let code = function(&module, "uses_inlined");
        let [first, ..] = marked(&code, C, "first")[..] else { panic!("{level}") };
        assert_eq!(first.inlined, None, "{level}");
        let [in_outer, ..] = marked(&code, C, "outer")[..] else { panic!("{level}") };
        assert_eq!(chain(&code, in_outer.inlined), ["outer"], "{level}");
        let [in_inner, ..] = marked(&code, C, "inner")[..] else { panic!("{level}") };
        assert_eq!(chain(&code, in_inner.inlined), ["inner", "outer"], "{level}");
        assert_eq!(code.inlined_at(in_inner.offset), in_inner.inlined, "{level}");
        assert_eq!(code.depth_at(in_inner.offset), 2, "{level}");
        let calls: Vec<u32> =
            code.chain(in_inner.inlined).map(|code| code.call.as_ref().unwrap().line).collect();
        let marks = ["outer calls", "calls outer"].map(|mark| fixture::line_of(C, mark));
        assert_eq!(calls, marks, "{level}");
        let [after, ..] = marked(&code, C, "after")[..] else { panic!("{level}") };
        assert_eq!(after.inlined, None, "{level}");
    }
}

#[test]
fn a_part_that_seldom_runs_belongs_to_its_function() {
    let module = c(&["-O2"]);
    let code = function(&module, "has_cold_part");
    assert_eq!(code.ranges.len(), 2);
    let [cold, ..] = marked(&code, C, "cold")[..] else { panic!() };
    let warm = code.ranges.iter().find(|range| range.contains(&code.entry)).unwrap();
    assert!(!warm.contains(&cold.offset));
    let there = module.function_code(addr(&module, cold.offset)).unwrap();
    assert_eq!(there, code);
    // Kept, not made again.
    assert!(std::sync::Arc::ptr_eq(&there, &function(&module, "has_cold_part")));
}

#[test]
fn a_part_that_seldom_runs_is_known_by_its_symbol_too() {
    let module = c(&["-O2", "-g0"]);
    let code = function(&module, "has_cold_part");
    assert_eq!((code.ranges.len(), code.name.as_deref()), (2, Some("has_cold_part")));
    assert!(!code.has_lines());
    let cold = code.ranges.iter().find(|range| !range.contains(&code.entry)).unwrap();
    assert_eq!(module.function_code(addr(&module, cold.start)).unwrap(), code);
    // Without symbols, the entry is known by call frame information.
    let stripped = c(&["-O2", "-g0", "-s"]);
    let at = stripped.entry();
    let start = stripped.function_code(at).unwrap();
    assert_eq!((addr(&stripped, start.entry), &start.name), (at, &None));
}

#[test]
fn rust_functions_and_closures() {
    let module = load(&fixture::rust(RUST, &[]));
    let code = function(&module, "stepping::outer");
    let [inner, ..] = marked(&code, RUST, "inner")[..] else { panic!() };
    assert_eq!(chain(&code, inner.inlined), ["stepping::inner"]);
    assert!(!marked(&code, RUST, "after").is_empty());
    // What is left of it by optimization is inlined from the library.
    let module = load(&fixture::rust(RUST, &["-Copt-level=3"]));
    let code = function(&module, "stepping::outer");
    let names = chain(&code, code.statements[0].inlined);
    assert_eq!(names, ["core::hint::black_box::<u64>", "stepping::inner"]);
}

#[test]
fn templates_and_landing_pads() {
    let module = load(&fixture::cpp(CPP));
    let code = function(&module, "catches");
    assert!(!marked(&code, CPP, "try").is_empty());
    assert!(!marked(&code, CPP, "catch").is_empty());
}

/// What holds of every function of every program.
#[test]
fn statements_are_ordered_and_inside() {
    let every = regex::Regex::new("").unwrap();
    for path in programs() {
        let module = load(&path);
        let all = module.functions_matching(&every);
        let mut with_lines = 0;
        let step = all.len() / 500 + 1;
        for place in all.iter().filter(|place| !place.inlined).step_by(step) {
            let Some(code) = module.function_code(place.entry) else { continue };
            with_lines += usize::from(code.has_lines());
            assert!(code.contains(code.entry) && code.contains(code.stop_at), "{place:?}");
            assert!(code.ranges.is_sorted_by_key(|range| range.start), "{place:?}");
            let places: Vec<FileOffset> = code
                .statements
                .iter()
                .flat_map(|s| std::iter::once(s.offset).chain(s.again.iter().copied()))
                .collect();
            assert!(places.is_sorted_by(|a, b| a < b), "{place:?}: {places:?}");
            for statement in &code.statements {
                assert!(statement.line > 0 && code.contains(statement.offset));
                assert_eq!(code.inlined_at(statement.offset), statement.inlined, "{place:?}");
                let frames = module.frames_at(addr(&module, statement.offset));
                let depth = code.depth_at(statement.offset);
                assert_eq!(frames.len(), depth + 1, "{place:?} {statement:?} {frames:?}");
                assert_eq!(code.statement_at(statement.offset), Some(statement));
            }
            for (index, inlined) in code.inlined.iter().enumerate() {
                assert!(inlined.parent.is_none_or(|parent| parent < index));
                assert_eq!(code.chain(Some(index)).count(), inlined.depth);
            }
        }
        assert!(with_lines > 0, "{}", path.display());
    }
}

//! Names of functions as people type them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;

use retake_testkit::{Retake, fixture};

/// The functions that a breakpoint stops in, by their last line of `break`.
fn places(retake: &Retake, dir: &Path, wanted: &str) -> Vec<String> {
    let output = retake.debug(dir, &["--json"], &format!("break {wanted}")).good().output();
    let set: serde_json::Value = serde_json::from_str(output.lines().next().unwrap()).unwrap();
    let places = set["data"][0]["places"].as_array().unwrap();
    let function = |place: &serde_json::Value| {
        let text = place.as_str().unwrap();
        let (_, after) = text.split_once(' ').unwrap();
        after.rsplit_once(' ').map_or(after, |(function, _)| function).to_owned()
    };
    places.iter().map(function).collect()
}

#[track_caller]
fn check(retake: &Retake, dir: &Path, rows: &[(&str, &[&str])]) {
    for (wanted, expected) in rows {
        assert_eq!(&places(retake, dir, wanted), expected, "{wanted}");
    }
}

#[test]
fn types_and_traits_of_rust() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let program = fixture::rust("rust/values/names.rs", &["--crate-name=q"]);
    let (dir, _) = retake.record("recording", &[], &[program]);
    let circle: &[&str] = &["<q::Circle as q::Shape>::area"];
    check(
        &retake,
        &dir,
        &[
            ("<q::Circle as q::Shape>::area", circle),
            ("Circle::area", circle),
            ("q::Circle::area", circle),
            ("Shape::area", &["<q::Circle as q::Shape>::area", "<q::Square as q::Shape>::area"]),
        ],
    );
    assert_eq!(places(&retake, &dir, "Boxed::only_u8").len(), 1);
    // Instances of a generic type, which the linker knows by its parameter.
    check(
        &retake,
        &dir,
        &[
            ("<q::Boxed<u8>>::get", &["q::Boxed<u8>::get"]),
            ("Boxed<u64>::get", &["q::Boxed<u64>::get"]),
        ],
    );
    assert_eq!(places(&retake, &dir, "Boxed::get").len(), 2);
    let stack = retake.debug(&dir, &[], "break <q::Boxed<u64>>::get\ncontinue\nstack").good();
    assert!(stack.output().contains(" in q::Boxed<u64>::get at "), "{}", stack.output());
    // Of many the first ones are shown and the rest are counted.
    let many = retake.debug(&dir, &[], "break drop_in_place").good().output();
    assert!(many.lines().count() < 40, "{many}");
}

/// Of functions of one name the program's own come first, and the whole list is there for who asks.
#[test]
fn of_many_functions_the_own_come_first() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let name = "rust/values/many_names.rs";
    let (dir, _) = retake.record("recording", &[], &[fixture::rust(name, &[])]);
    let output = retake.debug(&dir, &[], "break read").good().output();
    let places: Vec<&str> = output.lines().skip(1).collect();
    assert!(places[0].contains("many_names::read ") && places[0].contains(".rs:"), "{output}");
    let last = places.last().unwrap();
    assert!(places.len() < 40 && last.contains(" more"), "{output}");
}

#[test]
fn the_line_of_what_was_asked_for() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let source = "cpp/values/values.cpp";
    let (dir, _) = retake.record("recording", &[], &[fixture::cpp_with(source, &["-O2"])]);
    for (function, mark) in [("main", "all"), ("order", "order")] {
        let output = retake.debug(&dir, &[], &format!("list {function}")).good().output();
        assert!(output.lines().next().unwrap().ends_with("/values.cpp:"), "{function}: {output}");
        let selected = output.lines().find(|line| line.starts_with("=>")).unwrap();
        let line: u32 = selected[2..].split_whitespace().next().unwrap().parse().unwrap();
        // At its first line, not at what is inlined there.
        let first = fixture::line_of(source, mark);
        assert!(
            line < first && selected.contains(&format!("int {function}")) || line == first - 1,
            "{output}"
        );
    }
}

#[test]
fn what_cannot_be_is_said() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let (dir, _) = retake.record("recording", &[], &[fixture::c("c/values/values.c", &["-O0"])]);
    for (line, expected) in [
        ("x 0", "nothing is mapped at 0x0"),
        ("x -count 0 $rsp", "the count must be at least 1"),
        ("break *0x10", "nothing is mapped at 0x10"),
        ("break values.c:0", "lines begin at 1"),
        ("break 0", "lines begin at 1"),
    ] {
        let ended = retake.debug(&dir, &[], line);
        assert_eq!(ended.code(), 1, "{line}");
        let said = ended.errors();
        assert!(said.contains(expected) && !said.contains("EIO"), "{line}: {said}");
    }
}

#[test]
fn templates_of_cpp() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let program = fixture::cpp_with("cpp/values/templates.cpp", &["-O0"]);
    let (dir, _) = retake.record("recording", &[], &[program]);
    assert_eq!(places(&retake, &dir, "twice").len(), 2);
    assert_eq!(places(&retake, &dir, "twice<int>").len(), 1);
    assert_eq!(places(&retake, &dir, "each").len(), 1);
    assert_eq!(places(&retake, &dir, "Box<int>::each").len(), 1);
    let line = fixture::line_of("cpp/values/templates.cpp", "twice");
    let output = retake.debug(&dir, &[], "list twice").good().output();
    assert!(output.contains(&format!("=> {line:>5}")), "{output}");
}

#[test]
fn methods_of_go() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let Some(program) = fixture::go_for_delve("methods_of_go", "go/values.go") else { return };
    let (dir, _) = retake.record("recording", &[], &[program]);
    let circle: &[&str] = &["main.(*Circle).Area"];
    check(
        &retake,
        &dir,
        &[
            ("order", &["main.order"]),
            ("Circle.Area", circle),
            ("(*Circle).Area", circle),
            ("main.(*Circle).Area", circle),
            ("main.func1", &["main.main.func1"]),
        ],
    );
}

#[test]
fn lines_of_the_file_that_it_is_in() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let (dir, _) = retake.record("recording", &[], &[fixture::c("c/values/values.c", &["-O0"])]);
    let line = fixture::line_of("c/values/values.c", "all");
    let script =
        format!("break main\ncontinue\nbreak {line}\ncontinue\nbreak +2\ncontinue\nbreak -2");
    let output = retake.debug(&dir, &[], &script).good().output();
    let stops: Vec<&str> = output.lines().filter(|line| line.ends_with("(breakpoint 2)")).collect();
    assert!(stops[0].contains(&format!("values.c:{line} ")), "{output}");
    assert!(output.contains(&format!("values.c:{}  (breakpoint 3)", line + 2)), "{output}");
    let text = retake.debug(&dir, &[], "break 7").errors();
    assert!(text.contains("write FILE:LINE"), "{text}");
}

/// What `break` and `hits` say of one location.
fn hits(retake: &Retake, dir: &Path, wanted: &str) -> String {
    retake.debug(dir, &[], &format!("break {wanted}\nhits")).good().output()
}

#[test]
fn indirect_functions_mean_what_was_chosen() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let flags = ["-O0", "-fno-builtin"];
    let (dir, _) = retake.record("recording", &[], &[fixture::c("c/indirect.c", &flags)]);
    let own = hits(&retake, &dir, "count");
    let line = fixture::line_of("c/indirect.c", "chosen");
    assert!(own.contains(&format!("indirect.c:{line}")), "{own}");
    assert!(own.ends_with("5 hits\n"), "{own}");
    // Who asks for the resolver gets it.
    let resolver = hits(&retake, &dir, "choose");
    assert!(resolver.contains("in choose") && !resolver.contains("in plain"), "{resolver}");
    let library = hits(&retake, &dir, "strcpy");
    assert!(library.ends_with("5 hits\n"), "{library}");
}

fn run(command: &mut Command) {
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}

#[test]
fn debug_information_in_a_file_beside_the_program() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let whole = fixture::c("c/values/values.c", &["-O0"]);
    let (dir, _) = retake.record("whole", &[], &[&whole]);
    let line = fixture::line_of("c/values/values.c", "all");
    let script = format!("break values.c:{line}\ncontinue\nlocals\nstack");
    let expected = retake.debug(&dir, &[], &script).good().output();

    let folder = retake.path("stripped");
    std::fs::create_dir(&folder).unwrap();
    let (program, debug) = (folder.join("values"), folder.join("values.debug"));
    std::fs::copy(&whole, &program).unwrap();
    let objcopy = || {
        let mut command = Command::new("objcopy");
        command.current_dir(&folder);
        command
    };
    run(objcopy().arg("--only-keep-debug").arg(&program).arg(&debug));
    run(objcopy().arg("--strip-all").arg("--add-gnu-debuglink=values.debug").arg(&program));
    let (dir, _) = retake.record("stripped-program", &[], &[&program]);
    let found = retake.debug(&dir, &[], &script).good().output();
    let of_code = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.contains("values.c:"));
        lines.map(|line| line.rsplit("0x").next().unwrap()[12..].to_owned()).collect()
    };
    assert_eq!(of_code(&found), of_code(&expected));
    assert!(of_code(&found).len() >= 3, "{found}");

    // One that belongs to another program is none, where the recording does not have the right one.
    std::fs::remove_file(dir.join("beside.json")).unwrap();
    let other = fixture::c("c/indirect.c", &["-O0", "-fno-builtin"]);
    run(objcopy().arg("--only-keep-debug").arg(&other).arg(&debug));
    let errors = retake.debug(&dir, &[], &script).errors();
    assert!(errors.contains("no code at values.c"), "{errors}");
}

#[test]
fn a_function_has_several_names() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let (dir, _) = retake.record("recording", &[], &[fixture::c("c/aliases.c", &["-O0"])]);
    for name in ["__internal_add", "add"] {
        let found = hits(&retake, &dir, name);
        assert!(found.ends_with("1 hit\n"), "{name}: {found}");
    }
    // In a stack it has the one that others call it by.
    let stack = retake.debug(&dir, &[], "break add\ncontinue\nstack").good().output();
    assert!(stack.contains(" in add at "), "{stack}");
}

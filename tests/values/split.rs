//! The same values where the debug information was split off: `.dwo` files, and packages of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use retake_testkit::{Retake, fixture, require};

use super::{c, check, check_but, cpp, mark, rust};

pub(super) fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Builds a fixture in a folder of its own, where its `.dwo` files are.
pub(super) fn build(retake: &Retake, compiler: &str, name: &str, flags: &[&str]) -> PathBuf {
    let folder = retake.path(&format!("{compiler}{}", flags.concat()));
    fs::create_dir_all(&folder).unwrap();
    let program = folder.join("values");
    let mut command = Command::new(compiler);
    command.arg("-g").args(flags).arg(fixture::source(name)).arg("-o").arg(&program);
    run(command.current_dir(&folder));
    program
}

/// The files in the folder of a program that end in some way.
pub(super) fn ending(program: &Path, end: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(program.parent().unwrap()).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == end)).collect()
}

/// Has what was kept with a recording forgotten, as if it had been made by somebody else.
pub(super) fn forget(dir: &Path) {
    fs::remove_file(dir.join("beside.json")).unwrap();
}

#[test]
fn values_of_split_c() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    for version in ["-gdwarf-4", "-gdwarf-5"] {
        let plain =
            build(&retake, "gcc", c::SOURCE, &["-gsplit-dwarf", version, "-pthread", "-O0"]);
        assert_eq!(ending(&plain, "dwo").len(), 1);
        let (dir, _) = retake.record(&format!("O0{version}"), &[], &[plain]);
        forget(&dir);
        check(&retake, &dir, &mark(c::SOURCE, "all"), c::ROWS);
        let optimized =
            build(&retake, "gcc", c::SOURCE, &["-gsplit-dwarf", version, "-pthread", "-O2", "-w"]);
        let (dir, _) = retake.record(&format!("O2{version}"), &[], &[optimized]);
        let at = mark(c::SOURCE, "all");
        check_but(&retake, &dir, &at, "-frame 1 ", c::ROWS, c::NOT_OPTIMIZED);
    }
}

#[test]
fn values_of_split_cpp() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    for version in ["-gdwarf-4", "-gdwarf-5"] {
        let flags = ["-gsplit-dwarf", version, "-pthread", "-O0"];
        let program = build(&retake, "g++", cpp::SOURCE, &flags);
        let (dir, _) = retake.record(version, &[], &[program]);
        check(&retake, &dir, &mark(cpp::SOURCE, "all"), cpp::ROWS);
    }
}

#[test]
fn values_of_split_rust() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    for (how, end) in [("unpacked", "dwo"), ("packed", "dwp")] {
        let flags = ["--edition=2024", &format!("-Csplit-debuginfo={how}")];
        let program = build(&retake, "rustc", rust::SOURCE, &flags);
        assert!(!ending(&program, end).is_empty());
        let (dir, _) = retake.record(how, &[], &[program]);
        check(&retake, &dir, &mark(rust::SOURCE, "all"), rust::ROWS);
    }
}

/// Checks a program whose `.dwo` files were put into a package.
fn check_package(retake: &Retake, tool: &str, version: &str) {
    let flags = ["-gsplit-dwarf", version, "-pthread", "-O0"];
    let program = build(retake, "gcc", c::SOURCE, &flags);
    let package = program.with_extension("dwp");
    run(Command::new(tool).arg("-e").arg(&program).arg("-o").arg(&package));
    for file in ending(&program, "dwo") {
        fs::remove_file(file).unwrap();
    }
    let (dir, _) = retake.record(tool, &[], &[program]);
    check(retake, &dir, &mark(c::SOURCE, "all"), c::ROWS);
}

#[test]
fn a_package_of_dwarf_4() {
    check_package(&Retake::new(env!("CARGO_BIN_EXE_retake")), "dwp", "-gdwarf-4");
}

/// The one of binutils 2.40 ends by a fault there.
#[test]
fn a_package_of_dwarf_5() {
    if require("a_package_of_dwarf_5", "llvm-dwp").is_none() {
        return;
    }
    check_package(&Retake::new(env!("CARGO_BIN_EXE_retake")), "llvm-dwp", "-gdwarf-5");
}

/// Several units, of which the names and calls of one are in another, through the index that is kept.
#[test]
fn an_index_of_split_units_is_kept() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let folder = retake.path("units");
    fs::create_dir_all(&folder).unwrap();
    let mut main = String::new();
    for unit in 0..20 {
        let text = format!(
            "struct only{unit} {{ int x; }};\nint work{unit}(int n)\n{{\n    struct only{unit} here = {{n}};\n    \
             return here.x + {unit};\n}}\n"
        );
        fs::write(folder.join(format!("unit{unit}.c")), text).unwrap();
        main.push_str(&format!("int work{unit}(int);\n"));
    }
    main.push_str("int main(void) { return work7(3) + work19(4) != 33; }\n");
    fs::write(folder.join("main.c"), main).unwrap();
    let mut gcc = Command::new("sh");
    gcc.args(["-ec", "gcc -g -gsplit-dwarf -O0 -c *.c && gcc *.o -o program"]);
    run(gcc.current_dir(&folder));
    let (dir, _) = retake.record("recording", &[], &[folder.join("program")]);
    retake.debug(&dir, &[], "break work19").good();
    let kept = fs::read_dir(retake.path("cache/retake/symbols")).unwrap().count();
    assert_eq!(kept, 1);
    let script = "break work19\ncontinue\nnext\nprint here\nwhatis here\nbreak unit7.c:5\nstack";
    let first = retake.debug(&dir, &[], script).good().output();
    assert!(first.contains("{x = 4}") && first.contains("struct only19  (4 bytes)"), "{first}");
    assert!(first.contains("work7 ") && first.contains("in main at "), "{first}");
    assert_eq!(retake.debug(&dir, &[], script).good().output(), first);
    // What the index knows it knows without the files; the rest is said to be missing.
    forget(&dir);
    for file in ending(&folder.join("program"), "dwo") {
        fs::remove_file(file).unwrap();
    }
    let without = retake.debug(&dir, &[], "break work19\ncontinue\nprint here");
    assert!(without.output().contains("work19"), "{}", without.output());
    assert!(without.errors().contains("unit19.dwo"), "{}", without.errors());
}

#[test]
fn a_split_file_that_is_missing_is_said() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let flags = ["-gsplit-dwarf", "-pthread", "-O0"];
    let program = build(&retake, "gcc", c::SOURCE, &flags);
    let [split] = &ending(&program, "dwo")[..] else { panic!("one file") };
    let away = split.with_extension("away");
    fs::rename(split, &away).unwrap();
    let (dir, _) = retake.record("recording", &[], &[&program]);
    let at = mark(c::SOURCE, "all");
    let said = |script: &str| retake.debug(&dir, &[], script).errors();
    let name = split.file_name().unwrap().to_str().unwrap();
    for script in [
        format!("break {at}\ncontinue\nprint number"),
        format!("break {at}\ncontinue\nlocals"),
        "break no_such_function".to_owned(),
    ] {
        let text = said(&script);
        assert!(text.contains("was split off to ") && text.contains(name), "{script}: {text}");
    }
    // One of another build is none.
    let other = build(&retake, "gcc", c::SOURCE, &["-gsplit-dwarf", "-pthread", "-O0", "-DOTHER"]);
    let [of_other] = &ending(&other, "dwo")[..] else { panic!("one file") };
    let bytes = fs::read(of_other).unwrap();
    fs::write(split, &bytes[..bytes.len() / 2]).unwrap();
    assert!(said(&format!("break {at}\ncontinue\nprint number")).contains("split off"));
    fs::rename(&away, split).unwrap();
    check(&retake, &dir, &at, c::ROWS);
}

#[test]
fn split_files_stay_with_the_recording() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let program =
        build(&retake, "gcc", c::SOURCE, &["-gsplit-dwarf", "-gdwarf-5", "-pthread", "-O0"]);
    let (dir, _) = retake.record("recording", &[], &[&program]);
    for file in ending(&program, "dwo") {
        fs::remove_file(file).unwrap();
    }
    check(&retake, &dir, &mark(c::SOURCE, "all"), c::ROWS);
    forget(&dir);
    let said = retake.debug(&dir, &[], "break no_such_function").errors();
    assert!(said.contains("was split off to "), "{said}");
}

#[test]
fn debug_files_stay_with_the_recording() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let program = build(&retake, "gcc", c::SOURCE, &["-pthread", "-O0"]);
    let debug = program.with_extension("debug");
    let objcopy = |arguments: &[&std::ffi::OsStr]| {
        run(Command::new("objcopy").args(arguments).current_dir(program.parent().unwrap()));
    };
    objcopy(&["--only-keep-debug".as_ref(), program.as_ref(), debug.as_ref()]);
    objcopy(&["--strip-all".as_ref(), program.as_ref()]);
    objcopy(&["--add-gnu-debuglink=values.debug".as_ref(), program.as_ref()]);
    let (dir, _) = retake.record("recording", &[], &[&program]);
    // Another one is there now.
    fs::write(&debug, "not the same").unwrap();
    check(&retake, &dir, &mark(c::SOURCE, "all"), c::ROWS);
    let kept: serde_json::Value =
        serde_json::from_slice(&fs::read(dir.join("beside.json")).unwrap()).unwrap();
    let wanted = serde_json::to_value(debug.as_os_str().as_encoded_bytes()).unwrap();
    assert!(kept.as_array().unwrap().iter().any(|file| file["path"] == wanted), "{kept}");
    forget(&dir);
    let said = retake.debug(&dir, &[], &format!("break {}", mark(c::SOURCE, "all"))).errors();
    assert!(said.contains("there is no code at"), "{said}");
}

#[test]
fn sources_stay_with_the_recording_or_are_said_to_be_newer() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let folder = retake.path("sources");
    fs::create_dir_all(&folder).unwrap();
    let source = folder.join("small.c");
    fs::write(&source, "int main(void)\n{\n    return 0; /* as it was */\n}\n").unwrap();
    let program = folder.join("small");
    run(Command::new("gcc").arg("-g").arg(&source).arg("-o").arg(&program));
    let (kept, _) = retake.record("kept", &["--keep-sources"], &[&program]);
    let (left, _) = retake.record("left", &[], &[&program]);
    let script = "break main\ncontinue\nlist";
    let before = retake.debug(&left, &[], script).good().output();
    assert!(before.contains("as it was") && !before.contains("newer"), "{before}");
    fs::write(&source, "/* new */\nint main(void)\n{\n    return 0;\n}\n").unwrap();
    let after = retake.debug(&left, &[], script).good().output();
    assert_eq!(after.matches("newer than the recording").count(), 2, "{after}");
    let after = retake.debug(&kept, &[], script).good().output();
    assert!(after.contains("as it was") && !after.contains("newer"), "{after}");
}

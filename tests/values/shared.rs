//! The same values where types lie in units of their own (`-fdebug-types-section`), and where `dwz` has moved what is
//! there twice: to units that others import, and to a file that several programs share.

use std::fs;
use std::path::Path;
use std::process::Command;

use retake_testkit::{Retake, require};

use super::split::{build, ending, forget, run};
use super::{c, check, cpp, mark};

const VERSIONS: [&str; 2] = ["-gdwarf-4", "-gdwarf-5"];

fn check_cpp(retake: &Retake, dir: &Path) {
    check(retake, dir, &mark(cpp::SOURCE, "all"), cpp::ROWS);
    // Names of types, and of functions whose declarations lie elsewhere.
    let script = "break Animal::noise\nbreak shop::Dog::noise\ntypes ^shop::Dog$\nbreak order\ncontinue\n\
                  print sku\nstack";
    let output = retake.debug(dir, &[], script).good().output();
    assert!(output.contains("\nshop::Dog\n"), "{output}");
    assert!(output.contains("\n\"apple\"\n"), "{output}");
    assert!(
        output.contains("shop::Dog::noise") && output.contains("shop::Animal::noise"),
        "{output}"
    );
}

#[test]
fn types_in_units_of_their_own() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    for version in VERSIONS {
        for split in [&[][..], &["-gsplit-dwarf"]] {
            let flags = [&["-fdebug-types-section", version, "-pthread", "-O0"], split].concat();
            let name = flags.concat();
            let program = build(&retake, "g++", cpp::SOURCE, &flags);
            let (dir, _) = retake.record(&name, &[], &[program]);
            check_cpp(&retake, &dir);
            let program = build(&retake, "gcc", c::SOURCE, &flags);
            let (dir, _) = retake.record(&format!("{name}-c"), &[], &[program]);
            check(&retake, &dir, &mark(c::SOURCE, "all"), c::ROWS);
        }
    }
}

/// In a package each type has a row of its own in the table.
#[test]
fn types_in_a_package() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let flags = ["-fdebug-types-section", "-gsplit-dwarf", "-gdwarf-4", "-pthread", "-O0"];
    let program = build(&retake, "g++", cpp::SOURCE, &flags);
    let package = program.with_extension("dwp");
    run(Command::new("dwp").arg("-e").arg(&program).arg("-o").arg(&package));
    for file in ending(&program, "dwo") {
        fs::remove_file(file).unwrap();
    }
    let (dir, _) = retake.record("recording", &[], &[program]);
    check_cpp(&retake, &dir);
}

#[test]
fn what_units_of_one_program_have_in_common() {
    if require("what_units_of_one_program_have_in_common", "dwz").is_none() {
        return;
    }
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    for version in VERSIONS {
        let program = build(&retake, "g++", cpp::SOURCE, &[version, "-pthread", "-O0"]);
        run(Command::new("dwz").arg(&program));
        let (dir, _) = retake.record(version, &[], &[program]);
        check_cpp(&retake, &dir);
    }
}

/// Two programs and the file that they share, in both forms of the link to it.
#[test]
fn what_programs_have_in_common() {
    if require("what_programs_have_in_common", "dwz").is_none() {
        return;
    }
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let forms = [("-gdwarf-4", &[][..]), ("-gdwarf-5", &[]), ("-gdwarf-5", &["--dwarf-5"])];
    for (number, (version, how)) in forms.into_iter().enumerate() {
        let program = build(&retake, "g++", cpp::SOURCE, &[version, "-pthread", "-O0"]);
        let other = program.with_extension("other");
        fs::copy(&program, &other).unwrap();
        let folder = program.parent().unwrap();
        let shared = folder.join("shared.debug");
        let mut dwz = Command::new("dwz");
        dwz.args(how).args(["-m", "shared.debug", "-M", "shared.debug", "values", "values.other"]);
        run(dwz.current_dir(folder));
        let (dir, _) = retake.record(&format!("recording-{number}"), &[], &[&program]);
        check_cpp(&retake, &dir);
        // It is kept with the recording.
        fs::write(&shared, "not the same").unwrap();
        check_cpp(&retake, &dir);
        forget(&dir);
        let said = retake.debug(&dir, &[], "break no_such_function").errors();
        assert!(said.contains("shared.debug"), "{said}");
        fs::remove_dir_all(folder).unwrap();
    }
}

#[test]
fn sections_that_are_packed() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let forms = [&["-gz=zlib"][..], &["-gz=zlib-gnu"], &["-gz=zlib", "-gsplit-dwarf"]];
    for flags in forms {
        let flags = [flags, &["-pthread", "-O0"]].concat();
        let program = build(&retake, "gcc", c::SOURCE, &flags);
        let (dir, _) = retake.record(&flags.concat(), &[], &[program]);
        check(&retake, &dir, &mark(c::SOURCE, "all"), c::ROWS);
    }
}

/// clang has a table of names of its own (`.debug_names`), and leaves the description of some types to the libraries
/// that they are of.
#[test]
fn texts_of_a_program_of_clang() {
    if require("texts_of_a_program_of_clang", "clang++").is_none() {
        return;
    }
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let forms = [
        &["-gdwarf-5", "-gpubnames"][..],
        &["-gdwarf-4", "-fdebug-types-section"],
        &["-gdwarf-5", "-fdebug-types-section"],
        &["-gdwarf-5", "-fdebug-types-section", "-gsplit-dwarf"],
    ];
    let wanted = [
        "text",
        "long_text",
        "empty",
        "len(text)",
        "strings",
        "strings[1] == \"yy\"",
        "map",
        "map[\"three\"]",
        "hash[7]",
        "some_text",
        "pair",
        "tuple",
        "variant",
        "dog",
        "dog.age",
        "animal",
        "color",
        "mode",
        "point",
        "member",
        "point_map",
        "set",
        "deque",
        "unique",
        "shared",
    ];
    let rows: Vec<super::Row> =
        cpp::ROWS.iter().filter(|(row, _)| wanted.contains(row)).copied().collect();
    assert_eq!(rows.len(), wanted.len());
    for flags in forms {
        let flags = [flags, &["-std=c++17", "-pthread", "-O0", "-w"]].concat();
        let program = build(&retake, "clang++", cpp::SOURCE, &flags);
        let (dir, _) = retake.record(&flags.concat(), &[], &[program]);
        check(&retake, &dir, &mark(cpp::SOURCE, "all"), &rows);
    }
}

//! What is not of the world of 64 bits: system calls of other tables, and programs of 32 bits.
//!
//! `RETAKE_ROUNDS=20` repeats the fixtures.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use retake_testkit::{OFTEN, Retake, fixture, rounds, skip};

fn retake() -> Retake {
    Retake::new(env!("CARGO_BIN_EXE_retake"))
}

/// Lines with a colon, but for those that differ from run to run.
fn results(output: &str) -> Vec<&str> {
    output.lines().filter(|line| line.contains(": ") && !line.starts_with("chance")).collect()
}

#[test]
fn calls_of_other_tables() {
    let program = fixture::c("c/other_tables.c", &[]);
    for _ in 0..rounds() {
        let retake = retake();
        let ended = retake.round_trip("recording", OFTEN, &[&program]);
        assert_eq!(ended.code(), 3, "{}", ended.errors());
        let output = ended.output();
        let expected = [
            "bad descriptor: -9",
            "17 bytes, 1: read by int 0x80",
            "closed: 0, again: -9",
            "protected: 0",
            "read into it: -14",
            "refused: -38 -38 -38",
            "refused: -38 -38 -38",
            "refused: -38 -38 -38",
            "x32: -38",
            "sum: 1",
        ];
        assert_eq!(results(&output), expected, "{output}");
        for line in ["written by int 0x80", "written 8", "more"] {
            assert!(output.lines().any(|found| found == line), "{line:?} in {output}");
        }
        assert!(output.contains("the same 1\n") && !output.contains("changed"), "{output}");
        let dir = retake.path("recording");
        let info = retake.run(["info".as_ref(), dir.as_os_str()]).good().output();
        for number in [
            "call number 13,",
            "call number 78,",
            "x32 system call number 39,",
            "a number that there is not",
        ] {
            assert_eq!(info.matches(number).count(), 1, "{number:?} in\n{info}");
        }
        let events = retake.run(["events".as_ref(), dir.as_os_str()]).good().output();
        assert!(events.contains("int80_78(…) = -1 ENOSYS"), "{events}");
        assert!(events.contains("write(-1, 0x"), "{events}");
    }
}

/// A 32-bit program; none where such cannot be built.
fn thirty_two_bits(test: &str) -> Option<PathBuf> {
    let probe = Command::new("gcc").args(["-m32", "-print-file-name=crt1.o"]).output().ok()?;
    let file = String::from_utf8_lossy(&probe.stdout).trim().to_owned();
    // Without a folder: it is not there.
    if !Path::new(&file).is_absolute() {
        skip(test, "gcc cannot build 32-bit programs (gcc-multilib)");
        return None;
    }
    Some(fixture::c("c/thirty_two_bits.c", &["-m32"]))
}

fn executable(path: &Path, text: &str) -> std::io::Result<()> {
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

#[test]
fn programs_of_32_bits_are_refused_at_once() {
    let Some(program) = thirty_two_bits("programs_of_32_bits_are_refused_at_once") else { return };
    let retake = retake();
    let script = retake.path("script");
    executable(&script, &format!("#!{} -x\n", program.display())).expect("written");
    // What cannot be read can be executed all the same, if one is not root.
    let unreadable = retake.path("unreadable");
    fs::copy(&program, &unreadable).expect("copied");
    fs::set_permissions(&unreadable, fs::Permissions::from_mode(0o711)).expect("set");
    for (file, named) in [(&program, "it is"), (&script, "its interpreter"), (&unreadable, "it is")]
    {
        let ended = retake.run(["record".as_ref(), file.as_os_str()]);
        let errors = ended.errors();
        assert_eq!((ended.code(), errors.lines().count()), (126, 1), "{errors}");
        assert!(errors.contains(&format!("{}: {named}", file.display())), "{errors}");
        assert!(errors.contains("32-bit program"), "{errors}");
    }
    let left = fs::read_dir(retake.path("retake/recordings")).expect("made").count();
    assert_eq!(left, 0, "a recording was left behind");
}

#[test]
fn programs_of_32_bits_are_not_executed() {
    let Some(program) = thirty_two_bits("programs_of_32_bits_are_not_executed") else { return };
    let executes = fixture::c("c/executes_32_bit.c", &[]);
    for _ in 0..rounds() {
        let retake = retake();
        let (script, copy) = (retake.path("script"), retake.path("copy"));
        executable(&script, &format!("#!{}\n", program.display())).expect("written");
        fs::copy(&program, &copy).expect("copied");
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o644)).expect("set");
        let command = [&executes, &program, &script, &copy];
        let ended = retake.round_trip("recording", OFTEN, &command);
        let output = ended.output();
        // ENOEXEC is 8, EACCES 13.
        let expected = [
            "absolute: 108",
            "relative: 108",
            "from folder: 108",
            "by descriptor: 108",
            "by proc: 108",
            "interpreted: 108",
            "not permitted: 113",
            "this one: 55",
        ];
        assert_eq!(results(&output), expected, "{output}");
        let dir = retake.path("recording");
        let info = retake.run(["info".as_ref(), dir.as_os_str()]).good().output();
        let warning = format!("executed {}, which is a 32-bit program", program.display());
        assert_eq!(info.matches(&warning).count(), 1, "{info}");
    }
}

//! Recordings that are still being made, and what `record` says where there is nothing to record.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use retake_testkit::{Guarded, Retake, finish, fixture};
use serde_json::Value;

fn retake() -> Retake {
    Retake::new(env!("CARGO_BIN_EXE_retake"))
}

fn info(retake: &Retake, dir: &Path) -> Value {
    let text = retake.run(["info".as_ref(), "--json".as_ref(), dir.as_os_str()]).good().output();
    serde_json::from_str(&text).unwrap_or_default()
}

#[test]
fn a_recording_is_live_until_its_recorder_is_gone() {
    let program = fixture::c("c/ticker.c", &[]);
    let retake = retake();
    let dir = retake.path("recording");
    let mut command = retake.command(["record", "-o"]);
    command.arg(&dir).arg(&program).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut recorder = Guarded(command.spawn().expect("it starts"));
    let mut output = BufReader::new(recorder.0.stdout.take().expect("piped"));
    let mut printed = String::new();
    // It goes on printing until the pipe is full, and waits then.
    output.read_line(&mut printed).expect("output");
    while info(&retake, &dir)["events"].as_u64() < Some(10) {
        std::thread::sleep(Duration::from_millis(20));
    }

    let pid = recorder.tracer().expect("it records");
    let seen = info(&retake, &dir);
    assert_eq!((&seen["state"], &seen["recorder"]), (&"recording".into(), &pid.into()), "{seen}");
    let text = retake.run(["info".as_ref(), dir.as_os_str()]).good().output();
    assert!(text.contains(&format!("recording, by process {pid}")), "{text}");
    let listed = retake.run(["ls"]).good().output();
    assert!(listed.contains(" recording ") && !listed.contains("interrupted"), "{listed}");
    let refused = retake.run(["rm".as_ref(), dir.as_os_str()]);
    assert_eq!(refused.code(), 1, "{}", refused.errors());
    assert!(refused.errors().contains("retake stop"), "{}", refused.errors());
    let replayed = retake.replay(&dir).good();
    let said = format!("still being recorded, by process {pid}");
    assert_eq!(replayed.errors().matches(&said).count(), 1, "{}", replayed.errors());
    assert!(retake.verify(&dir).good().errors().contains(&said));
    assert!(retake.debug(&dir, &[], "when").good().errors().contains(&said));

    let killed =
        Command::new("kill").args(["-KILL", &pid.to_string()]).status().expect("it starts");
    assert!(killed.success(), "{killed}");
    recorder.0.wait().expect("ended");
    output.read_to_string(&mut printed).expect("output");
    let seen = info(&retake, &dir);
    assert_eq!(
        (&seen["state"], &seen["recorder"]),
        (&"interrupted".into(), &Value::Null),
        "{seen}"
    );
    let replayed = retake.replay(&dir);
    assert_eq!(replayed.code(), 125, "{}", replayed.errors());
    assert!(printed.starts_with(&replayed.output()), "{}", replayed.output());
    retake.run(["rm".as_ref(), dir.as_os_str()]).good();
    assert!(!dir.exists());
}

#[test]
fn a_finished_recording_has_no_recorder() {
    let retake = retake();
    let (dir, recorded) = retake.record("recording", &[], &[fixture::c("c/hello.c", &[])]);
    assert_eq!(recorded.code(), retake.replay(&dir).code());
    let seen = info(&retake, &dir);
    assert_eq!((&seen["state"], &seen["recorder"]), (&"finished".into(), &Value::Null), "{seen}");
    assert!(!dir.join("recorder").exists());
}

#[test]
fn what_cannot_be_executed_is_named() {
    let retake = retake();
    let put = |name: &str, text: &str, mode: u32| {
        let path = retake.path(name);
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
    };
    put("script", "#!/no/such -x\n", 0o755);
    put("relative", "#!nowhere/at/all\n", 0o755);
    put("plain", "#!/bin/sh\n", 0o644);
    put("nothing", "", 0o755);
    // This test's own program, with an interpreter that there is not.
    let mut elf = fs::read("/proc/self/exe").expect("read");
    let name = b"/lib64/ld-linux";
    if let Some(at) = elf.windows(name.len()).position(|window| window == name) {
        elf[at..at + 5].copy_from_slice(b"/gone");
        fs::write(retake.path("elf"), elf).expect("written");
        fs::set_permissions(retake.path("elf"), fs::Permissions::from_mode(0o755)).expect("set");
        check(&retake, "./elf", 127, "./elf: its interpreter /gone4/ld-linux");
    }
    check(&retake, "./nosuch", 127, "./nosuch: no such file\n");
    check(&retake, "no/such", 127, "no/such: no such file\n");
    check(
        &retake,
        "retake-nosuch",
        127,
        "retake-nosuch: no such program: it was looked for along PATH",
    );
    check(&retake, "", 127, ": no such program");
    check(&retake, "./script", 127, "./script: its interpreter /no/such is missing");
    check(&retake, "./relative", 127, "./relative: its interpreter nowhere/at/all is missing");
    check(&retake, "./plain", 126, "./plain: it is not executable: `chmod +x ./plain`");
    check(&retake, "/tmp", 126, "/tmp: it is a folder");
    check(&retake, "./nothing", 126, "./nothing: it is neither a program");
}

/// Where not even the beginning of a recording can be written, nothing of it is left.
#[test]
fn a_full_disk_at_the_start_leaves_nothing() {
    let retake = retake();
    let (made, found) = (retake.path("made"), retake.path("found"));
    fs::create_dir(&found).expect("a folder");
    for dir in [&made, &found] {
        let mut command = Command::new("sh");
        // No file may have any bytes; a signal says so, unless it is ignored.
        command.args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$@\"", "sh"]);
        command.args([env!("CARGO_BIN_EXE_retake"), "record", "-o"]).arg(dir).arg("true");
        let ended = finish(command);
        assert_eq!(ended.code(), 125, "{}", ended.errors());
        assert!(ended.errors().contains("failed to create"), "{}", ended.errors());
        assert_eq!(ended.errors().lines().count(), 1, "{}", ended.errors());
    }
    assert!(!made.exists());
    assert_eq!(fs::read_dir(&found).expect("it is there").count(), 0);
}

#[track_caller]
fn check(retake: &Retake, program: &str, code: i32, says: &str) {
    let ended = retake.run(["record", program]);
    assert_eq!(ended.code(), code, "{}", ended.errors());
    assert!(ended.errors().contains(says), "{says:?} in {}", ended.errors());
    assert_eq!(ended.errors().lines().count(), 1, "{}", ended.errors());
}

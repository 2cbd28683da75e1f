//! Trees of processes: their ends, their parents, what they may do.
//!
//! `RETAKE_ROUNDS=20` repeats most of them.

use retake_testkit::{OFTEN, Retake, check_fixture, fixture, rounds, skip};

fn retake() -> Retake {
    Retake::new(env!("CARGO_BIN_EXE_retake"))
}

#[track_caller]
fn check(name: &str, code: i32) -> String {
    check_fixture(env!("CARGO_BIN_EXE_retake"), name, code)
}

#[test]
fn execve_by_a_thread() {
    let output = check("c/exec_from_thread.c", 4);
    assert_eq!(output.matches("executed with").count(), 5, "{output}");
}

#[test]
fn leaders_that_end_first() {
    let output = check("c/zombie_leader.c", 5);
    assert!(output.contains("ended with 500"), "{output}");
    assert!(output.contains("not to be had yet: 0"), "{output}");
}

/// What the kernel writes for a killed parent shows in the memory that a vfork child shares with it.
#[test]
fn vfork_children_of_killed_parents() {
    let output = check("c/killed_parent.c", 0);
    assert_eq!(output.matches("killed with 9").count(), 5, "{output}");
    assert_eq!(output.matches("after 0").count(), 5, "{output}");
}

#[test]
fn families() {
    let output = check("c/families.c", 3);
    assert_eq!(output.matches("a child of the subreaper: 1").count(), 3, "{output}");
    assert!(output.contains("told by 10"), "{output}");
    assert!(output.contains("end of file 0"), "{output}");
    assert!(output.contains("vfork, killed: 9"), "{output}");
}

#[test]
fn undumpable() {
    let output = check("c/undumpable.c", 0);
    assert!(output.contains("set to 0: 0\nthen 0\n"), "{output}");
    assert!(output.contains("set to 2: -1\n"), "{output}");
}

#[test]
fn processes_without_memory() {
    assert_eq!(check("c/unmap_everything.c", 0), "signal 11\nexit 7\n");
}

#[test]
fn pid_namespaces() {
    let program = fixture::c("c/pid_namespace.c", &[]);
    let ended = retake().round_trip("recording", OFTEN, &[&program]);
    if ended.code() == 77 {
        skip("pid_namespaces", "making a PID namespace is not permitted");
        return;
    }
    let output = ended.output();
    assert_eq!(output.matches("ended with 600").count(), 2, "{output}");
    assert_eq!(output.matches("thread 2 of 1").count(), 2, "{output}");
}

/// Faults end the first process of a namespace, which no other signal does; and it waits for all others
/// there to end.
#[test]
fn ends_of_pid_namespaces() {
    let program = fixture::c("c/namespace_crashes.c", &[]);
    for _ in 0..rounds() {
        let ended = retake().round_trip("recording", OFTEN, &[&program]);
        if ended.code() == 77 {
            skip("ends_of_pid_namespaces", "making a PID namespace is not permitted");
            return;
        }
        let output = ended.output();
        let results: Vec<&str> = output.lines().skip(1).collect();
        let expected = [
            "null pointer: signal 11",
            "bad instruction: signal 4",
            "division: signal 8",
            "beyond the file: signal 7",
            "breakpoint: signal 5",
            "privileged: signal 11",
            "ignored: signal 11",
            "abort: signal 11",
            "stack: signal 11",
            "sent: signal 11",
            "handler",
            "in a thread: signal 11",
            "with children: signal 11",
            "by second thread: exit 7",
        ];
        assert_eq!(results, expected, "{output}");
    }
}

/// As a user records them, and at random.
const WAYS: [&[&str]; 2] = [OFTEN, &["--chaos"]];

#[test]
fn groups_that_are_killed_as_wholes() {
    let program = fixture::c("c/groups/many_killed.c", &["-pthread"]);
    let killed = |signal: u8| format!("killed with {signal}, ended by {signal}\n");
    let control = "stopped by 19\ncontinued: 1\nstopped by 19\n";
    let wanted = [&killed(9), &killed(15), control, &killed(9), &killed(6), &killed(11)].concat();
    for options in WAYS.repeat(rounds()) {
        let ended = retake().round_trip("recording", options, &[&program]);
        assert_eq!(ended.output(), wanted, "{options:?}: {}", ended.errors());
    }
}

#[test]
fn ends_and_execve_without_a_leader() {
    let program = fixture::c("c/groups/without_leader.c", &["-pthread"]);
    let wanted = "exited: 1, with 8\nexecuted, as the leader: 1\nexited: 1, with 2\n";
    for options in WAYS.repeat(rounds()) {
        let ended = retake().round_trip("recording", options, &[&program]);
        assert_eq!(ended.output(), wanted, "{options:?}: {}", ended.errors());
    }
}

#[test]
fn execve_and_ends_in_pid_namespaces() {
    let program = fixture::c("c/groups/namespace_exec.c", &["-pthread"]);
    let made = "first is 1\nmade 2\nmade 3\nmade 4\n";
    let ends = [
        "exited: 1, with 5\nall are gone\n",
        "executed inside as 1\nexited: 1, with 6\nall are gone\n",
        "not killed by itself\nexited: 1, with 5\nall are gone\n",
    ];
    let wanted = ends.map(|end| [made, end].concat()).concat();
    for options in WAYS.repeat(rounds()) {
        let ended = retake().round_trip("recording", options, &[&program]);
        if ended.code() == 77 {
            skip("execve_and_ends_in_pid_namespaces", "making a PID namespace is not permitted");
            return;
        }
        assert_eq!(ended.output(), wanted, "{options:?}: {}", ended.errors());
    }
}

/// Output without what differs from run to run: addresses, times, and process ids of however many digits.
fn without_numbers(output: &str) -> String {
    let mut text = String::new();
    let mut digits = String::new();
    for c in output.chars().chain(['\n']) {
        if c.is_ascii_hexdigit() {
            digits.push(c);
            continue;
        }
        let is_process = text.ends_with("pid ") || text.ends_with("executed ");
        text.push_str(if is_process || digits.len() > 3 { "N" } else { &digits });
        digits.clear();
        text.push(c);
    }
    text
}

#[test]
fn seccomp_filters_of_the_program() {
    let program = fixture::c("c/seccomp.c", &[]);
    let native = std::process::Command::new(&program).output().expect("it runs");
    let native = String::from_utf8_lossy(&native.stdout).into_owned();
    let output = check("c/seccomp.c", 0);
    assert!(native.contains("trap: 0 at"), "the kernel has no filters: {native}");
    assert_eq!(without_numbers(&output), without_numbers(&native));
}

/// A task that is asked to stop right at an instruction that traps reports that stop first: the fault waits.
#[test]
fn faults_that_wait_behind_another_stop() {
    let program = fixture::c("c/spawns.c", &[]);
    for _ in 0..4 * rounds() {
        let retake = retake();
        let options = ["--chaos", "--checkpoint-every", "20ms"];
        let (dir, recorded) = retake.record("recording", &options, &[&program]);
        assert_eq!(
            (recorded.code(), recorded.output().as_str()),
            (0, "270\n"),
            "{}",
            recorded.errors()
        );
        assert_eq!(retake.replay(&dir).output(), "270\n");
    }
}

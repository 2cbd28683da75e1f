//! Traces over real recordings: every arrival, in order, with the values it had.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use retake_testkit::{Guarded, Retake, fixture};
use serde_json::Value;

#[test]
fn each_arrival_with_its_values() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let program = fixture::c("c/calls.c", &["-O0", "-g"]);
    let (dir, _) = retake.record("recording", &[], &[program]);
    let session = |script: &str| -> Vec<Value> {
        let output = retake.debug(&dir, &["--json"], script).good().output();
        output.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    };
    let line = fixture::line_of("c/calls.c", "work");
    let all = session(&format!(
        "break work\nhits\ntrace work print $rdi, *(u64)$rsp, $event\ntrace calls.c:{line} if $rdi > 1000000\nwhen"
    ));
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let hits = all[1]["data"]["hits"].as_array().unwrap();
    let lines = all[2]["data"]["lines"].as_array().unwrap();
    assert_eq!((hits.len(), lines.len()), (20, 20));
    assert_eq!(all[2]["data"]["count"], 20);
    assert_eq!(all[3]["data"]["count"], 0);
    assert_eq!(text(&all[4]["data"], "position"), "1", "nothing moves");
    for (hit, line) in hits.iter().zip(lines) {
        assert_eq!(text(hit, "position"), text(line, "position"));
        let values: Vec<u64> = line["values"]
            .as_array()
            .unwrap()
            .iter()
            .map(|value| text(value, "value").parse().unwrap())
            .collect();
        // What somebody sees who goes there.
        let seen = session(&format!(
            "goto {}\nprint $rdi\nprint *(u64)$rsp\nprint $event",
            text(hit, "position")
        ));
        let seen: Vec<u64> =
            seen[1..].iter().map(|answer| text(answer, "data").parse().unwrap()).collect();
        assert_eq!(values, seen);
    }
}

#[test]
fn few_of_millions_of_arrivals() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let program = fixture::c("c/hot/many_steps.c", &["-O1", "-g"]);
    let (dir, _) = retake.record("recording", &[], &[program]);
    let script = "trace step if $rdi > 1999997 || $rdi == 5 print $rdi\nprint $event";
    let output = retake.debug(&dir, &[], script).good().output();
    let ends: Vec<&str> = output.lines().filter_map(|line| line.split("  ").last()).collect();
    let wanted = ["$rdi = 5", "$rdi = 1999998", "$rdi = 1999999", "3 arrivals", "1"];
    assert_eq!(ends, wanted, "{output}");
}

#[test]
fn a_long_trace_is_printed_as_it_goes_and_can_be_stopped() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let program = fixture::c("c/hot/many_steps.c", &["-O1", "-g"]);
    let (dir, _) = retake.record("recording", &[], &[program]);
    let script = retake.path("script");
    std::fs::write(&script, "trace step print $rdi\n").expect("a script");
    let mut command = retake.command(["debug".as_ref(), dir.as_os_str(), "--batch".as_ref()]);
    command.arg("--init").arg(script).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut debugger = Guarded(command.spawn().expect("it starts"));
    let mut lines = BufReader::new(debugger.0.stdout.take().expect("piped")).lines();
    for n in 0..100 {
        let line = lines.next().expect("a line").expect("text");
        assert!(line.ends_with(&format!("$rdi = {n}")), "{line}");
    }
    let id = debugger.0.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().expect("kill").success());
    let rest = lines.count();
    assert!(rest < 1_900_000, "it was stopped, after {rest} more");
    let errors = BufReader::new(debugger.0.stderr.take().expect("piped")).lines();
    let last = errors.map_while(Result::ok).last().unwrap_or_default();
    assert!(last.ends_with("interrupted"), "{last}");
    assert_eq!(debugger.0.wait().expect("it ends").code(), Some(1));
}

#[test]
fn what_cannot_be_traced_is_said() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let (dir, _) = retake.record("recording", &[], &[fixture::c("c/hello.c", &[])]);
    let said = |script: &str| retake.debug(&dir, &[], script).errors();
    assert!(said("trace").contains("a location is missing"));
    assert!(said("trace nothing").contains("there is no function"));
    assert!(said("trace main print $hits(1)").contains("use print"));
    assert!(said("trace main print $rxx").contains("there is no $rxx"));
    assert!(said("trace main if $hits(1) == 1").contains("cannot be a condition"));
    let output = retake.debug(&dir, &[], "trace main print *(u8)16").good().output();
    assert!(output.contains("nothing is mapped at 0x10"), "{output}");
}

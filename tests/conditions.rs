//! Conditions of breakpoints in hot code: judged by the program itself, in both directions.

use retake_testkit::{Retake, fixture};
use serde_json::Value;

fn answers(output: &str) -> Vec<Value> {
    output.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[test]
fn few_of_millions_of_hits() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let program = fixture::c("c/hot/many_steps.c", &["-O1", "-g"]);
    let (dir, _) = retake.record("recording", &[], &[program]);
    let session = |script: &str| answers(&retake.debug(&dir, &["--json"], script).good().output());
    let argument = |answer: &Value| answer["data"][0]["value"].as_u64();

    let script = "break step if $rdi == 7 || $rdi > 1999997\n\
                  continue\nregs rdi\ncontinue\nregs rdi\ncontinue\nregs rdi\ncontinue\n\
                  rewind\nregs rdi\nrewind\nrewind\nregs rdi\nrewind\nprint $hits(1)";
    let all = session(script);
    let seen: Vec<_> = all.iter().filter_map(argument).collect();
    assert_eq!(seen, [7, 1_999_998, 1_999_999, 1_999_999, 7], "{all:#?}");
    assert_eq!(all[7]["data"]["reasons"][0], "end", "{}", all[7]);
    assert_eq!(all.last().map(|answer| &answer["data"]), Some(&Value::from("3")));

    let script = "break step\nprint $hits(1)\ncondition 1 $rdi == 1500000\nprint $hits(1)\nhits\n\
                  goto hit 1\nregs rdi\ncondition 1\nrewind\nregs rdi\nbreakpoints";
    let all = session(script);
    assert_eq!(all[1]["data"], "2000000");
    assert_eq!(all[3]["data"], "1");
    assert_eq!(all[4]["data"]["count"], 1);
    assert_eq!(argument(&all[6]), Some(1_500_000));
    assert_eq!(argument(&all[9]), Some(1_499_999));
    assert_eq!(all[10]["data"][0]["location"], "step");
}

#[test]
fn what_cannot_be_a_condition_is_said() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let program = fixture::c("c/hot/many_steps.c", &["-O1", "-g"]);
    let (dir, _) = retake.record("recording", &[], &[program]);
    let said = |script: &str| {
        let ended = retake.debug(&dir, &[], script);
        ended.output() + &ended.errors()
    };
    assert!(said("break step if $rdi +").contains("column"));
    assert!(said("break step if $hits(1) == 2").contains("cannot be a condition"));
    assert!(said("break step if $rdi + 1 == 0").contains("cannot be a condition"));
    assert!(said("condition 4 $rdi == 1").contains("there is no breakpoint 4"));
    // Memory that is not there: the run stops, and whoever looks sees why.
    assert!(said("break step if *(u64)0x10 == 1\ncontinue\nx 0x10").contains("breakpoint 1"));
}

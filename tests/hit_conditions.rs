//! Hit conditions, temporary and per-thread breakpoints, and runs to a place, over real recordings.

use std::path::Path;

use retake_testkit::{Retake, fixture};
use serde_json::Value;

fn answers(retake: &Retake, dir: &Path, script: &str) -> Vec<Value> {
    let output = retake.debug(dir, &["--json"], script).good().output();
    output.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The values of rdi that `regs rdi` shows.
fn arguments(all: &[Value]) -> Vec<u64> {
    all.iter().filter_map(|answer| answer["data"][0]["value"].as_u64()).collect()
}

#[test]
fn numbers_of_millions_of_hits() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let program = fixture::c("c/hot/many_steps.c", &["-O1", "-g"]);
    let (dir, _) = retake.record("recording", &[], &[program]);
    // The argument is the number of the hit, less one.
    let go = |commands: &[&str]| {
        let moves: Vec<String> =
            commands.iter().map(|command| format!("{command}\nregs rdi")).collect();
        moves.join("\n")
    };
    let script = format!(
        "break step\ncond -hitcount 1 % 500000\n{}",
        go(&["continue", "continue", "rewind", "continue", "continue", "continue", "rewind"])
    );
    let all = answers(&retake, &dir, &script);
    let seen = arguments(&all);
    assert_eq!(seen, [499_999, 999_999, 499_999, 999_999, 1_499_999, 1_999_999, 1_499_999]);

    // However the debugger came there, and however many hits lie on the way.
    let script = format!(
        "break step\ncond -hitcount 1 == 1500001\ngoto end\n{}\ncond -hitcount 1 < 4\ngoto end\n{}\n\
         break step if $rdi == 1000000\nclear 1\ncontinue\nclear 2\nbreak step\n\
         cond -hitcount 3 % 10\n{}",
        go(&["rewind", "rewind"]),
        go(&["rewind", "rewind"]),
        go(&["continue", "rewind", "rewind"]),
    );
    let all = answers(&retake, &dir, &script);
    let seen = arguments(&all);
    assert_eq!(seen[0], 1_500_000);
    assert_eq!(seen[2..], [2, 1, 1_000_009, 999_999, 999_989], "{seen:?}");

    // Of each thread, where there are too many to look at.
    let script = format!(
        "break step\ncond -per-thread-hitcount 1 == 1500001\n{}",
        go(&["continue", "continue", "rewind"])
    );
    let all = answers(&retake, &dir, &script);
    assert_eq!((arguments(&all)[0], arguments(&all)[2]), (1_500_000, 1_500_000));

    // Beside another breakpoint, and with a condition, whose hits have numbers of their own.
    let script = format!(
        "break step if $rdi >= 1000000\ncond -hitcount 1 == 11\nbreak step if $rdi == 1000004\n{}",
        go(&["continue", "continue", "rewind", "continue"]),
    );
    let all = answers(&retake, &dir, &script);
    assert_eq!(arguments(&all), [1_000_004, 1_000_010, 1_000_004, 1_000_010]);
    let breakpoints = |n: usize| all[n]["data"]["breakpoints"].to_string();
    assert_eq!([breakpoints(3), breakpoints(5)], ["[2]", "[1]"]);
}

#[test]
fn a_page_of_millions_of_hits() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let program = fixture::c("c/hot/many_steps.c", &["-O1", "-g"]);
    let (dir, _) = retake.record("recording", &[], &[program]);
    let all = answers(
        &retake,
        &dir,
        "break step\nhits\ngoto hit 1500000\nregs rdi\nhits 1999999..2000005\ngoto hit 2000000\n\
         regs rdi\nhits 21..40\ngoto hit 25\nregs rdi\nhits 1000000..1000001",
    );
    let hits = |n: usize| -> (u64, Vec<u64>) {
        let data = &all[n]["data"];
        let listed = data["hits"].as_array().unwrap().iter();
        (data["count"].as_u64().unwrap(), listed.filter_map(|hit| hit["n"].as_u64()).collect())
    };
    assert_eq!(hits(1), (2_000_000, (1..=20).collect()));
    assert_eq!(hits(4), (2_000_000, vec![1_999_999, 2_000_000]));
    assert_eq!(hits(7), (2_000_000, (21..=40).collect()));
    assert_eq!(arguments(&all), [1_499_999, 1_999_999, 24]);
    let position = |n: usize, hit: usize| all[n]["data"]["hits"][hit]["position"].to_string();
    assert_ne!(position(10, 0), position(10, 1));
    let said = retake.debug(&dir, &[], "break step\ngoto hit 2000001");
    assert!(said.errors().contains("there is no hit 2000001; there are 2000000"));
}

#[test]
fn threads_apart() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let program = fixture::c("c/threads.c", &["-O1", "-g"]);
    let (dir, _) = retake.record("recording", &[], &[program]);
    let line = fixture::line_of("c/threads.c", "update");
    let place = format!("threads.c:{line}");
    let all = answers(&retake, &dir, &format!("break {place}\nhits --all"));
    let hits = all[1]["data"]["hits"].as_array().unwrap();
    let of = |hit: &Value| Some((hit["task"].as_u64()?, hit["position"].as_str()?.to_owned()));
    let hits: Vec<(u64, String)> = hits.iter().filter_map(of).collect();
    assert_eq!(hits.len(), 240, "{all:#?}");
    let last = hits[239].0;
    let of_last: Vec<String> =
        hits.iter().filter(|(task, _)| *task == last).map(|(_, at)| at.clone()).collect();
    let positions = |script: &str| -> Vec<String> {
        let all = answers(&retake, &dir, script);
        let stops = all.iter().filter(|answer| answer["kind"] == "stop");
        let at = |stop: &Value| {
            let ends = stop["data"]["breakpoints"].as_array().is_none_or(Vec::is_empty);
            if ends {
                "end".to_owned()
            } else {
                stop["data"]["position"].as_str().unwrap_or_default().to_owned()
            }
        };
        stops.map(at).collect()
    };

    let script = format!("break {place} thread {last}\ncontinue\ncontinue\nrewind\nrewind");
    assert_eq!(positions(&script), [&of_last[0], &of_last[1], &of_last[0], "end"]);

    // The 40th hit of each thread, in the order of the recording.
    let mut lasts: Vec<String> = Vec::new();
    let mut seen = std::collections::BTreeMap::<u64, u32>::new();
    for (task, at) in &hits {
        let count = seen.entry(*task).or_default();
        *count += 1;
        if *count == 40 {
            lasts.push(at.clone());
        }
    }
    let script = format!(
        "break {place}\ncond -per-thread-hitcount 1 % 40\n{}{}",
        "continue\n".repeat(7),
        "rewind\n".repeat(7)
    );
    let mut wanted = lasts.clone();
    wanted.push("end".to_owned());
    wanted.extend(lasts.iter().rev().cloned());
    wanted.push("end".to_owned());
    assert_eq!(positions(&script), wanted);
}

#[test]
fn to_a_place_or_out_of_the_function() {
    const FILE: &str = "c/calls.c";
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let program = fixture::c(FILE, &["-O0", "-g"]);
    let (dir, _) = retake.record("recording", &[], &[program]);
    let all = answers(
        &retake,
        &dir,
        "tbreak work\ncontinue\nbreakpoints\nuntil main\nrev until main\nrev advance main\n\
         until work\nadvance outer\nbreak middle\nadvance work",
    );
    let stops: Vec<(String, &str)> = all
        .iter()
        .filter(|answer| answer["kind"] == "stop")
        .map(|stop| {
            let function = stop["data"]["place"]["function"].as_str().unwrap_or_default();
            (stop["data"]["reasons"].to_string(), function)
        })
        .collect();
    let wanted = [
        ("breakpoint", "work"),
        // To the caller, and back to where that began.
        ("frame_end", "middle"),
        ("frame_end", "middle"),
        ("reached", "main"),
        ("reached", "work"),
        ("reached", "outer"),
        ("breakpoint", "middle"),
    ];
    let wanted: Vec<_> =
        wanted.iter().map(|(reason, function)| (format!("[\"{reason}\"]"), *function)).collect();
    assert_eq!(stops, wanted, "{all:#?}");
    assert_eq!(all[2]["data"].as_array().map(Vec::len), Some(0), "it was temporary");
}

#[test]
fn what_is_no_hit_condition_is_said() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let program = fixture::c("c/hello.c", &[]);
    let (dir, _) = retake.record("recording", &[], &[program]);
    let said = |script: &str| {
        let ended = retake.debug(&dir, &[], script);
        ended.output() + &ended.errors()
    };
    assert!(said("break main\ncond -hitcount 1 = 3").contains("write one of =="));
    assert!(said("break main\ncond -hitcount 1 % 0").contains("such as % 100"));
    assert!(said("cond -hitcount 4 > 1").contains("there is no breakpoint 4"));
    assert!(said("break main thread 77").contains("no thread 77 in this recording"));
}

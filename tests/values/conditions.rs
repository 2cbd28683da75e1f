//! Conditions over variables, and what expressions were at each hit.

use retake_testkit::{Retake, fixture};

use super::mark;

const SOURCE: &str = "c/values/values.c";

/// The last words of the lines that show arrivals.
fn values(output: &str) -> Vec<&str> {
    output
        .lines()
        .filter(|line| line.contains("  thread "))
        .filter_map(|line| line.split("  ").last())
        .collect()
}

#[test]
fn hits_with_values() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let (dir, _) = retake.record("recording", &[], &[fixture::c(SOURCE, &["-O0"])]);
    let loop_ = mark(SOURCE, "loop");
    // The first two conditions can be judged inside the program, the last one cannot.
    for condition in ["i > 6", "i > 6 && sum != 0", "i > 6 && argv[0] != \"nothing\""] {
        let script = format!(
            "break {loop_} if {condition}\nhits\nassert $hits(1) == 3\nhits 1 print i\nhits print i * 2 if i == 8\n\
             hits 1 2..2 print i"
        );
        let output = retake.debug(&dir, &[], &script).good().output();
        let expected = ["i = 7", "i = 8", "i = 9", "i * 2 = 16", "i = 8"];
        assert_eq!(&values(&output)[3..], expected, "{condition}: {output}");
        assert!(output.contains("3 hits"), "{output}");
        // Runs stop there, both ways.
        let script = format!(
            "break {loop_} if {condition}\ncontinue\nprint i\ncontinue\ncontinue\nprint i\nrewind\nprint i"
        );
        let output = retake.debug(&dir, &[], &script).good().output();
        let shown: Vec<&str> = output.lines().filter(|line| line.len() == 1).collect();
        assert_eq!(shown, ["7", "9", "8"], "{condition}: {output}");
    }
}

#[test]
fn hits_with_values_of_optimized_code() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let (dir, _) = retake.record("recording", &[], &[fixture::c(SOURCE, &["-O2"])]);
    // `stop` is inlined, and what it is given is a constant.
    let script = "break stop if value < 0\nhits 1 print value\nassert $hits(1) == 1";
    let output = retake.debug(&dir, &[], script).good().output();
    assert_eq!(values(&output), ["value = -123456"], "{output}");
}

#[test]
fn a_table_of_sixty_thousand_hits() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let program = fixture::c("c/values/orders.c", &["-O2"]);
    let (dir, _) = retake.record("recording", &[], &[program]);
    let script = "break take\nhits 1 print order->id, order->sku, order->line.price, *left\n\
                  break take if order->sku == \"fig\" && order->line.count == 3\nassert $hits(2) == 2857\n\
                  break take if order->line.count == 3\nassert $hits(3) == 8571";
    let output = retake.debug(&dir, &[], script).good().output();
    let found = values(&output);
    assert_eq!(found.len(), 60_000);
    for (n, line) in found.iter().enumerate() {
        let sku = ["apple", "pear", "fig"][n % 3];
        let (price, left) = (n % 1000, 60_000 - n);
        assert!(line.starts_with(&format!("order->id = {n}, order->sku = 0x")), "{line}");
        let end = format!(" \"{sku}\", order->line.price = {price}, *left = {left}");
        assert!(line.ends_with(&end), "{line}");
    }
}

#[test]
fn traces_print_variables() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let (dir, _) = retake.record("recording", &[], &[fixture::c(SOURCE, &["-O0"])]);
    let script = "trace recurse print depth, list->name, list->at\n\
                  trace recurse if list->at.x == 5 print depth\ntrace stop if value + 0.5 > 29.75 print value";
    let output = retake.debug(&dir, &[], script).good().output();
    let lines: Vec<&str> = output.lines().collect();
    assert!(lines[0].contains("depth = 1, list->name = 0x"), "{output}");
    assert!(lines[0].ends_with("\"first\", list->at = {x = 1, y = 2}"), "{output}");
    assert!(lines[1].contains("depth = 2"), "{output}");
    assert!(lines[4].ends_with("depth = 2") && lines[5] == "1 arrival", "{output}");
    let last: Vec<&str> = lines[6..].iter().filter_map(|line| line.split("  ").last()).collect();
    assert_eq!(last, ["value = 105", "value = 30", "2 arrivals"], "{output}");
}

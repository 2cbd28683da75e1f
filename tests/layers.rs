//! Which crate may depend on which (docs/architecture.md), read from `cargo metadata`.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Each crate and what it may use.
const ALLOWED: [(&str, &[&str]); 17] = [
    ("model", &[]),
    ("abi", &["model"]),
    ("recording", &["model"]),
    ("execution", &["model"]),
    ("symbols", &["model"]),
    ("values", &["symbols", "model"]),
    ("ptrace", &["model"]),
    ("tracee", &["ptrace", "abi", "model"]),
    ("recorder", &["tracee", "ptrace", "abi", "recording", "model"]),
    ("translator", &["model"]),
    ("replayer", &["translator", "tracee", "ptrace", "abi", "recording", "execution", "model"]),
    ("debugger", &["execution", "symbols", "values", "model"]),
    ("console", &["debugger", "execution", "model"]),
    ("starlark", &["console", "debugger", "model"]),
    ("gdbserver", &["execution", "recording", "model"]),
    (
        "cli",
        &[
            "recorder",
            "replayer",
            "console",
            "starlark",
            "gdbserver",
            "debugger",
            "recording",
            "execution",
            "symbols",
            "abi",
            "model",
        ],
    ),
    ("testkit", &["model", "execution"]),
];

fn dependencies() -> BTreeMap<String, BTreeSet<(String, bool)>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .expect("cargo runs");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("metadata");
    let short = |value: &serde_json::Value| {
        value["name"].as_str().and_then(|name| name.strip_prefix("retake-")).map(str::to_owned)
    };
    let packages = metadata["packages"].as_array().expect("packages");
    packages
        .iter()
        .filter_map(|package| {
            let uses = package["dependencies"].as_array().into_iter().flatten();
            let uses = uses.filter_map(|used| Some((short(used)?, used["kind"] == "dev")));
            Some((short(package)?, uses.collect()))
        })
        .collect()
}

#[test]
fn crates_use_only_what_they_may() {
    let found = dependencies();
    let names: BTreeSet<&str> = found.keys().map(String::as_str).collect();
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.into_iter().collect();
    assert_eq!(names, allowed.keys().copied().collect(), "the crates of the workspace");
    for (name, uses) in &found {
        for (used, only_in_tests) in uses {
            let may = allowed[name.as_str()].contains(&used.as_str());
            assert!(may || (*only_in_tests && used == "testkit"), "{name} uses {used}");
        }
    }
}

#[test]
fn testkit_is_for_tests_only() {
    for (name, uses) in dependencies() {
        assert!(!uses.contains(&("testkit".to_owned(), false)), "{name} uses testkit");
    }
}

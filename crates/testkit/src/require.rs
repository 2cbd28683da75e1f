//! Tools that tests need and machines may lack.

use std::env;
use std::io::Write;
use std::path::PathBuf;

/// With this set, a test that would be skipped fails.
pub const NO_SKIP: &str = "RETAKE_TEST_NO_SKIP";

/// The tool on `PATH`; otherwise says that the test is skipped and why.
pub fn require(test: &str, tool: &str) -> Option<PathBuf> {
    let found = find(tool);
    if found.is_none() {
        skip(test, &format!("there is no {tool} on PATH"));
    }
    found
}

/// Says that a test is skipped.
///
/// # Panics
/// When skips are failures ([`NO_SKIP`]).
pub fn skip(test: &str, why: &str) {
    assert!(env::var_os(NO_SKIP).is_none(), "{test} was to be skipped: {why}");
    // Past the harness, which shows the output of failed tests only.
    let _ = writeln!(std::io::stderr().lock(), "SKIPPED {test}: {why}");
}

/// The tool on `PATH`.
pub fn find(tool: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(tool)).find(|file| file.is_file())
}

//! The table of programs: text files of entries.
//!
//! ```text
//! == name
//! package: the Debian package(s) it comes from
//! needs: commands that must be there, else it is skipped
//! setup: shell commands that are not recorded
//! run: command and arguments, recorded
//! load: shell commands that use the server on port $PORT; SIGTERM ends it after them
//! varies: why output differs from run to run, so that it is not compared with a native run
//! exit: its exit status, 128+n for signal n, if not 0
//! user: why it must not run as root
//! limit: why retake is known to fail, on some machines at least
//! file NAME:
//!     lines of a file in the work folder, indented by four
//! ```
//!
//! `run` is given to `sh -c` behind `exec`, or as it is when it starts with `!`. Indented lines
//! continue `setup`, `run` and `load` too.

use std::fs;

use retake_testkit::fixture;

/// A program of the corpus, or one way to call it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Program {
    /// What the table calls it.
    pub(crate) name: String,
    /// The package it comes from.
    pub(crate) package: String,
    /// Commands that must be on `PATH`.
    pub(crate) needs: Vec<String>,
    /// Prepares the work folder.
    pub(crate) setup: String,
    /// What is recorded, for `sh -c`.
    pub(crate) run: String,
    /// For a server: what uses it.
    pub(crate) load: Option<String>,
    /// Whether output differs from run to run.
    pub(crate) varies: bool,
    /// Its exit status.
    pub(crate) exit: i32,
    /// Whether it must not run as root.
    pub(crate) user: bool,
    /// A known reason why retake may fail.
    pub(crate) limit: Option<String>,
    /// Files of the work folder.
    pub(crate) files: Vec<(String, String)>,
}

/// All programs of `tests/corpus/programs`, by file name, then in the order of the file.
pub(crate) fn load() -> Vec<Program> {
    let folder = fixture::project().join("tests/corpus/programs");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .flatten()
        .map(|entry| entry.path())
        .collect();
    files.sort();
    let mut programs = Vec::new();
    for file in files {
        let text =
            fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        parse(&text, &mut programs);
    }
    programs
}

fn parse(text: &str, programs: &mut Vec<Program>) {
    let mut key = String::new();
    let mut program: Option<Program> = None;
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("== ") {
            programs.extend(program.take());
            program = Some(Program { name: name.to_owned(), ..Program::default() });
            key.clear();
            continue;
        }
        let Some(program) = &mut program else { continue };
        let more = line.strip_prefix("    ");
        if let Some(more) = more.or_else(|| line.is_empty().then_some("")) {
            program.extend(&key, more);
        } else if let Some((name, value)) = line.split_once(':') {
            name.clone_into(&mut key);
            program.set(&key, value.trim());
        } else {
            panic!("{}: cannot read {line:?}", program.name);
        }
    }
    programs.extend(program);
}

impl Program {
    fn set(&mut self, key: &str, value: &str) {
        match key {
            "package" => value.clone_into(&mut self.package),
            "needs" => self.needs = value.split_whitespace().map(str::to_owned).collect(),
            "setup" => value.clone_into(&mut self.setup),
            "run" => {
                self.run = match value.strip_prefix('!') {
                    Some(script) => script.trim().to_owned(),
                    None => format!("exec {value}"),
                };
            }
            "load" => self.load = Some(value.to_owned()),
            "exit" => {
                self.exit = value.parse().unwrap_or_else(|_| panic!("{}: {value:?}", self.name));
            }
            "varies" => self.varies = true,
            "user" => self.user = true,
            "limit" => self.limit = Some(value.to_owned()),
            _ => match key.strip_prefix("file ") {
                Some(file) => self.files.push((file.to_owned(), String::new())),
                None => panic!("{}: no such key: {key}", self.name),
            },
        }
    }

    fn extend(&mut self, key: &str, line: &str) {
        let text = match key {
            "setup" => &mut self.setup,
            "run" => &mut self.run,
            "load" => self.load.get_or_insert_default(),
            _ => match self.files.last_mut() {
                Some((_, text)) if key.starts_with("file ") => {
                    text.push_str(line);
                    text.push('\n');
                    return;
                }
                _ => return assert!(line.is_empty(), "{}: stray {line:?}", self.name),
            },
        };
        text.push('\n');
        text.push_str(line);
    }
}

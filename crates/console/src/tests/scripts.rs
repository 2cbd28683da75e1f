use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tempfile::TempDir;

use super::{console, recording};
use crate::{Console, ConsoleError, Outcome, Output, ScriptRunner, ScriptStep, render};

/// Runs a script beside other files; gives its outputs as JSON lines, and how it ended.
fn run(files: &[(&str, &str)]) -> (Vec<String>, String) {
    let folder = TempDir::new().unwrap();
    let dir = folder.path().to_str().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text.replace("DIR", dir)).unwrap();
    }
    let mut console = console(recording().build());
    let mut lines = Vec::new();
    let first = Path::new(dir).join(files[0].0);
    let result = console.run_script(&first, &mut |line, command, output| {
        lines.push(format!("{line} {command}: {}", render::json(output)));
    });
    let end = match result {
        Ok(Outcome::Done) => "done".to_owned(),
        Ok(Outcome::Exit) => "exit".to_owned(),
        Err(err) => err.to_string().replace(dir, "DIR"),
    };
    (lines, end)
}

#[test]
fn a_failing_line_is_named() {
    let (lines, end) = run(&[("a", "# hits\nb work\n\nassert $hits(1) == 4\nassert 1\n")]);
    assert_eq!(lines.len(), 1);
    let wanted = "DIR/a:4: assert $hits(1) == 4: assertion failed: $hits(1) == 4 \
                  (left is 3, right is 4)";
    assert_eq!(end, wanted);
}

#[test]
fn scripts_run_scripts() {
    let (lines, end) =
        run(&[("a", "source DIR/b\nassert $event == 1\nexit\nx\n"), ("b", "goto 1\n")]);
    assert_eq!((lines.len(), end.as_str()), (3, "exit"));
    assert!(lines[0].contains(r#""kind":"script""#), "{}", lines[0]);
    assert_eq!(
        lines[1],
        r#"2 assert $event == 1: {"kind":"assert","data":{"expression":"$event == 1"}}"#
    );
    assert_eq!(lines[2], r#"3 exit: {"kind":"exit"}"#);
    assert_eq!(run(&[("a", "source DIR/b\nx\n"), ("b", "exit\n")]).1, "exit");
    let end = run(&[("a", "source DIR/b"), ("b", "\njump\n")]).1;
    assert_eq!(
        end,
        "DIR/a:1: source DIR/b: DIR/b:2: jump: there is no command \"jump\" (try help)"
    );
    assert!(run(&[("a", "source DIR/a")]).1.contains("nested too deeply"));
    assert!(run(&[("a", "source DIR/c")]).1.contains("failed to read"));
}

#[test]
fn what_ran_before_a_failure_is_not_lost() {
    let folder = TempDir::new().unwrap();
    let (outer, inner) = (folder.path().join("outer"), folder.path().join("inner"));
    fs::write(&inner, "b work\njump\n").unwrap();
    fs::write(&outer, format!("b main\nsource {}\n", inner.display())).unwrap();
    let result = console(recording().build()).execute(&format!("source {}", outer.display()));
    let err = result.as_ref().unwrap_err();
    let done: Vec<&str> = err.done().into_iter().map(|step| step.command.as_str()).collect();
    assert_eq!(done, ["b main", "b work"]);
    assert!(render::json_step("source", &result).contains(r#""done":[{"#));
}

#[test]
fn json_can_be_read_back() {
    let mut console = console(recording().build());
    for command in [
        "help",
        "b work",
        "c",
        "hits",
        "bt",
        "threads",
        "regs",
        "x $rsp",
        "p 1 - 2",
        "when",
        "bp",
        "checkpoints",
        "assert 1",
        "exit",
    ] {
        let output = console.execute(command).unwrap();
        let line = render::json_step(command, &Ok(output.clone()));
        assert_eq!(serde_json::from_str::<Output>(&line).unwrap(), output, "{line}");
    }
}

#[test]
fn a_step_is_one_object() {
    let output = Ok(Output::Exit);
    assert_eq!(render::json_step("q", &output), r#"{"command":"q","kind":"exit"}"#);
    let error = Err(ConsoleError::UnknownCommand { name: "j".to_owned(), meant: None });
    let wanted = r#"{"command":"j","error":"there is no command \"j\" (try help)"}"#;
    assert_eq!(render::json_step("j", &error), wanted);
}

/// Sets the flag when it is run: somebody presses Ctrl-C while a script computes.
struct Pressed;

impl ScriptRunner for Pressed {
    fn extension(&self) -> &'static str {
        "pressed"
    }

    fn run(
        &self,
        console: &mut Console,
        _path: &str,
        _text: &str,
        _done: &mut Vec<ScriptStep>,
    ) -> Result<(), String> {
        console.debugger().interrupter().store(true, Ordering::SeqCst);
        Ok(())
    }
}

#[test]
fn a_script_ends_between_two_commands() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("a.pressed"), "").unwrap();
    fs::write(path("b"), format!("when\nsource {}\nwhen\n", path("a.pressed"))).unwrap();
    let mut console = console(recording().build()).with_scripts(Arc::new(Pressed));
    let err = console.execute(&format!("source {}", path("b"))).unwrap_err().to_string();
    assert!(err.contains("b:3: when: ") && err.ends_with("interrupted"), "{err}");
    // It was for that script only.
    fs::write(path("b"), "when\n").unwrap();
    assert!(console.execute(&format!("source {}", path("b"))).is_ok());
}

use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use retake_console::{Console, render};
use retake_debugger::{Debugger, TextReader};
use retake_model::RegisterName;
use retake_testkit::fake::FakeBuilder;

use crate::Starlark;

/// `main` calls `work` twice.
fn console() -> Console {
    let fake = FakeBuilder::new()
        .file("/home/me/app", "0 main+ app.c:1\n20 work+ app.c:10\n")
        .map_code(1, 0x1000, 0x1000, 0, 0)
        .map_data(1, 0x8000, 0x1000)
        .set(RegisterName::Rsp, 0x8000)
        .write(0x8008, [0x2a, 0, 0, 0])
        .steps(&[0x1000, 0x1020, 0x1000, 0x1020])
        .event(1, "exit(0)");
    Console::new(Debugger::new(Box::new(fake.build()), Box::new(TextReader)))
        .with_scripts(Arc::new(Starlark))
}

fn run(script: &str) -> Result<String, String> {
    run_in(&mut console(), script)
}

fn run_in(console: &mut Console, script: &str) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("script.star");
    fs::write(&file, script).unwrap();
    let result = console.execute(&format!("source {}", file.display()));
    let name = file.display().to_string();
    result.map(|output| render::text(&output)).map_err(|err| err.to_string().replace(&name, "FILE"))
}

#[test]
fn requests_are_functions_that_return_values() {
    let script = r#"
def main():
    bp = create_breakpoint({"FunctionName": "work", "Cond": "$rsp == 0x8000"})
    print(bp["id"], bp["location"])
    n = 0
    for _ in range(10):
        stop = raw_command("continue")
        if "breakpoint" not in stop["reasons"]:
            break
        n += 1
        print(stop["place"]["function"], eval(None, "*(u32)($rsp+8)"))
    print(n, "hits,", command("hits 1")["count"], "in all")
    print(len(stacktrace()), threads()[0]["task"], state()["events"], recorded())
    print(request({"evaluate": "1 + 1"}))
    dlv_command("print 7")
    clear_breakpoint(bp["id"])
    print(breakpoints())
"#;
    let wanted = "1 work if $rsp == 0x8000\nwork 42\nwork 42\n2 hits, 2 in all\n1 1 1 True\n\
                  {\"value\": \"2\"}\n7\n[]";
    assert_eq!(run(script), Ok(wanted.to_owned()));
}

#[test]
fn what_fails_says_where() {
    let err = run("x = 1\ncommand('jump')\n").unwrap_err();
    assert!(err.contains("there is no command \"jump\""), "{err}");
    assert!(err.contains("script.star:2") || err.contains("FILE:2"), "{err}");
    let err = run("def f(:\n").unwrap_err();
    assert!(err.contains("FILE") || err.contains("script.star"), "{err}");
    let err = run("set_expr('x', 1)").unwrap_err();
    assert!(err.contains("a recording does not change"), "{err}");
    assert!(run("while True:\n  pass\n").is_err());
}

#[test]
fn whoever_interrupts_the_debugger_ends_a_script() {
    let forever =
        "def main():\n    n = 0\n    for _ in range(1000000000):\n        n += 1\nmain()\n";
    let mut console = console();
    let interrupt = console.debugger().interrupter();
    // One that came too late for an earlier command is forgotten: the script has begun then.
    interrupt.store(true, Ordering::SeqCst);
    let err = std::thread::scope(|scope| {
        scope.spawn(|| {
            while interrupt.load(Ordering::SeqCst) {
                std::thread::yield_now();
            }
            interrupt.store(true, Ordering::SeqCst);
        });
        run_in(&mut console, forever).unwrap_err()
    });
    assert!(err.contains("interrupted"), "{err}");
    assert_eq!(run_in(&mut console, "print(1)"), Ok("1".to_owned()));
}

#[test]
fn a_script_that_runs_itself_ends() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("again.star");
    fs::write(&file, format!("command('source {}')\n", file.display())).unwrap();
    let err = console().execute(&format!("source {}", file.display())).unwrap_err().to_string();
    assert!(err.contains("nested too deeply"), "{err}");
}

#[test]
fn bytes_that_are_no_script_are_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.star");
    for bytes in [&b"\xff\xfe"[..], b"\0", b"def", b"'", b"((((((", &[b'x'; 1 << 20]] {
        fs::write(&file, bytes).unwrap();
        let err = console().execute(&format!("source {}", file.display())).unwrap_err().to_string();
        assert!(!err.is_empty() && err.len() < 3000, "{} bytes: {err}", bytes.len());
    }
}

//! lldb connects as it does to other servers of gdb's protocol; it goes forwards only.

use retake_testkit::{finish, fixture, require};

use super::{recorded, retake};

#[test]
fn lldb_connects_and_looks() {
    if require("lldb_connects_and_looks", "lldb").is_none() {
        return;
    }
    let retake = retake();
    let dir = recorded(&retake, "c", &fixture::c("c/commands.c", &["-O0"]));
    let line = fixture::line_of("c/commands.c", "write");
    let mut command = retake.command(["gdb".as_ref(), dir.as_os_str()]);
    command.args(["--debugger", "lldb", "--", "--no-lldbinit", "--batch"]);
    let breakpoint = format!("breakpoint set --file commands.c --line {line}");
    for step in [
        breakpoint.as_str(),
        "process continue",
        "process continue",
        "thread backtrace",
        "frame variable",
        "memory read --size 1 --count 19 --format c &text",
        "thread step-over",
        "expression -- total",
        "register read rip",
        "thread list",
    ] {
        command.args(["-o", step]);
    }
    let ended = finish(command);
    let output = ended.output();
    assert!(output.contains("stop reason = breakpoint 1"), "{output}\n{}", ended.errors());
    assert!(output.contains("`add(n=2)") && output.contains("`main"), "{output}");
    assert!(output.contains("(long) more = 4"), "{output}");
    assert!(output.contains("a needle in the hay"), "{output}");
    assert!(output.contains("stop reason = step over"), "{output}");
    assert!(output.contains("= 7\n"), "the sum of 2 and 1, of 4: {output}");
    assert!(output.matches("thread #").count() >= 2, "{output}");
}

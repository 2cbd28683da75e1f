use std::fs;

use retake_model::RegisterName;
use retake_testkit::fake::FakeBuilder;

use super::{check, check_with, console, recording, text};

#[test]
fn stack_registers_and_memory() {
    check(
        "
> goto 0@0x1030#1
0@0x1030#1  thread 1  0x1030 in work at app.c:11  (reached)
> bt
  0  0x1030 in work at app.c:11
  1  0x1010 in main at app.c:1
> stack 1
  0  0x1030 in work at app.c:11
> regs rip $sp
     rip = 0x0000000000001030
     rsp = 0x0000000000008000
> regs rxx
error: \"rxx\" is not a register; usage: regs [NAME...]
> x -size 4 -count 3 $rsp + 4
0x8004:  0x00000000  0x0000002a  0x00000000
> x -fmt dec -len 2 0x8008
0x8008:  42  0
> x -fmt bin 0x8008
0x8008:  00101010
> x -fmt oct -size 2 -x 0x8008
0x8008:  0000052
> x -fmt raw -size 4 0x8008
0x8008:  2a000000
> x -size 9 0
error: the size must be 1 to 8; usage: examinemem [-fmt hex|dec|oct|bin|raw] [-count N] [-size 1..8] ADDRESS
> x 0
error: failed to read memory at 0x0: nothing is mapped at 0x0
",
    );
}

#[test]
fn threads_are_selected_until_the_next_movement() {
    check(
        "
> goto event 2
2  thread 2  0x0  (reached)
> threads
  thread 1  tid 101  pid 101  task1  0x1010 in main at app.c:2
* thread 2  tid 102  pid 101  task2  0x0  running
> thread 101
* thread 1  tid 101  pid 101  task1  0x1010 in main at app.c:2
> assert $task == 1 && $rip == 0x1010
> thread 7
error: there is no thread 7 at this moment
> goto event 2
2  thread 2  0x0  (reached)
> assert $task == 2
",
    );
}

#[test]
fn moments_and_assertions() {
    check(
        "
> goto 1@0x7010#1
1@0x7010#1  thread 1  0x7010 in puts at lib.c:9  (reached)
> when
1@0x7010#1 of 3 events  thread 1  0x7010 in puts at lib.c:9
  0.001000 s of run time
  last event: 0: write(1, \"a\", 1) = 1
  next event: 1: clone() = 102
> assert $event == 1 && *(u32)($rsp+8) == 42
> assert $event == 1 + 1
error: assertion failed: $event == 1 + 1 (left is 1, right is 2)
> assert $nothing
error: there is no $nothing
> print *(u32)($rsp+8) + 1
43
> p $hits(1)
error: there is no breakpoint 1
> p
error: an expression is missing; usage: print [-format hex|dec|oct|bin] [-frame N] [-page FROM..TO] EXPRESSION
> assert 1 +
error: bad expression: something is missing at column 4
> assert
error: an expression is missing; usage: assert EXPRESSION
> jump
error: there is no command \"jump\" (try help)
",
    );
}

#[test]
fn help_names_every_command() {
    let mut console = console(recording().build());
    let all = text(&mut console, "help");
    for command in crate::commands() {
        assert!(all.contains(command.usage), "{}", command.name);
        assert!(text(&mut console, &format!("help {}", command.name)).contains(command.summary));
    }
}

#[test]
fn source_text_is_read_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.c");
    fs::write(&path, (1..=20).map(|n| format!("line {n}\n")).collect::<String>()).unwrap();
    let path = path.to_str().unwrap();
    let code = format!("0 main+ {path}:7\n10 main {path}:99\n20 main /missing.c:1\n");
    let fake = FakeBuilder::new().file("/app", code).map_code(1, 0x1000, 0x1000, 0, 0);
    // At 0x1020, 0x1001 is the caller.
    let fake = fake.map_data(1, 0x8000, 0x1000).write(0x8108, [0x01, 0x10]);
    let fake = fake.steps(&[0x1000, 0x1010]).set(RegisterName::Rbp, 0x8100);
    let mut console = console(fake.steps(&[0x1020, 0x1010]).build());
    check_with(
        &mut console,
        "
> list
error: no source line is known for this place
> goto 0@0x1000#1
0@0x1000#1  thread 1  0x1000 in main at PATH:7  (reached)
=>     7  line 7
> list
PATH:
       2  line 2
       3  line 3
       4  line 4
       5  line 5
       6  line 6
=>     7  line 7
       8  line 8
       9  line 9
      10  line 10
      11  line 11
      12  line 12
> list *0x1010
error: PATH:99 does not exist: the file has changed
> list missing.c:1
error: failed to read /missing.c: No such file or directory (os error 2)
> goto 0@0x1020#1
0@0x1020#1  thread 1  0x1020 in main at /missing.c:1  (reached)
> list
frame 1, main, in PATH:
       2  line 2
       3  line 3
       4  line 4
       5  line 5
       6  line 6
=>     7  line 7
       8  line 8
       9  line 9
      10  line 10
      11  line 11
      12  line 12
"
        .replace("PATH", path)
        .as_str(),
    );
}

#[test]
fn a_place_is_followed_over_the_whole_recording() {
    check(
        "
> trace work print $rsp - 0x8000, *(u32)($rsp+8), *(u8)16
1  0@0x1020#1  thread 1  0x1020 in work at app.c:10  $rsp - 0x8000 = 0, *(u32)($rsp+8) = 42, *(u8)16: failed to read memory at 0x10: nothing is mapped at 0x10
2  0@0x1020#2  thread 1  0x1020 in work at app.c:10  $rsp - 0x8000 = 0, *(u32)($rsp+8) = 42, *(u8)16: failed to read memory at 0x10: nothing is mapped at 0x10
3  2@0x1020#1  thread 2  0x1020 in work at app.c:10  $rsp - 0x8000 = -32768, *(u32)($rsp+8): failed to read memory at 0x8: nothing is mapped at 0x8, *(u8)16: failed to read memory at 0x10: nothing is mapped at 0x10
3 arrivals
> trace work thread 1 if $rbp == 0x8100 print $event, $task
1  0@0x1020#1  thread 1  0x1020 in work at app.c:10  $event = 0, $task = 1
2  0@0x1020#2  thread 1  0x1020 in work at app.c:10  $event = 0, $task = 1
2 arrivals
> trace work if $rbp == 3
0 arrivals
> trace work print $rxx
error: there is no $rxx
> trace work print $hits(1)
error: $hits(N) is of the whole recording, not of an arrival: use print
> trace work print $rax,
error: bad expression: something is missing at column 1
> trace
error: a location is missing; usage: trace FUNCTION | FILE:LINE | /REGEX/ | *ADDRESS [thread N] [if CONDITION] [print EXPRESSION, ...]
> when
0 of 3 events  thread 1  0x0
  0.000000 s of run time
  next event: 0: write(1, \"a\", 1) = 1
> bp
no breakpoints
",
    );
}

use super::{check, check_with, console, recording};

#[test]
fn forwards_and_backwards() {
    check(
        "
> break work
set breakpoint 1: work
    /home/me/app+0x20 work app.c:10
> c
0@0x1020#1  thread 1  0x1020 in work at app.c:10  (breakpoint 1)
> continue
0@0x1020#2  thread 1  0x1020 in work at app.c:10  (breakpoint 1)
> c
2@0x1020#1  thread 2  0x1020 in work at app.c:10  (breakpoint 1)
> c
3  thread 1  0x1010 in main at app.c:2  (the end of the recording)
> rw
2@0x1020#1  thread 2  0x1020 in work at app.c:10  (breakpoint 1)
> rewind
0@0x1020#2  thread 1  0x1020 in work at app.c:10  (breakpoint 1)
> rw
0@0x1020#1  thread 1  0x1020 in work at app.c:10  (breakpoint 1)
> rw
0  thread 1  0x0  (the start of the recording)
",
    );
}

#[test]
fn hits_over_time() {
    check(
        "
> b work
set breakpoint 1: work
    /home/me/app+0x20 work app.c:10
> b app.c:2
set breakpoint 2: app.c:2
    /home/me/app+0x10 main app.c:2
> hits 1
1  0@0x1020#1  breakpoint 1  thread 1  0x1020 in work at app.c:10
2  0@0x1020#2  breakpoint 1  thread 1  0x1020 in work at app.c:10
3  2@0x1020#1  breakpoint 1  thread 2  0x1020 in work at app.c:10
3 hits
> goto hit 3
2@0x1020#1  thread 2  0x1020 in work at app.c:10  (reached)
> goto hit 2 2
1@0x1010#1  thread 1  0x1010 in main at app.c:2  (reached)
> goto hit 1
0@0x1010#1  thread 1  0x1010 in main at app.c:2  (reached)
> goto hit 3
error: there is no hit 3; there are 2
> goto hit 0
error: there is no hit 0; there are 2
> goto hit 9 1
error: there is no breakpoint 9
> assert $hits(1) + $hits(2) == 5
> hits
1  0@0x1020#1  breakpoint 1  thread 1  0x1020 in work at app.c:10
2  0@0x1010#1  breakpoint 2  thread 1  0x1010 in main at app.c:2
3  0@0x1020#2  breakpoint 1  thread 1  0x1020 in work at app.c:10
4  1@0x1010#1  breakpoint 2  thread 1  0x1010 in main at app.c:2
5  2@0x1020#1  breakpoint 1  thread 2  0x1020 in work at app.c:10
5 hits
> hits 2..3
2  0@0x1010#1  breakpoint 2  thread 1  0x1010 in main at app.c:2
3  0@0x1020#2  breakpoint 1  thread 1  0x1020 in work at app.c:10
5 hits, and not all are shown: hits 4..5 or hits --all shows more
> goto hit 4
1@0x1010#1  thread 1  0x1010 in main at app.c:2  (reached)
> hits 2 2..
2  1@0x1010#1  breakpoint 2  thread 1  0x1010 in main at app.c:2
2 hits
> hits 7..9
5 hits
> hits 0..9
error: hits are counted from 1; usage: hits [BREAKPOINT...] [--all | FROM..TO] [print EXPRESSION, ... [if CONDITION]] [-csv | -json]
> hits 5..4
error: 4 comes before 5; usage: hits [BREAKPOINT...] [--all | FROM..TO] [print EXPRESSION, ... [if CONDITION]] [-csv | -json]
> clear 2
cleared 2 at app.c:2
> goto hit 3
2@0x1020#1  thread 2  0x1020 in work at app.c:10  (reached)
",
    );
}

#[test]
fn breakpoints_that_share_a_place_are_all_hit() {
    check(
        "
> b *0x1020
set breakpoint 1: *0x1020
    0x1020
> b work
set breakpoint 2: work
    /home/me/app+0x20 work app.c:10
> b app.c:10
set breakpoint 3: app.c:10
    /home/me/app+0x20 work app.c:10
> c
0@0x1020#1  thread 1  0x1020 in work at app.c:10  (breakpoint 1,2,3)
> assert $hits(1) == 3 && $hits(2) == 3 && $hits(3) == 3
> clear 2 9
error: there is no breakpoint 9
> clear 2 1
cleared 2 at work
cleared 1 at *0x1020
> bp
breakpoint 3: app.c:10
    /home/me/app+0x20 work app.c:10
> clear all
cleared 3 at app.c:10
> breakpoints
no breakpoints
> hits
error: there are no breakpoints
",
    );
}

#[test]
fn breakpoints_say_when_they_stop() {
    check(
        "
> tbreak work thread 2 if $rax == 0
set breakpoint 1: work thread 2 if $rax == 0 (until it is hit)
    /home/me/app+0x20 work app.c:10
> b work
set breakpoint 2: work
    /home/me/app+0x20 work app.c:10
> cond -hitcount 2 % 3
set breakpoint 2: work (hit % 3)
    /home/me/app+0x20 work app.c:10
> c
2@0x1020#1  thread 2  0x1020 in work at app.c:10  (breakpoint 1,2)
> condition -per-thread-hitcount 2 ==2
set breakpoint 2: work (hit == 2 of each thread)
    /home/me/app+0x20 work app.c:10
> rev continue
0@0x1020#2  thread 1  0x1020 in work at app.c:10  (breakpoint 2)
> bp
breakpoint 2: work (hit == 2 of each thread)
    /home/me/app+0x20 work app.c:10
> cond -clear 2
set breakpoint 2: work
    /home/me/app+0x20 work app.c:10
> rev advance app.c:2
0@0x1010#1  thread 1  0x1010 in main at app.c:2  (reached)
> advance work
0@0x1020#2  thread 1  0x1020 in work at app.c:10  (breakpoint 2, reached)
> cond -hitcount 2 5
error: \"5\" is not a hit condition: write one of == != > >= < <= % and a number, such as % 100 for each hundredth hit
> cond -clear
error: \"\" is not a number; usage: condition BREAKPOINT [CONDITION] | -hitcount BREAKPOINT OP N | -per-thread-hitcount BREAKPOINT OP N | -clear BREAKPOINT
> cond -per-g-hitcount 2 == 1
error: goroutines are not counted apart, threads are: -per-thread-hitcount; usage: condition BREAKPOINT [CONDITION] | -hitcount BREAKPOINT OP N | -per-thread-hitcount BREAKPOINT OP N | -clear BREAKPOINT
> tbreak work thread x
error: \"x\" is not a number; usage: tbreak [NAME] FUNCTION | FILE:LINE | /REGEX/ | *ADDRESS [thread N] [if CONDITION]
",
    );
}

#[test]
fn what_is_caught_is_listed_with_breakpoints() {
    check(
        "
> b work
set breakpoint 1: work
    /home/me/app+0x20 work app.c:10
> catch output \"two words\\n\"
set breakpoint 2: catch output \"two words\\n\"
> bp
breakpoint 1: work
    /home/me/app+0x20 work app.c:10
breakpoint 2: catch output \"two words\\n\"
> clear 2
cleared 2 at catch output \"two words\\n\"
> catch syscall wirte
error: there is no system call \"wirte\": did you mean write?
> catch signal 11
error: there is nothing to catch: this recording has no SIGSEGV
> catch signal segf
error: \"segf\" is not a signal: write a name such as SEGV, or 1 to 64; usage: catch syscall [NAME] | signal [NAME] | fork | exec | exit | throw | output TEXT
> catch
error: what is to be caught is missing; usage: catch syscall [NAME] | signal [NAME] | fork | exec | exit | throw | output TEXT
> catch fork now
error: \"now\" is too much; usage: catch syscall [NAME] | signal [NAME] | fork | exec | exit | throw | output TEXT
> catch fire
error: \"fire\" cannot be caught; usage: catch syscall [NAME] | signal [NAME] | fork | exec | exit | throw | output TEXT
> catch output
error: there is nothing to catch: write the text that the output has, as in catch output error
> catch output \"a
error: the text ends within its quotes; usage: catch syscall [NAME] | signal [NAME] | fork | exec | exit | throw | output TEXT
",
    );
}

#[test]
fn the_system_comes_second() {
    check(
        "
> b puts
set breakpoint 1: puts
    /usr/lib/libc.so+0x10 puts lib.c:9
> b /^(main|work)$/
set breakpoint 2: /^(main|work)$/
    /home/me/app+0x0 main app.c:1
    /home/me/app+0x20 work app.c:10
> c
0@0x1000#1  thread 1  0x1000 in main at app.c:1  (breakpoint 2)
> b nothing
error: there is no function \"nothing\"
",
    );
}

#[test]
fn to_every_kind_of_moment() {
    check(
        "
> checkpoints
    0  event 0          0.000000 s
    1  event 1          0.001000 s
> goto checkpoint 1
1  thread 1  0x1020 in work at app.c:10  (reached)
> goto event 2
2  thread 2  0x0  (reached)
> goto end
3  thread 1  0x1010 in main at app.c:2  (the end of the recording)
> goto 0@0x1020#2
0@0x1020#2  thread 1  0x1020 in work at app.c:10  (reached)
> goto start
0  thread 1  0x0  (reached, the start of the recording)
> goto checkpoint 7
error: there is no checkpoint 7
> goto event 99
error: failed to seek to 99: there is no such moment
> goto nowhere else
error: \"nowhere else\" is not a moment; usage: goto hit [BREAKPOINT] N | event N | checkpoint N | output TEXT | time HH:MM:SS | SECONDSs | PERCENT% | failure | main | start | end | BOOKMARK | POSITION
",
    );
}

#[test]
fn interruption_and_divergence_leave_everything_as_it_was() {
    let mut fake = recording().build();
    fake.interrupt_after(2);
    let mut interrupted = console(fake);
    check_with(
        &mut interrupted,
        "
> c
error: failed to run: interrupted
> c
3  thread 1  0x1010 in main at app.c:2  (the end of the recording)
",
    );
    let mut diverging = console(recording().diverge_at(1).build());
    assert!(super::text(&mut diverging, "c").contains("diverges from the recording at event 1"));
    check_with(&mut diverging, "> assert $event == 0");
}

//! Clients that are no gdb: what gdb never does, or not in time.

use std::io::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use retake_testkit::{finish, fixture};

use super::client::{serve, thread_of};
use super::retake;

#[test]
fn an_interrupt_is_answered_at_once() {
    let retake = retake();
    let program = fixture::c("c/hot/computes.c", &["-O1"]);
    let (dir, _) = retake.record("recording", &[], &[program.as_os_str(), "4000000000".as_ref()]);
    let server = serve(&retake, &dir, &[]);
    let mut client = server.connect().greet();
    for _ in 0..3 {
        client.send("vCont;c");
        client.0.write_all(b"\x03").expect("it is there");
        let asked = Instant::now();
        let stop = client.receive();
        // Three times what is promised: the machine may be busy.
        assert!(asked.elapsed() < Duration::from_millis(900), "{:?}", asked.elapsed());
        assert!(stop.starts_with("T00thread:"), "{stop}");
    }
    // Whoever is gone is not waited for.
    client.send("vCont;c");
    drop(client);
    let gone = Instant::now();
    server.ends_well();
    assert!(gone.elapsed() < Duration::from_secs(3), "{:?}", gone.elapsed());
}

#[test]
fn delve_gets_what_it_needs() {
    let retake = retake();
    let (dir, _) =
        retake.record("recording", &[], &[fixture::c("c/watched.c", &["-no-pie", "-O0"])]);
    let server = serve(&retake, &dir, &[]);
    let mut client = server.connect().greet();
    let empty = [
        "QThreadSuffixSupported",
        "QListThreadsInStopReply",
        "qRegisterInfo0",
        "qThreadStopInfo1",
        "qProcessInfo",
        "_M100,rwx",
    ];
    for packet in empty {
        assert_eq!(client.ask(packet), "", "{packet}");
    }
    let description = client.ask("qXfer:features:read:target.xml:0,fff");
    assert!(
        description.starts_with("l<?xml") && description.contains("<xi:include"),
        "{description}"
    );
    let registers = client.ask("g");
    let segments = client.ask("qXfer:features:read:64bit-segments.xml:0,fff");
    assert!(segments.contains("fs_base") && registers.len() > 1000, "{segments}");
    assert!(client.ask("qXfer:auxv:read::0,fff").starts_with('l'));
    assert_eq!(client.ask("mfffffffffffffff8,8"), "E01");
    // Outside of a call nothing can be set.
    assert_eq!(client.ask("P7=0000000000000000"), "E01");
    assert!(client.ask("qXfer:siginfo:read::0,fff").starts_with('l'));
    assert_eq!(client.ask("P7=0000000000000000"), "OK");
    assert_ne!(client.ask("g"), registers);
    assert_eq!(client.ask("qXfer:siginfo:write::0:"), "OK");
    assert_eq!(client.ask("g"), registers);
    assert_eq!(client.ask("QPassSignals:"), "OK");
    let end = client.ask("vCont;c");
    assert!(end.starts_with("T09thread:"), "{end}");
    // It goes on after the end.
    assert_eq!(client.ask("Hcp-1.-1"), "OK");
    let start = client.ask("bc");
    assert!(start.contains("replaylog:begin;") && start.starts_with("T00"), "{start}");
    let when = client.ask("qRRCmd:when:-1");
    let step = client.ask(&format!("vCont;s:{}", thread_of(&start)));
    assert!(step.starts_with("T05thread:"), "{step}");
    assert_ne!(client.ask("qRRCmd:when:-1"), when);
    assert_eq!(client.ask("D"), "OK");
    server.ends_well();
}

#[test]
fn one_process_of_several() {
    let retake = retake();
    let (dir, _) = retake.record("recording", &[], &[fixture::c("c/fork_tree.c", &[])]);
    let info = retake.run(["info".as_ref(), dir.as_os_str()]).good().output();
    let (_, tasks) = info.split_once("TASK ").expect("a table");
    let row: Vec<&str> = tasks.lines().nth(2).expect("a child").split_whitespace().collect();
    let pid: i32 = row[2].parse().expect("a number");
    let server = serve(&retake, &dir, &["--process", row[2]]);
    let mut client = server.connect().greet();
    let its = format!("thread:p{pid:x}.{pid:x};");
    assert_eq!(client.ask("?"), format!("T05{its}"));
    let born = client.ask("qRRCmd:when:-1");
    assert_eq!(client.ask("vCont;c"), format!("T09{its}"), "its own end");
    assert_eq!(client.ask("qfThreadInfo"), format!("mp{pid:x}.{pid:x}"));
    assert_eq!(client.ask("vCont;c"), format!("T09{its}"));
    assert_eq!(client.ask("bc"), format!("T00{its}replaylog:begin;"), "its own beginning");
    assert_eq!(client.ask("qRRCmd:when:-1"), born);
    client.send("k");
    server.ends_well();
    let none = retake.run(["gdbserver".as_ref(), "--process=1".as_ref(), dir.as_os_str()]);
    assert!(none.code() == 1 && none.errors().contains(row[2]), "{}", none.errors());
}

/// Back over all of a recording to its first moments: it says how far it is, and takes no longer than the program did.
#[test]
fn a_long_run_says_how_far_it_is() {
    let retake = retake();
    let program = fixture::c("c/hot/minute.c", &["-O1", "-no-pie"]);
    // A hundred are a second; 6000 are what the name says.
    let rounds = std::env::var("RETAKE_MINUTE").unwrap_or("300".to_owned());
    let began = Instant::now();
    finish({
        let mut native = Command::new(&program);
        native.arg(&rounds);
        native
    });
    let native = began.elapsed();
    let (dir, recorded) = retake.record("recording", &[], &[program.as_os_str(), rounds.as_ref()]);
    let printed = recorded.output();
    let early = printed.split_whitespace().next().unwrap_or_default().trim_start_matches("0x");
    let server = serve(&retake, &dir, &[]);
    let mut client = server.connect().greet();
    // As gdb does, which shows text.
    assert_eq!(client.ask("vMustReplyEmpty"), "");
    let began = Instant::now();
    let mut end = client.ask("vCont;c");
    while end.starts_with('O') {
        end = client.receive();
    }
    let forwards = began.elapsed();
    assert!(end.starts_with("T09"), "{end}");
    assert_eq!(client.ask(&format!("Z0,{early},1")), "OK");
    let began = Instant::now();
    client.send("bc");
    let mut told = Vec::new();
    let stop = loop {
        let answer = client.receive();
        if !answer.starts_with('O') {
            break answer;
        }
        told.push((began.elapsed(), answer));
    };
    let back = began.elapsed();
    // With --nocapture: the figures.
    let told_times = told.len();
    let _ = writeln!(
        std::io::stderr(),
        "natively {native:?}, forwards {forwards:?}, back {back:?}, told {told_times} times"
    );
    assert!(stop.ends_with("swbreak:;"), "{stop}");
    if back > Duration::from_secs(2) {
        let (first, text) = told.first().expect("it says something");
        assert!(*first < Duration::from_secs(2), "{first:?}");
        // "retake: at event "
        assert!(text.starts_with("O726574616b653a206174206576656e7420"), "{text}");
    }
    // Two CPUs, and others on them: what is promised is once.
    assert!(back < native * 8 + Duration::from_secs(2), "{back:?} for {native:?}");
    client.send("k");
    server.ends_well();
}

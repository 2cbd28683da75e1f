use proptest::prelude::*;
use retake_model::Tid;

use super::*;

fn one(process: i32, thread: i32) -> ThreadRef {
    ThreadRef { process: Which::One(Tid::new(process)), thread: Which::One(Tid::new(thread)) }
}

fn addr(raw: u64) -> Addr {
    Addr::new(raw)
}

#[test]
fn what_gdb_and_delve_send() {
    let all: [(&str, Request); 24] = [
        (
            "Hgp0.0",
            Request::SetThread(
                ThreadUse::Look,
                ThreadRef { process: Which::Any, thread: Which::Any },
            ),
        ),
        (
            "Hcp-1.-1",
            Request::SetThread(
                ThreadUse::Move,
                ThreadRef { process: Which::All, thread: Which::All },
            ),
        ),
        ("Hgp1f.2a", Request::SetThread(ThreadUse::Look, one(0x1f, 0x2a))),
        ("m7fff0000,40", Request::Memory(addr(0x7fff_0000), 0x40)),
        ("mfffffffffffffff8,8", Request::Memory(addr(u64::MAX - 7), 8)),
        ("X1000,0:", Request::SetMemory(addr(0x1000), vec![])),
        ("X1000,2:#a", Request::SetMemory(addr(0x1000), b"#a".to_vec())),
        ("M1000,2:0a0b", Request::SetMemory(addr(0x1000), vec![10, 11])),
        ("X1000,3:#a", Request::Malformed),
        ("qXfer:siginfo:write::0:", Request::SetSignal),
        ("P39=ffffffffffffffff", Request::SetRegister(57, vec![0xff; 8])),
        ("vCont;c", Request::Resume(Resume::Continue)),
        ("vCont;C17:p1.2;c", Request::Resume(Resume::Continue)),
        ("vCont;s:p1.2;c:p1.-1", Request::Resume(Resume::Step(Some(one(1, 2))))),
        ("vCont;S0b:p1.2", Request::Resume(Resume::Step(Some(one(1, 2))))),
        ("vCont?", Request::CanResume),
        ("vRun;", Request::Run(String::new())),
        ("vRun;;6331", Request::Run("c1".to_owned())),
        ("vRun;2f62696e;313030;6f", Request::Run("100".to_owned())),
        ("D;1f", Request::Detach),
        ("vKill;1f", Request::KillProcess),
        ("QPassSignals:e;14", Request::PassSignals(vec![14, 20])),
        ("QPassSignals:", Request::PassSignals(vec![])),
        ("qSearch:memory:10;20;a}\x03", Request::Search(addr(0x10), 0x20, vec![b'a', b'#'])),
    ];
    for (text, expected) in all {
        assert_eq!(parse(text.as_bytes()), expected, "{text}");
    }
}

#[test]
fn points_and_their_conditions() {
    let point = |text: &str| match parse(text.as_bytes()) {
        Request::Insert(point) => point,
        other => panic!("{text}: {other:?}"),
    };
    let watch = point("Z2,601040,8");
    assert_eq!((watch.kind, watch.addr, watch.len), (PointKind::Write, addr(0x60_1040), 8));
    let site = point("Z0,401136,1;X3,260027X1,27");
    assert_eq!(site.conditions, [vec![0x26, 0, 0x27], vec![0x27]]);
    assert_eq!(parse(b"Z0,401136,1;X3,2600"), Request::Malformed);
    assert_eq!(parse(b"Z9,401136,1"), Request::Malformed);
}

#[test]
fn commands_of_rr_in_both_forms() {
    let command = |text: &str| match parse(text.as_bytes()) {
        Request::Rr(RrCommand { name, arguments, .. }) => (name, arguments),
        other => panic!("{text}: {other:?}"),
    };
    let none = Vec::<String>::new();
    assert_eq!(command("qRRCmd:when:-1"), ("when".to_owned(), none.clone()));
    assert_eq!(
        command("qRRCmd:info checkpoints:-1"),
        ("info checkpoints".to_owned(), none.clone())
    );
    assert_eq!(
        command("qRRCmd:checkpoint:12:6869"),
        ("checkpoint".to_owned(), vec!["hi".to_owned()])
    );
    assert_eq!(command("qRRCmd:7768656e"), ("when".to_owned(), none));
    let old = command("qRRCmd:64656c65746520636865636b706f696e74:31");
    assert_eq!(old, ("delete checkpoint".to_owned(), vec!["1".to_owned()]));
}

#[test]
fn transfers_and_files() {
    let transfer = Transfer {
        object: Object::Features,
        annex: "target.xml".to_owned(),
        offset: 0x10,
        len: 0xfff,
    };
    assert_eq!(parse(b"qXfer:features:read:target.xml:10,fff"), Request::Transfer(transfer));
    assert_eq!(parse(b"qXfer:auxv:write::0:"), Request::Unknown);
    assert_eq!(parse(b"vFile:open:2f61,0,0"), Request::File(FileRequest::Open(b"/a".to_vec())));
    assert_eq!(parse(b"vFile:pread:1,4000,0"), Request::File(FileRequest::Read(1, 0x4000, 0)));
    assert_eq!(parse(b"vFile:unlink:2f61"), Request::File(FileRequest::Other));
}

#[test]
fn what_is_not_known_is_not_supported() {
    for text in ["qThreadStopInfo1", "_M100,rwx", "x0,0", "QThreadSuffixSupported", "jfoo", "R00"] {
        assert_eq!(parse(text.as_bytes()), Request::Unknown, "{text}");
    }
    for text in ["m10", "Z0", "p", "Hg", "T", "vCont;r1,2", "qXfer:features:read:a:b"] {
        assert_eq!(parse(text.as_bytes()), Request::Malformed, "{text}");
    }
}

proptest! {
    #[test]
    fn random_bytes_are_some_request(bytes: Vec<u8>) {
        let _ = parse(&bytes);
    }

    #[test]
    fn random_arguments_are_some_request(
        start in "(q[A-Za-z]{0,9}|v[A-Za-z]{1,5}|Z[0-4]|z|m|M|X|H[gc]|T|P|p)",
        rest in "[;:,=.p0-9a-f-]{0,24}",
    ) {
        let _ = parse(format!("{start}{rest}").as_bytes());
    }
}

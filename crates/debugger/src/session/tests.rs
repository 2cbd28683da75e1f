use std::fs;

use retake_model::{Addr, EventIndex, Position, TaskId};
use tempfile::TempDir;

use super::{Begun, SavedState, Session, SessionError};
use crate::breakpoint::{Breakpoints, Draft, Lifetime, Place};
use crate::{Answer, Location, Request};

fn state(event: u64) -> SavedState {
    let mut breakpoints = Breakpoints::default();
    for n in 0..event {
        let location: Location = format!("*{n}").parse().unwrap();
        breakpoints.add(Draft {
            name: None,
            location,
            places: vec![Place::Absolute(Addr::new(n))],
            condition: None,
            judged: Vec::new(),
            thread: None,
            lifetime: Lifetime::UntilCleared,
        });
    }
    SavedState {
        position: Position::at_event(EventIndex::new(event)),
        task: TaskId::new(1),
        selected: None,
        goroutine: None,
        frame: 0,
        displays: crate::displays::Displays::default(),
        bookmarks: crate::bookmarks::Bookmarks::default(),
        sources: crate::sources::Sources::default(),
        settings: crate::settings::Settings::default(),
        breakpoints,
        watches: crate::watches::Watches::default(),
        hits_of: Vec::new(),
    }
}

fn begin(session: &mut Session, line: &str) -> Begun {
    session.begin(&Request::When, Some(line)).unwrap()
}

fn run(session: &mut Session, n: u64) {
    let begun = begin(session, &format!("command {n}"));
    session.end(begun, &state(n), &Ok(Answer::Holds)).unwrap();
}

#[test]
fn a_resumed_session_is_where_it_was() {
    let folder = TempDir::new().unwrap();
    let mut session = Session::create(folder.path()).unwrap();
    (1..=3).for_each(|n| run(&mut session, n));
    let _ = begin(&mut session, "killed");
    let chain = session.chain().to_owned();
    drop(session);

    let (mut session, resumed) = Session::resume(folder.path()).unwrap();
    assert_eq!(resumed.state, Some(state(3)));
    assert_eq!((resumed.completed, &resumed.interrupted[..]), (3, &["killed".to_owned()][..]));
    assert_eq!(session.chain(), chain);
    run(&mut session, 4);
    drop(session);

    let (session, resumed) = Session::resume(folder.path()).unwrap();
    assert_eq!((resumed.state, resumed.interrupted), (Some(state(4)), vec![]));
    assert_ne!(session.chain(), chain);
}

/// A journal of version 1, written over the recording of `crate::tests`; it ends within a command.
pub(super) const OF_VERSION_1: &str = include_str!("version-1.journal");

/// One of version 2, of a real program.
pub(super) const OF_VERSION_2: &str = include_str!("version-2.journal");

#[test]
fn sessions_of_version_2_are_read() {
    let folder = TempDir::new().unwrap();
    fs::create_dir_all(folder.path().join("sessions/1")).unwrap();
    fs::write(folder.path().join("sessions/1/journal"), OF_VERSION_2).unwrap();
    let (session, resumed) = Session::resume(folder.path()).unwrap();
    let state = resumed.state.unwrap();
    assert_eq!((resumed.completed, resumed.interrupted), (23, vec![]));
    assert_eq!((state.position.to_string().as_str(), state.task), ("4", TaskId::new(0)));
    assert_eq!(state.breakpoints.all().len(), 2);
    assert!(resumed.done.iter().all(|done| done.begin.request().is_some()));
    let text = OF_VERSION_2.lines().last().unwrap();
    assert!(text.contains(session.chain()), "{text}");
}

/// In a stranger's recording anything may have the journal's name, also what has no end.
#[test]
fn a_journal_that_is_no_file_is_refused() {
    let folder = TempDir::new().unwrap();
    fs::create_dir_all(folder.path().join("sessions/1")).unwrap();
    std::os::unix::fs::symlink("/dev/null", folder.path().join("sessions/1/journal")).unwrap();
    let error = Session::resume(folder.path()).unwrap_err();
    assert!(error.to_string().contains("no regular file"), "{error}");
}

#[test]
fn sessions_of_version_1_are_read_and_resumed() {
    let folder = TempDir::new().unwrap();
    let journal = folder.path().join("sessions/1/journal");
    fs::create_dir_all(journal.parent().unwrap()).unwrap();
    fs::write(&journal, OF_VERSION_1).unwrap();
    let (mut session, resumed) = Session::resume(folder.path()).unwrap();
    let old = resumed.state.unwrap();
    assert_eq!(old.position.to_string(), "2@0x1020#1");
    assert_eq!(old.task, TaskId::new(2));
    let locations: Vec<String> =
        old.breakpoints.all().iter().map(|breakpoint| breakpoint.location.to_string()).collect();
    assert_eq!(locations, ["work", "app.c:2", "/^ma/", "*0x1010"]);
    assert_eq!((resumed.completed, &resumed.interrupted[..]), (12, &["thread 1".to_owned()][..]));
    assert_eq!(session.chain(), "fefb2e296a55e6dd63067f5f9ef80f0e");
    run(&mut session, 4);
    let chain = session.chain().to_owned();
    drop(session);

    // What was added is of version 2, and says so once.
    for _ in 0..2 {
        let (session, resumed) = Session::resume(folder.path()).unwrap();
        assert_eq!((resumed.completed, resumed.interrupted), (13, vec![]));
        assert_eq!(resumed.state, Some(state(4)));
        assert_eq!(session.chain(), chain);
    }
    let text = fs::read_to_string(&journal).unwrap();
    assert!(text.starts_with(OF_VERSION_1));
    assert_eq!(text.matches(r#""kind":"open","version":2"#).count(), 1, "{text}");
}

#[test]
fn a_script_of_version_1_that_was_cut_short_keeps_its_finished_commands() {
    let folder = TempDir::new().unwrap();
    let journal = folder.path().join("sessions/1/journal");
    fs::create_dir_all(journal.parent().unwrap()).unwrap();
    let end_of_source = OF_VERSION_1
        .split_inclusive('\n')
        .position(|line| line.contains(r#""kind":"end","seq":7"#));
    let before: String = OF_VERSION_1.split_inclusive('\n').take(end_of_source.unwrap()).collect();
    fs::write(&journal, before).unwrap();
    let resumed = Session::resume(folder.path()).unwrap().1;
    assert_eq!(resumed.interrupted.len(), 1);
    assert!(resumed.interrupted[0].starts_with("source "), "{:?}", resumed.interrupted);
    assert_eq!(resumed.state.unwrap().hits_of, [crate::BreakpointId::new(1)]);
}

#[test]
fn requests_of_a_later_version_cost_nothing() {
    let folder = TempDir::new().unwrap();
    let mut session = Session::create(folder.path()).unwrap();
    run(&mut session, 1);
    drop(session);
    let record = super::record::Begin {
        seq: 2,
        command: "divine".to_owned(),
        request: Some(serde_json::json!({ "divine": { "depth": 9 } })),
    };
    assert_eq!(record.request(), None);
    let journal = folder.path().join("sessions/1/journal");
    let mut text = fs::read_to_string(&journal).unwrap();
    text.push_str(&super::record::Record::Begin(record).to_line().unwrap());
    fs::write(&journal, text).unwrap();
    let resumed = Session::resume(folder.path()).unwrap().1;
    assert_eq!((resumed.state, resumed.interrupted), (Some(state(1)), vec!["divine".to_owned()]));
}

#[test]
fn a_journal_cut_at_any_byte_gives_the_last_whole_command() {
    let folder = TempDir::new().unwrap();
    let mut session = Session::create(folder.path()).unwrap();
    let journal = folder.path().join("sessions/1/journal");
    // After how many bytes which state is the last one, and which command is open.
    let len = || fs::metadata(&journal).unwrap().len();
    let mut marks = vec![(0, None, None)];
    for n in 1..=4 {
        let command = format!("command {n}");
        let begun = begin(&mut session, &command);
        marks.push((len(), (n > 1).then(|| n - 1), Some(command)));
        session.end(begun, &state(n), &Ok(Answer::Holds)).unwrap();
        marks.push((len(), Some(n), None));
    }
    drop(session);
    let bytes = fs::read(&journal).unwrap();
    for cut in 0..=bytes.len() {
        fs::write(&journal, &bytes[..cut]).unwrap();
        let (mut session, resumed) = Session::resume(folder.path()).unwrap();
        let (_, last, open) = marks.iter().rfind(|mark| mark.0 <= cut as u64).unwrap();
        assert_eq!(resumed.state, last.map(state), "cut at {cut}");
        assert_eq!(resumed.interrupted, Vec::from_iter(open.clone()), "cut at {cut}");
        run(&mut session, 9);
        drop(session);
        assert_eq!(Session::resume(folder.path()).unwrap().1.state, Some(state(9)), "cut at {cut}");
    }
}

#[test]
fn two_debuggers_do_not_share_a_session() {
    let folder = TempDir::new().unwrap();
    let first = Session::create(folder.path()).unwrap();
    let err = Session::resume(folder.path()).unwrap_err();
    assert!(
        matches!(&err, SessionError::InUse { pid: Some(pid), .. } if *pid == std::process::id())
    );
    assert_eq!(Session::create(folder.path()).unwrap().name(), "2");
    drop(first);
}

#[test]
fn damage_before_the_end_is_refused() {
    let folder = TempDir::new().unwrap();
    assert!(matches!(Session::resume(folder.path()), Err(SessionError::None(_))));
    let mut session = Session::create(folder.path()).unwrap();
    (1..=2).for_each(|n| run(&mut session, n));
    drop(session);
    let journal = folder.path().join("sessions/1/journal");
    let text = fs::read_to_string(&journal).unwrap();
    fs::write(&journal, text.replacen("command 1", "command 7", 1)).unwrap();
    let err = Session::resume(folder.path()).unwrap_err();
    assert!(matches!(err, SessionError::Damaged { line: 2, .. }), "{err}");
    let other = text.replacen("command 1", "command 7", 1).replace('\n', " ");
    fs::write(&journal, other).unwrap();
    assert_eq!(Session::resume(folder.path()).unwrap().1.state, None);
}

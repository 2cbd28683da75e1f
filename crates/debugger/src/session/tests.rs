use std::fs;

use retake_model::TaskId;
use tempfile::TempDir;

use super::{SavedState, Session, SessionError};
use crate::breakpoint::{Breakpoints, Place};

fn state(event: u64) -> SavedState {
    let mut breakpoints = Breakpoints::default();
    for n in 0..event {
        breakpoints.add(&format!("*{n}"), vec![Place::Absolute(retake_model::Addr::new(n))]);
    }
    SavedState {
        position: event.to_string(),
        task: TaskId::new(1),
        selected: None,
        breakpoints,
        hits_of: Vec::new(),
    }
}

fn run(session: &mut Session, n: u64) {
    let begun = session.begin(&format!("command {n}")).unwrap();
    session.end(begun, &state(n), "output").unwrap();
}

#[test]
fn a_resumed_session_is_where_it_was() {
    let folder = TempDir::new().unwrap();
    let mut session = Session::create(folder.path()).unwrap();
    (1..=3).for_each(|n| run(&mut session, n));
    let _ = session.begin("killed").unwrap();
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

#[test]
fn a_script_that_was_cut_short_keeps_its_finished_commands() {
    let folder = TempDir::new().unwrap();
    let mut session = Session::create(folder.path()).unwrap();
    let _source = session.begin("source x").unwrap();
    run(&mut session, 1);
    drop(session);
    let resumed = Session::resume(folder.path()).unwrap().1;
    assert_eq!((resumed.state, resumed.interrupted), (Some(state(1)), vec!["source x".to_owned()]));
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
        let begun = session.begin(&command).unwrap();
        marks.push((len(), (n > 1).then(|| n - 1), Some(command)));
        session.end(begun, &state(n), "output").unwrap();
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

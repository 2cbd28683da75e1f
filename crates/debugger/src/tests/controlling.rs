use std::sync::{Arc, Mutex};

use retake_execution::{Direction, ErrorKind};

use super::{ask, break_at, debugger};
use crate::{Answer, Chosen, DebugError, PageRequest, Progress, Request};

const FORWARD: Request = Request::Run { direction: Direction::Forward };

#[test]
fn a_cancelled_request_changes_nothing_and_the_next_one_runs() {
    let mut debugger = debugger();
    let before = debugger.state();
    let control = debugger.control();
    control.cancel();
    assert!(control.is_cancelled());
    match debugger.run(&FORWARD, &control).unwrap_err() {
        DebugError::Execution(err) => assert!(matches!(err.kind(), ErrorKind::Interrupted)),
        other => panic!("{other}"),
    }
    assert_eq!(debugger.state(), before);
    // What came too late for a request is not held against the next one.
    debugger.control().cancel();
    assert!(matches!(ask(&mut debugger, &FORWARD), Ok(Answer::Stop(_))));
}

#[test]
fn a_search_says_how_far_it_is() {
    let mut debugger = debugger();
    ask(&mut debugger, &break_at("work")).unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = {
        let seen = Arc::clone(&seen);
        Arc::new(move |progress: &Progress| {
            seen.lock().unwrap().push((progress.event.get(), progress.events.get(), progress.hits));
        })
    };
    let control = debugger.control().with_progress(sink);
    let hits = Request::Hits { of: Chosen::All, page: PageRequest::default() };
    debugger.run(&hits, &control).unwrap();
    assert_eq!(*seen.lock().unwrap(), [(0, 3, 1), (0, 3, 2), (2, 3, 3)]);
}

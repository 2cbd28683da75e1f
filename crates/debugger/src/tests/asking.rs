use retake_execution::Direction;
use retake_model::{Addr, EventIndex, FileId, FileOffset, RegisterName, TaskId};

use super::{ask, break_at, debugger, location};
use crate::{
    Answer, BreakpointId, Chosen, DebugError, MemoryRange, Moment, PageRequest, Place, Request,
    StopReason,
};

const FIRST: BreakpointId = BreakpointId::new(1);

fn hits(from: usize, limit: Option<usize>) -> Request {
    Request::Hits { of: Chosen::All, page: PageRequest { from, limit } }
}

#[test]
fn places_and_stops_are_data() {
    let mut debugger = debugger();
    let Answer::Set(set) = ask(&mut debugger, &break_at("work")).unwrap() else { panic!() };
    assert_eq!((set.id, &set.location), (FIRST, &location("work")));
    let [place] = &set.places[..] else { panic!("{set:?}") };
    let (file, offset) = (FileId::new(0), FileOffset::new(0x20));
    assert_eq!(place.at, Place::Code { file, offset });
    assert_eq!(place.path.as_deref(), Some("/home/me/app"));
    assert_eq!(place.source.as_ref().map(|source| source.line), Some(10));

    let forward = Request::Run { direction: Direction::Forward };
    let Answer::Stop(stop) = ask(&mut debugger, &forward).unwrap() else { panic!() };
    assert_eq!(stop.position, debugger.execution().position());
    assert_eq!(
        (&stop.reasons[..], &stop.breakpoints[..]),
        (&[StopReason::Breakpoint][..], &[FIRST][..])
    );
    assert_eq!((stop.task, stop.place.pc), (TaskId::new(1), Addr::new(0x1020)));
    let back = Request::Run { direction: Direction::Backward };
    let Answer::Stop(stop) = ask(&mut debugger, &back).unwrap() else { panic!() };
    assert_eq!(stop.reasons, [StopReason::Start]);
}

#[test]
fn lists_of_hits_come_in_pages() {
    let mut debugger = debugger();
    assert!(matches!(ask(&mut debugger, &hits(0, None)), Err(DebugError::NotFound(_))));
    ask(&mut debugger, &break_at("work")).unwrap();
    let mut page = |from, limit| match ask(&mut debugger, &hits(from, limit)).unwrap() {
        Answer::Hits(page) => {
            let numbers: Vec<usize> = page.items.iter().map(|hit| hit.n).collect();
            (page.from, page.total, numbers)
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(page(0, None), (0, 3, vec![1, 2, 3]));
    assert_eq!(page(1, Some(1)), (1, 3, vec![2]));
    assert_eq!(page(2, Some(9)), (2, 3, vec![3]));
    assert_eq!(page(7, None), (7, 3, vec![]));
    let moment = Moment::Hit { breakpoint: Some(FIRST), n: 3 };
    ask(&mut debugger, &Request::Seek(moment)).unwrap();
    assert_eq!(debugger.execution().position().event(), EventIndex::new(2));
    let other = Request::Hits {
        of: Chosen::These(vec![FIRST, BreakpointId::new(9)]),
        page: PageRequest::default(),
    };
    assert!(matches!(ask(&mut debugger, &other), Err(DebugError::NotFound(_))));
}

#[test]
fn registers_memory_and_values_are_numbers() {
    let mut debugger = debugger();
    ask(&mut debugger, &Request::Seek(Moment::Event(EventIndex::new(1)))).unwrap();
    let registers = Request::Registers { names: vec![RegisterName::Rsp] };
    let Answer::Registers(all) = ask(&mut debugger, &registers).unwrap() else { panic!() };
    assert_eq!((all[0].name, all[0].value), (RegisterName::Rsp, 0x8000));
    let range = MemoryRange { addr: "$rsp + 8".parse().unwrap(), len: 4 };
    let Answer::Memory(memory) = ask(&mut debugger, &Request::Memory(range)).unwrap() else {
        panic!()
    };
    assert_eq!((memory.addr, &memory.bytes[..]), (Addr::new(0x8008), &[0x2a, 0, 0, 1][..]));
    let value = Request::Evaluate("*(u32)($rsp+8) - 0x01000000".parse().unwrap());
    assert_eq!(ask(&mut debugger, &value).unwrap(), Answer::Value(42));
    let huge = MemoryRange { addr: "$rsp".parse().unwrap(), len: usize::MAX };
    assert!(ask(&mut debugger, &Request::Memory(huge)).is_err());
    let wrong = Request::Assert("$event == 7".parse().unwrap());
    match ask(&mut debugger, &wrong).unwrap_err() {
        DebugError::Assertion { sides, .. } => assert_eq!(sides, Some((1, 7))),
        other => panic!("{other}"),
    }
}

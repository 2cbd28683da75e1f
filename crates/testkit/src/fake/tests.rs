use std::ops::ControlFlow;

use retake_execution::{
    Direction, Execution, RunPlan, Site, SiteId, SiteTarget, State, Stop, StopReason,
};
use retake_model::{Addr, FileId, FileOffset, Position, RegisterName, TaskId};

use super::{FakeBuilder, FakeExecution};

fn fake() -> FakeBuilder {
    FakeBuilder::new()
        .file("/bin/app", vec![0x90; 64])
        .map_code(1, 0x1000, 0x1000, 0, 0)
        .map_data(1, 0x8000, 0x1000)
        .steps(&[0x1000, 0x1010, 0x1000])
        .event(1, "write(1)")
        .set(RegisterName::Rax, 7)
        .write(0x8000, [1, 2])
        .steps(&[0x1010, 0x1020])
}

fn code(offset: u64) -> Site {
    let (file, offset) = (FileId::new(0), FileOffset::new(offset));
    Site::new(SiteId::new(9), SiteTarget::Code { file, offset })
}

fn stop(fake: &mut FakeExecution, direction: Direction) -> Stop {
    fake.run(&RunPlan::to_sites(direction, &[code(0x10)]), None).unwrap()
}

fn run(fake: &mut FakeExecution, direction: Direction) -> String {
    stop(fake, direction).position.to_string()
}

#[test]
fn runs_both_ways_to_the_same_hits() {
    let mut fake = fake().build();
    assert_eq!(run(&mut fake, Direction::Forward), "0@0x1010#1");
    assert_eq!(run(&mut fake, Direction::Forward), "1@0x1010#1");
    assert_eq!(stop(&mut fake, Direction::Forward).reasons, [StopReason::End]);
    assert_eq!(run(&mut fake, Direction::Backward), "1@0x1010#1");
    assert_eq!(run(&mut fake, Direction::Backward), "0@0x1010#1");
    assert_eq!(stop(&mut fake, Direction::Backward).reasons, [StopReason::Start]);
}

#[test]
fn hits_leave_position_and_sites_alone() {
    let mut fake = fake().build();
    fake.seek("0@0x1000#2".parse().unwrap()).unwrap();
    let mut seen = Vec::new();
    let absolute = Site::new(SiteId::new(1), SiteTarget::Absolute(Addr::new(0x1000)));
    fake.hits(&[absolute], 0, &mut |hit, _| {
        seen.push(hit.position.to_string());
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(seen, ["0@0x1000#1", "0@0x1000#2"]);
    assert_eq!(fake.position().to_string(), "0@0x1000#2");
    assert!(fake.sites().is_empty());
}

#[test]
fn state_belongs_to_its_moment() {
    let mut fake = fake().build();
    let mut bytes = [9; 2];
    let task = TaskId::new(1);
    fake.read_memory(task, Addr::new(0x8000), &mut bytes).unwrap();
    assert_eq!((bytes, fake.registers(task).unwrap().rax), ([0, 0], 0));
    fake.seek(Position::at_event(fake.event_count())).unwrap();
    fake.read_memory(task, Addr::new(0x8000), &mut bytes).unwrap();
    assert_eq!((bytes, fake.registers(task).unwrap().rax), ([1, 2], 7));
    assert!(fake.read_memory(task, Addr::new(0x8fff), &mut bytes).is_err());
}

#[test]
fn divergence_and_interruption_keep_the_position() {
    let mut diverging = fake().diverge_at(0).build();
    let plan = RunPlan::to_sites(Direction::Forward, &[]);
    assert!(diverging.run(&plan, None).unwrap_err().divergence().is_some());
    assert_eq!(diverging.position(), Position::START);

    let mut fake = fake().build();
    fake.interrupt_after(2);
    assert!(fake.run(&plan, None).is_err());
    assert_eq!(fake.position(), Position::START);
    assert!(fake.run(&plan, None).is_ok());
    assert!(fake.seek("5".parse().unwrap()).is_err());
}

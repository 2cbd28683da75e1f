//! The state at a moment: tasks, registers, memory up to where it ends, mappings, files; and a copy to change.

use retake_execution::{ErrorKind, ExecutionError};
use retake_model::{Addr, FileId, Protection, TaskId};

use super::subject::{at_visit, both, number, value};

const NOBODY: TaskId = TaskId::new(4711);

#[track_caller]
fn not_found<T: std::fmt::Debug>(result: Result<T, ExecutionError>) -> String {
    let err = result.expect_err("nothing is there");
    assert!(matches!(err.kind(), ErrorKind::NotFound(_)), "{err}");
    err.to_string()
}

#[test]
fn reads_say_where_memory_ends() {
    both(|x, facts| {
        at_visit(x, facts, 3);
        let task = x.current_task();
        let read = |at: u64, len: usize| {
            let mut bytes = vec![0xa5; len];
            let got = x.read_some(task, Addr::new(at), &mut bytes).expect("a living task");
            assert!(
                bytes[got..].iter().all(|byte| *byte == 0xa5),
                "what is not there is not filled"
            );
            got
        };
        let page = facts.page.get();
        assert_eq!(read(page, 4096), 4096);
        assert_eq!(read(page + 4090, 16), 6);
        assert_eq!(read(page + 4096, 16), 0);
        assert_eq!(read(page, 0), 0);
        assert_eq!(read(0x10, 1), 0);
        assert_eq!(read(u64::MAX - 3, 16), 0);
        let mut bytes = [0; 16];
        let err = not_found(x.read_memory(task, Addr::new(page + 4090), &mut bytes));
        assert!(err.contains(&format!("{:#x}", page + 4096)), "{err}");
        assert_eq!(value(x, facts.word), 2);
    });
}

#[test]
fn who_does_not_live_has_no_state() {
    both(|x, facts| {
        at_visit(x, facts, 3);
        not_found(x.registers(NOBODY));
        not_found(x.program_registers(NOBODY));
        not_found(x.vector_registers(NOBODY));
        not_found(x.mappings(NOBODY));
        not_found(x.read_some(NOBODY, facts.word, &mut [0; 8]));
        assert_eq!(number(x), 3);
    });
}

#[test]
fn tasks_have_registers_and_memory() {
    both(|x, facts| {
        at_visit(x, facts, 3);
        let tasks = x.tasks();
        assert!(tasks.is_sorted_by_key(|one| one.task) && !tasks.is_empty(), "{tasks:?}");
        assert!(tasks.iter().any(|one| one.task == x.current_task()));
        let all = x.all_tasks().expect("all tasks");
        assert!(all.is_sorted() && tasks.iter().all(|one| all.contains(&one.task)), "{all:?}");
        for one in &tasks {
            assert!(x.registers(one.task).expect("it lives").rip != 0);
            assert!(x.vector_registers(one.task).expect("it lives").as_bytes().len() >= 512);
            let mappings = x.mappings(one.task).expect("it lives");
            assert!(
                mappings.windows(2).all(|pair| { pair[0].range.end() <= pair[1].range.start() })
            );
            let of = |at: Addr| mappings.iter().find(|mapping| mapping.range.contains(at));
            let code = of(facts.visit).expect("code is mapped");
            assert!(code.prot.allows(Protection::EXEC));
            let data = of(facts.word).expect("data is mapped");
            assert!(data.prot.allows(Protection::WRITE) && !data.prot.allows(Protection::EXEC));
            assert_eq!(of(Addr::new(0x10)), None);
        }
        assert_eq!(x.registers(x.current_task()).expect("it lives").pc(), facts.visit);
    });
}

#[test]
fn mapped_files_have_their_bytes() {
    both(|x, _| {
        let files = x.files();
        assert!(files.iter().any(|file| file.path.ends_with("contract")), "{files:?}");
        for file in &files {
            let bytes = x.file_bytes(file.file).expect("its bytes");
            assert!(!(*bytes).as_ref().is_empty(), "{file:?}");
        }
        assert!(x.file_bytes(FileId::new(4_000_000)).is_err());
    });
}

#[test]
fn a_copy_begins_as_the_moment_is_and_leaves_it_alone() {
    both(|x, facts| {
        let here = at_visit(x, facts, 9);
        let task = x.current_task();
        let registers = x.registers(task).expect("it lives");
        let mut copy = x.divert().expect("a copy");
        assert_eq!((copy.position(), copy.current_task()), (here, task));
        assert_eq!(copy.registers(task).expect("it lives"), registers);
        let read = |copy: &dyn retake_execution::Diversion| {
            let mut bytes = [0; 8];
            copy.read_memory(task, facts.word, &mut bytes).expect("mapped");
            u64::from_le_bytes(bytes)
        };
        assert_eq!(read(copy.as_ref()), 8);
        copy.write_memory(task, facts.word, &1_000_u64.to_le_bytes()).expect("written");
        assert_eq!(read(copy.as_ref()), 1000);
        copy.write_memory(task, Addr::new(facts.word.get() + 1), &[0]).expect("written");
        assert_eq!(read(copy.as_ref()), 1000 & 0xff);
        let mut changed = registers;
        changed.rdi = 4;
        copy.set_registers(task, &changed).expect("set");
        assert_eq!(copy.registers(task).expect("it lives"), changed);
        not_found(copy.registers(NOBODY));
        assert!(copy.set_registers(NOBODY, &changed).is_err());
        assert!(copy.write_memory(NOBODY, facts.word, &[0]).is_err());
        assert!(copy.write_memory(task, Addr::new(0x10), &[0]).is_err());
        drop(copy);
        assert_eq!((x.position(), number(x), value(x, facts.word)), (here, 9, 8));
        assert_eq!(x.registers(task).expect("it lives"), registers);
    });
}

use std::collections::BTreeSet;

use retake_model::SyscallNo;

use crate::calls::FAMILIES;
use crate::commands::{fcntl, futex, ioctl, ipc, madvise, prctl, system};
use crate::{Arg, Blocks, Class, Count, Output, Size, nr};

#[test]
fn every_number_has_exactly_one_row() {
    let mut rows: Vec<SyscallNo> = FAMILIES.iter().flat_map(|f| f.iter()).map(|r| r.no).collect();
    rows.sort_unstable();
    let numbers: Vec<SyscallNo> = nr::ALL.iter().map(|(no, _)| *no).collect();
    assert_eq!(rows, numbers);
    let expected: Vec<SyscallNo> = (0..=336).chain(424..=470).map(SyscallNo::new).collect();
    assert_eq!(numbers, expected);
}

#[test]
fn names_are_those_of_the_numbers() {
    for (no, name) in nr::ALL {
        assert_eq!(crate::lookup(*no).unwrap().name, *name);
    }
    assert_eq!(crate::all().count(), nr::ALL.len());
}

/// Reads the header of this machine, if it has one.
#[test]
fn names_match_the_kernel_header() {
    let Ok(header) = std::fs::read_to_string("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
    else {
        return;
    };
    let mut seen = 0;
    for line in header.lines() {
        let Some((name, number)) =
            line.strip_prefix("#define __NR_").and_then(|l| l.split_once(' '))
        else {
            continue;
        };
        let no = SyscallNo::new(number.trim().parse().unwrap());
        if let Some(row) = crate::lookup(no) {
            assert_eq!(row.name, name);
            seen += 1;
        }
    }
    assert!(seen > 300, "{seen}");
}

/// Every argument index in a size.
fn used(size: Size) -> Vec<u8> {
    match size {
        Size::Fixed(_) | Size::Msghdr | Size::Special(_) => vec![],
        Size::FixedUnlessNull { arg, .. }
        | Size::FixedIfFlag { arg, .. }
        | Size::ArgTimes { arg, .. }
        | Size::ArgBytes(arg)
        | Size::PageBytes(arg)
        | Size::NodeMask(arg)
        | Size::LenWord { arg }
        | Size::RequestResult { request: arg }
        | Size::FdSet { nfds: arg }
        | Size::Result { cap: arg }
        | Size::ResultTimes { cap: arg, .. }
        | Size::ResultPlus { cap: arg, .. }
        | Size::OwnPrefix { cap: arg }
        | Size::Iovec { count: arg }
        | Size::IovecWhole { count: arg }
        | Size::Mmsghdr { count: arg }
        | Size::Fields { count: Count::Arg(arg) | Count::Result { cap: arg }, .. } => vec![arg],
    }
}

#[track_caller]
fn check_outputs(what: &str, args: &[Arg], outputs: &[Output]) {
    for output in outputs {
        let arg = args.get(usize::from(output.arg));
        assert!(arg.is_some_and(|a| a.kind.is_pointer()), "{what}: argument {}", output.arg);
        for index in used(output.size) {
            let arg = args.get(usize::from(index));
            assert!(arg.is_some(), "{what}: no argument {index}");
            let wants_pointer =
                matches!(output.size, Size::LenWord { .. } | Size::FixedUnlessNull { .. });
            assert_eq!(
                wants_pointer,
                arg.unwrap().kind.is_pointer() && arg.unwrap().kind != crate::ArgKind::Word,
                "{what}: {index}"
            );
        }
    }
}

#[test]
fn outputs_refer_to_pointers() {
    for row in crate::all() {
        assert!(row.args.len() <= 6, "{}", row.name);
        check_outputs(row.name, row.args, row.outputs);
        let names: BTreeSet<_> = row.args.iter().map(|a| a.name).collect();
        assert_eq!(names.len(), row.args.len(), "{}: an argument twice", row.name);
    }
}

#[test]
fn sub_commands_are_consistent() {
    let tables = [
        (nr::FCNTL, fcntl::TABLE),
        (nr::FUTEX, futex::TABLE),
        (nr::IOCTL, ioctl::TABLE),
        (nr::MADVISE, madvise::TABLE),
        (nr::PRCTL, prctl::TABLE),
        (nr::ARCH_PRCTL, prctl::ARCH),
        (nr::SHMCTL, ipc::SHM),
        (nr::SEMCTL, ipc::SEM),
        (nr::MSGCTL, ipc::MSG),
        (nr::KEYCTL, ipc::KEY),
        (nr::QUOTACTL, system::QUOTA),
        (nr::QUOTACTL_FD, system::QUOTA),
        (nr::SYSLOG, system::SYSLOG),
        (nr::MODIFY_LDT, system::LDT),
    ];
    for (no, table) in tables {
        let row = crate::lookup(no).unwrap();
        let values: BTreeSet<_> = table.iter().map(|c| c.value).collect();
        assert_eq!(values.len(), table.len(), "{}: a value twice", row.name);
        let names: BTreeSet<_> = table.iter().map(|c| c.name).collect();
        assert_eq!(names.len(), table.len(), "{}: a name twice", row.name);
        for command in table {
            check_outputs(command.name, row.args, command.outputs);
        }
    }
}

#[test]
fn what_the_kernel_never_sees_neither_waits_nor_writes() {
    for row in crate::all() {
        if matches!(row.class, Class::Refuse(_) | Class::Pretend(_)) {
            assert!(row.outputs.is_empty(), "{}", row.name);
            assert_eq!(row.blocks, Blocks::Never, "{}", row.name);
        }
    }
}

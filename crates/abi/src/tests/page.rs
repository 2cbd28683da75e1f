//! `docs/syscalls.md` is the table, written out.

use std::fmt::Write as _;

use crate::call::{Special, When};
use crate::commands::{Command, fcntl, futex, ioctl, ipc, madvise, prctl, system};
use crate::{
    Arg, Blocks, Class, Count, MemoryCall, Output, Size, Syscall, TaskCall, ThreadCall, nr,
};

const INTRODUCTION: &str = "\
# System calls

What retake does with each system call of x86-64 Linux. This page is written out from the table in
`crates/abi`, which recorder and replayer both read; after a change of the table run
`RETAKE_BLESS=1 cargo test -p retake-abi --lib page`.

- **recorded**: the kernel makes the call while recording; replay applies the result and the memory
  that it wrote, and makes no call.
- **executed again**: also made at replay, with the recorded addresses, because it shapes the address
  space or makes and ends tasks.
- **emulated**: retake answers instead of the kernel.
- **refused**: fails with the error shown, which programs know how to handle; the kernel never sees it.
- **compared**: what the kernel writes is not in the table; retake finds it by comparing pages before
  and after the call. So it does with every number and every request that is not listed here.

*Waits* marks calls that may wait for others: while they do, other tasks are recorded, and what the
call writes goes through memory of retake's first. *Writes* lists the memory that the kernel writes
when the call succeeds, by argument; `retake record --audit` checks it.
";

fn class(class: Class) -> String {
    match class {
        Class::Emulate | Class::Signal(_) => "recorded".to_owned(),
        Class::Memory(MemoryCall::Advise) => {
            "recorded; what it discards is discarded again".to_owned()
        }
        Class::Memory(_) => "executed again".to_owned(),
        Class::Task(TaskCall::Exec | TaskCall::ExecAt) => {
            "recorded with the new image, which replay restores".to_owned()
        }
        Class::Task(_) => "executed again".to_owned(),
        Class::Thread(kind) => thread(kind).to_owned(),
        Class::Refuse(error) => format!("refused: {error}"),
        Class::Pretend(result) => format!("emulated: gives {result}"),
        Class::Unknown => "compared".to_owned(),
    }
}

fn thread(kind: ThreadCall) -> &'static str {
    match kind {
        ThreadCall::Rseq => "emulated: never registered with the kernel",
        ThreadCall::CpuidFaulting => "emulated: retake owns the switch",
        ThreadCall::XcompPermission => "refused: EINVAL",
        ThreadCall::Tsc | ThreadCall::Dumpable | ThreadCall::NoNewPrivs => {
            "emulated: retake owns the switch"
        }
        ThreadCall::Seccomp => "emulated: retake applies the filters",
        ThreadCall::InheritedLock => "emulated: retake keeps the lock and who waits for it",
        ThreadCall::Affinity => "emulated: retake remembers the CPUs of each task",
        ThreadCall::SetPolicy | ThreadCall::TellPolicy => {
            "recorded; retake remembers real-time policies"
        }
        ThreadCall::Counter => "recorded; other than software counters are refused: ENOENT",
        ThreadCall::UserDispatch => "emulated: retake sends the signals",
        ThreadCall::ModifyLdt => "executed again",
        ThreadCall::WriteOther => "recorded, with what it writes to other recorded processes",
        _ => "recorded",
    }
}

fn arg(args: &[Arg], index: u8) -> &str {
    args.get(usize::from(index)).map_or("?", |arg| arg.name)
}

fn size(args: &[Arg], size: Size) -> String {
    let arg = |index| arg(args, index);
    match size {
        Size::Fixed(bytes) => format!("{bytes} bytes"),
        Size::FixedUnlessNull { bytes, arg: other } => format!("{bytes} bytes if `{}`", arg(other)),
        Size::FixedIfFlag { bytes, arg: flags, mask } => {
            format!("{bytes} bytes if `{}` has {mask:#x}", arg(flags))
        }
        Size::Result { cap } => format!("result, at most `{}`", arg(cap)),
        Size::ResultTimes { each, cap } => format!("result × {each}, at most `{}`", arg(cap)),
        Size::ResultPlus { extra, cap } => format!("{extra} + result, at most `{}`", arg(cap)),
        Size::ArgBytes(len) => format!("`{}` bytes", arg(len)),
        Size::ArgTimes { arg: len, each } => format!("`{}` × {each}", arg(len)),
        Size::RequestResult { .. } => "result, at most the request's size".to_owned(),
        Size::Fields { count: Count::Arg(count), stride, at, len } => {
            format!("{len} at {at} of each {stride}, `{}` times", arg(count))
        }
        Size::Fields { count: Count::Result { .. }, stride, .. } => format!("result × {stride}"),
        Size::PageBytes(len) => format!("a byte for each page of `{}`", arg(len)),
        Size::FdSet { nfds } => format!("`{}` bits", arg(nfds)),
        Size::NodeMask(bits) => format!("`{}` bits", arg(bits)),
        Size::LenWord { arg: word } => format!("as `*{}` says", arg(word)),
        Size::OwnPrefix { cap } => format!("as its first word says, at most `{}`", arg(cap)),
        Size::Iovec { .. } => "result, over the buffers".to_owned(),
        Size::IovecWhole { .. } => "all buffers".to_owned(),
        Size::Msghdr => "name, buffers, control data, header".to_owned(),
        Size::Mmsghdr { .. } => "result × (name, buffers, control data, header)".to_owned(),
        Size::Special(special) => match special {
            Special::CapData => "12 or 24 bytes, by version",
            Special::FileHandle => "the handle",
            Special::WaitidUsage => "144 bytes if a child was found",
            Special::XattrArgs => "the value that it points to",
            Special::Fiemap => "the extents",
            Special::IfConf => "the requests that it points to",
        }
        .to_owned(),
    }
}

fn output(args: &[Arg], output: &Output) -> String {
    let at = if output.at == 0 { String::new() } else { format!("+{}", output.at) };
    let when = match output.when {
        When::Success => String::new(),
        When::Positive => " (result above 0)".to_owned(),
        When::Always => " (always)".to_owned(),
        When::Interrupted => " (when interrupted)".to_owned(),
        When::SuccessOr(error) => format!(" (or {error})"),
    };
    format!("`{}`{at}: {}{when}", arg(args, output.arg), size(args, output.size))
}

fn outputs(args: &[Arg], list: &[Output]) -> String {
    list.iter().map(|one| output(args, one)).collect::<Vec<_>>().join("; ")
}

fn waits(row: &Syscall) -> &'static str {
    if row.blocks == Blocks::May { "waits" } else { "" }
}

fn commands(page: &mut String, title: &str, row: &Syscall, table: &[Command]) {
    let _ = writeln!(page, "\n## {title}\n\n| command | value | retake | | writes |");
    let _ = writeln!(page, "| --- | --- | --- | --- | --- |");
    for command in table {
        let row = command.apply(*row);
        let _ = writeln!(
            page,
            "| `{}` | {:#x} | {} | {} | {} |",
            command.name,
            command.value,
            class(row.class),
            waits(&row),
            outputs(row.args, row.outputs),
        );
    }
}

fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    page.push_str("\n## All calls\n\n| no. | call | retake | | writes |\n");
    page.push_str("| --- | --- | --- | --- | --- |\n");
    let tables = [
        ("fcntl", nr::FCNTL, fcntl::TABLE),
        ("futex", nr::FUTEX, futex::TABLE),
        ("madvise", nr::MADVISE, madvise::TABLE),
        ("prctl", nr::PRCTL, prctl::TABLE),
        ("arch_prctl", nr::ARCH_PRCTL, prctl::ARCH),
        ("shmctl", nr::SHMCTL, ipc::SHM),
        ("semctl", nr::SEMCTL, ipc::SEM),
        ("msgctl", nr::MSGCTL, ipc::MSG),
        ("keyctl", nr::KEYCTL, ipc::KEY),
        ("quotactl", nr::QUOTACTL, system::QUOTA),
        ("syslog", nr::SYSLOG, system::SYSLOG),
        ("modify_ldt", nr::MODIFY_LDT, system::LDT),
        ("ioctl", nr::IOCTL, ioctl::TABLE),
    ];
    for row in crate::all() {
        let by_command = tables.iter().any(|(_, no, _)| *no == row.no) || row.no == nr::QUOTACTL_FD;
        let what =
            if by_command { "by its command, see below".to_owned() } else { class(row.class) };
        let args: Vec<&str> = row.args.iter().map(|arg| arg.name).collect();
        let _ = writeln!(
            page,
            "| {} | `{}({})` | {} | {} | {} |",
            row.no,
            row.name,
            args.join(", "),
            what,
            waits(row),
            outputs(row.args, row.outputs),
        );
    }
    for (title, no, table) in tables {
        if let Some(row) = crate::lookup(no) {
            commands(&mut page, title, row, table);
        }
    }
    page
}

#[test]
fn the_page_is_what_the_table_gives() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/syscalls.md");
    let page = page();
    if std::env::var_os("RETAKE_BLESS").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    let there = std::fs::read_to_string(path).unwrap_or_default();
    let differs = there.lines().zip(page.lines()).find(|(a, b)| a != b);
    assert!(
        there == page,
        "docs/syscalls.md is not what the table gives (first: {differs:?}); \
         run RETAKE_BLESS=1 cargo test -p retake-abi --lib page"
    );
}

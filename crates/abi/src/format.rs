//! Text of a call, for listings of events.

use std::fmt::Write as _;

use retake_model::{Signal, SyscallNo};

use crate::Errno;
use crate::call::{Arg, ArgKind, Syscall};
use crate::convention::{Convention, table_of};
use crate::table::resolve;

/// The call as a line of C: `openat(AT_FDCWD, 0x7ffe10, 0x80000, 0644)`. Pointers stay pointers:
/// nothing is read from memory. A known sub-command is named: `fcntl(3, F_GETFL, 0x0)`.
pub fn format_call(no: SyscallNo, args: &[u64; 6]) -> String {
    let call = resolve(no, args);
    let mut text = beginning(no, &call);
    if text.ends_with(')') {
        return text;
    }
    for (n, (arg, value)) in call.args.iter().zip(args).enumerate() {
        if n > 0 {
            text.push_str(", ");
        }
        match call.command {
            Some(command) if is_command(arg) => text.push_str(command),
            _ => argument(&mut text, arg.kind, *value),
        }
    }
    text.push(')');
    text
}

/// `NAME(`; all there is to say of a call that nobody knows: `syscall_9999(…)`.
pub(crate) fn beginning(no: SyscallNo, call: &Syscall) -> String {
    if call.args.is_empty() && call.name == "unknown" {
        return match table_of(no) {
            (Convention::Native, number) => format!("syscall_{number}(…)"),
            (Convention::I386, number) => format!("int80_{number}(…)"),
            (Convention::X32, number) => format!("x32_{number}(…)"),
        };
    }
    format!("{}(", call.name)
}

/// The result of a call: `-1 ENOENT`, or the number; numbers that look like addresses in
/// hexadecimal.
pub fn format_result(result: i64) -> String {
    match Errno::from_result(result) {
        Some(error) => format!("-1 {error}"),
        None if (0..=0xffff_ffff).contains(&result) => result.to_string(),
        None => format!("{result:#x}"),
    }
}

/// Whether this is the argument that says which sub-command it is.
pub(crate) fn is_command(arg: &Arg) -> bool {
    matches!(arg.name, "cmd" | "op" | "option" | "operation" | "advice" | "request" | "code")
        || matches!(arg.name, "kind" | "func") && matches!(arg.kind, ArgKind::Int)
}

pub(crate) fn argument(text: &mut String, kind: ArgKind, value: u64) {
    let int = value.cast_signed() << 32 >> 32;
    let written = match kind {
        ArgKind::Fd if int == -100 => text.write_str("AT_FDCWD"),
        ArgKind::Fd | ArgKind::Int => write!(text, "{int}"),
        ArgKind::Long => write!(text, "{}", value.cast_signed()),
        ArgKind::Size => write!(text, "{value}"),
        ArgKind::Mode => write!(text, "0{:o}", value & 0xffff_ffff),
        ArgKind::Signal => match Signal::from_number(int) {
            Ok(signal) => write!(text, "{signal}"),
            Err(_) => write!(text, "{int}"),
        },
        ArgKind::Ptr | ArgKind::Text if value == 0 => text.write_str("NULL"),
        ArgKind::Flags | ArgKind::Ptr | ArgKind::Text | ArgKind::Word => {
            write!(text, "{value:#x}")
        }
    };
    // Writing to a String cannot fail.
    let _: Result<(), std::fmt::Error> = written;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nr;

    #[track_caller]
    fn check(no: SyscallNo, args: [u64; 6], expect: &str) {
        assert_eq!(format_call(no, &args), expect);
    }

    #[test]
    fn calls_read_like_c() {
        check(nr::READ, [3, 0x7f00, 4096, 9, 9, 9], "read(3, 0x7f00, 4096)");
        check(
            nr::OPENAT,
            [0xffff_ff9c, 0x10, 0x80000, 0o644, 0, 0],
            "openat(AT_FDCWD, 0x10, 0x80000, 0644)",
        );
        check(nr::KILL, [u64::MAX, 15, 0, 0, 0, 0], "kill(-1, SIGTERM)");
        check(nr::WAIT4, [u64::MAX, 0, 0, 0, 0, 0], "wait4(-1, NULL, 0x0, NULL)");
        check(nr::GETPID, [1; 6], "getpid()");
    }

    #[test]
    fn sub_commands_are_named() {
        check(nr::FCNTL, [3, 3, 0, 0, 0, 0], "fcntl(3, F_GETFL, 0x0)");
        check(nr::FUTEX, [0x10, 129, 1, 0, 0, 0], "futex(0x10, FUTEX_WAKE, 1, 0x0, NULL, 0)");
        check(nr::IOCTL, [1, 0x5413, 0x20, 0, 0, 0], "ioctl(1, TIOCGWINSZ, 0x20)");
        check(nr::IOCTL, [1, 0x1234_5678, 0x20, 0, 0, 0], "ioctl(1, 0x12345678, 0x20)");
        check(nr::MADVISE, [0x1000, 4096, 4, 0, 0, 0], "madvise(0x1000, 4096, MADV_DONTNEED)");
    }

    #[test]
    fn unknown_numbers_and_results() {
        check(SyscallNo::new(9999), [0; 6], "syscall_9999(…)");
        assert_eq!(format_result(-2), "-1 ENOENT");
        assert_eq!(format_result(17), "17");
        assert_eq!(format_result(0x7fff_0000_0000), "0x7fff00000000");
        assert_eq!(format_result(-512), "-1 ERESTARTSYS");
    }
}

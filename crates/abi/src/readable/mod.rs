//! A call as strace shows it: paths, bytes, and flags by name.

mod flags;

use std::fmt::Write as _;

use retake_model::{Addr, SyscallNo};

use crate::ReadMemory;
use crate::call::{Arg, ArgKind, Output};
use crate::format::{self, format_result};
use crate::table::resolve;

/// Longest path that is shown, as in Linux.
const PATH_MAX: usize = 4096;
/// Bytes of data that are shown, as strace does.
const DATA: usize = 32;
/// Pages end at multiples of this; a text may end right before an unmapped one.
const PAGE: u64 = 4096;

/// The call as a line of C with what its arguments point to: `openat(AT_FDCWD, "/etc/passwd",
/// O_RDONLY|O_CLOEXEC, 0) = 3`. `result` is missing for a call that has only been entered. `memory` is
/// read as it is after the call.
pub fn readable_call(
    no: SyscallNo,
    args: &[u64; 6],
    result: Option<i64>,
    memory: &dyn ReadMemory,
) -> String {
    let call = resolve(no, args);
    let mut text = format::beginning(no, &call);
    let is_known = !text.ends_with(')');
    for (n, (arg, value)) in call.args.iter().zip(args).enumerate() {
        let next = call.args.get(n + 1).zip(args.get(n + 1).copied());
        let is_output = call.outputs.iter().any(|output: &Output| usize::from(output.arg) == n);
        if n > 0 {
            text.push_str(", ");
        }
        let name = call.command.filter(|_| format::is_command(arg));
        let pointed = || match arg.kind {
            ArgKind::Text => path(*value, memory),
            ArgKind::Ptr => data(arg, *value, next, is_output.then_some(result), memory),
            ArgKind::Flags | ArgKind::Int => flags::named(call.name, arg.name, *value),
            _ => None,
        };
        match name.map(str::to_owned).or_else(pointed) {
            Some(shown) => text.push_str(&shown),
            None => format::argument(&mut text, arg.kind, *value),
        }
    }
    if is_known {
        text.push(')');
    }
    match result {
        Some(result) => {
            let _ = write!(text, " = {}", format_result(result));
        }
        None => text.push_str(" …"),
    }
    text
}

/// A string that ends in 0.
fn path(at: u64, memory: &dyn ReadMemory) -> Option<String> {
    if at == 0 {
        return None;
    }
    let mut bytes = Vec::new();
    let mut next = at;
    while bytes.len() < PATH_MAX {
        let room = usize::try_from(PAGE - next % PAGE).ok()?.min(256);
        let mut piece = vec![0; room];
        if !memory.read(Addr::new(next), &mut piece) {
            return None;
        }
        if let Some(end) = piece.iter().position(|byte| *byte == 0) {
            bytes.extend_from_slice(&piece[..end]);
            return Some(quoted(&bytes, bytes.len()));
        }
        bytes.extend_from_slice(&piece);
        next = next.checked_add(room as u64)?;
    }
    Some(quoted(&bytes, bytes.len()))
}

/// The bytes of a buffer whose length is the next argument. What the kernel has written is as long as the
/// result says.
fn data(
    arg: &Arg,
    at: u64,
    next: Option<(&Arg, u64)>,
    written: Option<Option<i64>>,
    memory: &dyn ReadMemory,
) -> Option<String> {
    let (next, size) = next.filter(|(next, _)| next.kind == ArgKind::Size)?;
    if at == 0 || !matches!(arg.name, "buf" | "buffer" | "value") || next.name.contains("addr") {
        return None;
    }
    let len = match written {
        None => size,
        Some(Some(result)) => u64::try_from(result).ok()?.min(size),
        Some(None) => return None,
    };
    let len = usize::try_from(len).ok()?;
    let mut bytes = vec![0; len.min(DATA)];
    memory.read(Addr::new(at), &mut bytes).then(|| quoted(&bytes, len))
}

/// Bytes in quotes, with `…` where there are more.
fn quoted(bytes: &[u8], len: usize) -> String {
    let mut text = String::from("\"");
    for part in bytes.utf8_chunks() {
        for c in part.valid().chars() {
            match c {
                '\n' | '\t' | '\r' | '"' | '\\' => text.extend(c.escape_default()),
                c if c.is_ascii_control() => {
                    let _ = write!(text, "\\x{:02x}", u32::from(c));
                }
                c => text.push(c),
            }
        }
        for byte in part.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text.push('"');
    if bytes.len() < len {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nr;

    /// Memory at 0x1000.
    struct Bytes(&'static [u8]);

    impl ReadMemory for Bytes {
        fn read(&self, addr: Addr, buf: &mut [u8]) -> bool {
            let Some(from) = addr.get().checked_sub(0x1000) else { return false };
            for (at, byte) in (from..).zip(buf.iter_mut()) {
                let found = usize::try_from(at).ok().and_then(|at| self.0.get(at));
                match found {
                    Some(found) => *byte = *found,
                    None if at < 0x1000 => *byte = 0,
                    None => return false,
                }
            }
            true
        }
    }

    #[track_caller]
    fn check(no: SyscallNo, args: [u64; 6], result: Option<i64>, wanted: &str) {
        assert_eq!(readable_call(no, &args, result, &Bytes(b"/etc/a\"b\n\0\xff")), wanted);
    }

    #[test]
    fn paths_and_flags_have_names() {
        let at = 0xffff_ff9c;
        check(
            nr::OPENAT,
            [at, 0x1000, 0x80000, 0, 0, 0],
            Some(3),
            r#"openat(AT_FDCWD, "/etc/a\"b\n", O_RDONLY|O_CLOEXEC, 00) = 3"#,
        );
        check(
            nr::OPENAT,
            [at, 0x9000, 0x241, 0o644, 0, 0],
            Some(-2),
            "openat(AT_FDCWD, 0x9000, O_WRONLY|O_CREAT|O_TRUNC, 0644) = -1 ENOENT",
        );
        check(
            nr::MMAP,
            [0, 4096, 3, 0x22, u64::MAX, 0],
            Some(0x7fff_0000_0000),
            "mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7fff00000000",
        );
    }

    #[test]
    fn data_is_as_long_as_it_was() {
        check(nr::WRITE, [1, 0x1000, 6, 0, 0, 0], Some(6), r#"write(1, "/etc/a", 6) = 6"#);
        check(nr::READ, [0, 0x1000, 4096, 0, 0, 0], Some(4), r#"read(0, "/etc", 4096) = 4"#);
        check(nr::READ, [0, 0x1000, 4096, 0, 0, 0], Some(-11), "read(0, 0x1000, 4096) = -1 EAGAIN");
        check(nr::READ, [0, 0x1000, 4096, 0, 0, 0], None, "read(0, 0x1000, 4096) …");
        check(nr::WRITE, [1, 0x1008, 3, 0, 0, 0], Some(3), r#"write(1, "\n\x00\xff", 3) = 3"#);
        let rest = r"\x00".repeat(29);
        let wanted = format!(r#"write(1, "\n\x00\xff{rest}"…, 100) = 100"#);
        check(nr::WRITE, [1, 0x1008, 100, 0, 0, 0], Some(100), &wanted);
        check(SyscallNo::new(9999), [0; 6], Some(-38), "syscall_9999(…) = -1 ENOSYS");
    }
}

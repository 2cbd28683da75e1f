//! Calls that a program makes in another way than by `syscall` with a number of x86-64.
//!
//! A 64-bit program can make calls of the 32-bit table (`int 0x80`: arch/x86/entry/syscalls/syscall_32.tbl),
//! and of the x32 one (a bit in the number). Those of the former whose arguments have the same bytes in both
//! worlds have the row of their x86-64 namesake; no other one has a row.

use retake_model::{Registers, SyscallNo};

use crate::nr;

/// Which table a call's number is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Convention {
    /// That of x86-64.
    Native,
    /// That of 32-bit programs.
    I386,
    /// That of programs with 64-bit registers and 32-bit pointers.
    X32,
}

/// `__X32_SYSCALL_BIT` (asm/unistd.h)
const X32_BIT: u32 = 0x4000_0000;
/// Marks a number of the 32-bit table that has no row here. (No table has so many calls.)
const I386_BIT: u32 = 0x2000_0000;

/// Calls of the 32-bit table with the same arguments, results and bytes in memory.
const SAME: [(u32, SyscallNo); 29] = [
    (1, nr::EXIT),
    (3, nr::READ),
    (4, nr::WRITE),
    (5, nr::OPEN),
    (6, nr::CLOSE),
    (10, nr::UNLINK),
    (12, nr::CHDIR),
    (20, nr::GETPID),
    (24, nr::GETUID),
    (33, nr::ACCESS),
    (41, nr::DUP),
    (45, nr::BRK),
    (47, nr::GETGID),
    (49, nr::GETEUID),
    (50, nr::GETEGID),
    (60, nr::UMASK),
    (63, nr::DUP2),
    (64, nr::GETPPID),
    (65, nr::GETPGRP),
    (91, nr::MUNMAP),
    (125, nr::MPROTECT),
    (158, nr::SCHED_YIELD),
    (199, nr::GETUID),
    (200, nr::GETGID),
    (201, nr::GETEUID),
    (202, nr::GETEGID),
    (224, nr::GETTID),
    (252, nr::EXIT_GROUP),
    (355, nr::GETRANDOM),
];

/// The number under which a call of the 32-bit table is recorded: that of its namesake, else one that
/// has no row.
pub fn number_of_i386(number: u32) -> SyscallNo {
    let same = SAME.iter().find(|(i386, _)| *i386 == number);
    same.map_or(SyscallNo::new(number | I386_BIT), |(_, no)| *no)
}

/// Which table a number is of that a call is recorded under, and the number there. (Those with a
/// namesake are native ones.)
pub fn table_of(no: SyscallNo) -> (Convention, u32) {
    let number = no.get();
    match number {
        u32::MAX => (Convention::Native, number),
        _ if number & X32_BIT != 0 => (Convention::X32, number & !X32_BIT),
        _ if number & I386_BIT != 0 => (Convention::I386, number & !I386_BIT),
        _ => (Convention::Native, number),
    }
}

/// The arguments of a call of the 32-bit table, in order.
pub fn i386_args(entry: &Registers) -> [u64; 6] {
    [entry.rbx, entry.rcx, entry.rdx, entry.rsi, entry.rdi, entry.rbp].map(|arg| arg & 0xffff_ffff)
}

/// The arguments of a call that is recorded under `no`, with the registers at its entry.
pub fn args_of(no: SyscallNo, entry: &Registers) -> [u64; 6] {
    // A namesake has another number in the other table.
    let is_namesake = entry.orig_rax & 0xffff_ffff != u64::from(no.get());
    let number = u32::try_from(entry.orig_rax & 0xffff_ffff).unwrap_or(0);
    if is_namesake && number_of_i386(number) == no { i386_args(entry) } else { entry.args() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namesakes_have_another_number_and_a_row() {
        for (i386, no) in SAME {
            assert_ne!(i386, no.get());
            assert!(crate::lookup(no).is_some());
            assert_eq!(table_of(no), (Convention::Native, no.get()));
        }
    }

    /// Reads the header of this machine, if it has one.
    #[test]
    fn namesakes_match_the_kernel_header() {
        let path = "/usr/include/x86_64-linux-gnu/asm/unistd_32.h";
        let Ok(header) = std::fs::read_to_string(path) else { return };
        for (i386, no) in SAME {
            let name = crate::lookup(no).unwrap().name;
            let is_it =
                |suffix: &str| header.contains(&format!("#define __NR_{name}{suffix} {i386}\n"));
            assert!(is_it("") || is_it("32"), "{name} {i386}");
        }
    }

    #[test]
    fn others_have_no_row() {
        let no = number_of_i386(2);
        assert_eq!((table_of(no), crate::lookup(no).is_none()), ((Convention::I386, 2), true));
        let x32 = SyscallNo::new(X32_BIT | 1);
        assert_eq!((table_of(x32), crate::lookup(x32).is_none()), ((Convention::X32, 1), true));
        assert_eq!(table_of(SyscallNo::new(u32::MAX)).0, Convention::Native);
    }

    #[test]
    fn arguments_are_where_the_convention_has_them() {
        let entry = Registers { rbx: u64::MAX, rdi: 7, ..Registers::default() };
        let int80 = Registers { orig_rax: 4, ..entry };
        assert_eq!(args_of(nr::WRITE, &int80)[0], 0xffff_ffff);
        let native = Registers { orig_rax: 1, ..entry };
        assert_eq!(args_of(nr::WRITE, &native)[0], 7);
    }
}

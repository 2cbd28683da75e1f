//! General-purpose registers.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Addr;

macro_rules! registers {
    ($($field:ident $variant:ident $doc:literal),+ $(,)?) => {
        /// The general registers of a task, in the order of the kernel's `struct user_regs_struct`
        /// (`sys/user.h`, x86-64).
        #[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub struct Registers {
            $(#[doc = $doc] pub $field: u64,)+
        }

        /// The name of one general register.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(rename_all = "snake_case")]
        pub enum RegisterName {
            $(#[doc = $doc] $variant,)+
        }

        impl RegisterName {
            /// All of them, in the kernel's order.
            pub const ALL: [Self; Registers::COUNT] = [$(Self::$variant),+];

            /// The lower-case name, as gdb prints it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($field),)+ }
            }
        }

        impl Registers {
            /// Number of registers.
            pub const COUNT: usize = [$(stringify!($field)),+].len();

            /// The value of one register.
            pub const fn get(&self, name: RegisterName) -> u64 {
                match name { $(RegisterName::$variant => self.$field,)+ }
            }

            /// Sets one register.
            pub const fn set(&mut self, name: RegisterName, value: u64) {
                match name { $(RegisterName::$variant => self.$field = value,)+ }
            }

            /// All values in the kernel's order.
            pub const fn to_array(&self) -> [u64; Self::COUNT] {
                [$(self.$field),+]
            }

            /// From values in the kernel's order.
            pub const fn from_array(values: [u64; Self::COUNT]) -> Self {
                let [$($field),+] = values;
                Self { $($field),+ }
            }
        }
    };
}

registers! {
    r15 R15 "r15",
    r14 R14 "r14",
    r13 R13 "r13",
    r12 R12 "r12",
    rbp Rbp "Frame pointer, by convention.",
    rbx Rbx "rbx",
    r11 R11 "r11; holds the flags after `syscall`.",
    r10 R10 "r10; fourth system-call argument.",
    r9 R9 "r9; sixth argument.",
    r8 R8 "r8; fifth argument.",
    rax Rax "Result; at a system-call entry stop `-ENOSYS`.",
    rcx Rcx "rcx; holds the return address after `syscall`.",
    rdx Rdx "Third argument.",
    rsi Rsi "Second argument.",
    rdi Rdi "First argument.",
    orig_rax OrigRax "System-call number at a system-call stop, else -1.",
    rip Rip "Program counter.",
    cs Cs "Code segment.",
    eflags Eflags "Flags.",
    rsp Rsp "Stack pointer.",
    ss Ss "Stack segment.",
    fs_base FsBase "Base of the FS segment: thread-local storage.",
    gs_base GsBase "Base of the GS segment.",
    ds Ds "Data segment.",
    es Es "Extra segment.",
    fs Fs "FS selector.",
    gs Gs "GS selector.",
}

/// A register whose value is not the expected one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegisterDifference {
    /// Which one.
    pub name: RegisterName,
    /// The recorded value.
    pub expected: u64,
    /// The value seen.
    pub actual: u64,
}

impl fmt::Display for RegisterDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {:#x}, actual {:#x}", self.name.name(), self.expected, self.actual)
    }
}

/// EFLAGS.RF.
const RESUME_FLAG: u64 = 1 << 16;

impl Registers {
    /// The same without EFLAGS.RF, which a processor sets to get past a breakpoint, some of them also
    /// when one is hit (Intel SDM vol. 3, 19.3.1.1). No instruction does: it is not the program's state.
    #[must_use]
    pub const fn without_resume_flag(&self) -> Self {
        Self { eflags: self.eflags & !RESUME_FLAG, ..*self }
    }

    /// The same with EFLAGS.RF: a breakpoint at the next instruction does not stop the task there, but
    /// when it comes there again.
    #[must_use]
    pub const fn with_resume_flag(&self) -> Self {
        Self { eflags: self.eflags | RESUME_FLAG, ..*self }
    }

    /// Program counter.
    pub const fn pc(&self) -> Addr {
        Addr::new(self.rip)
    }

    /// Stack pointer.
    pub const fn sp(&self) -> Addr {
        Addr::new(self.rsp)
    }

    /// System-call arguments, in order.
    pub const fn args(&self) -> [u64; 6] {
        [self.rdi, self.rsi, self.rdx, self.r10, self.r8, self.r9]
    }

    /// Every register in which `actual` is not `self`.
    pub fn differences(&self, actual: &Self) -> Vec<RegisterDifference> {
        RegisterName::ALL
            .into_iter()
            .filter(|&name| self.get(name) != actual.get(name))
            .map(|name| RegisterDifference {
                name,
                expected: self.get(name),
                actual: actual.get(name),
            })
            .collect()
    }
}

impl RegisterName {
    /// The sixteen that programs compute with, by the numbers that instructions have for them (Intel SDM vol. 2,
    /// table 3-1).
    pub const GENERAL: [Self; 16] = [
        Self::Rax,
        Self::Rcx,
        Self::Rdx,
        Self::Rbx,
        Self::Rsp,
        Self::Rbp,
        Self::Rsi,
        Self::Rdi,
        Self::R8,
        Self::R9,
        Self::R10,
        Self::R11,
        Self::R12,
        Self::R13,
        Self::R14,
        Self::R15,
    ];

    /// The register of this name (`rip`, `rax`, …; `pc`, `sp` and `flags` are understood too).
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "pc" | "ip" => Some(Self::Rip),
            "sp" => Some(Self::Rsp),
            "bp" => Some(Self::Rbp),
            "flags" | "rflags" => Some(Self::Eflags),
            _ => Self::ALL.into_iter().find(|r| r.name() == name),
        }
    }
}

impl fmt::Debug for Registers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Registers");
        for name in RegisterName::ALL {
            out.field(name.name(), &format_args!("{:#x}", self.get(name)));
        }
        out.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn array_round_trip_keeps_every_register_in_place() {
        let mut values = [0; Registers::COUNT];
        for (n, value) in (1000_u64..).zip(values.iter_mut()) {
            *value = n;
        }
        let regs = Registers::from_array(values);
        assert_eq!(regs.to_array(), values);
        assert_eq!(regs.r15, 1000);
        assert_eq!(regs.gs, 1026);
        assert_eq!(regs.get(RegisterName::Rip), regs.rip);
    }

    #[test]
    fn differences_name_the_register() {
        let expected = Registers { rax: 1, ..Registers::default() };
        let actual = Registers { rax: 2, ..Registers::default() };
        let found = expected.differences(&actual);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].to_string(), "rax: expected 0x1, actual 0x2");
    }

    #[test]
    fn names_resolve_both_ways() {
        for name in RegisterName::ALL {
            assert_eq!(RegisterName::from_name(name.name()), Some(name));
        }
        assert_eq!(RegisterName::from_name("pc"), Some(RegisterName::Rip));
        assert_eq!(RegisterName::from_name("xyz"), None);
    }
}

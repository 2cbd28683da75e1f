//! The sixteen general registers by the numbers that instructions have for them.

use iced_x86::Register;
use retake_model::{RegisterName, Registers};

/// A general register of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Gpr(u8);

impl Gpr {
    pub(crate) const RAX: Self = Self(0);
    pub(crate) const RCX: Self = Self(1);
    pub(crate) const RDX: Self = Self(2);
    pub(crate) const RSI: Self = Self(6);
    pub(crate) const RDI: Self = Self(7);
    pub(crate) const R11: Self = Self(11);

    /// All but the stack pointer, those first that need no prefix.
    pub(crate) const SPARE: [Self; 15] = [
        Self(0),
        Self(1),
        Self(2),
        Self(3),
        Self(6),
        Self(7),
        Self(5),
        Self(8),
        Self(9),
        Self(10),
        Self(11),
        Self(12),
        Self(13),
        Self(14),
        Self(15),
    ];

    /// Those that hold values of the program at a `syscall`, which overwrites the two others; that of the call first.
    pub(crate) const PROGRAM: [Self; 14] = [
        Self(0),
        Self(7),
        Self(6),
        Self(2),
        Self(4),
        Self(5),
        Self(3),
        Self(8),
        Self(9),
        Self(10),
        Self(12),
        Self(13),
        Self(14),
        Self(15),
    ];

    /// Those that no instruction uses without naming them, but for `syscall`.
    pub(crate) const UNIMPLIED: [Self; 7] =
        [Self(8), Self(9), Self(10), Self(12), Self(13), Self(14), Self(15)];

    pub(crate) const fn number(self) -> u8 {
        self.0
    }

    /// The lower three bits, which go into ModRM and SIB bytes.
    pub(crate) const fn low(self) -> u8 {
        self.0 & 7
    }

    /// Whether it takes a bit of a REX prefix.
    pub(crate) const fn is_high(self) -> bool {
        self.0 >= 8
    }

    /// The register that `register` is a part of.
    pub(crate) fn of(register: Register) -> Option<Self> {
        let full = register.full_register();
        if !full.is_gpr64() {
            return None;
        }
        u8::try_from(full.number()).ok().filter(|number| *number < 16).map(Self)
    }

    pub(crate) fn iced(self) -> Register {
        const ALL: [Register; 16] = [
            Register::RAX,
            Register::RCX,
            Register::RDX,
            Register::RBX,
            Register::RSP,
            Register::RBP,
            Register::RSI,
            Register::RDI,
            Register::R8,
            Register::R9,
            Register::R10,
            Register::R11,
            Register::R12,
            Register::R13,
            Register::R14,
            Register::R15,
        ];
        ALL.get(usize::from(self.0)).copied().unwrap_or(Register::None)
    }

    pub(crate) fn name(self) -> RegisterName {
        let name = RegisterName::GENERAL.get(usize::from(self.0));
        name.copied().unwrap_or(RegisterName::OrigRax)
    }

    /// The general register that a name means.
    pub(crate) fn named(name: RegisterName) -> Option<Self> {
        (0..16).map(Self).find(|register| register.name() == name)
    }

    pub(crate) fn set(self, registers: &mut Registers, value: u64) {
        registers.set(self.name(), value);
    }
}

/// Registers whose values are in their slots, not in themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spilled(u16);

impl Spilled {
    pub(crate) const NONE: Self = Self(0);

    pub(crate) const fn with(self, register: Gpr) -> Self {
        Self(self.0 | 1 << register.number())
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Gpr> {
        (0..16).filter(move |n| self.0 & 1 << n != 0).map(Gpr)
    }
}

//! Signals.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A signal number, 1 to 64 (signal(7)).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Signal(u8);

impl TryFrom<u8> for Signal {
    type Error = UnknownSignal;

    fn try_from(number: u8) -> Result<Self, UnknownSignal> {
        Self::from_number(i64::from(number))
    }
}

impl From<Signal> for u8 {
    fn from(signal: Signal) -> Self {
        signal.0
    }
}

/// A number that is no signal's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a signal number")]
pub struct UnknownSignal(pub i64);

/// Names of signals 1 to 31 on x86-64, in order.
const NAMES: [&str; 31] = [
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPWR",
    "SIGSYS",
];

macro_rules! named {
    ($($name:ident $number:literal),+ $(,)?) => {
        $(#[doc = concat!("SIG", stringify!($name))] pub const $name: Self = Self($number);)+
    };
}

impl Signal {
    named! {
        HUP 1, INT 2, QUIT 3, ILL 4, TRAP 5, ABRT 6, BUS 7, FPE 8, KILL 9, USR1 10, SEGV 11,
        USR2 12, PIPE 13, ALRM 14, TERM 15, STKFLT 16, CHLD 17, CONT 18, STOP 19, TSTP 20,
        TTIN 21, TTOU 22, URG 23, XCPU 24, XFSZ 25, VTALRM 26, PROF 27, WINCH 28, IO 29, PWR 30,
        SYS 31,
    }

    /// The signal with this number.
    ///
    /// # Errors
    /// When the number is not in 1..=64.
    pub fn from_number(number: i64) -> Result<Self, UnknownSignal> {
        match u8::try_from(number) {
            Ok(raw @ 1..=64) => Ok(Self(raw)),
            _ => Err(UnknownSignal(number)),
        }
    }

    /// The number.
    pub const fn number(self) -> i32 {
        self.0 as i32
    }

    /// Bit of this signal in a kernel signal set.
    pub const fn mask_bit(self) -> u64 {
        1 << (self.0 - 1)
    }

    /// Whether it is a real-time signal (queued, never merged).
    pub const fn is_realtime(self) -> bool {
        self.0 >= 32
    }

    /// The signal with this name, with or without `SIG`.
    pub fn from_name(name: &str) -> Option<Self> {
        let full = NAMES.iter().position(|n| *n == name || n.strip_prefix("SIG") == Some(name))?;
        Self::from_number(i64::try_from(full).ok()? + 1).ok()
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.get(usize::from(self.0) - 1) {
            Some(name) => f.write_str(name),
            None => write!(f, "SIGRT{}", self.0),
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The kernel's `siginfo_t`: 128 bytes, kept as they are (sigaction(2)).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigInfo(Vec<u8>);

impl SigInfo {
    /// Size of `siginfo_t` on x86-64, in bytes.
    pub const SIZE: usize = 128;

    /// Wraps the kernel's bytes.
    pub fn from_bytes(bytes: [u8; Self::SIZE]) -> Self {
        Self(bytes.to_vec())
    }

    /// The bytes; always [`Self::SIZE`] of them, also after reading a damaged recording.
    pub fn to_bytes(&self) -> [u8; Self::SIZE] {
        let mut out = [0; Self::SIZE];
        for (to, from) in out.iter_mut().zip(&self.0) {
            *to = *from;
        }
        out
    }

    fn int(&self, at: usize) -> i32 {
        let bytes = self.0.get(at..at + 4).and_then(|b| b.try_into().ok());
        bytes.map_or(0, i32::from_le_bytes)
    }

    /// `si_signo`.
    ///
    /// # Errors
    /// When the number is no signal's.
    pub fn signal(&self) -> Result<Signal, UnknownSignal> {
        Signal::from_number(i64::from(self.int(0)))
    }

    /// `si_code`: above 0 when the kernel made the signal for this task's own doing.
    pub fn code(&self) -> i32 {
        self.int(8)
    }

    /// `si_pid`: who sent it, for signals that a process sent.
    pub fn sender(&self) -> i32 {
        self.int(16)
    }

    /// `si_addr` of a fault.
    pub fn fault_addr(&self) -> crate::Addr {
        let bytes = self.0.get(16..24).and_then(|b| b.try_into().ok());
        crate::Addr::new(bytes.map_or(0, u64::from_le_bytes))
    }
}

impl fmt::Debug for SigInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigInfo(signo {}, code {})", self.int(0), self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_agree_with_the_kernel() {
        assert_eq!(Signal::SEGV.to_string(), "SIGSEGV");
        assert_eq!(Signal::SYS.to_string(), "SIGSYS");
        assert_eq!(Signal::from_name("TERM"), Some(Signal::TERM));
        assert_eq!(Signal::from_name("SIGTERM"), Some(Signal::TERM));
        assert_eq!(Signal::from_number(34).unwrap().to_string(), "SIGRT34");
        assert_eq!(Signal::from_number(0), Err(UnknownSignal(0)));
        assert_eq!(Signal::from_number(65), Err(UnknownSignal(65)));
        assert_eq!(Signal::KILL.mask_bit(), 1 << 8);
    }

    #[test]
    fn siginfo_of_a_short_record_reads_as_zero() {
        let info = SigInfo(vec![11, 0, 0, 0]);
        assert_eq!(info.signal(), Ok(Signal::SEGV));
        assert_eq!(info.code(), 0);
        assert_eq!(info.to_bytes()[0], 11);
    }
}

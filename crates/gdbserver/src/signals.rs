//! gdb's own numbers of signals, which are the same on all systems (gdb's include/gdb/signals.def).

use retake_model::Signal;

/// A step, a breakpoint, a watchpoint.
pub(crate) const TRAP: u8 = 5;
/// The end of a recording.
pub(crate) const KILL: u8 = 9;
/// Nothing happened: an interrupt, the start of a recording.
pub(crate) const NONE: u8 = 0;

/// Numbers of signals 1 to 31 of Linux on x86-64, in order.
const NUMBERS: [u8; 31] = [
    1,   // HUP
    2,   // INT
    3,   // QUIT
    4,   // ILL
    5,   // TRAP
    6,   // ABRT
    10,  // BUS
    8,   // FPE
    9,   // KILL
    30,  // USR1
    11,  // SEGV
    31,  // USR2
    13,  // PIPE
    14,  // ALRM
    15,  // TERM
    143, // STKFLT is not known: as "unknown signal"
    20,  // CHLD
    19,  // CONT
    17,  // STOP
    18,  // TSTP
    21,  // TTIN
    22,  // TTOU
    16,  // URG
    24,  // XCPU
    25,  // XFSZ
    26,  // VTALRM
    27,  // PROF
    28,  // WINCH
    23,  // IO
    32,  // PWR
    12,  // SYS
];

/// gdb's number for a signal.
pub(crate) fn number(signal: Signal) -> u8 {
    let raw = u8::try_from(signal.number()).unwrap_or(0);
    match raw {
        1..=31 => NUMBERS.get(usize::from(raw) - 1).copied().unwrap_or(143),
        // Real-time signals 33 to 63 are 45 to 75, 32 is 77, 64 is 78.
        32 => 77,
        33..=63 => raw + 12,
        _ => 78,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_gdbs() {
        let all = [
            (Signal::SEGV, 11),
            (Signal::URG, 0x10),
            (Signal::CHLD, 0x14),
            (Signal::USR1, 30),
            (Signal::BUS, 10),
            (Signal::SYS, 12),
        ];
        for (signal, expected) in all {
            assert_eq!(number(signal), expected, "{signal}");
        }
        assert_eq!(number(Signal::from_number(34).expect("a signal")), 46);
    }
}

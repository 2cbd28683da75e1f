//! What differs between two runs, in words.

use std::fmt::Write;

use iced_x86::{Decoder, DecoderOptions, Formatter, IntelFormatter};

use super::bench::Outcome;

/// None if nothing differs.
pub(crate) fn differences(native: &Outcome, translated: &Outcome) -> Option<String> {
    if native == translated {
        return None;
    }
    let mut text = String::new();
    if native.signal != translated.signal || native.fault != translated.fault {
        let of = |outcome: &Outcome| format!("{} {:x?}", outcome.signal, outcome.fault);
        let _ = writeln!(text, "signal: {}, translated {}", of(native), of(translated));
    }
    let (from, to) = (&native.state, &translated.state);
    for difference in from.registers.differences(&to.registers) {
        let _ = writeln!(text, "{difference:x?}");
    }
    for (what, from, to) in [("vector", &from.vector, &to.vector), ("data", &from.data, &to.data)] {
        let at = from.iter().zip(to).enumerate().filter(|(_, (from, to))| from != to);
        for (at, (from, to)) in at.take(6) {
            let _ = writeln!(text, "{what} {at:#x}: {from:#x}, translated {to:#x}");
        }
    }
    Some(text)
}

/// A piece of code as text.
pub(crate) fn listing(at: u64, code: &[u8]) -> String {
    let mut decoder = Decoder::with_ip(64, code, at, DecoderOptions::NONE);
    let mut formatter = IntelFormatter::new();
    let mut text = String::new();
    while decoder.can_decode() {
        let instruction = decoder.decode();
        let mut line = String::new();
        formatter.format(&instruction, &mut line);
        let from = (instruction.ip() - at) as usize;
        let bytes = code.get(from..from + instruction.len()).unwrap_or_default();
        let _ = writeln!(text, "{:x}  {line}  {bytes:02x?}", instruction.ip());
    }
    text
}

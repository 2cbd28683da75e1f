//! The names of parts of registers (Intel SDM vol. 1, 3.4.1.1).

use retake_model::{RegisterName, Registers};

/// The register that a name is a part of, and the bits: `eax`, `ax`, `al`, `r8d`.
pub(crate) fn register_part(name: &str) -> Option<(RegisterName, u64)> {
    const LOW: [(&str, &str, &str); 8] = [
        ("ax", "al", "rax"),
        ("bx", "bl", "rbx"),
        ("cx", "cl", "rcx"),
        ("dx", "dl", "rdx"),
        ("si", "sil", "rsi"),
        ("di", "dil", "rdi"),
        ("bp", "bpl", "rbp"),
        ("sp", "spl", "rsp"),
    ];
    const DOUBLE: u64 = 0xffff_ffff;
    for (word, byte, whole) in LOW {
        let mask = match name {
            _ if name == byte => 0xff,
            _ if name == word => 0xffff,
            _ if name.strip_prefix('e') == Some(word) => DOUBLE,
            _ => continue,
        };
        return Some((RegisterName::from_name(whole)?, mask));
    }
    for (end, mask) in [("d", DOUBLE), ("w", 0xffff), ("b", 0xff)] {
        let whole = name.strip_suffix(end).filter(|whole| {
            whole
                .strip_prefix('r')
                .is_some_and(|n| n.parse::<u8>().is_ok_and(|n| (8..16).contains(&n)))
        });
        if let Some(whole) = whole {
            return Some((RegisterName::from_name(whole)?, mask));
        }
    }
    None
}

/// The value of a register, or of a part of one.
pub(crate) fn register_value(registers: &Registers, name: &str) -> Option<i128> {
    if let Some(name) = RegisterName::from_name(name) {
        return Some(registers.get(name).into());
    }
    let (name, mask) = register_part(name)?;
    Some((registers.get(name) & mask).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_their_bits() {
        assert_eq!(register_part("eax"), Some((RegisterName::Rax, 0xffff_ffff)));
        assert_eq!(register_part("dil"), Some((RegisterName::Rdi, 0xff)));
        assert_eq!(register_part("r9w"), Some((RegisterName::R9, 0xffff)));
        assert_eq!(register_part("r16d"), None);
        assert_eq!(register_part("fax"), None);
    }
}

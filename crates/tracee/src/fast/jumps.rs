//! How a call site comes to the code.

use retake_model::Addr;

use super::layout::CODE;

/// Bytes from one stub to the next.
pub const STUB_LEN: u64 = 32;
/// Bytes of a stub.
pub(super) const STUB_BYTES: usize = 23;
/// What is behind its own call: the jump back. By that address the code knows the stub.
pub(super) const BEHIND_CALL: u64 = 18;

/// A stub at `at` for the call site whose `syscall` instruction ends at `back`.
pub fn stub(at: Addr, back: Addr) -> Option<[u8; STUB_BYTES]> {
    let mut bytes = vec![0x48, 0x8d, 0x0d];
    // lea rcx, [rip + 11]: the address behind the stub's `syscall`.
    bytes.extend((BEHIND_CALL - 7).to_le_bytes().get(..4)?);
    // mov r11d, CODE; jmp r11
    bytes.extend([0x41, 0xbb]);
    bytes.extend(u32::try_from(CODE.get()).ok()?.to_le_bytes());
    bytes.extend([0x41, 0xff, 0xe3]);
    // syscall
    bytes.extend([0x0f, 0x05]);
    bytes.extend(jump(at.checked_add(BEHIND_CALL)?, back)?);
    bytes.try_into().ok()
}

/// `jmp rel32` at `at`, if `to` is near enough.
pub fn jump(at: Addr, to: Addr) -> Option<[u8; 5]> {
    let distance = to.get().wrapping_sub(at.get().wrapping_add(5)).cast_signed();
    let [a, b, c, d] = i32::try_from(distance).ok()?.to_le_bytes();
    Some([0xe9, a, b, c, d])
}

/// `jmp rel8` at `at`, if `to` is near enough.
pub fn short_jump(at: Addr, to: Addr) -> Option<[u8; 2]> {
    let distance = to.get().wrapping_sub(at.get().wrapping_add(2)).cast_signed();
    Some([0xeb, i8::try_from(distance).ok()?.cast_unsigned()])
}

#[cfg(test)]
mod tests {
    use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic};

    use super::*;

    fn decode(bytes: &[u8], at: Addr) -> Vec<Instruction> {
        Decoder::with_ip(64, bytes, at.get(), DecoderOptions::NONE).into_iter().collect()
    }

    #[test]
    fn a_stub_names_itself_and_goes_back() {
        let (at, back) = (Addr::new(0x5555_0000_1000), Addr::new(0x5555_0100_0007));
        let list = decode(&stub(at, back).unwrap(), at);
        let call = list.iter().find(|one| one.mnemonic() == Mnemonic::Syscall).unwrap();
        assert_eq!(list[0].memory_displacement64(), call.next_ip());
        assert_eq!(list[1].immediate32(), 0x7000_2000);
        assert_eq!(list.last().unwrap().near_branch_target(), back.get());
        assert!(stub(at, Addr::new(0x7000_0000_0000)).is_none());
    }

    #[test]
    fn short_jumps_reach_so_far() {
        let at = Addr::new(0x1000);
        assert_eq!(short_jump(at, Addr::new(0x1002)), Some([0xeb, 0]));
        assert_eq!(short_jump(at, Addr::new(0x1002 + 127)), Some([0xeb, 127]));
        assert_eq!(short_jump(at, Addr::new(0x1002 + 128)), None);
        assert_eq!(short_jump(at, Addr::new(0x1002 - 128)), Some([0xeb, 0x80]));
    }
}

//! Back from the code to the program.

use retake_model::{Addr, PAGE_SIZE, Registers};

use super::jumps::{BEHIND_CALL, STUB_BYTES, STUB_LEN, stub};
use super::layout::{BUFFER_LEN, CODE, CURSOR};

/// Where the program's own code goes on, for a task that stands in the code or in a stub. `read` fills its
/// argument with the memory at an address.
pub fn call_site(
    registers: &Registers,
    read: &mut dyn FnMut(Addr, &mut [u8]) -> bool,
) -> Option<Addr> {
    let pc = registers.rip;
    if pc.wrapping_sub(CODE.get()) >= PAGE_SIZE {
        let slot = Addr::new(pc & !(STUB_LEN - 1));
        return back_from(slot, read);
    }
    let mut word = |addr: u64| {
        let mut bytes = [0; 8];
        read(Addr::new(addr), &mut bytes).then(|| u64::from_le_bytes(bytes))
    };
    // The stub is named in rcx, or in the entry that rcx or the cursor points to.
    let in_buffer = registers.rcx.wrapping_sub(CURSOR.get()) < BUFFER_LEN;
    let names = [
        Some(registers.rcx),
        registers.rcx.checked_add(2),
        in_buffer.then(|| word(registers.rcx)).flatten(),
        word(CURSOR.get()).and_then(word),
    ];
    names.into_iter().flatten().find_map(|name| {
        let slot = name.checked_sub(BEHIND_CALL)?;
        (slot % STUB_LEN == 0).then(|| back_from(Addr::new(slot), read))?
    })
}

/// Where the stub at `slot` goes back to, if there is one.
fn back_from(slot: Addr, read: &mut dyn FnMut(Addr, &mut [u8]) -> bool) -> Option<Addr> {
    let mut bytes = [0; STUB_BYTES];
    if !read(slot, &mut bytes) {
        return None;
    }
    let [.., a, b, c, d] = bytes;
    let distance = i64::from(i32::from_le_bytes([a, b, c, d]));
    let end = slot.checked_add(bytes.len() as u64)?;
    let back = Addr::new(end.get().wrapping_add_signed(distance));
    (stub(slot, back)? == bytes).then_some(back)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOT: Addr = Addr::new(0x5555_0000_1040);
    const BACK: Addr = Addr::new(0x5555_0000_9002);

    fn site_of(rip: u64, rcx: u64, entry: Option<u64>) -> Option<Addr> {
        let stub = stub(SLOT, BACK).unwrap();
        let mut read = |addr: Addr, out: &mut [u8]| {
            let words = [(CURSOR.get(), 0x7000_4200), (0x7000_4200, entry.unwrap_or(0))];
            if addr == SLOT {
                out.copy_from_slice(&stub);
            } else if let Some((_, word)) = words.iter().find(|(at, _)| *at == addr.get()) {
                out.copy_from_slice(&word.to_le_bytes());
            }
            addr == SLOT || words.iter().any(|(at, _)| *at == addr.get())
        };
        call_site(&Registers { rip, rcx, ..Registers::default() }, &mut read)
    }

    #[test]
    fn the_site_is_found_from_everywhere() {
        let name = SLOT.get() + BEHIND_CALL;
        let code = CODE.get() + 8;
        assert_eq!(site_of(code, name, None), Some(BACK), "at the start");
        assert_eq!(site_of(code, name - 2, None), Some(BACK), "on the way to a traced call");
        assert_eq!(site_of(code, 0x7000_4200, Some(name)), Some(BACK), "after the call");
        assert_eq!(site_of(code, 0x7000_20b0, Some(name)), Some(BACK), "right after the call");
        assert_eq!(site_of(name, 0, None), Some(BACK), "in the stub");
        assert_eq!(site_of(code, 17, None), None);
        assert_eq!(site_of(0x5555_0000_2000, name, None), None, "elsewhere");
    }
}

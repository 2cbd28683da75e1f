//! Where a function's own code begins: after its frame is set up.

use crate::lines::Row;

/// `endbr64`
pub(crate) const ENDBR: [u8; 4] = [0xf3, 0x0f, 0x1e, 0xfa];
/// `push rbp; mov rbp, rsp`, in both encodings of the move.
const FRAME: [[u8; 4]; 2] = [[0x55, 0x48, 0x89, 0xe5], [0x55, 0x48, 0x8b, 0xec]];

/// The address to stop at for a function that starts at `start`: where the line table says that the
/// prologue ends (DWARF 5 §6.2.2), else the second line if a frame is set up (as gdb does), else the
/// entry. `rows` are those of the function, ascending; `code` are its first bytes.
pub(crate) fn after_prologue(start: u64, rows: &[Row], code: &[u8]) -> u64 {
    if let Some(row) = rows.iter().find(|row| row.prologue_end) {
        return row.addr;
    }
    let body = code.strip_prefix(&ENDBR).unwrap_or(code);
    if !FRAME.iter().any(|frame| body.starts_with(frame)) {
        return start;
    }
    rows.iter().find(|row| row.addr > start && row.line != 0).map_or(start, |row| row.addr)
}

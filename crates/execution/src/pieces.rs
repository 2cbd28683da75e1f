//! How memory is cut for a processor's debug registers.

use retake_model::{Addr, AddrRange};

use crate::Access;

/// So many pieces at most are watched at the same time.
pub const DEBUG_REGISTERS: usize = 4;
/// The longest piece, in bytes.
const WORD: u64 = 8;

/// The pieces of a range that a debug register watches each, in order (Intel SDM vol. 3, 19.2.5): aligned, of 1, 2, 4
/// or 8 bytes. Reads that take more of them than there are registers are watched in whole words, which may reach
/// beyond the range.
pub fn register_pieces(range: AddrRange, access: Access) -> impl Iterator<Item = AddrRange> {
    let too_many = access != Access::Write && pieces(range).nth(DEBUG_REGISTERS).is_some();
    pieces(if too_many { in_words(range) } else { range })
}

fn in_words(range: AddrRange) -> AddrRange {
    let start = Addr::new(range.start().get() & !(WORD - 1));
    let end = range.end().get().checked_next_multiple_of(WORD).map_or(range.end(), Addr::new);
    AddrRange::new(start, end).unwrap_or(range)
}

fn pieces(range: AddrRange) -> impl Iterator<Item = AddrRange> {
    let (mut at, end) = (range.start().get(), range.end().get());
    std::iter::from_fn(move || {
        let left = end.checked_sub(at).filter(|left| *left > 0)?;
        let fits = |len: &u64| at.is_multiple_of(*len) && *len <= left;
        let len = [WORD, 4, 2].into_iter().find(fits).unwrap_or(1);
        let piece = AddrRange::with_len(Addr::new(at), len);
        at += len;
        piece
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(start: u64, len: u64, access: Access) -> Vec<(u64, u64)> {
        let range = AddrRange::with_len(Addr::new(start), len).unwrap();
        register_pieces(range, access).map(|piece| (piece.start().get(), piece.len())).collect()
    }

    #[test]
    fn ranges_are_cut_into_aligned_pieces() {
        let cut = |start, len| cut(start, len, Access::Write);
        assert_eq!(cut(0x1000, 8), [(0x1000, 8)]);
        assert_eq!(cut(0x1004, 8), [(0x1004, 4), (0x1008, 4)]);
        assert_eq!(cut(0x1001, 7), [(0x1001, 1), (0x1002, 2), (0x1004, 4)]);
        assert_eq!(cut(0x1000, 3), [(0x1000, 2), (0x1002, 1)]);
        assert_eq!(cut(0x1000, 0), []);
        assert_eq!(cut(0x1001, 31).len(), 6);
        assert_eq!(cut(u64::MAX - 8, 8).len(), 4);
    }

    #[test]
    fn reads_take_words_where_pieces_are_too_many() {
        assert_eq!(cut(0x1001, 2, Access::Read), [(0x1001, 1), (0x1002, 1)]);
        assert_eq!(
            cut(0x1001, 31, Access::Read),
            [0x1000, 0x1008, 0x1010, 0x1018].map(|at| (at, 8))
        );
        assert_eq!(cut(0x1001, 32, Access::Any).len(), 5);
    }
}

//! Sparse files: what of them is data, and making holes.

use std::fs::File;
use std::os::fd::AsFd;

use nix::fcntl::{FallocateFlags, fallocate};
use nix::unistd::{Whence, lseek};

/// The parts of `file` between `from` and `end` that are not holes, in ascending order; all of it where
/// the filesystem does not say. The file's position changes.
pub fn data_ranges(file: &File, from: u64, end: u64) -> Vec<(u64, u64)> {
    let seek = |at: u64, whence| -> Result<u64, nix::errno::Errno> {
        let at = i64::try_from(at).map_err(|_| nix::errno::Errno::EINVAL)?;
        lseek(file.as_fd(), at, whence).map(|at| u64::try_from(at).unwrap_or(0))
    };
    let mut ranges = Vec::new();
    let mut at = from;
    while at < end {
        match seek(at, Whence::SeekData) {
            Ok(start) if start < end => {
                let stop = seek(start, Whence::SeekHole).unwrap_or(end).clamp(start + 1, end);
                ranges.push((start, stop));
                at = stop;
            }
            Ok(_) | Err(nix::errno::Errno::ENXIO) => break,
            Err(_) => {
                ranges.push((at, end));
                break;
            }
        }
    }
    ranges
}

/// Makes a hole of zeroes in a file; its length stays.
///
/// # Errors
/// When the filesystem has no holes, or the descriptor cannot write.
pub fn punch_hole(file: &File, offset: u64, len: u64) -> std::io::Result<()> {
    let flags = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    let signed = |n: u64| i64::try_from(n).map_err(std::io::Error::other);
    Ok(fallocate(file, flags, signed(offset)?, signed(len)?)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn holes_are_passed_over_and_made() {
        let file = crate::create_memfd().unwrap();
        file.set_len(1 << 32).unwrap();
        assert_eq!(data_ranges(&file, 0, 1 << 32), []);
        file.write_all_at(b"x", 5 << 12).unwrap();
        file.write_all_at(b"y", 9 << 20).unwrap();
        let expected = [(5 << 12, 6 << 12), (9 << 20, (9 << 20) + 4096)];
        assert_eq!(data_ranges(&file, 0, 1 << 32), expected);
        assert_eq!(data_ranges(&file, (5 << 12) + 100, 9 << 20), [((5 << 12) + 100, 6 << 12)]);
        punch_hole(&file, 5 << 12, 4096).unwrap();
        assert_eq!(data_ranges(&file, 0, 1 << 32), expected[1..]);
    }
}

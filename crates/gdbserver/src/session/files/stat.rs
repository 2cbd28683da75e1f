//! `struct stat` of host I/O (gdb manual, E.13.8.5): big-endian, without room between its fields.

/// A regular file that anybody may read.
const MODE: u32 = 0o100_444;
const BLOCK: u64 = 4096;

/// A file of so many bytes.
pub(super) fn of_file(len: u64) -> Vec<u8> {
    let mut stat = Vec::with_capacity(64);
    // Device, inode, mode, links, user, group, device of a special file.
    for field in [0, 0, MODE, 1, 0, 0, 0_u32] {
        stat.extend(field.to_be_bytes());
    }
    for field in [len, BLOCK, len.div_ceil(512)] {
        stat.extend(field.to_be_bytes());
    }
    // Times: none is known.
    stat.extend([0; 12]);
    stat
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_its_size_at_its_place() {
        let stat = of_file(0x1234);
        assert_eq!(stat.len(), 64);
        assert_eq!(stat[8..12], MODE.to_be_bytes());
        assert_eq!(stat[28..36], 0x1234_u64.to_be_bytes());
    }
}

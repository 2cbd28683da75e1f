//! `/proc/PID/maps`.

use retake_model::{Addr, AddrRange, FileOffset, Protection, Tid};

/// One line of `/proc/PID/maps` (proc_pid_maps(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapsEntry {
    /// The addresses.
    pub range: AddrRange,
    /// The protection.
    pub prot: Protection,
    /// Whether it is shared.
    pub shared: bool,
    /// Offset in the file.
    pub offset: FileOffset,
    /// Device, `major << 32 | minor`.
    pub dev: u64,
    /// Inode; 0 for anonymous memory.
    pub ino: u64,
    /// Path or `[name]`; empty for anonymous memory.
    pub path: String,
}

fn parse_line(line: &str) -> Option<MapsEntry> {
    let mut parts = line.splitn(6, ' ');
    let (start, end) = parts.next()?.split_once('-')?;
    let hex = |text| u64::from_str_radix(text, 16).ok();
    let flags = parts.next()?.as_bytes();
    let bit = |at: usize, on: u8, prot| {
        if flags.get(at) == Some(&on) { prot } else { Protection::NONE }
    };
    let prot = bit(0, b'r', Protection::READ).union(bit(1, b'w', Protection::WRITE)).union(bit(
        2,
        b'x',
        Protection::EXEC,
    ));
    let offset = hex(parts.next()?)?;
    let (major, minor) = parts.next()?.split_once(':')?;
    let ino = parts.next()?.parse().ok()?;
    let path = parts.next().unwrap_or("").trim_start().to_owned();
    Some(MapsEntry {
        range: AddrRange::new(Addr::new(hex(start)?), Addr::new(hex(end)?))?,
        prot,
        shared: flags.get(3) == Some(&b's'),
        offset: FileOffset::new(offset),
        dev: hex(major)? << 32 | hex(minor)?,
        ino,
        path,
    })
}

/// Parses the text of `/proc/PID/maps`; lines that cannot be understood are left out.
pub fn parse_maps(text: &str) -> Vec<MapsEntry> {
    text.lines().filter_map(parse_line).collect()
}

/// Reads the mappings of a live process.
///
/// # Errors
/// When the process is gone.
pub fn read_maps(tid: Tid) -> std::io::Result<Vec<MapsEntry>> {
    let text = std::fs::read(format!("/proc/{tid}/maps"))?;
    Ok(parse_maps(&String::from_utf8_lossy(&text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_all_kinds() {
        let text = "00400000-00452000 r-xp 00001000 08:02 173521      /usr/bin/a b\n\
                    7ffc0000-7ffd0000 rw-p 00000000 00:00 0                          [stack]\n\
                    7f0000000000-7f0000001000 rw-s 00000000 00:01 5 /dev/zero (deleted)\n\
                    nonsense\n";
        let maps = parse_maps(text);
        assert_eq!(maps.len(), 3);
        assert_eq!(maps[0].path, "/usr/bin/a b");
        assert_eq!(maps[0].offset, FileOffset::new(0x1000));
        assert_eq!(maps[0].prot.to_string(), "r-x");
        assert_eq!((maps[0].dev, maps[0].ino), (8 << 32 | 2, 173_521));
        assert_eq!(maps[1].path, "[stack]");
        assert!(maps[2].shared);
    }
}

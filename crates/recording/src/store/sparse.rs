//! Copies of large files: holes stay holes, and pages of zeroes become holes.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use rustix::fs::{SeekFrom, ioctl_ficlone, seek};
use rustix::io::Errno;
use xxhash_rust::xxh3::Xxh3;

/// Files above this length are copied like this; smaller ones with all of their bytes.
pub(crate) const LARGE: u64 = 64 << 20;
const PAGE: u64 = 4096;
/// Bytes read at once.
const BLOCK: u64 = 1 << 20;

/// The next stretch of data from `at` on; `None` if there is none before `end`. All of it where the file
/// system does not say.
fn next_data(file: &File, at: u64, end: u64) -> Option<Range<u64>> {
    if at >= end {
        return None;
    }
    match seek(file, SeekFrom::Data(at)) {
        Ok(start) if start < end => {
            let stop = seek(file, SeekFrom::Hole(start)).unwrap_or(end);
            Some(start..stop.clamp(start + 1, end))
        }
        Ok(_) | Err(Errno::NXIO) => None,
        Err(_) => Some(at..end),
    }
}

/// Hashes what `source` has in `part`, and writes that to the same places of `to`. The hash is that of the
/// pages that are not zero, each with its place before it: holes cost nothing.
fn walk(source: &File, part: Range<u64>, to: Option<&File>) -> io::Result<Xxh3> {
    let mut hasher = Xxh3::new();
    let mut buffer = vec![0_u8; usize::try_from(BLOCK).unwrap_or(0)];
    let mut at = part.start;
    while let Some(data) = next_data(source, at, part.end) {
        // Whole pages, so that the same contents have the same hash wherever holes lie.
        at = (data.start / PAGE * PAGE).max(part.start);
        let end = data.end.next_multiple_of(PAGE).min(part.end);
        while at < end {
            let most = usize::try_from((end - at).min(BLOCK)).unwrap_or(0);
            let got = read_full(source, buffer.get_mut(..most).unwrap_or_default(), at)?;
            let block = buffer.get(..got).unwrap_or_default();
            if block.is_empty() {
                // The file is shorter than it was.
                return Ok(hasher);
            }
            let pages = block.chunks(usize::try_from(PAGE).unwrap_or(1));
            for (place, page) in (at..).step_by(usize::try_from(PAGE).unwrap_or(1)).zip(pages) {
                if page.iter().all(|byte| *byte == 0) {
                    continue;
                }
                hasher.update(&place.to_le_bytes());
                hasher.update(page);
                if let Some(to) = to {
                    to.write_all_at(page, place)?;
                }
            }
            at += block.len() as u64;
        }
    }
    Ok(hasher)
}

fn read_full(file: &File, out: &mut [u8], at: u64) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = out.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, at + done as u64)? {
            0 => break,
            got => done += got,
        }
    }
    Ok(done)
}

/// Makes `to`, which is empty, a copy of the part of `source`, of length `len`, with holes around it. Gives the
/// hash of that. A whole file shares its blocks with the copy where the file system can do that.
pub(crate) fn copy(source: &File, part: Range<u64>, len: u64, to: &File) -> io::Result<u128> {
    let whole = part == (0..len);
    let cloned = whole && ioctl_ficlone(to, source).is_ok() && to.metadata()?.len() == len;
    let hasher = if cloned { walk(to, part, None)? } else { walk(source, part, Some(to))? };
    to.set_len(len)?;
    Ok(hasher.digest128() ^ u128::from(len))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn file() -> File {
        tempfile::tempfile().unwrap()
    }

    #[test]
    fn holes_stay_and_do_not_count() {
        let len = 3 << 30;
        let (sparse, zeroed) = (file(), file());
        for file in [&sparse, &zeroed] {
            file.set_len(len).unwrap();
            file.write_all_at(b"first", 10).unwrap();
            file.write_all_at(b"last", len - 4).unwrap();
        }
        zeroed.write_all_at(&[0; 1 << 20], 5 << 20).unwrap();
        let (a, b) = (file(), file());
        let hash = copy(&sparse, 0..len, len, &a).unwrap();
        assert_eq!(copy(&zeroed, 0..len, len, &b).unwrap(), hash);
        for file in [a, b] {
            let meta = file.metadata().unwrap();
            assert_eq!(meta.len(), len);
            assert!(meta.blocks() * 512 <= 64 << 10, "{} blocks", meta.blocks());
            let mut word = [0; 4];
            file.read_exact_at(&mut word, len - 4).unwrap();
            assert_eq!(&word, b"last");
        }
    }

    #[test]
    fn a_part_has_holes_around_it() {
        let source = file();
        source.write_all_at(&[7; 100_000], 0).unwrap();
        let part = file();
        let hash = copy(&source, 8192..12288, 100_000, &part).unwrap();
        let mut bytes = vec![1; 100_000];
        part.read_exact_at(&mut bytes, 0).unwrap();
        let is_right =
            |(at, byte): (usize, &u8)| *byte == if (8192..12288).contains(&at) { 7 } else { 0 };
        assert!(bytes.iter().enumerate().all(is_right));
        let other = copy(&source, 4096..8192, 100_000, &file()).unwrap();
        assert_ne!(hash, other, "the place counts");
    }
}

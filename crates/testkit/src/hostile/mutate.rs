//! Changes of bytes.

use std::ops::Range;

use super::Random;

/// No input gets longer than this: it is what an honest chunk of a journal has.
pub const LONGEST: usize = 256 << 10;
/// Changes of one input at most.
const AT_ONCE: usize = 4;
/// Bytes of a block that is moved or repeated.
const BLOCK: usize = 64;
/// How often a short block is repeated at most: nesting that deep needs a limit in the reader.
const REPEATS: usize = 1 << 15;

/// What readers stumble over: integers at the ends of their range in the forms of bincode (`fb`, `fc`, `fd`, `fe` are
/// before 2, 4, 8 and 16 bytes) and of text, and what nests.
const STUMBLES: &[&[u8]] = &[
    &[0xfb, 0xff, 0xff],
    &[0xfc, 0xff, 0xff, 0xff, 0xff],
    &[0xfc, 0, 0, 0, 0x3f],
    &[0xfc, 0, 0, 0, 0x04],
    &[0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    &[0xfd, 0, 0, 0, 0, 0, 0, 0, 0x80],
    &[0xfd, 0, 0, 0, 0x10, 0, 0, 0, 0],
    &[0xfe, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80],
    b"18446744073709551615",
    b"4294967295",
    b"-1",
    b"1e999",
    b"null",
    b"\"\"",
    b"[[[[[[[[[[[[[[[[",
    b"{\"a\":{\"a\":{\"a\":",
    b"((((((((((((((((",
    b"\\ud800",
    b"\xff\xfe",
    b"\0",
    b"\n",
];

/// Words at the ends of their range.
const WORDS: [u64; 12] = [
    0,
    1,
    0x7f,
    0xff,
    0xffff,
    0x3fff_ffff,
    0x4000_0000,
    0x7fff_ffff,
    0xffff_ffff,
    1 << 40,
    i64::MAX as u64,
    u64::MAX,
];

/// A block, `most` bytes long at most.
fn block(len: usize, most: usize, random: &mut Random) -> Range<usize> {
    let start = random.below(len);
    start..len.min(start + 1 + random.below(most))
}

/// Puts bytes in the place of others.
pub fn splice(bytes: &mut Vec<u8>, range: Range<usize>, new: &[u8]) {
    bytes.splice(range, new.iter().copied());
    bytes.truncate(LONGEST);
}

fn one(bytes: &mut Vec<u8>, random: &mut Random) {
    let len = bytes.len();
    let at = random.below(len);
    match random.below(12) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = random.byte(),
        2 => bytes[at] = bytes[at].wrapping_add(if random.once_in(2) { 1 } else { 0xff }),
        3 => bytes.truncate(at),
        4 => {
            let new: Vec<u8> = (0..=random.below(BLOCK)).map(|_| random.byte()).collect();
            splice(bytes, at..at, &new);
        }
        5 => {
            let block = bytes[block(len, BLOCK, random)].to_vec();
            splice(bytes, at..at, &block);
        }
        6 => {
            bytes.drain(block(len, BLOCK, random));
        }
        7 => {
            // Two blocks change places.
            let (a, b) = (block(len, BLOCK, random), block(len, BLOCK, random));
            let (a, b) = if a.start < b.start { (a, b) } else { (b, a) };
            if a.end <= b.start {
                let parts = [&bytes[b.clone()], &bytes[a.end..b.start], &bytes[a.clone()]];
                let new = parts.concat();
                splice(bytes, a.start..b.end, &new);
            }
        }
        8 => {
            // A word.
            let word = WORDS[random.below(WORDS.len())].to_le_bytes();
            let size = [1, 2, 4, 8][random.below(4)];
            for (to, from) in bytes[at..].iter_mut().zip(&word[..size]) {
                *to = *from;
            }
        }
        9 | 10 => {
            let new = random.of_these(STUMBLES);
            let end = at + random.below(2);
            splice(bytes, at..end.min(len), new);
        }
        _ => {
            let block = bytes[block(len, 4, random)].to_vec();
            let times = if random.once_in(8) { random.below(REPEATS) } else { random.below(32) };
            splice(bytes, at..at, &block.repeat(times));
        }
    }
}

/// Changes bytes in a few places.
pub fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(AT_ONCE) {
        if bytes.is_empty() {
            bytes.push(random.byte());
        }
        one(bytes, random);
    }
}

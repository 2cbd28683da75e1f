//! Files of frames, taken apart and put together again. Nothing here is the crate's own: a mistake in its layout code
//! would go unseen otherwise. `docs/format.md` describes it.

use retake_testkit::hostile::{LONGEST, Random, mutate};
use xxhash_rust::xxh3::xxh3_64;
use zstd::bulk::Compressor;

const HEADER: usize = 16;
const FRAME: usize = 48;

#[derive(Clone, Debug)]
struct Frame {
    /// `seq`, `first` (two), `count`, `raw`, `len`, `nth`, zero (two).
    words: [u32; 9],
    plain: Vec<u8>,
}

/// Which words of a frame's header are which.
const RAW: usize = 4;
const LEN: usize = 5;
const NTH: usize = 6;

/// A file of frames.
#[derive(Clone, Debug)]
pub(crate) struct Framed {
    whole: Vec<u8>,
    frames: Vec<Frame>,
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// A frame with its checksum.
fn put(words: &[u32; 9], payload: &[u8], out: &mut Vec<u8>) {
    let mut head = b"rtkF".to_vec();
    head.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    let sum = xxh3_64(payload) ^ xxh3_64(&head).rotate_left(17);
    out.extend_from_slice(&head);
    out.extend_from_slice(&sum.to_le_bytes());
    out.extend_from_slice(payload);
}

/// A zstd frame (RFC 8878, 3.1.1) without its length, whose window is as large as is said, of uncompressed blocks.
pub(crate) fn with_window(plain: &[u8], log: u8) -> Vec<u8> {
    let mut out = vec![0x28, 0xb5, 0x2f, 0xfd, 0, (log - 10) << 3];
    let blocks = plain.len().div_ceil(1 << 16).max(1);
    let mut parts = plain.chunks(1 << 16);
    for nth in 1..=blocks {
        let part = parts.next().unwrap_or_default();
        let head = u32::try_from(part.len() << 3).unwrap() | u32::from(nth == blocks);
        out.extend_from_slice(&head.to_le_bytes()[..3]);
        out.extend_from_slice(part);
    }
    out
}

/// A zstd frame of 128 KiB of one byte, again and again.
pub(crate) fn bomb(blocks: usize) -> Vec<u8> {
    let mut out = vec![0x28, 0xb5, 0x2f, 0xfd, 0, (17 - 10) << 3];
    for nth in 1..=blocks {
        let head = (128_u32 << 10) << 3 | 1 << 1 | u32::from(nth == blocks);
        out.extend_from_slice(&head.to_le_bytes()[..3]);
        out.push(0);
    }
    out
}

/// One of the pieces of a stream, which go on from each other.
struct Pieces(zstd::stream::write::Encoder<'static, Vec<u8>>);

impl Pieces {
    fn new() -> Self {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(17).unwrap();
        Self(encoder)
    }

    fn piece(&mut self, plain: &[u8]) -> Vec<u8> {
        use std::io::Write;
        self.0.write_all(plain).unwrap();
        self.0.flush().unwrap();
        std::mem::take(self.0.get_mut())
    }
}

impl Framed {
    /// Takes a file apart.
    pub(crate) fn of(whole: &[u8]) -> Self {
        use std::io::Write;
        let mut frames = Vec::new();
        let mut stream = zstd::stream::write::Decoder::new(Vec::new()).unwrap();
        let mut rest = &whole[HEADER..];
        while let Some((head, tail)) = rest.split_at_checked(FRAME) {
            assert_eq!(&head[..4], b"rtkF");
            let words: [u32; 9] = std::array::from_fn(|n| word(head, 4 + 4 * n));
            let (payload, tail) = tail.split_at(words[LEN] as usize);
            if words[NTH] == 0 {
                stream = zstd::stream::write::Decoder::new(Vec::new()).unwrap();
            }
            stream.write_all(payload).unwrap();
            stream.flush().unwrap();
            let plain = std::mem::take(stream.get_mut());
            assert_eq!(plain.len(), words[RAW] as usize);
            frames.push(Frame { words, plain });
            rest = tail;
        }
        Self { whole: whole.to_vec(), frames }
    }

    /// Whether something is in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Changes what the frames hold, in what order they are, what their headers say, or bytes of the file; the checksums
    /// are right but in the last case.
    pub(crate) fn changed(&self, packer: &mut Compressor<'_>, random: &mut Random) -> Vec<u8> {
        if self.is_empty() || random.once_in(8) {
            let mut bytes = self.whole.clone();
            mutate(&mut bytes, random);
            return bytes;
        }
        let mut frames = self.frames.clone();
        let (at, other) = (random.below(frames.len()), random.below(frames.len()));
        let what = random.below(10);
        match what {
            0 => frames.swap(at, other),
            1 => frames.insert(at, frames[other].clone()),
            2 => drop(frames.remove(at)),
            // What is below changes these.
            3..=5 => {}
            _ => mutate(&mut frames[at].plain, random),
        }
        if random.once_in(2) {
            // As if it were the right order.
            (0_u32..).zip(&mut frames).for_each(|(seq, frame)| {
                if what < 3 {
                    frame.words[0] = seq;
                }
            });
        }
        let mut stream = (self.frames.iter().any(|frame| frame.words[NTH] > 0)
            && random.once_in(4))
        .then(Pieces::new);
        let mut out = self.whole[..HEADER].to_vec();
        for (n, (mut nth, Frame { mut words, plain })) in (0_u32..).zip(frames).enumerate() {
            let mut payload = match &mut stream {
                Some(stream) => stream.piece(&plain),
                None => {
                    nth = 0;
                    packer.compress(&plain).unwrap()
                }
            };
            words[NTH] = nth;
            words[RAW] = u32::try_from(plain.len()).unwrap();
            if n == at {
                match what {
                    3 => mutate(&mut payload, random),
                    4 => payload = bomb(random.below(LONGEST / 4)),
                    5 if random.once_in(2) => {
                        let log = 10 + u8::try_from(random.below(22)).unwrap();
                        payload = with_window(&plain, log);
                    }
                    _ => {}
                }
            }
            words[LEN] = u32::try_from(payload.len()).unwrap();
            if n == at && what == 5 {
                let shift = random.below(32);
                words[random.below(words.len())] = u32::MAX >> shift;
            }
            put(&words, &payload, &mut out);
        }
        out
    }
}

//! Encoding of values, and the frame that every record on disk has.

pub(crate) mod bytes;
pub(crate) mod text;

use std::io::Read;

use retake_model::Registers;
use serde::Serialize;
use serde::de::DeserializeOwned;
use xxhash_rust::xxh3::xxh3_64;
use zstd::bulk::{Compressor, Decompressor};

/// Major and minor version of the format. A reader takes its own major version and the one before.
pub const FORMAT_VERSION: FormatVersion = FormatVersion { major: 2, minor: 0 };

/// The oldest major version that is read.
pub(crate) const OLDEST_MAJOR: u16 = 1;

/// zstd's fastest ordinary level: the recorded program must not wait for it.
const LEVEL: i32 = 1;

/// No record decodes to more than this many bytes.
pub(crate) const LARGEST_RECORD: usize = 1 << 30;

/// Nothing is packed with a larger window (as a power of two), and what asks for one is not unpacked: zstd takes memory
/// for all of it before the first byte comes, 128 MiB unless it is told.
pub(crate) const WINDOW_LOG: u32 = 22;

/// So many bytes are made room for because a header says that they come.
const BELIEVED: usize = 1 << 20;

/// A version of the format on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormatVersion {
    /// Changes when older readers cannot read it.
    pub major: u16,
    /// Changes when older readers can.
    pub minor: u16,
}

impl std::fmt::Display for FormatVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// First bytes of every binary file: `retake`, what it is, and the version.
pub(crate) fn file_header(kind: [u8; 6]) -> [u8; 16] {
    let mut header = *b"retake\0\0\0\0\0\0\0\0\0\0";
    let version = [FORMAT_VERSION.major.to_le_bytes(), FORMAT_VERSION.minor.to_le_bytes()];
    let parts = kind.iter().chain(version.as_flattened());
    for (to, from) in header.iter_mut().skip(6).zip(parts) {
        *to = *from;
    }
    header
}

/// Length of [`file_header`].
pub(crate) const FILE_HEADER: usize = 16;
/// Length of a frame's header.
pub(crate) const FRAME_HEADER: usize = 48;
const FRAME_MAGIC: [u8; 4] = *b"rtkF";

/// Header of one frame: a checksummed, compressed piece of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Which frame of its file, from 0.
    pub(crate) seq: u32,
    /// First event (journal), or first record.
    pub(crate) first: u64,
    /// How many events or records.
    pub(crate) count: u32,
    /// Bytes when decompressed.
    pub(crate) raw: u32,
    /// Bytes on disk after the header.
    pub(crate) len: u32,
    /// Its place in a stream ([`crate::events::stream`]); 0 where it begins one, or stands alone.
    pub(crate) nth: u32,
}

fn checksum(header: &[u8], payload: &[u8]) -> u64 {
    xxh3_64(payload) ^ xxh3_64(header).rotate_left(17)
}

impl Frame {
    /// The header's bytes for this payload.
    pub(crate) fn encode(&self, payload: &[u8]) -> [u8; FRAME_HEADER] {
        let mut out = [0_u8; FRAME_HEADER];
        let fields: [&[u8]; 7] = [
            &FRAME_MAGIC,
            &self.seq.to_le_bytes(),
            &self.first.to_le_bytes(),
            &self.count.to_le_bytes(),
            &self.raw.to_le_bytes(),
            &self.len.to_le_bytes(),
            &self.nth.to_le_bytes(),
        ];
        for (to, from) in out.iter_mut().zip(fields.concat()) {
            *to = from;
        }
        let (head, tail) = out.split_at_mut(40);
        tail.copy_from_slice(&checksum(head, payload).to_le_bytes());
        out
    }

    /// The frame that starts `bytes`, with its payload, if it is whole and right.
    pub(crate) fn decode(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let head = bytes.get(..FRAME_HEADER)?;
        let word = |at: usize| -> Option<u32> {
            Some(u32::from_le_bytes(head.get(at..at + 4)?.try_into().ok()?))
        };
        let long = |at: usize| -> Option<u64> {
            Some(u64::from_le_bytes(head.get(at..at + 8)?.try_into().ok()?))
        };
        if head.get(..4)? != FRAME_MAGIC {
            return None;
        }
        let frame = Self {
            seq: word(4)?,
            first: long(8)?,
            count: word(16)?,
            raw: word(20)?,
            len: word(24)?,
            nth: word(28)?,
        };
        let len = usize::try_from(frame.len).ok()?;
        let payload = bytes.get(FRAME_HEADER..FRAME_HEADER.checked_add(len)?)?;
        (checksum(head.get(..40)?, payload) == long(40)?).then_some((frame, payload))
    }

    /// Bytes of the payload when decompressed, if that may be.
    pub(crate) fn raw_len(&self) -> Option<usize> {
        usize::try_from(self.raw).ok().filter(|raw| *raw <= LARGEST_RECORD)
    }

    /// The payload decompressed.
    pub(crate) fn unpack(&self, payload: &[u8]) -> Option<Vec<u8>> {
        unpack(payload, self.raw_len()?)
    }

    /// The payload, which is `raw` bytes when decompressed, in `buffer`, whatever was there before; false if it is
    /// damaged.
    pub(crate) fn unpack_into(
        &self,
        raw: usize,
        payload: &[u8],
        unpacker: &mut Decompressor<'_>,
        buffer: &mut Vec<u8>,
    ) -> bool {
        if self.raw_len() != Some(raw) {
            return false;
        }
        buffer.resize(raw, 0);
        unpacker.decompress_to_buffer(payload, buffer.as_mut_slice()).is_ok_and(|len| len == raw)
    }
}

/// Decompresses what is to be `raw` bytes then. Memory is taken as they come.
pub(crate) fn unpack(packed: &[u8], raw: usize) -> Option<Vec<u8>> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(packed).ok()?;
    decoder.window_log_max(WINDOW_LOG).ok()?;
    let mut bytes = Vec::with_capacity(raw.min(BELIEVED));
    // One more shows that there are more.
    decoder.take((raw as u64).saturating_add(1)).read_to_end(&mut bytes).ok()?;
    (bytes.len() == raw).then_some(bytes)
}

/// Compresses and frames records.
pub(crate) struct Packer(Compressor<'static>);

impl std::fmt::Debug for Packer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packer").finish_non_exhaustive()
    }
}

impl Packer {
    /// One that can be used again and again: making one takes as long as packing a page or two.
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self(Compressor::new(LEVEL)?))
    }

    /// Appends the frame of `raw` to `out`.
    pub(crate) fn pack(
        &mut self,
        seq: u32,
        first: u64,
        count: u32,
        raw: &[u8],
        out: &mut Vec<u8>,
    ) -> std::io::Result<()> {
        let payload = self.0.compress(raw)?;
        frame((seq, 0), first, count, raw, &payload, out)
    }
}

/// Compresses and frames `raw`.
pub(crate) fn pack(seq: u32, first: u64, count: u32, raw: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut out = Vec::new();
    Packer::new()?.pack(seq, first, count, raw, &mut out)?;
    Ok(out)
}

/// Appends the frame of a payload, whose number in the file and place in a stream are given.
pub(crate) fn frame(
    (seq, nth): (u32, u32),
    first: u64,
    count: u32,
    raw: &[u8],
    payload: &[u8],
    out: &mut Vec<u8>,
) -> std::io::Result<()> {
    let too_large = |_| std::io::Error::other("a record of more than 4 GiB");
    let frame = Frame {
        seq,
        first,
        count,
        raw: u32::try_from(raw.len()).map_err(too_large)?,
        len: u32::try_from(payload.len()).map_err(too_large)?,
        nth,
    };
    out.extend_from_slice(&frame.encode(payload));
    out.extend_from_slice(payload);
    Ok(())
}

fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<LARGEST_RECORD>()
}

/// Appends a value.
pub(crate) fn put<T: Serialize>(value: &T, out: &mut Vec<u8>) {
    // Encoding into memory fails only for types that are not ours (sequences of unknown length).
    let _ = bincode::serde::encode_into_std_write(value, out, config());
}

/// Takes a value from the front.
///
/// The bytes are borrowed: byte strings and text that are read as such ([`crate::codec::bytes`], [`crate::codec::text`]) are copied
/// when they are there. An owning decoder makes room for as many as their length says, up to [`LARGEST_RECORD`].
pub(crate) fn take<T: DeserializeOwned>(bytes: &mut &[u8]) -> Option<T> {
    let (value, used) = bincode::serde::borrow_decode_from_slice(bytes, config()).ok()?;
    *bytes = bytes.get(used..)?;
    Some(value)
}

/// Appends registers as differences to `base`: a bit for each that differs, then the values.
pub(crate) fn put_registers(base: &Registers, registers: &Registers, out: &mut Vec<u8>) {
    let (old, new) = (base.to_array(), registers.to_array());
    let mut mask = 0_u32;
    for (n, (old, new)) in old.iter().zip(&new).enumerate() {
        if old != new {
            mask |= 1 << n;
        }
    }
    out.extend_from_slice(&mask.to_le_bytes());
    for (old, new) in old.iter().zip(&new) {
        if old != new {
            out.extend_from_slice(&new.to_le_bytes());
        }
    }
}

/// Takes registers that were put with the same `base`.
pub(crate) fn take_registers(base: &Registers, bytes: &mut &[u8]) -> Option<Registers> {
    let (mask, mut rest) = bytes.split_first_chunk::<4>()?;
    let mut mask = u32::from_le_bytes(*mask);
    let mut values = base.to_array();
    while mask != 0 {
        let (word, tail) = rest.split_first_chunk::<8>()?;
        // A bit beyond the last register was never written.
        *values.get_mut(mask.trailing_zeros() as usize)? = u64::from_le_bytes(*word);
        rest = tail;
        mask &= mask - 1;
    }
    *bytes = rest;
    Some(Registers::from_array(values))
}

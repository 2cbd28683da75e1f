//! Chunks of events as pieces of one compressed stream: what was in the chunks before need not be written again. A
//! compiler reads the same headers for each file.
//!
//! Each piece is flushed: it decompresses with those before it, whatever comes of those behind. A stream ends after
//! [`STREAM_BYTES`], so that no event costs more than that to get at.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use zstd::stream::raw::CParameter;
use zstd::stream::write::{Decoder, Encoder};

use crate::codec::{Frame, LARGEST_RECORD, WINDOW_LOG, frame};
use crate::events::chunk::OpenChunk;

/// Of the events of ten programs, level 3 made 73 % (sorting) to 5 % less than level 1, at the same speed within the
/// noise; level 5 another 4 %, at a third of it. Of the contents of many files level 1 makes 9 % more, at 1.4 times the
/// speed; levels below are no faster.
const LEVEL: i32 = 3;
const LEVEL_IN_HASTE: i32 = 1;
/// There is haste when so many bytes wait behind a chunk: the program makes them faster than they are packed.
const MANY_WAIT: usize = 16 << 20;
/// Bytes of chunks in one stream, and how far back repetition is found.
const STREAM_BYTES: usize = 1 << WINDOW_LOG;
/// Streams whose chunks are kept unpacked.
const KEPT: usize = 4;

/// Packs the chunks of a journal.
#[derive(Default)]
pub(crate) struct StreamPacker {
    open: Option<Encoder<'static, Vec<u8>>>,
    /// Chunks that the open stream has, and their bytes.
    chunks: u32,
    bytes: usize,
}

fn begin(level: i32) -> io::Result<Encoder<'static, Vec<u8>>> {
    let mut stream = Encoder::new(Vec::new(), level)?;
    stream.set_parameter(CParameter::WindowLog(WINDOW_LOG))?;
    Ok(stream)
}

impl StreamPacker {
    /// One with a stream that has its memory already: getting that takes longer than the chunk of a short program.
    pub(crate) fn begun() -> Self {
        let ready = |mut stream: Encoder<'static, Vec<u8>>| stream.flush().map(|()| stream);
        // Where it fails, the first chunk tries it again, and says why.
        Self { open: begin(LEVEL).and_then(ready).ok(), ..Self::default() }
    }

    /// The frame of the next chunk, behind which so many bytes wait.
    pub(crate) fn pack(
        &mut self,
        seq: u32,
        chunk: &OpenChunk,
        waiting: usize,
    ) -> io::Result<Vec<u8>> {
        let fits = self.bytes + chunk.bytes.len() <= STREAM_BYTES;
        let (mut stream, nth) = match self.open.take().filter(|_| fits) {
            Some(stream) => (stream, self.chunks),
            None => {
                (self.chunks, self.bytes) = (0, 0);
                (begin(if waiting > MANY_WAIT { LEVEL_IN_HASTE } else { LEVEL })?, 0)
            }
        };
        stream.write_all(&chunk.bytes)?;
        stream.flush()?;
        let payload = std::mem::take(stream.get_mut());
        // After a failure the next chunk begins a stream.
        self.open = Some(stream);
        self.chunks += 1;
        self.bytes += chunk.bytes.len();
        let (first, count) = (chunk.first, chunk.count);
        let mut out = Vec::new();
        frame((seq, nth), first, count, &chunk.bytes, &payload, &mut out)?;
        Ok(out)
    }
}

/// Takes no more bytes than it may.
#[derive(Debug, Default)]
struct Limited {
    bytes: Vec<u8>,
    most: usize,
}

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.most.saturating_sub(self.bytes.len()) {
            return Err(io::Error::other("more bytes than the frame says"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A stream as far as it was unpacked.
struct Unpacked {
    /// The number of its first chunk.
    start: usize,
    chunks: Vec<Arc<Vec<u8>>>,
    bytes: usize,
    decoder: Decoder<'static, Limited>,
}

impl Unpacked {
    fn begin(start: usize) -> io::Result<Self> {
        let mut decoder = Decoder::new(Limited::default())?;
        decoder.window_log_max(WINDOW_LOG)?;
        Ok(Self { start, chunks: Vec::new(), bytes: 0, decoder })
    }

    /// Unpacks the next chunk.
    fn go_on(&mut self, frame: &Frame, payload: &[u8]) -> Option<()> {
        let raw = frame.raw_len()?;
        // A chunk that is larger stands alone.
        let most = if self.chunks.is_empty() { LARGEST_RECORD } else { STREAM_BYTES };
        self.bytes = self.bytes.checked_add(raw).filter(|bytes| *bytes <= most)?;
        *self.decoder.get_mut() = Limited { bytes: Vec::new(), most: raw };
        self.decoder.write_all(payload).and_then(|()| self.decoder.flush()).ok()?;
        let bytes = std::mem::take(&mut self.decoder.get_mut().bytes);
        (bytes.len() == raw).then(|| self.chunks.push(Arc::new(bytes)))
    }
}

/// Unpacks chunks of a journal, and keeps some of them: whoever wants one wants those around it.
#[derive(Default)]
pub(crate) struct StreamUnpacker {
    /// The one used last comes last.
    kept: Mutex<Vec<Unpacked>>,
}

impl std::fmt::Debug for StreamUnpacker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamUnpacker").finish_non_exhaustive()
    }
}

impl StreamUnpacker {
    /// The chunk of number `nth`. `frame` gives those of a journal with their payloads.
    pub(crate) fn chunk<'a>(
        &self,
        nth: usize,
        frame: impl Fn(usize) -> Option<(Frame, &'a [u8])>,
    ) -> Option<Arc<Vec<u8>>> {
        let place = usize::try_from(frame(nth)?.0.nth).ok()?;
        let start = nth.checked_sub(place)?;
        // A panic elsewhere leaves whole streams behind.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut stream = match kept.iter().position(|stream| stream.start == start) {
            Some(at) => kept.remove(at),
            None => Unpacked::begin(start).ok()?,
        };
        while stream.chunks.len() <= place {
            let (next, payload) = frame(start + stream.chunks.len())?;
            if usize::try_from(next.nth).ok()? != stream.chunks.len() {
                return None;
            }
            stream.go_on(&next, payload)?;
        }
        let chunk = stream.chunks.get(place).cloned();
        if kept.len() >= KEPT {
            kept.remove(0);
        }
        kept.push(stream);
        chunk
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that do not compress.
    fn noise(seed: u64, len: usize) -> Vec<u8> {
        let mut state = seed;
        let byte = |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56).to_le_bytes()[0]
        };
        (0..len).map(byte).collect()
    }

    fn chunk(first: u64, bytes: Vec<u8>) -> OpenChunk {
        let mut chunk = OpenChunk::starting_at(first);
        (chunk.bytes, chunk.count) = (bytes, 1);
        chunk
    }

    fn packed(chunks: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut packer = StreamPacker::begun();
        let pack = |(n, bytes): (u32, &Vec<u8>)| {
            packer.pack(n, &chunk(u64::from(n), bytes.clone()), 0).unwrap()
        };
        (0..).zip(chunks).map(pack).collect()
    }

    fn look<'a>(frames: &'a [Vec<u8>]) -> impl Fn(usize) -> Option<(Frame, &'a [u8])> {
        move |n| Frame::decode(frames.get(n)?)
    }

    #[test]
    fn what_was_in_the_chunk_before_is_not_written_again() {
        let text = noise(1, 100_000);
        let frames = packed(&[text.clone(), noise(2, 100_000), text.clone()]);
        assert!(frames[1].len() > 100_000);
        assert!(frames[2].len() < 1000, "{}", frames[2].len());
        let unpacker = StreamUnpacker::default();
        for _ in 0..2 {
            assert_eq!(*unpacker.chunk(2, look(&frames)).unwrap(), text);
            assert_eq!(*unpacker.chunk(1, look(&frames)).unwrap(), noise(2, 100_000));
        }
        assert_eq!(unpacker.chunk(3, look(&frames)), None);
    }

    #[test]
    fn each_chunk_is_whole_without_those_behind_it() {
        let chunks: Vec<_> = (0..40).map(|n| noise(n, 300_000)).collect();
        let frames = packed(&chunks);
        for last in 0..40 {
            let unpacker = StreamUnpacker::default();
            let chunk = unpacker.chunk(last, look(&frames[..=last]));
            assert_eq!(*chunk.unwrap(), chunks[last], "{last}");
        }
        let starts = frames.iter().filter(|frame| Frame::decode(frame).unwrap().0.nth == 0);
        assert_eq!(starts.count(), 4, "13 chunks of 300,000 bytes are a stream");
    }

    #[test]
    fn nobody_unpacks_more_than_the_frame_says() {
        let mut out = Vec::new();
        let bomb = vec![0; 10 << 20];
        frame((0, 0), 0, 1, &[0; 100], &zstd::bulk::compress(&bomb, 1).unwrap(), &mut out).unwrap();
        let frames = [out];
        assert_eq!(StreamUnpacker::default().chunk(0, look(&frames)), None);
    }

    #[test]
    fn in_haste_streams_are_packed_less_thoroughly() {
        let words =
            |n: &u8| [&b"word of "[..], b"another ", b"a third "][usize::from(n % 3)].to_vec();
        // A stream for each chunk.
        let text: Vec<u8> = noise(1, STREAM_BYTES / 8).iter().flat_map(words).collect();
        let mut packer = StreamPacker::begun();
        let mut pack = |n, waiting| packer.pack(n, &chunk(0, text.clone()), waiting).unwrap();
        let frames = [pack(0, 0), pack(1, MANY_WAIT + 1), pack(2, MANY_WAIT)];
        let payloads = frames.each_ref().map(|frame| Frame::decode(frame).unwrap().1);
        assert!(payloads[0] == payloads[2] && payloads[0] != payloads[1]);
        for n in 0..3 {
            assert_eq!(*StreamUnpacker::default().chunk(n, look(&frames)).unwrap(), text);
        }
    }

    #[test]
    fn a_stream_does_not_fill_the_memory() {
        let mut packer = StreamPacker::default();
        let chunk = chunk(0, vec![0; 1 << 20]);
        let one = packer.pack(0, &chunk, 0).unwrap();
        let other = packer.pack(1, &chunk, 0).unwrap();
        let (frame, payload) = Frame::decode(&other).unwrap();
        let frames = |n: usize| match u32::try_from(n).unwrap() {
            0 => Frame::decode(&one),
            nth => Some((Frame { nth, ..frame }, payload)),
        };
        let unpacker = StreamUnpacker::default();
        assert!(unpacker.chunk(3, frames).is_some());
        assert_eq!(unpacker.chunk(4, frames), None);
    }

    #[test]
    fn a_chunk_without_those_before_it_is_damaged() {
        let frames = packed(&[noise(1, 1000), noise(2, 1000), noise(3, 1000)]);
        let unpacker = StreamUnpacker::default();
        let swapped = [frames[1].clone(), frames[1].clone(), frames[2].clone()];
        assert_eq!(unpacker.chunk(2, look(&swapped)), None);
        assert_eq!(unpacker.chunk(0, look(&frames[1..])), None);
        assert!(unpacker.chunk(2, look(&frames)).is_some(), "a failure is not remembered");
    }
}

//! Frames of the remote protocol: `$payload#checksum`, acknowledgements, and the interrupt byte.
//!
//! (gdb manual, appendix E.1 "Overview" and E.10 "Packet Acknowledgment".)

/// The longest payload that is taken. A client is told of it as `PacketSize`.
pub(crate) const MOST: usize = 0x1_0000;

/// What stands for a byte that has a meaning in frames: `}` and the byte with this bit flipped.
const ESCAPE: u8 = b'}';
const FLIP: u8 = 0x20;

/// What a client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// A packet with the right checksum. Escapes in it are as they were sent.
    Packet(Vec<u8>),
    /// A packet with a wrong checksum: it is to be sent again.
    Broken,
    /// `+`: the last packet arrived.
    Ack,
    /// `-`: the last packet is to be sent again.
    Nack,
    /// The byte 3: whatever runs is to stop.
    Interrupt,
}

/// A packet that is longer than [`MOST`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a packet is longer than {MOST} bytes")]
pub(crate) struct TooLong;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Outside,
    Payload,
    Checksum(Option<u8>),
}

/// Takes bytes and gives frames. Keeps at most one packet.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    state: State,
    payload: Vec<u8>,
}

impl Decoder {
    /// Takes one byte; gives the frame that it ends, if it ends one.
    pub(crate) fn take(&mut self, byte: u8) -> Result<Option<Frame>, TooLong> {
        match (self.state, byte) {
            (State::Outside, b'+') => return Ok(Some(Frame::Ack)),
            (State::Outside, b'-') => return Ok(Some(Frame::Nack)),
            (State::Outside, 3) => return Ok(Some(Frame::Interrupt)),
            (State::Outside, b'$') => self.state = State::Payload,
            // Anything else between packets is noise.
            (State::Outside, _) => {}
            (State::Payload, b'#') => self.state = State::Checksum(None),
            // A packet that broke off: this is the next one.
            (State::Payload, b'$') => self.payload.clear(),
            (State::Payload, _) if self.payload.len() == MOST => return Err(TooLong),
            (State::Payload, _) => self.payload.push(byte),
            (State::Checksum(None), _) => self.state = State::Checksum(Some(byte)),
            (State::Checksum(Some(first)), _) => {
                self.state = State::Outside;
                let payload = std::mem::take(&mut self.payload);
                let sent = hex_digit(first).zip(hex_digit(byte)).map(|(h, l)| h << 4 | l);
                let right = sent == Some(checksum(&payload));
                return Ok(Some(if right { Frame::Packet(payload) } else { Frame::Broken }));
            }
        }
        Ok(None)
    }
}

/// A payload as it goes over the wire. The payload holds no byte that has a meaning in frames: see [`escape`].
pub(crate) fn encode(payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(payload.len() + 4);
    frame.push(b'$');
    frame.extend_from_slice(payload);
    frame.extend_from_slice(format!("#{:02x}", checksum(payload)).as_bytes());
    frame
}

/// Adds binary data to a payload.
pub(crate) fn escape(data: &[u8], payload: &mut Vec<u8>) {
    for &byte in data {
        match byte {
            // `*` would be a run length.
            b'#' | b'$' | b'*' | ESCAPE => payload.extend([ESCAPE, byte ^ FLIP]),
            _ => payload.push(byte),
        }
    }
}

/// How many of the first bytes of `data` fit into `room` bytes when they are escaped.
pub(crate) fn fitting(data: &[u8], room: usize) -> usize {
    let mut used = 0;
    let fits = data.iter().take_while(|&&byte| {
        used += if matches!(byte, b'#' | b'$' | b'*' | b'}') { 2 } else { 1 };
        used <= room
    });
    fits.count()
}

/// Binary data of a packet.
pub(crate) fn unescape(sent: &[u8]) -> Vec<u8> {
    let mut bytes = sent.iter();
    let mut data = Vec::with_capacity(sent.len());
    while let Some(&byte) = bytes.next() {
        match byte {
            ESCAPE => data.extend(bytes.next().map(|byte| byte ^ FLIP)),
            _ => data.push(byte),
        }
    }
    data
}

fn checksum(payload: &[u8]) -> u8 {
    payload.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

fn hex_digit(byte: u8) -> Option<u8> {
    u8::try_from(char::from(byte).to_digit(16)?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(bytes: &[u8]) -> Vec<Frame> {
        let mut decoder = Decoder::default();
        bytes.iter().filter_map(|&byte| decoder.take(byte).unwrap()).collect()
    }

    #[test]
    fn frames_of_a_session() {
        let frames = decode(b"+$qSupported:a#42-\x03$m0#9d$m0#9e$half$g#67");
        let packet = |text: &str| Frame::Packet(text.as_bytes().to_vec());
        let expected = [
            Frame::Ack,
            Frame::Broken,
            Frame::Nack,
            Frame::Interrupt,
            packet("m0"),
            Frame::Broken,
            packet("g"),
        ];
        assert_eq!(frames, expected);
    }

    #[test]
    fn a_packet_has_a_longest_length() {
        let mut decoder = Decoder::default();
        decoder.take(b'$').unwrap();
        for _ in 0..MOST {
            assert_eq!(decoder.take(b'x'), Ok(None));
        }
        assert_eq!(decoder.take(b'x'), Err(TooLong));
    }

    #[test]
    fn an_interrupt_byte_in_a_packet_is_data() {
        assert_eq!(decode(b"$X\x03#5b"), [Frame::Packet(b"X\x03".to_vec())]);
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(data: Vec<u8>) {
            let mut payload = Vec::new();
            escape(&data, &mut payload);
            let frames = decode(&encode(&payload));
            prop_assert_eq!(&frames, &[Frame::Packet(payload.clone())]);
            prop_assert_eq!(unescape(&payload), data);
        }

        #[test]
        fn what_fits_fits(data: Vec<u8>, room in 0_usize..40) {
            let count = fitting(&data, room);
            let mut payload = Vec::new();
            escape(&data[..count], &mut payload);
            prop_assert!(payload.len() <= room);
            prop_assert!(count == data.len() || payload.len() + 2 > room);
        }

        #[test]
        fn any_bytes_are_taken(bytes: Vec<u8>) {
            let mut decoder = Decoder::default();
            for byte in bytes {
                let _ = decoder.take(byte);
            }
        }
    }
}

//! Objects that are read in parts with `qXfer`.

use super::{REFUSED, Session};
use crate::framing::{MOST, escape, fitting};
use crate::packet::{Object, Transfer};
use crate::registers;

impl Session<'_> {
    pub(super) fn transfer(&mut self, transfer: &Transfer) -> Vec<u8> {
        let object = match transfer.object {
            Object::Features => {
                registers::file(&self.layout, &transfer.annex).map(String::into_bytes)
            }
            Object::Auxv => self.auxv(),
            Object::ExecFile => self.executable(),
            Object::SigInfo => Some(self.signal_info().to_vec()),
        };
        object.map_or(REFUSED.to_vec(), |object| part(&object, transfer.offset, transfer.len))
    }
}

/// `m` with bytes behind which there are more, `l` with the last ones.
fn part(object: &[u8], offset: usize, len: usize) -> Vec<u8> {
    let rest = object.get(offset..).unwrap_or_default();
    let wanted = rest.get(..len).unwrap_or(rest);
    let wanted = wanted.get(..fitting(wanted, MOST - 1)).unwrap_or(wanted);
    let mut reply = vec![if wanted.len() < rest.len() { b'm' } else { b'l' }];
    escape(wanted, &mut reply);
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_in_turn() {
        assert_eq!(part(b"abcdef", 0, 4), b"mabcd");
        assert_eq!(part(b"abcdef", 4, 4), b"lef");
        assert_eq!(part(b"abcdef", 6, 4), b"l");
        assert_eq!(part(b"abcdef", 99, 4), b"l");
        assert_eq!(part(b"a#", 0, 9), b"la}\x03");
    }
}

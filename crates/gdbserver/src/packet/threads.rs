//! Thread ids: `TID`, `pPID.TID`, with 0 for any and -1 for all.

use retake_model::Tid;

use super::split_once;
use crate::hex;

/// One number of a thread id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// This one.
    One(Tid),
    /// Any of them.
    Any,
    /// All of them.
    All,
}

/// A thread, as a client names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ThreadRef {
    /// Of which process; `Any` where the id says nothing.
    pub(crate) process: Which,
    /// Which thread.
    pub(crate) thread: Which,
}

impl ThreadRef {
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let Some(pair) = text.strip_prefix(b"p") else {
            return Some(Self { process: Which::Any, thread: Which::parse(text)? });
        };
        Some(match split_once(pair, b'.') {
            Some((process, thread)) => {
                Self { process: Which::parse(process)?, thread: Which::parse(thread)? }
            }
            // All threads of the process.
            None => Self { process: Which::parse(pair)?, thread: Which::All },
        })
    }
}

impl Which {
    fn parse(text: &[u8]) -> Option<Self> {
        if text == b"-1" {
            return Some(Self::All);
        }
        match i32::try_from(hex::number(text)?).ok()? {
            0 => Some(Self::Any),
            number => Some(Self::One(Tid::new(number))),
        }
    }
}

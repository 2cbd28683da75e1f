//! Serde helper: the effect within [`Effect::In`], which is no such effect itself.
//!
//! Nothing else that is recorded holds itself. Were it read to any depth, two bytes of a journal would take a call's
//! stack, and a chunk of 256 KiB all of it.

use std::cell::Cell;

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::events::event::Effect;

thread_local! {
    static IS_WITHIN: Cell<bool> = const { Cell::new(false) };
}

/// Until it goes away, an effect within another one is being read.
struct Within;

impl Within {
    fn begin() -> Option<Self> {
        (!IS_WITHIN.replace(true)).then_some(Self)
    }
}

impl Drop for Within {
    fn drop(&mut self) {
        IS_WITHIN.set(false);
    }
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Box<Effect>, D::Error> {
    let too_deep = || D::Error::custom("an effect on another space holds one on a third");
    let _within = Within::begin().ok_or_else(too_deep)?;
    Box::deserialize(from)
}

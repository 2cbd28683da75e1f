//! Effects of the event that is being made, encoded as they come.

use retake_model::Addr;

use crate::codec::{put, take};
use crate::events::event::Effect;

/// The effects of one event. Reused from event to event, so that a usual event allocates nothing.
#[derive(Debug, Default)]
pub struct EffectBuffer {
    encoded: Vec<u8>,
    count: u32,
}

/// Index of [`Effect::Write`] among the variants, as bincode encodes it.
const WRITE_VARIANT: u8 = 0;

impl EffectBuffer {
    /// No effects.
    pub fn new() -> Self {
        Self::default()
    }

    /// Drops all effects.
    pub fn clear(&mut self) {
        self.encoded.clear();
        self.count = 0;
    }

    /// How many there are.
    pub fn len(&self) -> u32 {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds one.
    pub fn push(&mut self, effect: &Effect) {
        put(effect, &mut self.encoded);
        self.count += 1;
    }

    /// Adds an [`Effect::Write`] of up to `len` bytes that `fill` puts in place; it says how many it
    /// did. The bytes are copied nowhere else.
    pub fn write_with(&mut self, addr: Addr, len: usize, fill: impl FnOnce(&mut [u8]) -> usize) {
        if len == 0 {
            return;
        }
        let start = self.encoded.len();
        self.encoded.push(WRITE_VARIANT);
        put(&addr, &mut self.encoded);
        put(&(len as u64), &mut self.encoded);
        let data = self.encoded.len();
        self.encoded.resize(data + len, 0);
        let filled = self.encoded.get_mut(data..).map_or(0, fill);
        if filled < len {
            let bytes = self.encoded.get(data..data + filled).unwrap_or_default().to_vec();
            self.encoded.truncate(start);
            if !bytes.is_empty() {
                self.push(&Effect::Write { addr, bytes });
            }
            return;
        }
        self.count += 1;
    }

    /// Adds an [`Effect::Write`] of these bytes.
    pub fn write(&mut self, addr: Addr, bytes: &[u8]) {
        self.write_with(addr, bytes.len(), |out| {
            out.copy_from_slice(bytes);
            bytes.len()
        });
    }

    /// All of them, decoded again.
    pub fn decode(&self) -> Vec<Effect> {
        let mut rest = self.encoded.as_slice();
        let mut effects = Vec::new();
        while let Some(effect) = take(&mut rest) {
            effects.push(effect);
        }
        effects
    }

    pub(crate) fn encoded(&self) -> &[u8] {
        &self.encoded
    }
}

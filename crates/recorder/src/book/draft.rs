//! The event that is being made.

use std::cell::RefCell;
use std::rc::Rc;

use retake_model::Addr;
use retake_recording::{Effect, EffectBuffer};

/// Buffers of drafts that came to their ends. Nearly always one draft is made at a time, so one buffer is
/// used again and again.
pub(super) type Spare = Rc<RefCell<Vec<EffectBuffer>>>;

/// The effects of an event that may come to be. Dropped, it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(super) effects: EffectBuffer,
    spare: Spare,
}

impl Draft {
    pub(super) fn new(spare: &Spare) -> Self {
        let effects = spare.borrow_mut().pop().unwrap_or_default();
        Self { effects, spare: Rc::clone(spare) }
    }

    /// Adds an effect.
    pub(crate) fn add(&mut self, effect: &Effect) {
        self.effects.push(effect);
    }

    /// Adds these bytes of memory.
    pub(crate) fn write(&mut self, addr: Addr, bytes: &[u8]) {
        self.effects.write(addr, bytes);
    }

    /// Adds up to `len` bytes of memory that `fill` puts in place; it says how many it did.
    pub(crate) fn write_with(
        &mut self,
        addr: Addr,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) {
        self.effects.write_with(addr, len, fill);
    }

    /// The effects, as the recording takes them.
    pub(crate) fn effects(&mut self) -> &mut EffectBuffer {
        &mut self.effects
    }

    /// How many effects it has.
    pub(crate) fn count(&self) -> u32 {
        self.effects.len()
    }

    /// Whether nothing was added.
    pub(crate) fn is_empty(&self) -> bool {
        self.effects.is_empty()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let mut effects = std::mem::take(&mut self.effects);
        effects.clear();
        self.spare.borrow_mut().push(effects);
    }
}

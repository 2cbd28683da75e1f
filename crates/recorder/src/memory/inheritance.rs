//! What a forked process gets of its parent's memory.

use retake_model::SpaceId;
use retake_recording::Effect;

use crate::book::Draft;
use crate::error::RecordError;
use crate::memory::marks::Fork;
use crate::world::World;

impl World {
    /// Takes away from a forked process, whose space is a copy, what it does not get.
    pub(crate) fn inherit(&mut self, draft: &mut Draft, child: SpaceId) -> Result<(), RecordError> {
        let space = self.space(child)?;
        let marked = space.inheritance.ranges.clone();
        for (range, mark) in marked {
            for part in self.space(child)?.table.parts(range).into_iter().map(|m| m.range) {
                let effect = match mark {
                    Fork::Absent => Effect::Unmap { range: part },
                    Fork::Wiped => Effect::Discard { range: part },
                };
                self.change_space(child, &effect)?;
                draft.add(&Effect::In { space: child, effect: Box::new(effect) });
            }
        }
        Ok(())
    }
}

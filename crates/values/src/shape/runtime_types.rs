//! The names of types as Go's runtime has them in memory (internal/abi/type.go).

use std::sync::Arc;

use retake_model::Addr;

use crate::dwarf::Info;
use crate::space::Space;

/// Where the offset of a name is in a description (`Str`), and the flags (`TFlag`).
const NAME_AT: u64 = 40;
const FLAGS_AT: u64 = 20;
/// The name has a star in front that is not meant (`TFlagExtraStar`).
const EXTRA_STAR: u8 = 2;
/// Longer names are cut.
const MAX_NAME: usize = 1024;

/// The name of the type that is described at an address, if something like one is there.
pub(super) fn name_at(info: &Arc<Info>, at: Addr, space: &dyn Space) -> Option<String> {
    let types = info.module().object_named("runtime.types")?.get();
    let types = types.wrapping_add(space.bias(info)?);
    let byte = |addr: u64| {
        let mut byte = [0];
        space.read_all(Addr::new(addr), &mut byte).ok()?;
        Some(byte[0])
    };
    let mut offset = [0; 4];
    space.read_all(Addr::new(at.get().wrapping_add(NAME_AT)), &mut offset).ok()?;
    let name = types.wrapping_add(u32::from_le_bytes(offset).into());
    // A byte of flags, the length as a LEB128 number, the text.
    let (mut length, mut shift, mut next) = (0_usize, 0, name.wrapping_add(1));
    loop {
        let part = byte(next)?;
        next = next.wrapping_add(1);
        length |= usize::from(part & 0x7f).checked_shl(shift)?;
        shift += 7;
        if part & 0x80 == 0 {
            break;
        }
        if shift > 14 {
            return None;
        }
    }
    let mut text = vec![0; length.min(MAX_NAME)];
    space.read_all(Addr::new(next), &mut text).ok()?;
    let text = String::from_utf8(text).ok().filter(|text| !text.is_empty())?;
    let has_star = byte(at.get().wrapping_add(FLAGS_AT))? & EXTRA_STAR != 0;
    let plain = text.strip_prefix('*').filter(|_| has_star);
    Some(plain.map_or_else(|| text.clone(), str::to_owned))
}

//! The loader's own timings.
//!
//! The C library's loader looks at the time-stamp counter some ten times in each process, for what it prints with
//! `LD_DEBUG=statistics` (glibc, elf/rtld.c). Each look is a stop. Where nobody has asked for that nothing comes of them:
//! they are taken out, and what the loader has then for times are the registers as they were.

use std::collections::BTreeMap;
use std::fs::File;
use std::rc::Rc;

use retake_abi::ReadMemory;
use retake_model::{AddrRange, FileOffset, Tid};
use retake_recording::{FileKey, RecordingWriter};

use super::find::{Found, Wanted, found_in};
use crate::memory::page_patches::PagePatches;

/// Two bytes that do nothing: `xchg ax, ax` (Intel SDM vol. 2, NOP).
const NOTHING: [u8; 2] = [0x66, 0x90];
/// The variable of the environment that asks a loader to tell what it does (ld.so(8)).
const DEBUG: &[u8] = b"LD_DEBUG=";

/// What is known of loaders, for as long as the recording lasts.
#[derive(Debug, Default)]
pub(crate) struct Clocks(BTreeMap<FileKey, Rc<[Found]>>);

impl Clocks {
    /// Takes them out of a part of the loader that is mapped in a fresh image of `tid`.
    pub(crate) fn take_out(
        &mut self,
        file: &File,
        place: (AddrRange, FileOffset),
        (tid, writer): (Tid, &RecordingWriter),
        patches: &mut PagePatches,
    ) {
        if is_asked_to_tell(tid) {
            return;
        }
        for found in self.of(file, writer).iter() {
            let Some(at) = found.place_in(place) else { continue };
            let mut now = [0; NOTHING.len()];
            if patches.read(at, &mut now) && now == *found.code {
                patches.put(at, &NOTHING);
            }
        }
    }

    fn of(&mut self, file: &File, writer: &RecordingWriter) -> Rc<[Found]> {
        let Ok(key) = file.metadata().map(|meta| FileKey::of(&meta)) else { return Rc::default() };
        let find = || found_in(file, key, Wanted::Clock, writer).into();
        Rc::clone(self.0.entry(key).or_insert_with(find))
    }
}

/// Whether the environment of a fresh image has that variable. Where that cannot be read it may have.
fn is_asked_to_tell(tid: Tid) -> bool {
    let environment = std::fs::read(format!("/proc/{tid}/environ"));
    environment.map_or(true, |all| all.split(|byte| *byte == 0).any(|one| one.starts_with(DEBUG)))
}

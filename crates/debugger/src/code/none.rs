//! A reader that knows no code: breakpoints at addresses work, names and lines do not.

use retake_model::{Addr, Registers};

use super::{CodeFile, CodeModule, CodeReader, Loaded, RawFrame};

/// Understands no file.
#[derive(Clone, Copy, Debug)]
pub struct NoCode;

impl CodeReader for NoCode {
    fn parse(&self, _file: CodeFile) -> Result<Box<dyn CodeModule>, String> {
        Err("this build of retake reads no symbols".to_owned())
    }

    fn unwind(
        &self,
        _loaded: &[Loaded<'_>],
        registers: &Registers,
        _read: &mut dyn FnMut(Addr) -> Option<u64>,
        max: usize,
    ) -> Vec<RawFrame> {
        let (pc, sp) = (registers.pc(), registers.sp());
        let first = RawFrame { pc, lookup: pc, sp };
        std::iter::once(first).take(max).collect()
    }
}

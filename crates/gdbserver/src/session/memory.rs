//! Registers and memory of the thread that is looked at.

use std::sync::atomic::Ordering;

use retake_model::Addr;

use super::{Outcome, REFUSED, Session};
use crate::framing::MOST;
use crate::hex;
use crate::link::{Link, Run};

/// Memory is searched in pieces.
const PIECE: usize = 1 << 20;

impl Session<'_> {
    pub(super) fn registers(&self) -> Vec<u8> {
        let task = self.looked_at();
        let (general, vector) =
            (self.state().program_registers(task), self.state().vector_registers(task));
        match (general, vector) {
            (Ok(general), Ok(vector)) => hex::encode(&self.layout.values(&general, &vector)).into(),
            _ => REFUSED.to_vec(),
        }
    }

    pub(super) fn register(&self, number: usize) -> Vec<u8> {
        let task = self.looked_at();
        let (general, vector) =
            (self.state().program_registers(task), self.state().vector_registers(task));
        let (Ok(general), Ok(vector)) = (general, vector) else { return REFUSED.to_vec() };
        let value = self.layout.value(number, &general, &vector);
        value.map_or(REFUSED.to_vec(), |value| hex::encode(&value).into())
    }

    /// As much as there is; nothing at all is an error.
    pub(super) fn memory(&self, addr: Addr, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len.min(MOST / 2)];
        match self.state().read_some(self.looked_at(), addr, &mut bytes) {
            Ok(0) if len > 0 => REFUSED.to_vec(),
            Ok(got) => hex::encode(bytes.get(..got).unwrap_or_default()).into(),
            Err(_) => REFUSED.to_vec(),
        }
    }

    /// Looks for a pattern, up to the first byte that is not there.
    pub(super) fn search(&self, addr: Addr, len: u64, pattern: &[u8], link: &Link) -> Outcome {
        link.running().begin(REFUSED.to_vec());
        let found = self.find(addr, len, pattern);
        Outcome::Reply(match (link.running().end(), found) {
            (Run::Answered, _) => return Outcome::Answered,
            (Run::Over, Ok(Some(found))) => format!("1,{:x}", found.get()).into_bytes(),
            (Run::Over, Ok(None)) => b"0".to_vec(),
            (Run::Interrupted, _) | (Run::Over, Err(())) => REFUSED.to_vec(),
        })
    }

    fn find(&self, addr: Addr, len: u64, pattern: &[u8]) -> Result<Option<Addr>, ()> {
        if pattern.is_empty() {
            return Ok(Some(addr));
        }
        let task = self.looked_at();
        let interrupt = self.execution.interrupter();
        let mut at = addr;
        let mut left = len;
        let mut piece = vec![0; PIECE.max(pattern.len() * 2)];
        loop {
            let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
            let Some(room) = piece.get_mut(..wanted) else { return Ok(None) };
            let got = self.state().read_some(task, at, room).map_err(|_| ())?;
            let bytes = piece.get(..got).unwrap_or_default();
            if let Some(found) = bytes.windows(pattern.len()).position(|part| part == pattern) {
                return Ok(at.checked_add(found as u64));
            }
            // The rest may begin with the start of the pattern.
            let step = got.saturating_sub(pattern.len() - 1) as u64;
            let next = at.checked_add(step).filter(|_| step > 0 && got == wanted);
            let Some(next) = next.filter(|_| left > got as u64) else {
                return if got == 0 { Err(()) } else { Ok(None) };
            };
            if interrupt.load(Ordering::SeqCst) {
                return Err(());
            }
            (at, left) = (next, left - step);
        }
    }
}

//! Sets of CPUs as the kernel has them: bit n of the bytes is CPU n.
#![expect(unsafe_code, reason = "affinity calls have no safe form for sets of any size")]

use std::io;

use nix::libc;
use retake_model::Tid;

/// Room for the set of any kernel: 65,536 CPUs.
const ROOM: usize = 8192;
/// Sizes are multiples of this (sched_getaffinity(2), `sizeof(long)`).
const WORD: usize = 8;

/// What the kernel says of its sets (sched_setaffinity(2), "C library/kernel differences").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AffinityForm {
    /// Buffers with fewer bytes are refused.
    pub least: usize,
    /// The bytes of a set.
    pub len: usize,
}

fn read(tid: Tid, room: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0_u8; room];
    let (call, number) = (libc::SYS_sched_getaffinity, tid.get());
    // SAFETY: `bytes` is valid for writes of `room` bytes.
    let got = unsafe { libc::syscall(call, number, room, bytes.as_mut_ptr()) };
    let len = usize::try_from(got).map_err(|_| io::Error::last_os_error())?;
    bytes.truncate(len);
    Ok(bytes)
}

/// The CPUs that the system lets a task run on. 0 is the calling thread.
///
/// # Errors
/// When there is no such task.
pub fn affinity_of(tid: Tid) -> io::Result<Vec<u8>> {
    read(tid, ROOM)
}

/// How large sets are.
///
/// # Errors
/// When the system does not say.
pub fn affinity_form() -> io::Result<AffinityForm> {
    let own = Tid::new(0);
    let len = read(own, ROOM)?.len();
    let least = (WORD..len).step_by(WORD).find(|room| read(own, *room).is_ok());
    Ok(AffinityForm { least: least.unwrap_or(len), len })
}

/// The CPUs that the calling thread could be bound to: those of its cpuset (cpuset(7)).
///
/// # Errors
/// When the system does not say.
pub fn widest_affinity() -> io::Result<Vec<u8>> {
    let own = Tid::new(0);
    let now = affinity_of(own)?;
    let set = |bytes: &[u8]| {
        let call = libc::SYS_sched_setaffinity;
        // SAFETY: `bytes` is valid for reads of its length; 0 is the calling thread.
        let result = unsafe { libc::syscall(call, 0, bytes.len(), bytes.as_ptr()) };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    };
    set(&vec![0xff; now.len()])?;
    let widest = affinity_of(own)?;
    set(&now)?;
    Ok(widest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_thread_may_use_is_part_of_what_it_could_use() {
        let own = Tid::new(0);
        let before = affinity_of(own).unwrap();
        let widest = widest_affinity().unwrap();
        assert_eq!(affinity_of(own).unwrap(), before, "it is bound as before");
        assert!(before.iter().zip(&widest).all(|(now, widest)| now & !widest == 0));
        let form = affinity_form().unwrap();
        assert_eq!(form.len, before.len());
        assert!(form.least <= form.len && form.least.is_multiple_of(WORD), "{form:?}");
        assert!(read(own, form.least).is_ok());
    }
}

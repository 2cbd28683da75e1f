//! What the code is told of descriptors.

use std::collections::BTreeMap;

use retake_model::Addr;
use retake_tracee::fast::{FD_COUNT, FD_KINDS, FdKind, PLAIN_DEVICE_COUNT, PLAIN_DEVICES};

use crate::files::descriptors::{Identity, descriptor};

/// A descriptor that was looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) kind: FdKind,
    /// The file that it writes to.
    pub(super) writes_to: Option<Identity>,
}

/// The descriptors of the processes with one address space.
#[derive(Clone, Debug, Default)]
pub(crate) struct KnownFds {
    pub(super) known: BTreeMap<i32, Known>,
    /// Devices with files that never wait, as the code is told them.
    pub(super) devices: Vec<u64>,
    /// Others have these descriptors too: they would have to be told.
    pub(super) are_shared: bool,
}

impl KnownFds {
    /// The descriptor was closed by the code, which has taken it out of the table.
    pub(super) fn closed(&mut self, fd: u64) {
        self.known.remove(&descriptor(fd));
    }

    /// The code has found that a file that was just opened can be read: where the table says so, and what.
    pub(super) fn opened(&mut self, fd: i64, kind: FdKind) -> Option<(Addr, [u8; 1])> {
        let fd = i32::try_from(fd).ok()?;
        let place = place(fd)?;
        self.known.insert(fd, Known { kind, writes_to: None });
        Some((place, [kind.byte()]))
    }

    /// A device that the code is not told yet: where it is to stand.
    pub(super) fn place_for_device(&mut self, device: u64) -> Option<Addr> {
        let n = self.devices.len();
        if n == PLAIN_DEVICE_COUNT || self.devices.contains(&device) {
            return None;
        }
        self.devices.push(device);
        PLAIN_DEVICES.checked_add(8 * n as u64)
    }

    /// Takes those out of which this is so; gives the ones that the table says something of.
    pub(super) fn take(&mut self, mut is: impl FnMut(i32, &Known) -> bool) -> Vec<i32> {
        let mut told = Vec::new();
        self.known.retain(|fd, known| {
            let gone = is(*fd, known);
            if gone && known.kind != FdKind::UNKNOWN {
                told.push(*fd);
            }
            !gone
        });
        told
    }
}

/// Where the table has a descriptor.
pub(super) fn place(fd: i32) -> Option<Addr> {
    let fd = u64::try_from(fd).ok().filter(|fd| *fd < FD_COUNT as u64)?;
    FD_KINDS.checked_add(fd)
}
